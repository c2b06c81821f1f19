#include "tests/sim/log.h"

#include <algorithm>
#include <utility>

#include "tests/sim/dice.h"

namespace coord::sim {

namespace {
using DiskWork = raft::testing::FaultFileSystem::Work;
}

void SimLog::submit(raft::Durable batch) {
  const Index configured = around_.checker.newest_configuration(member_);
  if (batch.truncate_from && *batch.truncate_from <= configured) {
    around_.stage.reached(Situation::kConfigurationRolledBack);
  }
  around_.checker.logged(member_, batch);
  if (batch.truncate_from && around_.checker.is_being_written(member_, *batch.truncate_from)) {
    around_.stage.reached(Situation::kTruncatedWhileBeingWritten);
  }
  add(std::move(batch));
}

void SimLog::load(raft::Load request) {
  add(request);
}
void SimLog::cut(Index through) {
  add(Cut{through});
}

void SimLog::add(Request request) {
  queue_.push_back(std::move(request));
  if (!busy()) work();
}

void SimLog::work() {
  if (queue_.empty()) return;
  if (std::holds_alternative<raft::Durable>(queue_.front())) {
    std::vector<raft::Durable> group;
    while (!queue_.empty() && std::holds_alternative<raft::Durable>(queue_.front())) {
      group.push_back(std::move(std::get<raft::Durable>(queue_.front())));
      queue_.pop_front();
    }
    return write(std::move(group));
  }
  const Request request = std::move(queue_.front());
  queue_.pop_front();
  if (const auto* load = std::get_if<raft::Load>(&request)) serve(*load);
  if (const auto* cut = std::get_if<Cut>(&request)) serve(*cut);
}

void SimLog::write(std::vector<raft::Durable> group) {
  Stage& stage = around_.stage;
  if (group.size() > 1) stage.reached(Situation::kGroupCommit);
  group_ = std::move(group);
  around_.checker.writing(member_, group_);
  if (stage.swarm.failed_syncs > 0 && !stage.healed &&
      stage.disk_dice.chance(stage.swarm.failed_syncs, 100'000)) {
    around_.files.fail_next_sync();
  }
  around_.files.begin(DiskWork::kGroup);
  if (const Status written = log_->write(group_); !written.ok()) error_ = written.error();
  completion_ = [ticket = group_.back().ticket](raft::Node& node) { node.persisted(ticket); };
  take(sync_time());
}

Duration SimLog::sync_time() {
  Stage& stage = around_.stage;
  const Swarm& swarm = stage.swarm;
  Duration time = stage.about(stage.disk_dice, swarm.sync_mean);
  if (stage.healed) return time;
  if (swarm.slow_syncs > 0 && stage.disk_dice.chance(swarm.slow_syncs, 1000)) {
    // What has begun when the cluster heals may take most of the time that it is given.
    time += up_to(stage.disk_dice,
                  std::min<Duration>(seconds(3), 15 * swarm.core.election_timeout_max));
  }
  // In the middle of a write is where a crash is worth most.
  if (swarm.crash_in_write > 0 && stage.disk_dice.chance(swarm.crash_in_write, 10'000)) {
    stage.after(time / 2, Crash{static_cast<std::uint8_t>(member_.value()), life_});
  }
  return time;
}

void SimLog::serve(const raft::Load& load) {
  around_.files.begin(DiskWork::kOther);
  auto slice = log_->read(load.from, load.through, load.bytes_max);
  if (!slice.ok() && slice.error().code != ErrorCode::kCompacted &&
      slice.error().code != ErrorCode::kInvalidArgument) {
    error_ = slice.error();
  }
  around_.stage.reached(Situation::kLoadedFromDisk);
  auto loaded = std::make_shared<Result<raft::Log::Slice>>(std::move(slice));
  completion_ = [loaded, peer = load.peer](raft::Node& node) {
    if (!loaded->ok()) return node.loaded(peer, std::move(*loaded).error());
    node.loaded(peer, raft::Loaded{.peer = peer,
                                   .previous = (*loaded)->previous,
                                   .entries = std::move((*loaded)->entries)});
  };
  take(exponential(around_.stage.disk_dice, around_.stage.swarm.sync_mean / 2));
}

void SimLog::serve(const Cut& cut) {
  around_.files.begin(DiskWork::kOther);
  const auto first = log_->cut(cut.through);
  if (!first.ok()) {
    error_ = first.error();
  } else if (*first > Index(1)) {
    around_.stage.reached(Situation::kLogCut);
  }
  completion_ = [first = first.ok() ? *first : Index(1)](raft::Node& node) { node.log_cut(first); };
  take(exponential(around_.stage.disk_dice, around_.stage.swarm.sync_mean));
}

void SimLog::take(Duration time) {
  around_.stage.after(time + Duration(1),
                      DiskDone{static_cast<std::uint8_t>(member_.value()), life_});
}

Result<SimLog::Completion> SimLog::done() {
  using Outcome = raft::testing::FaultFileSystem::Outcome;
  around_.files.finish(error_ ? Outcome::kFailed : Outcome::kDone);
  if (error_) return *error_;
  if (!group_.empty()) around_.checker.written(member_);
  group_.clear();
  Completion completion = std::exchange(completion_, nullptr);
  work();
  return completion;
}

}  // namespace coord::sim
