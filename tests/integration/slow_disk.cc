// Preloaded into coordd: a disk that is slow, and a list of who waited for it.
//
// Every sync takes COORD_TEST_SYNC_MS longer. Each one that a process's first thread asks for,
// which runs its loop, is a line in the file COORD_TEST_LOOP_SYNCS: the process's number and the
// call.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace {

void take_long(const char* call) {
  if (::syscall(SYS_gettid) == ::getpid()) {
    const int file = ::open(std::getenv("COORD_TEST_LOOP_SYNCS"),
                            O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    ::dprintf(file, "%d %s\n", ::getpid(), call);
    ::close(file);
  }
  const timespec time{0, std::atol(std::getenv("COORD_TEST_SYNC_MS")) * 1'000'000};
  ::nanosleep(&time, nullptr);  // not a wait for something: it is the slowness
}

}  // namespace

extern "C" {

int fsync(int file) {
  take_long("fsync");
  return static_cast<int>(::syscall(SYS_fsync, file));
}
int fdatasync(int file) {
  take_long("fdatasync");
  return static_cast<int>(::syscall(SYS_fdatasync, file));
}
int msync(void* begin, std::size_t bytes, int flags) {
  if ((flags & MS_SYNC) != 0) take_long("msync");
  return static_cast<int>(::syscall(SYS_msync, begin, bytes, flags));
}

}  // extern "C"
