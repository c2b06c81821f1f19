#include "tests/service/api/cluster.h"

#include <gtest/gtest.h>
#include <kj/debug.h>
#include <spdlog/logger.h>

#include <utility>

namespace coord::service {

namespace {

constexpr ClusterId kCluster{0xc0};

spdlog::logger& silent() {
  static spdlog::logger logger("silent");  // without sinks
  return logger;
}

std::uint64_t wall_ms_of(Instant now) {
  return 1'700'000'000'000 +
         static_cast<std::uint64_t>(
             std::chrono::duration_cast<milliseconds>(now.time_since_epoch()).count());
}

}  // namespace

// --- The cluster -------------------------------------------------------------------------------

// What a broken connection does to the calls on it.
struct TestCluster::Cut final : public capnp::MembranePolicy, public kj::Refcounted {
  Cut() : Cut(kj::newPromiseAndFulfiller<void>()) {}
  explicit Cut(kj::PromiseFulfillerPair<void> pair)
      : breaking(pair.promise.fork()), breaker(kj::mv(pair.fulfiller)) {}

  kj::Maybe<capnp::Capability::Client> inboundCall(std::uint64_t, std::uint16_t,
                                                   capnp::Capability::Client) override {
    return nullptr;
  }
  kj::Maybe<capnp::Capability::Client> outboundCall(std::uint64_t, std::uint16_t,
                                                    capnp::Capability::Client) override {
    return nullptr;
  }
  kj::Own<capnp::MembranePolicy> addRef() override { return kj::addRef(*this); }
  kj::Maybe<kj::Promise<void>> onRevoked() override { return breaking.addBranch(); }

