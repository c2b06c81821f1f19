#include "service/store/copier.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <span>
#include <system_error>
#include <utility>

#include "service/store/read_ahead.h"
#include "service/store/sleep.h"
#include "service/store/store_file.h"
#include "service/store/worker.h"

namespace coord::service {

namespace {

// Also how much the kernel lets a pipe hold.
constexpr std::size_t kPortion = std::size_t{1} << 20;

struct Pipe {
  FileDescriptor out;
  FileDescriptor in;
};
Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return make_error(ErrorCode::kIo, "cannot make a pipe: {}", std::strerror(errno));
  }
  Pipe pipe{FileDescriptor(ends[0]), FileDescriptor(ends[1])};
  // Where that is refused, smaller portions do too.
  static_cast<void>(::fcntl(pipe.in.get(), F_SETPIPE_SZ, static_cast<int>(kPortion)));
  return pipe;
}

// A reader that has gone is an error of the write, not a signal.
void block_sigpipe() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGPIPE);
  static_cast<void>(::pthread_sigmask(SIG_BLOCK, &set, nullptr));
}

std::chrono::nanoseconds time_for(std::uint64_t bytes, std::uint64_t bytes_per_second) {
  if (bytes_per_second == 0) return {};
  const double time = static_cast<double>(bytes) / static_cast<double>(bytes_per_second);
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(time));
}

}  // namespace

Copier::Copier(std::shared_ptr<Environment> environment, CopyOptions options,
               std::function<void(Result<Snapshot>)> finished)
    : environment_(std::move(environment)),
      options_(std::move(options)),
      finished_(std::move(finished)),
      thread_([this](const std::stop_token& stop) {
        // It does not give way: the longer it takes, the more LMDB's file grows. That others come
        // first is seen to by its pace.
        finished_(copy(stop));
      }) {}

Result<Snapshot> Copier::copy(const std::stop_token& stop) {
  const std::filesystem::path draft = options_.target.string() + ".tmp";
  const auto made = [&]() -> Result<Snapshot> {
    // It is read once more, when it is sent.
    auto file = PacedFile::create(draft, {.drop_written = true});
    if (!file.ok()) return file.error();
    // LMDB goes through its pages in the order of the keys, and would wait for each.
    read_ahead(environment_->data_file(), stop);
    Hasher64 hasher;
    if (Status status = pump(stop, *file, hasher); !status.ok()) return status.error();
    if (Status status = file->sync(); !status.ok()) return status.error();
    // The copy says itself of when it is: LMDB's own transaction, which made it, does not.
    auto content = content_of(draft, options_.read_content);
    if (!content.ok()) return content.error();
    if (Status status = rename_durably(draft, options_.target); !status.ok()) return status.error();
    return Snapshot{options_.target, file->size(), hasher.value(), *std::move(content)};
  }();
  if (!made.ok()) {
    std::error_code ignored;
    std::filesystem::remove(draft, ignored);
  }
  return made;
}

Status Copier::pump(const std::stop_token& stop, PacedFile& file, Hasher64& hasher) {
  auto pipe = make_pipe();
  if (!pipe.ok()) return pipe.error();
  int code = MDB_SUCCESS;
  std::thread source;
  try {
    source = std::thread([this, &code, &in = pipe->in] {
      block_sigpipe();
      code = mdb_env_copyfd2(environment_->env(), in.get(), MDB_CP_COMPACT);
      in.close();
    });
  } catch (const std::system_error& refused) {
    return no_thread(refused);
  }
  Status drained = drain(stop, pipe->out.get(), file, hasher);
  // If it was left early, LMDB's next write fails and the copy ends.
  pipe->out.close();
  source.join();
  if (!drained.ok()) return drained;
  if (code != MDB_SUCCESS) return environment_->describe({code, "env_copy"});
  return Status::success();
}

Status Copier::drain(const std::stop_token& stop, int pipe, PacedFile& file, Hasher64& hasher) {
  const auto buffer = std::make_unique<std::byte[]>(kPortion);
  const auto begun_at = std::chrono::steady_clock::now();
  while (sleep_until(stop, begun_at + time_for(file.size(), options_.bytes_per_second))) {
    const ssize_t got = ::read(pipe, buffer.get(), kPortion);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return make_error(ErrorCode::kIo, "cannot read: {}", std::strerror(errno));
    if (got == 0) return Status::success();
    const std::span<const std::byte> portion(buffer.get(), static_cast<std::size_t>(got));
    hasher.update(portion);
    if (Status status = file.append(portion); !status.ok()) return status;
    environment_->look_after_memory();
  }
  return make_error(ErrorCode::kCancelled, "the copy was cancelled");
}

}  // namespace coord::service
