#include "service/lease/lease_keeper.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "raft/base/check.h"
#include "schema/rpc/task.h"
#include "service/lease/commands.h"
#include "service/lease/lease_book.h"
#include "service/lease/lease_clock.h"

namespace coord::service {

namespace {

// The timer counts from Instant's own beginning, as that of rpc::Loop does.
kj::TimePoint to_kj(Instant time) {
  return kj::origin<kj::TimePoint>() + time.time_since_epoch().count() * kj::NANOSECONDS;
}
kj::Duration to_kj(Duration duration) {
  return duration.count() * kj::NANOSECONDS;
}
Instant from_kj(kj::TimePoint time) {
  return Instant(nanoseconds((time - kj::origin<kj::TimePoint>()) / kj::NANOSECONDS));
}

Error not_found(LeaseId lease) {
  return make_error(ErrorCode::kLeaseNotFound, "there is no lease {}", lease);
}

}  // namespace

class LeaseKeeper::Impl final : private kj::TaskSet::ErrorHandler {
 public:
  Impl(const LeaseSource& source, Committer& committer, kj::Timer& timer,
       std::function<std::uint64_t()> wall_ms, LeaseKeeperOptions options)
      : source_(source),
        committer_(committer),
        timer_(timer),
        wall_ms_(std::move(wall_ms)),
        options_(options),
        clock_({.gap_max = options.tick + options.stall_min, .grace = options.grace}),
        tasks_(*this) {
    fill_book();
  }

  // --- What is applied ---------------------------------------------------------------------------

  void on_lease_granted(LeaseId lease, milliseconds ttl) { book_.add(lease, ttl, observe()); }
  void on_lease_renewed(LeaseId lease) { book_.note(lease, observe()); }
  void on_lease_ended(LeaseId lease) { book_.remove(lease); }

  void on_reloaded() {
    const bool leads = ticking_.has_value();
    stop_leading();
    book_ = LeaseBook();
    fill_book();
    for (const LeaseId lease : gather_.leases) book_.hold(lease);
    if (leads) lead();
  }

  // --- Leadership --------------------------------------------------------------------------------

  void on_fact(const raft::Fact& fact) {
    if (std::holds_alternative<raft::LeadershipConfirmed>(fact)) {
      lead();
    } else if (std::holds_alternative<raft::SteppedDown>(fact) ||
               std::holds_alternative<raft::BecameFollower>(fact)) {
      stop_leading();
    }
  }

  void stop_leading() {
    ticking_.reset();
    expiring_.reset();
    clock_.end();
    book_.end();
  }

  std::optional<milliseconds> remaining(LeaseId lease) const {
    const auto deadline = book_.deadline(lease);
    if (!deadline) return std::nullopt;
    const Duration left = clock_.monotonic(*deadline) - from_kj(timer_.now());
    return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(left));
  }

  // --- Renewals ----------------------------------------------------------------------------------

  kj::Promise<Result<std::vector<Renewal>>> renew(std::vector<LeaseId> leases) {
    if (shut_down_) return Result<std::vector<Renewal>>(shutting_down());
    if (leases.empty()) return Result<std::vector<Renewal>>(std::vector<Renewal>());
    if (leases.size() > limits::kRenewalsMax) {
      return Result<std::vector<Renewal>>(make_error(ErrorCode::kTooManyOperations,
                                                     "{} renewals in one call, {} are allowed",
                                                     leases.size(), limits::kRenewalsMax));
    }
    if (gather_.leases.size() + leases.size() > limits::kRenewalsMax) send_gathered();
    const Instant now = from_kj(timer_.now());
    Instant due = now + options_.gather_max;
    for (const LeaseId lease : leases) {
      if (gather_.leases.insert(lease).second) book_.hold(lease);
      if (const auto ttl = book_.ttl(lease)) due = std::min(due, now + Duration(*ttl) / 10);
    }
    auto paf = kj::newPromiseAndFulfiller<Result<std::vector<Renewal>>>();
    gather_.waiting.push_back({std::move(leases), kj::mv(paf.fulfiller)});
    if (!gather_.due || due < *gather_.due) {
      gather_.due = due;
      tasks_.add(timer_.atTime(to_kj(due)).then([this, number = gather_.number] {
        if (gather_.number == number) send_gathered();
      }));
    }
    return kj::mv(paf.promise);
  }

  void shut_down() {
    shut_down_ = true;
    stop_leading();
    Gather gather = take_gathered();
    answer(gather, shutting_down());
  }

  Stats stats() const {
    Stats stats = stats_;
    stats.leases = book_.size();
    stats.stalls = clock_.stalls();
    return stats;
  }

 private:
  struct Waiting {
    std::vector<LeaseId> leases;
    kj::Own<kj::PromiseFulfiller<Result<std::vector<Renewal>>>> answer;
  };
  // Renewals that wait for others.
  struct Gather {
    std::uint64_t number = 0;
    std::set<LeaseId> leases = {};
    std::vector<Waiting> waiting = {};
    std::optional<Instant> due = {};
  };

  static Error shutting_down() {
    return make_error(ErrorCode::kShuttingDown, "this member is shutting down");
  }
  void fill_book() {
    source_.each([this](LeaseId lease, milliseconds ttl) { book_.add(lease, ttl, {}); });
  }
  Instant observe() { return clock_.observe(from_kj(timer_.now())); }
  Instant patience() const { return from_kj(timer_.now()) + options_.commit_patience; }

  void lead() {
    if (shut_down_) return;
    stop_leading();
    const Instant now = from_kj(timer_.now());
    clock_.begin(now);
    book_.begin(clock_.observe(now));
    ticking_ = tick();
    expiring_ = expire();
  }

