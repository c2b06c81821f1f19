// A whole cluster's consensus, state and API in one thread and in virtual time: real nodes, states
// and services; a log in memory, messages and capabilities by hand.
#pragma once

#include <capnp/membrane.h>
#include <kj/async.h>
#include <kj/timer.h>

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "service/api/api.h"
#include "service/api/applier.h"
#include "service/api/compactor.h"
#include "service/lease/lease_keeper.h"
#include "service/watch/watch_hub.h"
#include "tests/raft/node/no_snapshots.h"
#include "tests/service/state/map_tables.h"

namespace coord::service {

class TestCluster;

// Everything that is written is on disk a step later, unless the disk is held.
class TestLog final : public raft::DurableLog {
 public:
  void submit(raft::Durable batch) override { submitted_.push_back(batch.ticket); }
  void load(raft::Load) override {}
  void cut(Index) override {}
  // What has been written meanwhile.
  std::vector<raft::Ticket> take() {
    return held ? std::vector<raft::Ticket>{} : std::exchange(submitted_, {});
  }
  bool held = false;

 private:
  std::vector<raft::Ticket> submitted_;
};

class TestMember final : public StateObserver, public raft::NodeObserver, public raft::PeerLinks {
 public:
  TestMember(TestCluster& cluster, MemberId self, const raft::Configuration& configuration,
             RequestLimits limits);
  ~TestMember() noexcept;

  raft::Node& node() { return *node_; }
  State& state() { return *state_; }
  Applier& applier() { return *applier_; }
  Api& api() { return *api_; }
  Compactor& compactor() { return *compactor_; }
  TestLog& log() { return log_; }
  MemberId id() const { return self_; }

  // As a client gets them.
  schema::Kv::Client kv() { return services_->getServices().getKv(); }
  schema::Lease::Client lease() { return services_->getServices().getLease(); }
  schema::Lock::Client lock() { return services_->getServices().getLock(); }
  schema::Cluster::Client cluster() { return services_->getServices().getCluster(); }
  schema::Watch::Client watch() { return services_->getServices().getWatch(); }
  schema::Maintenance::Client maintenance() { return services_->getServices().getMaintenance(); }
  schema::Membership::Client membership() { return services_->getServices().getMembership(); }
  // As another member gets it.
  schema::Forward::Client forward() { return api_->member_door().castAs<schema::Forward>(); }

  // Receives the other one's state as a snapshot. Its node knows nothing of it: to be isolated.
  void become(TestMember& other);
  void turn(Instant now);
  void receive(raft::Message message);
  // Why the member takes no writes; nothing: it does.
  std::optional<Error> refuse_writes;

 private:
  void on_changes(Revision revision, std::span<const Change> changes) override;
  void on_lease_granted(LeaseId lease, milliseconds ttl) override;
  void on_lease_renewed(LeaseId lease) override;
  void on_lease_ended(LeaseId lease) override;
  void on_lock_changed(const LockName& name) override;
  void on_member_published(const MemberRecord&) override {}
  void on_compacted(Revision oldest_kept) override;
  void on_reloaded() override;
  void on_fact(const raft::Fact& fact) override;
  void send(std::vector<raft::Message> messages) override;

  TestCluster& cluster_;
  MemberId self_;
  TestLog log_;
  raft::testing::NoSnapshots snapshots_;
  MapTables tables_;
  std::unique_ptr<State> state_;
  std::unique_ptr<Applier> applier_;
  std::unique_ptr<raft::Node> node_;
  std::unique_ptr<StateLeaseSource> lease_source_;
  std::unique_ptr<LeaseKeeper> leases_;
  std::unique_ptr<StateWatchSource> watch_source_;
  std::unique_ptr<WatchHub> watches_;
  std::unique_ptr<Compactor> compactor_;
  std::unique_ptr<Api> api_;
  kj::Maybe<capnp::Response<schema::Coord::LoginResults>> login_;
  capnp::Response<schema::Coord::LoginResults>* services_ = nullptr;
};

class TestCluster {
 public:
  explicit TestCluster(std::size_t members, RequestLimits limits = {},
                       CompactorOptions history = {});
  ~TestCluster() noexcept;

  TestMember& member(std::size_t number) { return *members_.at(number - 1); }
  // Waits until there is one that has the others' confirmation.
  TestMember& leader();
  TestMember& follower();

  // One millisecond.
  void step();
  void run(milliseconds time);
  // Until the promise is there; at most a minute.
  template <class T>
  auto wait(T promise) {
    for (int i = 0; i < 60'000 && !promise.poll(scope_); ++i) step();
    return promise.wait(scope_);
  }

  // One that waits to be added, at the peer address of its own: see address_of().
  TestMember& add_waiting();
  static std::string address_of(MemberId member);
  // What it says that it is named, instead of "n" and its number.
  void rename(MemberId member, const std::string& name) { names_[member] = name; }

  // Whoever is asked who it is does not answer.
  bool nobody_answers = false;

  // No message and no call gets from or to that member any more; calls under way break.
  void isolate(MemberId member);
  void heal() { isolated_.clear(); }

  Instant now() const { return now_; }
  const CompactorOptions& history() const { return history_; }
  kj::WaitScope& scope() { return scope_; }
  kj::Timer& timer() { return timer_; }
  Clock clock();

 private:
  friend class TestMember;
  struct Cut;

  bool linked(MemberId a, MemberId b) const {
    return !isolated_.contains(a) && !isolated_.contains(b);
  }
  kj::Maybe<capnp::Capability::Client> peer_service(MemberId from, MemberId to);
  Result<FoundMember> identify(const std::string& address);

  const CompactorOptions history_;
  kj::EventLoop loop_;
  kj::WaitScope scope_{loop_};
  kj::TimerImpl timer_{kj::origin<kj::TimePoint>()};
  Instant now_{};
  RequestLimits limits_;
  std::set<MemberId> isolated_;
  std::map<MemberId, std::string> names_;
  std::deque<raft::Message> messages_;
  // Breaks what passes between members once one of them is isolated.
  std::map<MemberId, kj::Own<Cut>> cuts_;
  std::vector<std::unique_ptr<TestMember>> members_;
};

// Puts these together into a call.
capnp::Data::Reader bytes(std::string_view text);
void fill_put(schema::Write::Builder write, std::string_view key, std::string_view value);
void fill_acquire(schema::Write::Builder write, std::string_view lock, std::uint64_t lease,
                  bool wait);
void fill_grant(schema::Write::Builder write, std::uint64_t id, std::uint64_t ttl_ms);

}  // namespace coord::service
