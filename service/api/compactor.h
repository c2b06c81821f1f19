// Who decides how much history is kept. The leader moves the line (State::compacted()) behind what
// is older than asked for, and behind whatever somebody wants gone, in small commands.
//
// Every member notes, beside the state, which revision it had when, so that a new leader knows as
// much as the one before; a member that has just started knows nothing, and keeps more than it has
// to. Times are its own monotonic ones, and what a member notes is never ahead of the cluster, so
// that nothing goes too early.
//
// A backlog is worked off at a rate that grows with it: it is done in seconds if nothing is added,
// and while writes go on it stays at a few seconds' worth of them. Between two commands there is
// room for everybody else.
//
// Loop thread.
#pragma once

#include <kj/async.h>
#include <kj/timer.h>

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include "raft/base/limits.h"
#include "raft/core/output.h"
#include "schema/rpc/task.h"
#include "service/api/clock.h"
#include "service/api/sweeper.h"
#include "service/lease/committer.h"
#include "service/state/state.h"

namespace coord::service {

struct CompactorOptions {
  // History is kept for so long, and so many revisions of it, whichever is more.
  Duration keep = std::chrono::hours(1);
  std::uint64_t revisions_kept = 10'000;
  // While there is a backlog: how often a part of it is proposed, within which time it would be
  // worked off, and at least and at most how many changes a second.
  Duration tick = milliseconds(5);
  Duration catch_up = seconds(5);
  std::uint64_t rate_min = 10'000;
  std::uint64_t rate_max = 250'000;
  // After which the fate of a command is not waited for any longer.
  Duration commit_patience = seconds(5);
  std::size_t waiting_max = 1024;  // of those who have asked
};

class Compactor final : private kj::TaskSet::ErrorHandler {
 public:
  // `may_propose` says whether the state can take more work. Everything outlives the compactor.
  Compactor(const State& state, Committer& committer, Clock clock,
            std::function<bool()> may_propose, CompactorOptions options = {});
  Compactor(const Compactor&) = delete;
  Compactor& operator=(const Compactor&) = delete;

  // Moves the line to that revision. Resolves when it is there, on this member. To be asked of the
  // leader: kNotLeader, kFutureRevision, kCompacted (it is there already, or beyond),
  // kDeadlineExceeded (outcome unknown: it goes on), kShuttingDown, kOverloaded. The outcome is
  // unknown once anything was proposed meanwhile that may be applied, under whichever leader.
  kj::Promise<Status> compact(Revision line, Instant deadline);

  // As in NodeObserver and StateObserver.
  void on_fact(const raft::Fact& fact);
  void on_compacted(Revision oldest_kept);

  void shut_down();

  // Revisions that should be gone and are not yet.
  std::uint64_t backlog() const;

 private:
  struct Sample {
    Instant at;
    Revision revision;
  };
  struct Waiting {
    kj::Own<kj::PromiseFulfiller<Status>> answer;
    Instant deadline;
    std::uint64_t since;  // the newest proposal before it
  };

  // How often the revision is noted.
  Duration interval() const;
  rpc::Task<void> run(Duration first_pause);
  void hurry();
  void note();
  Revision due() const;
  Revision target() const;
  void advance();
  rpc::Task<void> propose(Revision line);
  bool may_be_applied_since(std::uint64_t proposal) const;
  void stop_leading(const Error& reason);
  bool sweep();
  void taskFailed(kj::Exception&& exception) override;

  const State& state_;
  Committer& committer_;
  Clock clock_;
  const std::function<bool()> may_propose_;
  const CompactorOptions options_;

  // Oldest first; the first one is at least `keep` old, if any is.
  std::deque<Sample> trail_;
  bool leads_ = false;
  bool shut_down_ = false;
  // What somebody has asked for.
  Revision wanted_;
  std::multimap<Revision, Waiting> waiting_;
  // Where the line will be once all that was proposed is applied.
  Revision proposed_;
  // Of this leadership: proposals are numbered, and these are in flight.
  std::set<std::uint64_t> in_flight_;
  std::uint64_t newest_ = 0;
  std::uint64_t newest_settled_ = 0;  // of those that were applied, or may be
  std::uint64_t round_ = 0;  // one more for each leadership: what an older one has proposed is not
                             // counted
  // Changes that may be proposed now.
  double allowance_ = 0;
  Instant allowed_at_{};

  std::optional<rpc::Task<void>> running_;
  bool hurried_ = false;  // it goes on in this turn or the next
  Sweeper sweeper_;
  kj::TaskSet tasks_;
};

}  // namespace coord::service
