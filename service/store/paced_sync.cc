#include "service/store/paced_sync.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

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

PacedSync::PacedSync(MDB_env* env, Progress progress) : progress_(std::move(progress)) {
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

void PacedSync::after_write(int file, ssize_t bytes) noexcept {
  if (pacing == nullptr || pacing->file_ != file || bytes <= 0) return;
  if (pacing->progress_.given) pacing->progress_.given(static_cast<std::uint64_t>(bytes));
}

// An error of the disk that is told here is not told to the sync any more: it is one of the sync's.
bool PacedSync::write_parts() {
  if (!can_push_out(file_)) return true;
  struct stat status {};
  if (::fstat(file_, &status) != 0) return false;
  const std::int64_t part = std::max(status.st_size / kParts + 1, kPartBytesMin);
  if (progress_.written) progress_.written(0);
  for (std::int64_t at = 0; at < status.st_size; at += part) {
    if (!push_out(
            file_, at, part,
            SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER)) {
      return false;
    }
    if (progress_.written) {
      progress_.written(static_cast<double>(std::min(at + part, status.st_size)) /
                        static_cast<double>(status.st_size));
    }
  }
  return true;
}

}  // namespace coord::service

namespace {

// The C library's, which the one below stands before.
template <class Call>
Call next_of(const char* name) {
  const auto next = reinterpret_cast<Call>(::dlsym(RTLD_NEXT, name));
  CHECK(next != nullptr, "a C library that can be asked for its functions");
  return next;
}

}  // namespace

extern "C" int fdatasync(int file) {
  static const auto next = next_of<int (*)(int)>("fdatasync");
  if (!coord::service::PacedSync::before_sync(file)) return -1;
  return next(file);
}

extern "C" ssize_t pwrite(int file, const void* data, size_t size, off_t at) {
  static const auto next = next_of<ssize_t (*)(int, const void*, size_t, off_t)>("pwrite");
  const ssize_t written = next(file, data, size, at);
  coord::service::PacedSync::after_write(file, written);
  return written;
}

extern "C" ssize_t writev(int file, const iovec* pieces, int count) {
  static const auto next = next_of<ssize_t (*)(int, const iovec*, int)>("writev");
  const ssize_t written = next(file, pieces, count);
  coord::service::PacedSync::after_write(file, written);
  return written;
}
