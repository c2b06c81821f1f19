#include "tests/sim/snapshots.h"

#include <algorithm>
#include <utility>

#include "raft/base/hash.h"
#include "tests/sim/dice.h"

namespace coord::sim {

namespace {

class SimSnapshot final : public raft::Snapshot {
 public:
  using Later = std::function<void(Duration, std::function<void()>)>;
  SimSnapshot(raft::LogId last, Bytes bytes, Later later)
      : last_(last), bytes_(std::move(bytes)), later_(std::move(later)) {}

  raft::LogId last() const override { return last_; }
  std::uint64_t size() const override { return bytes_.size(); }
  std::uint64_t checksum() const override { return hash64(bytes_.span()); }
  void read(std::uint64_t offset, std::size_t bytes_max,
            std::function<void(Result<Bytes>)> done) override {
    const std::size_t size = std::min<std::size_t>(bytes_max, bytes_.size() - offset);
    later_(microseconds(10),
           [done = std::move(done), piece = bytes_.slice(offset, size)] { done(piece); });
  }
  // What a simulated disk gives out is sound, and every open() makes another one.
  void spoil() override {}

 private:
  const raft::LogId last_;
  const Bytes bytes_;
  const Later later_;
};

}  // namespace

Duration SimSnapshots::disk_time() {
  return exponential(stage_.disk_dice, stage_.swarm.sync_mean);
}

Duration SimSnapshots::work_time() {
  // What has begun when the cluster heals goes on for as long as it takes; that has an end.
  const Duration most = std::min<Duration>(2 * stage_.swarm.snapshot_mean,
                                           4 * stage_.swarm.core.election_timeout_max);
  // One draw after the other: compilers differ in the order of operands.
  const Duration disk = disk_time();
  return 2 * disk + (stage_.healed ? Duration(0) : up_to(stage_.disk_dice, most));
}

void SimSnapshots::open(Index at_least, Opened done) {
  const Duration disk = disk_time();
  // It is of the moment when it was begun.
  const State& state = host_.flushed();
  if (state.applied().index < at_least) {
    violated("a snapshot of {} is wanted, the log was cut behind {}", at_least, state.applied());
  }
  auto snapshot = std::make_shared<SimSnapshot>(state.applied(), state.to_bytes(), host_.later);
  host_.later(2 * disk + work_time(), [this, snapshot, done = std::move(done)] {
    stage_.reached(Situation::kSnapshotTaken);
    done(std::shared_ptr<raft::Snapshot>(snapshot));
  });
}

void SimSnapshots::store(raft::SnapshotChunk chunk,
                         std::function<void(Result<std::uint64_t>)> done) {
  const bool continues = staging_ && staging_->last == chunk.last && staging_->size == chunk.size &&
                         staging_->checksum == chunk.checksum;
  if (!continues) {
    if (staging_) stage_.reached(Situation::kSnapshotBegunAnew);
    staging_ = Staging{chunk.last, chunk.size, chunk.checksum, {}};
    received_.reset();
  }
  if (chunk.offset == staging_->bytes.size()) {
    staging_->bytes.insert(staging_->bytes.end(), chunk.data.data(),
                           chunk.data.data() + chunk.data.size());
    // The disk loses a bit, now and then.
    if (!stage_.healed && !chunk.data.empty() && stage_.disk_dice.chance(1, 100)) {
      staging_->bytes.back() ^= std::byte{1};
    }
  }
  host_.later(disk_time(),
              [done = std::move(done), stored = staging_->bytes.size()] { done(stored); });
}

void SimSnapshots::finish(raft::LogId last, std::function<void(Result<Received>)> done) {
  const std::uint64_t unseated = stage_.healed ? 0 : stage_.swarm.unseated_leaders;
  if (unseated > 0 && stage_.disk_dice.chance(unseated, 1000)) {
    stage_.after(milliseconds(1), Trouble{Trouble::What::kNewLeader, host_.number});
  }
  host_.later(work_time(), [this, last, done = std::move(done)] {
    if (!staging_ || staging_->last != last || staging_->bytes.size() != staging_->size) {
      return done(make_error(ErrorCode::kInvalidArgument, "another one was begun"));
    }
    if (hash64(staging_->bytes) != staging_->checksum) {
      staging_.reset();
      stage_.reached(Situation::kSnapshotDamaged);
      return done(make_error(ErrorCode::kCorrupt, "its checksum is wrong"));
    }
    received_ = State::from_bytes(staging_->bytes);
    staging_.reset();  // whatever comes now begins another one
    done(Received{.last = last, .configuration = received_->configuration()});
  });
}

void SimSnapshots::install(raft::LogId last, std::function<void()> done) {
  if (!received_ || received_->applied() != last) {
    violated("a snapshot of {} is to be installed, which is not there", last);
  }
  host_.later(work_time(), [this, done = std::move(done)] {
    host_.install(*std::exchange(received_, std::nullopt));
    done();
  });
}

void SimSnapshots::discard() {
  stage_.reached(Situation::kSnapshotStale);
  staging_.reset();
  received_.reset();
}

}  // namespace coord::sim
