// Members that keep leases in virtual time: each applies a log of its own pace, and the one that
// leads may propose. The log is as simple as a log can be: what is proposed is committed when the
// test says so.
#pragma once

#include <capnp/serialize.h>
#include <gtest/gtest.h>
#include <kj/timer.h>

#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "schema/log.capnp.h"
#include "service/lease/lease_keeper.h"

namespace coord::service {

struct Grant {
  LeaseId lease;
  milliseconds ttl{0};
  std::uint64_t attached_keys = 0;
};
using LogEntry = std::variant<Grant, Bytes>;

// Reads a command as the state machine does.
class CommandReader {
 public:
  explicit CommandReader(const Bytes& bytes)
      : reader_(kj::ArrayPtr<const capnp::word>(reinterpret_cast<const capnp::word*>(bytes.data()),
                                                bytes.size() / sizeof(capnp::word))) {}
  schema::Command::Reader get() { return reader_.getRoot<schema::Command>(); }

 private:
  capnp::FlatArrayMessageReader reader_;
};

// One member's state, as far as leases go.
class LeaseTwin final : public LeaseSource {
 public:
  std::optional<Terms> terms(LeaseId lease) const override {
    const auto found = leases_.find(lease);
    if (found == leases_.end()) return std::nullopt;
    return found->second;
  }
  void each(const std::function<void(LeaseId, milliseconds)>& visit) const override {
    for (const auto& [lease, terms] : leases_) visit(lease, terms.ttl);
  }
  bool has(std::uint64_t lease) const { return leases_.contains(LeaseId(lease)); }
  std::size_t size() const { return leases_.size(); }

  // `keeper` may be null: a restart replays what it had before.
  CommandResults apply(const LogEntry& entry, LeaseKeeper* keeper) {
    CommandResults results;
    applied_ = applied_.next();
    if (const Grant* grant = std::get_if<Grant>(&entry)) {
      leases_[grant->lease] = {grant->ttl, applied_, grant->attached_keys};
      if (keeper != nullptr) keeper->on_lease_granted(grant->lease, grant->ttl);
      return results;
    }
    CommandReader reader(std::get<Bytes>(entry));
    const auto command = reader.get();
    EXPECT_EQ(command.getVersion(), 1);
    EXPECT_EQ(command.getStampMs(), 1234u);
    if (command.isRenew()) {
      for (const auto id : command.getRenew()) {
        results.renewed.push_back(renew(LeaseId(id), keeper));
      }
    } else {
      EXPECT_TRUE(command.isExpire());
      for (const auto expiry : command.getExpire()) {
        expire(LeaseId(expiry.getLease()), Index(expiry.getRenewedAt()), keeper);
      }
    }
    return results;
  }

 private:
  std::optional<milliseconds> renew(LeaseId lease, LeaseKeeper* keeper) {
    const auto found = leases_.find(lease);
    if (found == leases_.end()) return std::nullopt;
    found->second.renewed_at = applied_;
    if (keeper != nullptr) keeper->on_lease_renewed(lease);
    return found->second.ttl;
  }
  void expire(LeaseId lease, Index renewed_at, LeaseKeeper* keeper) {
    const auto found = leases_.find(lease);
    if (found == leases_.end() || found->second.renewed_at != renewed_at) return;
    leases_.erase(found);
    if (keeper != nullptr) keeper->on_lease_ended(lease);
  }

  std::map<LeaseId, Terms> leases_;
  Index applied_;
};

// One member: its state, its keeper, and what it has proposed.
class LeaseMember final : private Committer {
 public:
  struct Proposal {
    Bytes command;
    Instant deadline;
    kj::Own<kj::PromiseFulfiller<Result<CommandResults>>> answer;
  };

  explicit LeaseMember(kj::Timer& timer, LeaseKeeperOptions options = {})
      : timer_(timer), options_(options) {
    restart();
  }

  // A process that begins anew, with the state that it had.
  void restart() {
    proposals.clear();
    keeper = nullptr;
    Committer& committer = *this;
    keeper = std::make_unique<LeaseKeeper>(
        leases, committer, timer_, [] { return 1234u; }, options_);
  }
  CommandResults apply(const LogEntry& entry) { return leases.apply(entry, keeper.get()); }
  void confirm() { keeper->on_fact(raft::LeadershipConfirmed{Term(1)}); }
  void step_down() { keeper->on_fact(raft::SteppedDown{Term(1), true}); }

  // The oldest proposal becomes an entry, and is applied here.
  void commit_one() {
    ASSERT_FALSE(proposals.empty());
    Proposal proposal = std::move(proposals.front());
    proposals.pop_front();
    proposal.answer->fulfill(apply(proposal.command));
  }
  void refuse_one(ErrorCode code) {
    ASSERT_FALSE(proposals.empty());
    Proposal proposal = std::move(proposals.front());
    proposals.pop_front();
    proposal.answer->fulfill(make_error(code, "refused"));
  }

  LeaseTwin leases;
  std::unique_ptr<LeaseKeeper> keeper;
  std::deque<Proposal> proposals;
  bool commit_at_once = false;
  std::vector<Bytes> committed;

 private:
  kj::Promise<Result<CommandResults>> commit(Bytes command, Instant deadline) override {
    if (commit_at_once) {
      committed.push_back(command);
      return Result<CommandResults>(apply(command));
    }
    auto paf = kj::newPromiseAndFulfiller<Result<CommandResults>>();
    proposals.push_back({std::move(command), deadline, kj::mv(paf.fulfiller)});
    return kj::mv(paf.promise);
  }

  kj::Timer& timer_;
  LeaseKeeperOptions options_;
};

// Virtual time. A step is a turn of the loop: it never takes longer, unless the test lets it stall.
class VirtualTime {
 public:
  VirtualTime() : scope(loop), timer(kj::origin<kj::TimePoint>() + 100 * kj::SECONDS) {}

  void advance(milliseconds by) {
    const kj::TimePoint end = timer.now() + by.count() * kj::MILLISECONDS;
    scope.poll();
    while (timer.now() < end) {
      kj::TimePoint next = std::min(end, timer.now() + 10 * kj::MILLISECONDS);
      KJ_IF_MAYBE (event, timer.nextEvent()) next = std::min(next, std::max(*event, timer.now()));
      timer.advanceTo(next);
      scope.poll();
    }
  }
  // The process was stopped for so long.
  void stall(milliseconds by) {
    timer.advanceTo(timer.now() + by.count() * kj::MILLISECONDS);
    scope.poll();
  }
  Instant now() const {
    return Instant(nanoseconds((timer.now() - kj::origin<kj::TimePoint>()) / kj::NANOSECONDS));
  }

  kj::EventLoop loop;
  kj::WaitScope scope;
  kj::TimerImpl timer;
};

// What a call of renew() was told.
class RenewCall {
 public:
  RenewCall(LeaseMember& member, std::vector<std::uint64_t> leases)
      : promise_(member.keeper->renew(ids(leases))
                     .then([this](auto&& result) { answer = kj::mv(result); })
                     .eagerlyEvaluate(nullptr)) {}
  RenewCall(const RenewCall&) = delete;

  bool answered() const { return answer.has_value(); }

  std::optional<Result<std::vector<LeaseKeeper::Renewal>>> answer;

 private:
  static std::vector<LeaseId> ids(const std::vector<std::uint64_t>& leases) {
    std::vector<LeaseId> ids;
    for (const std::uint64_t lease : leases) ids.push_back(LeaseId(lease));
    return ids;
  }
  kj::Promise<void> promise_;
};

}  // namespace coord::service
