// Three members, random renewals, delays, changes of leader, restarts and stalls: no lease ends
// earlier than its TTL after an acknowledged renewal was received, and each one ends at last.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "raft/base/prng.h"
#include "tests/service/lease/harness.h"

namespace coord::service {
namespace {

constexpr std::uint64_t kLeases = 5;

class Cluster {
 public:
  explicit Cluster(std::uint64_t seed) : random_(seed) {
    for (int i = 0; i < 3; ++i) members_.push_back(std::make_unique<LeaseMember>(time_.timer));
    applied_.resize(3);
    lead(0);
  }

  void run(int steps) {
    for (int i = 0; i < steps; ++i) step();
    // Nobody renews any more: what is left ends within a TTL, the graces and a look at the time.
    calls_.clear();
    for (int i = 0; i < 600; ++i) {
      time_.advance(milliseconds(10));
      commit_all();
    }
    RC_ASSERT(members_[leader_]->leases.size() == 0u);
  }

 private:
  struct Call {
    std::uint64_t lease;
    Instant received;
    std::unique_ptr<RenewCall> call;
  };

  LeaseMember& leader() { return *members_[leader_]; }

  void step() {
    const std::uint64_t what = random_.below(100);
    if (what < 20) {
      grant(1 + random_.below(kLeases));
    } else if (what < 50) {
      renew(1 + random_.below(kLeases));
    } else if (what < 70) {
      commit_some();
    } else if (what < 80) {
      catch_up(random_.below(3), log_.size());
    } else if (what < 84) {
      change_leader();
    } else if (what < 86) {
      time_.stall(milliseconds(random_.between(200, 5000)));
    } else {
      time_.advance(milliseconds(random_.below(400)));
    }
    note_acknowledged();
  }

  void grant(std::uint64_t lease) {
    if (members_[leader_]->leases.has(lease)) return;
    const milliseconds ttl(random_.between(200, 3000));
    append(Grant{LeaseId(lease), ttl});
    catch_up(leader_, log_.size());
    safe_until_[lease] = time_.now() + ttl;
    ttl_[lease] = ttl;
  }

  void renew(std::uint64_t lease) {
    calls_.push_back({lease, time_.now(),
                      std::make_unique<RenewCall>(leader(), std::vector<std::uint64_t>{lease})});
  }

  void note_acknowledged() {
    time_.scope.poll();
    std::erase_if(calls_, [this](Call& call) {
      if (!call.call->answered()) return false;
      const auto& answer = *call.call->answer;
      if (answer.ok() && (*answer)[0].ok()) {
        auto& until = safe_until_[call.lease];
        until = std::max(until, call.received + ttl_[call.lease]);
      }
      return true;
    });
  }

  // What the leader has proposed gets into the log, and is applied there at once.
  void commit_some() {
    if (leader().proposals.empty()) return;
    auto proposal = std::move(leader().proposals.front());
    leader().proposals.pop_front();
    if (random_.chance(1, 10)) {
      proposal.answer->fulfill(make_error(ErrorCode::kOverloaded, "refused"));
      return;
    }
    commit(std::move(proposal));
  }
  void commit_all() {
    while (!leader().proposals.empty()) {
      auto proposal = std::move(leader().proposals.front());
      leader().proposals.pop_front();
      commit(std::move(proposal));
      time_.scope.poll();
    }
  }
  void commit(LeaseMember::Proposal proposal) {
    append(proposal.command);
    proposal.answer->fulfill(catch_up(leader_, log_.size()));
  }

  void append(LogEntry entry) { log_.push_back(std::move(entry)); }

  CommandResults catch_up(std::size_t member, std::size_t through) {
    CommandResults last;
    while (applied_[member] < through) {
      LeaseMember& m = *members_[member];
      const auto before = holdings(m);
      last = m.apply(log_[applied_[member]]);
      // The promise is about what the log says, so it is judged where it is applied first.
      if (++applied_[member] > judged_) {
        judged_ = applied_[member];
        for (const std::uint64_t lease : before) {
          if (!m.leases.has(lease)) RC_ASSERT(time_.now() >= safe_until_[lease]);
        }
      }
    }
    return last;
  }

  static std::vector<std::uint64_t> holdings(const LeaseMember& member) {
    std::vector<std::uint64_t> held;
    for (std::uint64_t lease = 1; lease <= kLeases; ++lease) {
      if (member.leases.has(lease)) held.push_back(lease);
    }
    return held;
  }

  // A new leader has all that was committed. What the old one had proposed may be in its log too,
  // and then commits after the change; or it is gone.
  void change_leader() {
    const std::size_t next = random_.below(3);
    LeaseMember& old = leader();
    std::deque<LeaseMember::Proposal> left = std::move(old.proposals);
    old.proposals.clear();
    old.step_down();
    if (random_.chance(1, 4)) {
      calls_.clear();
      old.restart();
    }
    if (random_.chance(1, 2)) time_.advance(milliseconds(random_.below(1500)));
    bool lost = false;
    for (auto& proposal : left) {
      lost = lost || random_.chance(1, 2);
      if (!lost) append(proposal.command);
      Error error = make_error(ErrorCode::kDeadlineExceeded, "who knows");
      error.outcome = Outcome::kUnknown;
      proposal.answer->fulfill(std::move(error));
    }
    lead(next);
  }

  void lead(std::size_t next) {
    leader_ = next;
    catch_up(next, log_.size());
    leader().confirm();
    time_.scope.poll();
  }

  Prng random_;
  VirtualTime time_;
  std::vector<std::unique_ptr<LeaseMember>> members_;
  std::vector<LogEntry> log_;
  std::vector<std::size_t> applied_;
  std::size_t judged_ = 0;
  std::size_t leader_ = 0;
  std::map<std::uint64_t, Instant> safe_until_;
  std::map<std::uint64_t, milliseconds> ttl_;
  std::vector<Call> calls_;
};

RC_GTEST_PROP(LeaseProperty, NoLease_EndsBeforeItsTtl_AfterAnAcknowledgedRenewal,
              (std::uint64_t seed)) {
  Cluster(seed).run(200);
}

}  // namespace
}  // namespace coord::service