  kj::ForkedPromise<void> breaking;
  kj::Own<kj::PromiseFulfiller<void>> breaker;
};

TestCluster::TestCluster(std::size_t members, RequestLimits limits, CompactorOptions history)
    : history_(history), limits_(limits) {
  raft::Configuration configuration;
  for (std::size_t i = 1; i <= members; ++i) {
    configuration.voters.push_back(MemberId(i));
    configuration.addresses.emplace(MemberId(i), address_of(MemberId(i)));
  }
  for (const MemberId id : configuration.voters) {
    members_.push_back(std::make_unique<TestMember>(*this, id, configuration, limits));
  }
}

TestCluster::~TestCluster() noexcept = default;

Clock TestCluster::clock() {
  return {timer_, [this] { return now_; }, [this] { return wall_ms_of(now_); }};
}

TestMember& TestCluster::add_waiting() {
  const MemberId id(members_.size() + 1);
  members_.push_back(std::make_unique<TestMember>(*this, id, raft::Configuration(), limits_));
  return *members_.back();
}

std::string TestCluster::address_of(MemberId member) {
  return fmt::format("127.0.0.1:{}", member.value());
}

Result<FoundMember> TestCluster::identify(const std::string& address) {
  for (const auto& member : members_) {
    if (address_of(member->id()) != address) continue;
    const auto name = names_.find(member->id());
    return FoundMember{
        .cluster = kCluster,
        .id = member->id(),
        .name = name != names_.end() ? name->second : fmt::format("n{}", member->id()),
        .client_address = fmt::format("client-of-n{}:1", member->id()),
        .version = "test",
        .empty = member->node().status().configuration.members().empty()};
  }
  return make_error(ErrorCode::kUnreachable, "{} cannot be reached: nobody there", address);
}

void TestCluster::step() {
  now_ += milliseconds(1);
  timer_.advanceTo(kj::origin<kj::TimePoint>() + now_.time_since_epoch().count() * kj::NANOSECONDS);
  scope_.poll();
  for (raft::Message& message : std::exchange(messages_, {})) {
    if (!linked(message.from, message.to)) continue;
    member(message.to.value()).receive(std::move(message));
  }
  for (const auto& member : members_) member->turn(now_);
  scope_.poll();
  // What the turn's effects have made runnable may have given the nodes more to do.
  for (const auto& member : members_) member->node().pump(now_);
  scope_.poll();
}

void TestCluster::run(milliseconds time) {
  for (std::int64_t i = 0; i < time.count(); ++i) step();
}

TestMember& TestCluster::leader() {
  for (int i = 0; i < 60'000; ++i) {
    for (const auto& member : members_) {
      if (member->node().confirmed_leader() && !isolated_.contains(member->id())) return *member;
    }
    step();
  }
  throw std::runtime_error("nobody leads");
}

TestMember& TestCluster::follower() {
  const TestMember& leads = leader();
  for (const auto& member : members_) {
    while (!isolated_.contains(member->id()) && member.get() != &leads) {
      if (member->node().leader() == leads.id()) return *member;
      step();
    }
  }
  throw std::runtime_error("nobody follows");
}

void TestCluster::isolate(MemberId member) {
  isolated_.insert(member);
  if (const auto it = cuts_.find(member); it != cuts_.end()) {
    it->second->breaker->reject(KJ_EXCEPTION(DISCONNECTED, "isolated"));
    cuts_.erase(it);
  }
}

kj::Maybe<capnp::Capability::Client> TestCluster::peer_service(MemberId from, MemberId to) {
  if (!linked(from, to)) return nullptr;
  auto& cut = cuts_[to];
  if (cut.get() == nullptr) cut = kj::refcounted<Cut>();
  return capnp::membrane(member(to.value()).api().member_door(), cut->addRef());
}

// --- A member ----------------------------------------------------------------------------------

TestMember::TestMember(TestCluster& cluster, MemberId self,
                       const raft::Configuration& configuration, RequestLimits limits)
    : cluster_(cluster), self_(self), state_(std::make_unique<State>(tables_, *this)) {
  const Clock clock = cluster.clock();
  applier_ = std::make_unique<Applier>(*state_, clock);
  raft::CoreOptions core;
  core.cluster = kCluster;
  core.self = self;
  core.seed = self.value();
  raft::Restored restored;
  restored.configuration = configuration;
  restored.first_index = Index(1);
  node_ = std::make_unique<raft::Node>(raft::NodeOptions{.core = core}, std::move(restored),
                                       raft::Node::Dependencies{.log = log_,
                                                                .peers = *this,
                                                                .state_machine = *applier_,
                                                                .observer = *this,
                                                                .snapshots = snapshots_,
                                                                .clock = clock.now,
                                                                .logger = &silent()},
                                       cluster.now());
  applier_->attach(*node_);
  lease_source_ = std::make_unique<StateLeaseSource>(*state_);
  leases_ = std::make_unique<LeaseKeeper>(*lease_source_, *applier_, clock.timer, clock.wall_ms);
  watch_source_ = std::make_unique<StateWatchSource>(*state_);
  watches_ = std::make_unique<WatchHub>(*watch_source_, clock.timer,
                                        [this](schema::Header::Builder out) { api_->fill(out); });
  compactor_ = std::make_unique<Compactor>(
      *state_, *applier_, clock, [] { return true; }, cluster.history());
  ApiOptions options;
  options.cluster = kCluster;
  options.self = self;
  options.limits = limits;
  for (const MemberId id : configuration.voters) {
    options.names.emplace(id, fmt::format("n{}", id));
  }
  api_ = std::make_unique<Api>(
      std::move(options),
      ApiDependencies{
          .node = *node_,
          .state = *state_,
          .applier = *applier_,
          .leases = *leases_,
          .watches = *watches_,
          .compactor = *compactor_,
          .clock = clock,
          .peer_service = [this](MemberId to) { return cluster_.peer_service(self_, to); },
          .refuse_writes = [this] { return refuse_writes; },
          .stats = [] { return ServerStats{}; },
          .identify = [this](std::string address, Duration) -> kj::Promise<Result<FoundMember>> {
            if (cluster_.nobody_answers) return kj::NEVER_DONE;
            return cluster_.identify(address);
          }});
  login_ = api_->client_door([] {}).loginRequest().send().wait(cluster.scope());
  KJ_IF_MAYBE (login, login_) services_ = login;
}

TestMember::~TestMember() noexcept = default;

void TestMember::become(TestMember& other) {
  other.state_->save();
  tables_.replace(other.tables_.contents());
  state_->reload();
}

void TestMember::turn(Instant now) {
  for (const raft::Ticket ticket : log_.take()) node_->persisted(ticket);
  node_->pump(now);
}

void TestMember::receive(raft::Message message) {
  node_->receive(std::move(message));
}

void TestMember::send(std::vector<raft::Message> messages) {
  for (raft::Message& message : messages) cluster_.messages_.push_back(std::move(message));
}

void TestMember::on_changes(Revision revision, std::span<const Change> changes) {
  watches_->on_changes(revision, changes);
}
void TestMember::on_lease_granted(LeaseId lease, milliseconds ttl) {
  leases_->on_lease_granted(lease, ttl);
}
void TestMember::on_lease_renewed(LeaseId lease) {
  leases_->on_lease_renewed(lease);
}
void TestMember::on_lease_ended(LeaseId lease) {
  leases_->on_lease_ended(lease);
}
void TestMember::on_compacted(Revision oldest_kept) {
  compactor_->on_compacted(oldest_kept);
}
void TestMember::on_reloaded() {
  api_->on_reloaded();
  leases_->on_reloaded();
  watches_->on_reloaded();
}
void TestMember::on_lock_changed(const LockName& name) {
  api_->on_lock_changed(name);
}
void TestMember::on_fact(const raft::Fact& fact) {
  leases_->on_fact(fact);
  compactor_->on_fact(fact);
  api_->on_fact(fact);
}

// --- Requests ----------------------------------------------------------------------------------

capnp::Data::Reader bytes(std::string_view text) {
  return {reinterpret_cast<const kj::byte*>(text.data()), text.size()};
}

void fill_put(schema::Write::Builder write, std::string_view key, std::string_view value) {
  write.initPut().setKey(bytes(key));
  write.getPut().setValue(bytes(value));
}

void fill_acquire(schema::Write::Builder write, std::string_view lock, std::uint64_t lease,
                  bool wait) {
  auto acquire = write.initLockAcquire();
  acquire.initLock().setName(bytes(lock));
  acquire.setLease(lease);
  acquire.setWait(wait);
}

void fill_grant(schema::Write::Builder write, std::uint64_t id, std::uint64_t ttl_ms) {
  auto grant = write.initLeaseGrant();
  grant.setId(id);
  grant.setTtlMs(ttl_ms);
}

}  // namespace coord::service
