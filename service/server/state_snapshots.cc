#include "service/server/state_snapshots.h"

#include <utility>

#include "raft/base/check.h"
#include "service/server/logging.h"
#include "service/state/summary.h"

namespace coord::service {

namespace {

Result<SnapshotContent> state_content(const Tables& tables) {
  const auto summary = summarize(tables);
  if (!summary) return make_error(ErrorCode::kCorrupt, "a snapshot holds no state");
  SnapshotContent content{.applied = summary->position.applied,
                          .digest = summary->position.digest,
                          .configuration_at = {},
                          .configuration = {}};
  if (summary->configuration) {
    content.configuration_at = summary->configuration->at;
    content.configuration = summary->configuration->payload;
  }
  return content;
}

}  // namespace

class StateCopy final : public raft::Snapshot {
 public:
  StateCopy(const service::Snapshot& copy, std::shared_ptr<SnapshotReader> reader,
            std::shared_ptr<Worker> closer)
      : last_(copy.content.applied),
        size_(copy.bytes),
        checksum_(copy.checksum),
        reader_(std::move(reader)),
        closer_(std::move(closer)) {}
  // The file goes with the reader; to free its space takes longer than the loop may wait.
  ~StateCopy() override {
    closer_->run([reader = std::move(reader_)] {});
  }

  raft::LogId last() const override { return last_; }
  std::uint64_t size() const override { return size_; }
  std::uint64_t checksum() const override { return checksum_; }
  void read(std::uint64_t offset, std::size_t bytes_max,
            std::function<void(Result<Bytes>)> done) override {
    reader_->read(offset, bytes_max, std::move(done));
  }
  void spoil() override { spoilt_ = true; }
  bool spoilt() const { return spoilt_; }

 private:
  const raft::LogId last_;
  const std::uint64_t size_;
  const std::uint64_t checksum_;
  std::shared_ptr<SnapshotReader> reader_;
  const std::shared_ptr<Worker> closer_;
  bool spoilt_ = false;
};

StateSnapshots::StateSnapshots(Store& store, State& state, Worker::Post post, Options options)
    : store_(store),
      state_(state),
      post_(post),
      closer_(std::make_shared<Worker>(post)),
      options_(std::move(options)),
      receiver_({.directory = options_.directory / "in", .read_content = state_content}, post) {
  std::error_code error;  // the copy says so if there is no directory
  std::filesystem::remove_all(options_.directory / "out", error);
  std::filesystem::create_directories(options_.directory / "out", error);
}

StateSnapshots::~StateSnapshots() {
  for (const auto& each : readers_) {
    if (const auto reader = each.lock()) reader->stop();
  }
  closer_->stop();
}

void StateSnapshots::later(std::function<void()> work) {
  post_([work = std::move(work), alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) work();
  });
}

// --- Sending -----------------------------------------------------------------------------------

void StateSnapshots::open(Index at_least, Opened done) {
  if (auto newest = newest_.lock();
      newest && !newest->spoilt() && newest->last().index >= at_least) {
    return later([newest = std::shared_ptr<raft::Snapshot>(std::move(newest)),
                  done = std::move(done)] { done(newest); });
  }
  waiting_.emplace_back(at_least, std::move(done));
  if (!store_.copying()) begin_copy();
}

void StateSnapshots::begin_copy() {
  store_.copy({.target = options_.directory / "out" / "state", .read_content = state_content},
              [this](Result<service::Snapshot> made) { copied(std::move(made)); });
}

void StateSnapshots::copied(Result<service::Snapshot> made) {
  const auto opened = [&]() -> Result<std::shared_ptr<StateCopy>> {
    if (!made.ok()) return made.error();
    auto reader = SnapshotReader::open(made->file, post_);
    // The space is free again when the last reader has gone, whatever becomes of this process.
    std::error_code error;
    std::filesystem::remove(made->file, error);
    if (!reader.ok()) return reader.error();
    std::shared_ptr<SnapshotReader> shared = std::move(*reader);
    std::erase_if(readers_, [](const auto& each) { return each.expired(); });
    readers_.push_back(shared);
    return std::make_shared<StateCopy>(*made, std::move(shared), closer_);
  }();
  if (opened.ok()) newest_ = *opened;
  for (const auto& [at_least, done] : std::exchange(waiting_, {})) {
    // The log was cut further while the copy was made: only from a newer one can one go on.
    if (opened.ok() && (*opened)->last().index < at_least) {
      waiting_.emplace_back(at_least, done);
    } else if (opened.ok()) {
      done(std::shared_ptr<raft::Snapshot>(*opened));
    } else {
      done(opened.error());
    }
  }
  if (!waiting_.empty() && !store_.copying()) begin_copy();
}

// --- Receiving ---------------------------------------------------------------------------------

void StateSnapshots::store(raft::SnapshotChunk chunk,
                           std::function<void(Result<std::uint64_t>)> done) {
  const ExpectedSnapshot expected{
      .applied = chunk.last, .bytes = chunk.size, .checksum = chunk.checksum};
  if (receiver_.expected() != expected) {
    staged_.reset();
    receiver_.begin(expected);
  }
  // One that is there already, or one after a gap: the leader learns where to go on.
  if (chunk.offset != receiver_.received()) {
    return later([this, done = std::move(done)] { done(receiver_.received()); });
  }
  const std::uint64_t end = chunk.offset + chunk.data.size();
  receiver_.write(chunk.offset, std::move(chunk.data), [this, end, done](Status status) {
    later([end, done, status = std::move(status)] {
      if (status.ok()) {
        done(end);
      } else {
        done(status.error());
      }
    });
  });
}

void StateSnapshots::finish(raft::LogId last, std::function<void(Result<Received>)> done) {
  receiver_.finish([this, last, done = std::move(done)](Result<StagedSnapshot> staged) {
    auto received = [&]() -> Result<Received> {
      if (!staged.ok()) return staged.error();
      if (staged->content.applied != last) {
        return make_error(ErrorCode::kCorrupt, "a snapshot of {} was said to be of {}",
                          staged->content.applied, last);
      }
      Received result{.last = last, .configuration = options_.initial};
      if (!staged->content.configuration.empty()) {
        auto configuration = raft::decode_configuration(staged->content.configuration.span());
        if (!configuration) {
          return make_error(ErrorCode::kCorrupt, "the configuration in a snapshot is unreadable");
        }
        result.configuration = std::move(*configuration);
      }
      staged_ = std::move(*staged);
      return result;
    }();
    later([done, received = std::move(received)] { done(received); });
  });
}

void StateSnapshots::install(raft::LogId last, std::function<void()> done) {
  CHECK(staged_ && staged_->content.applied == last);
  store_.replace(*std::exchange(staged_, std::nullopt),
                 [this, done = std::move(done)](Status status) {
                   if (!status.ok()) die(status.error());
                   receiver_.discard();
                   state_.reload();
                   done();
                 });
}

void StateSnapshots::discard() {
  staged_.reset();
  receiver_.discard();
}

}  // namespace coord::service
