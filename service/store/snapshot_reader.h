// A snapshot's file, read in pieces for whoever is sent it. On a thread of its own: what has left
// the page cache meanwhile comes from the disk, and that may take longer than the loop may wait.
// What was read leaves the page cache, in strides of some MiB: whoever else is sent the same file,
// later, has it read from the disk again.
//
// Loop thread.
#pragma once

#include <functional>
#include <memory>

#include "raft/base/bytes.h"
#include "service/store/files.h"
#include "service/store/worker.h"

namespace coord::service {

class SnapshotReader {
 public:
  static constexpr std::size_t kChunkBytesMax = std::size_t{1} << 20;

  // kIo. The file may be removed from its directory after that.
  static Result<std::unique_ptr<SnapshotReader>> open(const std::filesystem::path& file,
                                                      Worker::Post post);

  // At most `bytes_max`, and at most kChunkBytesMax, from there; less at the end of the file, and
  // nothing behind it. `done` runs on the loop's thread, in the order of the calls, and not after
  // the reader is gone.
  void read(std::uint64_t offset, std::size_t bytes_max, std::function<void(Result<Bytes>)> done);

  // As Worker::stop(): nothing is read after this, and no `done` that was not posted before runs.
  void stop() { worker_.stop(); }

 private:
  SnapshotReader(std::filesystem::path path, FileDescriptor file, Worker::Post post)
      : path_(std::move(path)), file_(std::move(file)), worker_(std::move(post)) {}

  const std::filesystem::path path_;
  const FileDescriptor file_;
  Worker worker_;  // last: it reads the file
};

}  // namespace coord::service
