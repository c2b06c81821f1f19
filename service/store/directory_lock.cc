#include "service/store/directory_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

namespace coord::service {

Result<DirectoryLock> DirectoryLock::take(const std::filesystem::path& directory) {
  std::error_code failure;
  std::filesystem::create_directories(directory, failure);
  if (failure) {
    return make_error(ErrorCode::kIo, "cannot create {}: {}", directory.string(),
                      failure.message());
  }
  const std::string path = (directory / "lock").string();
  DirectoryLock lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (lock.fd_ < 0) {
    return make_error(ErrorCode::kIo, "cannot open {}: {}", path, std::strerror(errno));
  }
  if (::flock(lock.fd_, LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno == EWOULDBLOCK) {
    return make_error(ErrorCode::kInUse, "the data directory {} is in use by another process",
                      directory.string());
  }
  return make_error(ErrorCode::kIo, "cannot lock {}: {}", path, std::strerror(errno));
}

DirectoryLock::~DirectoryLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace coord::service
