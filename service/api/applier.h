// Between the log and the state: applies what is committed, and answers whoever proposed it.
//
// An answer is exact. A proposal is known by its place in the log: when the entry applied there has
// its term, the proposal was applied; when another has taken the place, it never will be (Raft §6.3
// and Log Matching, §3.5). Until one of these two is seen its fate is open, whatever becomes of the
// leadership, and what ends the waiting then is its deadline: outcome unknown.
//
// Loop thread.
#pragma once

#include <kj/async.h>
#include <kj/timer.h>

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "raft/node/node.h"
#include "service/api/clock.h"
#include "service/api/digest_trail.h"
#include "service/api/sweeper.h"
#include "service/lease/committer.h"
#include "service/state/state.h"

namespace coord::service {

class Applier final : public raft::StateMachine, public Committer {
 public:
  // Entries that may be proposed here and not yet applied; their bytes are the core's to bound.
  static constexpr std::size_t kPendingMax = 16 * 1024;

  Applier(State& state, Clock clock);
  Applier(const Applier&) = delete;
  Applier& operator=(const Applier&) = delete;

  // The node that proposals go to; to be called once, before the first of them.
  void attach(raft::Node& node) { node_ = &node; }
  // Called after every batch of entries, when the state may be read again.
  void after_apply(std::function<void()> hook) { hooks_.push_back(std::move(hook)); }

  // Nothing is applied while that says so.
  void wait_while(std::function<bool()> busy) { busy_ = std::move(busy); }

  void apply(std::span<const raft::Entry> entries) override;
  bool busy() const override { return busy_ && busy_(); }
  kj::Promise<Result<CommandResults>> commit(Bytes command, Instant deadline) override;
  // Waits for what this member has appended there while it leads, as commit() does. To be called in
  // the turn that appended it.
  kj::Promise<Result<CommandResults>> settled(raft::LogId place, Instant deadline);

  // As StateObserver::on_reloaded. What was proposed here and lies in the part of the log that was
  // not applied entry by entry: its outcome is unknown.
  void on_reloaded();

  // Resolves when that revision has been applied here, or with kDeadlineExceeded.
  kj::Promise<Status> reached(Revision revision, Instant deadline);

  // Everything that waits, and whatever comes later, gets kShuttingDown: outcome unknown for what
  // was proposed.
  void shut_down();

  std::size_t pending() const { return pending_.size(); }
  const DigestTrail& digests() const { return digests_; }

 private:
  struct Pending {
    kj::Own<kj::PromiseFulfiller<Result<CommandResults>>> answer;
    Instant deadline;
  };
  struct Waiting {
    kj::Own<kj::PromiseFulfiller<Status>> answer;
    Instant deadline;
  };
  // In order of index. Several proposals can be pending for one index, of different terms: a member
  // that lost its leadership and won it again has proposed there twice.
  using Place = std::pair<Index, Term>;

  void apply_one(const raft::Entry& entry);
  void apply_to_state(const raft::Entry& entry, CommandResults* results);
  void wake_readers();
  bool sweep();

  State& state_;
  DigestTrail digests_;
  Clock clock_;
  raft::Node* node_ = nullptr;
  std::vector<std::function<void()>> hooks_;
  std::function<bool()> busy_;
  std::map<Place, Pending> pending_;
  std::multimap<Revision, Waiting> readers_;
  bool shut_down_ = false;
  Sweeper sweeper_;
};

}  // namespace coord::service
