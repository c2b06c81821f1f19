// Three real nodes with real cores and real logs, in one thread and in virtual time: their disks
// and the links between them are in memory.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "raft/node/durable_log.h"
#include "tests/raft/node/fakes.h"
#include "tests/raft/node/no_snapshots.h"
#include "tests/raft/storage/fault_file_system.h"

namespace coord::raft::testing {

// The log writer without its thread: what was submitted is written when the member's turn comes.
class TurnLog final : public DurableLog {
 public:
  explicit TurnLog(std::unique_ptr<Log> log) : log_(std::move(log)) {}
  void submit(Durable batch) override { batches_.push_back(std::move(batch)); }
  void load(Load request) override { loads_.push_back(request); }
  void cut(Index through) override { cut_ = through; }

  // False: the disk failed.
  bool work(Node& node) {
    if (!batches_.empty()) {
      const Ticket last = batches_.back().ticket;
      if (!log_->write(std::exchange(batches_, {})).ok()) return false;
      node.persisted(last);
    }
    for (const Load& load : std::exchange(loads_, {})) {
      auto slice = log_->read(load.from, load.through, load.bytes_max);
      if (slice.ok()) {
        node.loaded(load.peer, Loaded{load.peer, slice->previous, std::move(slice->entries)});
      } else {
        node.loaded(load.peer, slice.error());
      }
    }
    if (const auto through = std::exchange(cut_, {})) node.log_cut(*log_->cut(*through));
    return true;
  }

 private:
  std::unique_ptr<Log> log_;
  std::vector<Durable> batches_;
  std::vector<Load> loads_;
  std::optional<Index> cut_;
};

class Cluster {
 public:
  explicit Cluster(std::size_t cached_log_bytes = 64 * limits::kMiB, std::uint64_t seed = 1)
      : cached_log_bytes_(cached_log_bytes), seed_(seed) {
    for (std::uint64_t id = 1; id <= 3; ++id) {
      members_.emplace(MemberId(id), std::make_unique<Member>(*this));
      start(MemberId(id));
    }
  }

  struct Member : PeerLinks {
    explicit Member(Cluster& owner) : cluster(owner) {}
    void send(std::vector<Message> messages) override {
      for (Message& message : messages) {
        if (cluster.cut_off.contains(message.from) || cluster.cut_off.contains(message.to))
          continue;
        cluster.wire_.push_back(std::move(message));
      }
    }

    Cluster& cluster;
    Journal journal;
    FaultFileSystem files;
    FakeObserver observer;
    std::unique_ptr<FakeStateMachine> state;
    std::unique_ptr<TurnLog> log;
    std::unique_ptr<Node> node;
    // As of the last flush; what a restart begins with.
    LogId flushed{};
    std::vector<Entry> flushed_state;
  };

  void start(MemberId id) {
    Member& member = *members_.at(id);
    auto opened = Log::open(member.files, {.directory = "/log",
                                           .cluster = kCluster,
                                           .member = id,
                                           .segment_bytes = 64 * limits::kKiB,
                                           .first_segment_bytes = 16 * limits::kKiB,
                                           .prepare_in_background = false});
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    auto restored = restore(**opened, member.flushed, voters({1, 2, 3}));
    ASSERT_TRUE(restored.ok()) << restored.error().message;
    member.log = std::make_unique<TurnLog>(std::move(*opened));
    member.state = std::make_unique<FakeStateMachine>(member.journal);
    member.state->applied = member.flushed_state;
    CoreOptions options;
    options.cluster = kCluster;
    options.self = id;
    options.seed = seed_ * 1000 + id.value() + 10 * ++starts_;
    options.cached_log_bytes_max = cached_log_bytes_;
    member.node = std::make_unique<Node>(NodeOptions{.core = options}, std::move(*restored),
                                         Node::Dependencies{.log = *member.log,
                                                            .peers = member,
                                                            .state_machine = *member.state,
                                                            .observer = member.observer,
                                                            .snapshots = snapshots_,
                                                            .clock = [this] { return now_; },
                                                            .logger = &silent()},
                                         now_);
  }

  // With a seed: power is cut and what was not synced is lost. Without: the process is killed.
  void crash(MemberId id, std::optional<std::uint64_t> power_cut = {}) {
    Member& member = *members_.at(id);
    member.node.reset();
    member.log.reset();
    power_cut ? member.files.power_cut(*power_cut) : member.files.kill();
    closed_.push_back(id);
  }

  void flush(MemberId id) {
    Member& member = *members_.at(id);
    member.flushed_state = member.state->applied;
    if (!member.flushed_state.empty()) member.flushed = member.flushed_state.back().id;
    member.node->flushed(member.flushed);
  }

  // A millisecond: messages arrive, disks work, nodes are pumped.
  void turn() {
    now_ += milliseconds(1);
    for (Message& message : std::exchange(wire_, {})) {
      Node* node = members_.at(message.to)->node.get();
      if (node != nullptr && !cut_off.contains(message.to)) node->receive(std::move(message));
    }
    // A connection ends behind what was sent over it.
    for (const MemberId id : std::exchange(closed_, {})) {
      for (auto& [other, peer] : members_) {
        if (peer->node && other != id) peer->node->peer_closed(id);
      }
    }
    for (auto& [id, member] : members_) {
      if (!member->node) continue;
      if (!member->log->work(*member->node)) {
        ADD_FAILURE() << "the disk failed";
        continue;
      }
      member->node->pump(now_);
    }
  }
  template <class Condition>
  bool run_until(Condition condition, int turns_max = 10'000) {
    for (int i = 0; i < turns_max; ++i) {
      if (condition()) return true;
      turn();
    }
    return condition();
  }

  bool running(MemberId id) const { return members_.at(id)->node != nullptr; }
  Node& node(MemberId id) { return *members_.at(id)->node; }
  Node& node(std::uint64_t id) { return node(MemberId(id)); }
  Member& member(std::uint64_t id) { return *members_.at(MemberId(id)); }
  std::vector<std::string> commands(MemberId id) const {
    std::vector<std::string> all;
    for (const Entry& entry : members_.at(id)->state->applied) {
      if (entry.type == EntryType::kCommand) all.push_back(text(entry));
    }
    return all;
  }
  // The one that can serve; nobody, if there is none.
  std::optional<MemberId> leader() {
    for (auto& [id, member] : members_) {
      if (member->node && !cut_off.contains(id) && member->node->confirmed_leader()) return id;
    }
    return std::nullopt;
  }
  Node& await_leader() {
    EXPECT_TRUE(run_until([&] { return leader().has_value(); })) << "no leader";
    return node(leader().value_or(MemberId(1)));
  }
  // Proposes and waits until it is applied where it was proposed.
  void put(std::uint64_t number) {
    Node& on = await_leader();
    const auto place = on.propose(command(number));
    ASSERT_TRUE(place.ok());
    ASSERT_TRUE(run_until([&] { return on.applied() >= place->index; }));
  }
  bool all_applied(Index index) {
    for (auto& [id, member] : members_) {
      if (!member->node || member->node->applied() < index) return false;
    }
    return true;
  }
  Instant now() const { return now_; }

  // Nothing reaches these, and nothing comes from them.
  std::set<MemberId> cut_off;

 private:
  NoSnapshots snapshots_;
  std::map<MemberId, std::unique_ptr<Member>> members_;
  std::vector<Message> wire_;
  std::vector<MemberId> closed_;
  Instant now_ = kStart;
  const std::size_t cached_log_bytes_;
  const std::uint64_t seed_;
  std::uint64_t starts_ = 0;
};

}  // namespace coord::raft::testing
