// The time of leases: when each one ends, who asks for that, and renewals on their way to the log.
//
// The promise (DESIGN: P6). A lease never expires earlier than its TTL after the last renewal that
// was acknowledged, through any change of leader:
//   - A renewal is acknowledged when its entry has committed, so every later leader has it.
//   - Every member notes its own monotonic time when it applies a grant or a renewal, beside the
//     state and not in it. That is never before the renewal was received.
//   - The leader lets a lease live until its note + TTL, or for a full TTL from when its leadership
//     was confirmed where it has no note (after a restart).
//   - It proposes nothing before its leadership is confirmed. What it proposes says how often the
//     lease had been renewed, and applies only if that is still so: a renewal that is ahead in the
//     log, applied here or not, keeps the lease.
//   - Time in which this process stood still (stopped, starved) does not count: meanwhile renewals
//     waited in its sockets. Nothing expires until it has had time to read them.
// It lives on for at most B = min(TTL/10, 100 ms) for gathering, the time to commit, the stalls,
// and the time without a leader (a full TTL where there was no note).
//
// Loop thread.
#pragma once

#include <kj/async.h>
#include <kj/timer.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "raft/base/limits.h"
#include "raft/core/output.h"
#include "service/lease/committer.h"

namespace coord::service {

struct LeaseKeeperOptions {
  // Renewals wait for others for at most min(TTL/10, this).
  Duration gather_max = milliseconds(100);
  // How often the leader looks at the time. A gap longer than this and `stall_min` is a stall.
  Duration tick = milliseconds(50);
  Duration stall_min = milliseconds(100);
  // After a stall, or when leadership begins: time to read what waits in the sockets.
  Duration grace = milliseconds(250);
  // Between two commands that expire leases, so that a mass expiry starves nobody.
  Duration expire_pause = milliseconds(2);
  // Leases and their attached keys that one such command may end.
  std::size_t expire_batch_max = limits::kExpireBatchMax;
  // After which the fate of a command is not waited for any longer.
  Duration commit_patience = seconds(5);
};

// What the keeper has to know of leases; the state, or a test's twin of it.
class LeaseSource {
 public:
  struct Terms {
    milliseconds ttl{0};
    Index renewed_at;  // the entry that granted it, or renewed it last
    std::uint64_t attached_keys = 0;
  };
  virtual ~LeaseSource() = default;
  virtual std::optional<Terms> terms(LeaseId lease) const = 0;
  // Every lease there is, in order of ids.
  virtual void each(const std::function<void(LeaseId, milliseconds ttl)>& visit) const = 0;
};

class StateLeaseSource final : public LeaseSource {
 public:
  explicit StateLeaseSource(const State& state) : state_(state) {}
  std::optional<Terms> terms(LeaseId lease) const override;
  void each(const std::function<void(LeaseId, milliseconds ttl)>& visit) const override;

 private:
  const State& state_;
};

class LeaseKeeper {
 public:
  // A TTL, or kLeaseNotFound.
  using Renewal = Result<milliseconds>;

  // `wall_ms` is the stamp for commands. All that is passed in must outlive the keeper. Leases that
  // are there already have no note.
  LeaseKeeper(const LeaseSource& source, Committer& committer, kj::Timer& timer,
              std::function<std::uint64_t()> wall_ms, LeaseKeeperOptions options = {});
  ~LeaseKeeper();
  LeaseKeeper(const LeaseKeeper&) = delete;
  LeaseKeeper& operator=(const LeaseKeeper&) = delete;

  // As in StateObserver.
  void on_lease_granted(LeaseId lease, milliseconds ttl);
  void on_lease_renewed(LeaseId lease);
  void on_lease_ended(LeaseId lease);
  // Of renewals in between nothing is known: no lease has a note now, as after a restart.
  void on_reloaded();

  // As in NodeObserver: leadership confirmed, lost; others are ignored.
  void on_fact(const raft::Fact& fact);

  // Resolves when the renewals have been committed and applied here: one answer for each id, in
  // order. Or fails as a whole, as Committer::commit does. To be asked of the leader.
  kj::Promise<Result<std::vector<Renewal>>> renew(std::vector<LeaseId> leases);

  // Until the leader may end it; nothing for an unknown lease, and where this is not the leader.
  std::optional<milliseconds> remaining(LeaseId lease) const;

  // Nothing is proposed any more; what waits for a renewal gets kShuttingDown.
  void shut_down();

  struct Stats {
    std::uint64_t leases = 0;
    std::uint64_t renew_commands = 0;
    std::uint64_t renewals = 0;
    std::uint64_t expire_commands = 0;
    std::uint64_t expired = 0;  // proposed by this member and ended
    std::uint64_t stalls = 0;
  };
  Stats stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace coord::service