  // Looks at the time, also while a command is waited for, so that only a stall looks like one.
  rpc::Task<void> tick() {
    while (true) {
      co_await timer_.afterDelay(to_kj(options_.tick));
      observe();
    }
  }

  rpc::Task<void> expire() {
    while (true) {
      co_await timer_.atTime(to_kj(next_look()));
      const Instant now = observe();
      if (now < clock_.quiet_until()) continue;
      const std::vector<LeaseExpiry> batch = take_batch(now);
      if (batch.empty()) continue;
      ++stats_.expire_commands;
      const auto result = co_await committer_.commit(encode_expire(batch, wall_ms_()), patience());
      settle(batch, result);
      co_await timer_.afterDelay(to_kj(options_.expire_pause));
    }
  }

  Instant next_look() {
    const Instant now = observe();
    const Instant soon = now + options_.tick;
    const Instant due = std::max(book_.next().value_or(soon), clock_.quiet_until());
    return clock_.monotonic(std::min(due, soon));
  }

  std::vector<LeaseExpiry> take_batch(Instant now) {
    std::vector<LeaseExpiry> batch;
    std::uint64_t cost = 0;
    while (cost < options_.expire_batch_max) {
      const auto lease = book_.take_due(now, now + options_.tick);
      if (!lease) break;
      const auto terms = source_.terms(*lease);
      CHECK(terms, "lease {} is in the book and not in the state", *lease);
      batch.push_back({*lease, terms->renewed_at});
      cost += 1 + terms->attached_keys;
    }
    return batch;
  }

  // A lease that is still there was renewed meanwhile, or the command was refused.
  void settle(const std::vector<LeaseExpiry>& batch, const Result<CommandResults>& result) {
    const Duration retry_after = result.ok() ? Duration(0) : Duration(result.error().retry_after);
    const Instant again = observe() + std::max(options_.tick, retry_after);
    for (const LeaseExpiry& expiry : batch) {
      if (!book_.ttl(expiry.lease)) ++stats_.expired;
      book_.put_back(expiry.lease, again);
    }
  }

  Gather take_gathered() {
    Gather next{.number = gather_.number + 1};
    return std::exchange(gather_, std::move(next));
  }

  void send_gathered() { tasks_.add(commit(take_gathered())); }

  rpc::Task<void> commit(Gather gather) {
    const std::vector<LeaseId> leases(gather.leases.begin(), gather.leases.end());
    ++stats_.renew_commands;
    stats_.renewals += leases.size();
    auto result = co_await committer_.commit(encode_renew(leases, wall_ms_()), patience());
    if (result.ok() && result->failure) result = *std::move(result->failure);
    answer(gather, result);
  }

  void answer(Gather& gather, const Result<CommandResults>& result) {
    std::map<LeaseId, Renewal> renewals;
    std::size_t i = 0;
    for (const LeaseId lease : gather.leases) {
      book_.release(lease);
      if (!result.ok()) continue;
      const std::optional<milliseconds>& ttl = result->renewed.at(i++);
      renewals.emplace(lease, ttl ? Renewal(*ttl) : Renewal(not_found(lease)));
    }
    for (Waiting& waiting : gather.waiting) {
      if (!result.ok()) {
        waiting.answer->fulfill(result.error());
        continue;
      }
      std::vector<Renewal> own;
      own.reserve(waiting.leases.size());
      for (const LeaseId lease : waiting.leases) own.push_back(renewals.at(lease));
      waiting.answer->fulfill(std::move(own));
    }
  }

  void taskFailed(kj::Exception&& exception) override {
    // Committer::commit() never rejects, and timers do not fail.
    check_failed(__FILE__, __LINE__, "no task fails", exception.getDescription().cStr());
  }

  const LeaseSource& source_;
  Committer& committer_;
  kj::Timer& timer_;
  const std::function<std::uint64_t()> wall_ms_;
  const LeaseKeeperOptions options_;

  LeaseClock clock_;
  LeaseBook book_;
  Gather gather_;
  bool shut_down_ = false;
  Stats stats_;

  // While this member leads.
  std::optional<rpc::Task<void>> ticking_;
  std::optional<rpc::Task<void>> expiring_;
  kj::TaskSet tasks_;
};

LeaseKeeper::LeaseKeeper(const LeaseSource& source, Committer& committer, kj::Timer& timer,
                         std::function<std::uint64_t()> wall_ms, LeaseKeeperOptions options)
    : impl_(std::make_unique<Impl>(source, committer, timer, std::move(wall_ms), options)) {}
LeaseKeeper::~LeaseKeeper() = default;

void LeaseKeeper::on_lease_granted(LeaseId lease, milliseconds ttl) {
  impl_->on_lease_granted(lease, ttl);
}
void LeaseKeeper::on_lease_renewed(LeaseId lease) {
  impl_->on_lease_renewed(lease);
}
void LeaseKeeper::on_lease_ended(LeaseId lease) {
  impl_->on_lease_ended(lease);
}
void LeaseKeeper::on_reloaded() {
  impl_->on_reloaded();
}
void LeaseKeeper::on_fact(const raft::Fact& fact) {
  impl_->on_fact(fact);
}
kj::Promise<Result<std::vector<LeaseKeeper::Renewal>>> LeaseKeeper::renew(
    std::vector<LeaseId> leases) {
  return impl_->renew(std::move(leases));
}
std::optional<milliseconds> LeaseKeeper::remaining(LeaseId lease) const {
  return impl_->remaining(lease);
}
void LeaseKeeper::shut_down() {
  impl_->shut_down();
}
LeaseKeeper::Stats LeaseKeeper::stats() const {
  return impl_->stats();
}

}  // namespace coord::service
