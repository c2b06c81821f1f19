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

Error cancelled_error() {
  return make_error(ErrorCode::kCancelled, "the copy was cancelled");
}

}  // namespace

Copier::Copier(std::shared_ptr<Environment> environment, CopyOptions options,
               std::function<void(Result<Snapshot>)> finished)
    : environment_(std::move(environment)),
      options_(std::move(options)),
      finished_(std::move(finished)),
      begun_at_(std::chrono::steady_clock::now()),
      thread_([this] {
        // It does not give way: the longer it takes, the more LMDB's file grows. That others come
        // first is seen to by its pace.
        finished_(copy());
      }) {}

Copier::~Copier() {
  cancel();
  thread_.join();
}

void Copier::cancel() {
  {
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
  }
  wake_.notify_one();
}

Result<Snapshot> Copier::copy() {
  const std::filesystem::path draft = options_.target.string() + ".tmp";
  const auto made = [&]() -> Result<Snapshot> {
    auto file = PacedFile::create(draft);
    if (!file.ok()) return file.error();
    Hasher64 hasher;
    if (Status status = pump(*file, hasher); !status.ok()) return status.error();
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

Status Copier::pump(PacedFile& file, Hasher64& hasher) {
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
  Status drained = drain(pipe->out.get(), file, hasher);
  // If it was left early, LMDB's next write fails and the copy ends.
  pipe->out.close();
  source.join();
  if (!drained.ok()) return drained;
  if (code != MDB_SUCCESS) return environment_->describe({code, "env_copy"});
  return Status::success();
}

Status Copier::drain(int pipe, PacedFile& file, Hasher64& hasher) {
  const auto buffer = std::make_unique<std::byte[]>(kPortion);
  while (pace(file.size())) {
    const ssize_t got = ::read(pipe, buffer.get(), kPortion);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return make_error(ErrorCode::kIo, "cannot read: {}", std::strerror(errno));
    if (got == 0) return Status::success();
    const std::span<const std::byte> portion(buffer.get(), static_cast<std::size_t>(got));
    hasher.update(portion);
    if (Status status = file.append(portion); !status.ok()) return status;
    environment_->look_after_memory();
  }
  return cancelled_error();
}

bool Copier::pace(std::uint64_t bytes) {
  std::unique_lock lock(mutex_);
  if (options_.bytes_per_second == 0) return !cancelled_;
  const double due = static_cast<double>(bytes) / static_cast<double>(options_.bytes_per_second);
  const auto until = begun_at_ + std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                                     std::chrono::duration<double>(due));
  wake_.wait_until(lock, until, [this] { return cancelled_; });
  return !cancelled_;
}

}  // namespace coord::service
