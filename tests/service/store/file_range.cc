#include "tests/service/store/file_range.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <mutex>
#include <utility>

namespace coord::service {

namespace {

using Hook = std::function<int(int, unsigned)>;

std::mutex mutex;
// Shared with a call that goes on while the object is destroyed.
std::shared_ptr<const Hook> current;

}  // namespace

FileRangeHook::FileRangeHook(Hook hook) {
  const std::lock_guard lock(mutex);
  current = std::make_shared<const Hook>(std::move(hook));
}

FileRangeHook::~FileRangeHook() {
  const std::lock_guard lock(mutex);
  current = nullptr;
}

}  // namespace coord::service

extern "C" int sync_file_range(int file, off64_t offset, off64_t bytes, unsigned flags) {
  std::shared_ptr<const coord::service::Hook> hook;
  {
    const std::lock_guard lock(coord::service::mutex);
    hook = coord::service::current;
  }
  if (const int failed = hook ? (*hook)(file, flags) : 0; failed != 0) {
    errno = failed;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_sync_file_range, file, offset, bytes, flags));
}
