#include "service/store/snapshot_receiver.h"

#include <system_error>
#include <utility>

#include "service/store/environment.h"
#include "service/store/paced_file.h"
#include "service/store/store_file.h"

namespace coord::service {

// The worker's side: the file, and what went wrong with it.
struct SnapshotReceiver::Staging {
  explicit Staging(const ReceiverOptions& options) : options(options) {}

  void remove() {
    file.reset();
    std::error_code ignored;
    std::filesystem::remove_all(options.directory, ignored);
  }

  Status begin(std::uint64_t bytes) {
    remove();
    std::error_code error;
    std::filesystem::create_directories(options.directory, error);
    if (error) {
      return make_error(ErrorCode::kIo, "cannot create {}: {}", options.directory.string(),
                        error.message());
    }
    auto created = PacedFile::create(options.directory / kDataFile, {.bytes = bytes});
    if (!created.ok()) return created.error();
    file = *std::move(created);
    return Status::success();
  }

  Result<StagedSnapshot> finish(const ExpectedSnapshot& expected) {
    if (Status status = file->sync(); !status.ok()) return status.error();
    const std::filesystem::path path = file->path();
    file.reset();
    const auto checksum = checksum_of(path, expected.bytes);
    if (!checksum.ok()) return checksum.error();
    if (*checksum != expected.checksum) {
      return make_error(ErrorCode::kCorrupt, "the snapshot has the checksum {:016x}, not {:016x}",
                        *checksum, expected.checksum);
    }
    auto content = content_of(path, options.read_content);
    if (!content.ok()) return content.error();
    if (content->applied != expected.applied) {
      return make_error(ErrorCode::kCorrupt, "the snapshot ends with entry {}, not {}",
                        content->applied, expected.applied);
    }
    return StagedSnapshot{options.directory, *std::move(content)};
  }

  // Once something went wrong nothing more is done, until the next begin().
  template <class Step>
  auto step(Step&& step) -> decltype(step()) {
    if (failure) return *failure;
    auto result = step();
    if (!result.ok()) {
      failure = result.error();
      remove();
    }
    return result;
  }

  const ReceiverOptions& options;
  std::optional<PacedFile> file;
  std::optional<Error> failure;
};

SnapshotReceiver::SnapshotReceiver(ReceiverOptions options, Worker::Post post)
    : options_(std::move(options)),
      staging_(std::make_shared<Staging>(options_)),
      worker_(std::move(post)) {
  worker_.run([staging = staging_] { staging->remove(); });
}

SnapshotReceiver::~SnapshotReceiver() = default;

std::uint64_t SnapshotReceiver::begin(const ExpectedSnapshot& expected) {
  if (expected_ == expected) return received_;
  forget();
  expected_ = expected;
  worker_.run([staging = staging_, bytes = expected.bytes] {
    staging->failure.reset();
    static_cast<void>(staging->step([&] { return staging->begin(bytes); }));
  });
  return 0;
}

Status SnapshotReceiver::refusal(std::uint64_t offset, std::size_t bytes) const {
  if (!expected_ || finishing_) {
    return make_error(ErrorCode::kInvalidArgument, "no snapshot is being received");
  }
  if (offset != received_) {
    return make_error(ErrorCode::kInvalidArgument, "a piece at {}, where {} is next", offset,
                      received_);
  }
  if (bytes > expected_->bytes - received_) {
    return make_error(ErrorCode::kInvalidArgument, "a piece of {} bytes at {} of {}", bytes, offset,
                      expected_->bytes);
  }
  if (queued_bytes_ > 0 && queued_bytes_ + bytes > options_.queued_bytes_max) {
    Error error = make_error(ErrorCode::kOverloaded, "{} bytes wait to be written", queued_bytes_);
    error.retry_after = milliseconds(20);
    return error;
  }
  return Status::success();
}

void SnapshotReceiver::write(std::uint64_t offset, Bytes piece, std::function<void(Status)> done) {
  const std::size_t size = piece.size();
  if (Status refused = refusal(offset, size); !refused.ok()) return done(refused);
  received_ += size;
  queued_bytes_ += size;
  worker_.run(
      [staging = staging_, piece = std::move(piece)] {
        return staging->step([&] { return staging->file->append(piece.span()); });
      },
      [this, size, attempt = attempt_, done = std::move(done)](const Status& written) {
        queued_bytes_ -= size;
        // The file is gone: the sender has to begin anew.
        if (attempt == attempt_ && !written.ok()) forget();
        done(written);
      });
}

void SnapshotReceiver::finish(std::function<void(Result<StagedSnapshot>)> done) {
  if (!expected_ || finishing_ || received_ < expected_->bytes) {
    return done(make_error(ErrorCode::kInvalidArgument, "no snapshot has come whole"));
  }
  finishing_ = true;
  worker_.run(
      [staging = staging_, expected = *expected_] {
        return staging->step([&] { return staging->finish(expected); });
      },
      [this, attempt = attempt_, done = std::move(done)](Result<StagedSnapshot> staged) {
        if (attempt != attempt_) {
          return done(make_error(ErrorCode::kCancelled, "the snapshot was dropped"));
        }
        forget();
        done(std::move(staged));
      });
}

void SnapshotReceiver::discard() {
  forget();
  worker_.run([staging = staging_] { staging->remove(); });
}

void SnapshotReceiver::forget() {
  expected_.reset();
  received_ = 0;
  finishing_ = false;
  ++attempt_;
}

}  // namespace coord::service
