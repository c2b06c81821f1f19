#include "service/store/paced_sync.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "raft/base/check.h"
#include "service/store/files.h"
#include "service/store/layers.h"

namespace coord::service {

namespace {

// A flush of scattered writes has some thousands of pages: some tens of them in a part.
constexpr std::int64_t kParts = 64;
constexpr std::int64_t kPartBytesMin = std::int64_t{1} << 20;

thread_local PacedSync* pacing = nullptr;

}  // namespace

PacedSync::PacedSync(MDB_env* env, std::function<void(double)> advanced)
    : advanced_(std::move(advanced)) {
  CHECK(pacing == nullptr, "one at a time");
  lmdb_must(mdb_env_get_fd(env, &file_), "env_get_fd");
  pacing = this;
}

PacedSync::~PacedSync() {
  pacing = nullptr;
}

bool PacedSync::before_sync(int file) noexcept {
  return pacing == nullptr || pacing->file_ != file || pacing->write_parts();
}

// An error of the disk that is told here is not told to the sync any more: it is one of the sync's.
bool PacedSync::write_parts() {
  if (!can_push_out(file_)) return true;
  struct stat status {};
  if (::fstat(file_, &status) != 0) return false;
  const std::int64_t part = std::max(status.st_size / kParts + 1, kPartBytesMin);
  for (std::int64_t at = 0; at < status.st_size; at += part) {
    if (!push_out(
            file_, at, part,
            SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER)) {
      return false;
    }
    if (advanced_) {
      advanced_(static_cast<double>(std::min(at + part, status.st_size)) /
                static_cast<double>(status.st_size));
    }
  }
  return true;
}

}  // namespace coord::service

extern "C" int fdatasync(int file) {
  using Call = int (*)(int);
  static const Call next = reinterpret_cast<Call>(::dlsym(RTLD_NEXT, "fdatasync"));
  CHECK(next != nullptr, "a C library that can be asked for its functions");
  if (!coord::service::PacedSync::before_sync(file)) return -1;
  return next(file);
}
