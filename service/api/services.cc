#include "service/api/services.h"

#include <utility>

#include "service/api/cluster_calls.h"
#include "service/api/kv_calls.h"
#include "service/api/lease_calls.h"
#include "service/api/lock_calls.h"
#include "service/api/maintenance_calls.h"
#include "service/api/member_calls.h"
#include "service/api/membership_calls.h"
#include "service/watch/watch_hub.h"

namespace coord::service {

namespace {

class KvService final : public schema::Kv::Server {
 public:
  explicit KvService(Context& api) : api_(api) {}
  kj::Promise<void> write(WriteContext call) override {
    return serve_write(api_, call, Passing::kAllowed);
  }
  kj::Promise<void> read(ReadContext call) override { return serve_read(api_, call); }

 private:
  Context& api_;
};

class LeaseService final : public schema::Lease::Server {
 public:
  explicit LeaseService(Context& api) : api_(api) {}
  kj::Promise<void> renew(RenewContext call) override {
    return serve_renew(api_, call, Passing::kAllowed);
  }
  kj::Promise<void> get(GetContext call) override {
    return serve_lease_get(api_, call, Passing::kAllowed);
  }
  kj::Promise<void> list(ListContext call) override {
    return serve_lease_list(api_, call, Passing::kAllowed);
  }

 private:
  Context& api_;
};

class LockService final : public schema::Lock::Server {
 public:
  explicit LockService(Context& api) : api_(api) {}
  kj::Promise<void> await(AwaitContext call) override { return serve_lock_await(api_, call); }
  kj::Promise<void> show(ShowContext call) override { return serve_lock_show(api_, call); }
  kj::Promise<void> list(ListContext call) override { return serve_lock_list(api_, call); }

 private:
  Context& api_;
};

class ClusterService final : public schema::Cluster::Server {
 public:
  explicit ClusterService(Context& api) : api_(api) {}
  kj::Promise<void> members(MembersContext call) override {
    serve_members(api_, call);
    return kj::READY_NOW;
  }
  kj::Promise<void> status(StatusContext call) override {
    serve_status(api_, call);
    return kj::READY_NOW;
  }
  kj::Promise<void> health(HealthContext call) override { return serve_health(api_, call); }

 private:
  Context& api_;
};

class MaintenanceService final : public schema::Maintenance::Server {
 public:
  explicit MaintenanceService(Context& api) : api_(api) {}
  kj::Promise<void> compact(CompactContext call) override {
    return serve_compact(api_, call, Passing::kAllowed);
  }

 private:
  Context& api_;
};

class MembershipService final : public schema::Membership::Server {
 public:
  explicit MembershipService(Context& api) : api_(api) {}
  kj::Promise<void> probe(ProbeContext call) override {
    return serve_probe(api_, call, Passing::kAllowed);
  }
  kj::Promise<void> change(ChangeContext call) override {
    return serve_change(api_, call, Passing::kAllowed);
  }
  kj::Promise<void> progress(ProgressContext call) override {
    return serve_progress(api_, call, Passing::kAllowed);
  }
  kj::Promise<void> transfer(TransferContext call) override {
    return serve_transfer(api_, call, Passing::kAllowed);
  }

 private:
  Context& api_;
};

// What another member asks for on behalf of its client: nothing of it is passed on.
class ForwardService final : public schema::Forward::Server {
 public:
  explicit ForwardService(Context& api) : api_(api) {}
  kj::Promise<void> write(WriteContext call) override {
    return serve_write(api_, call, Passing::kRefused);
  }
  kj::Promise<void> read(ReadContext call) override { return serve_read(api_, call); }
  kj::Promise<void> renew(RenewContext call) override {
    return serve_renew(api_, call, Passing::kRefused);
  }
  kj::Promise<void> get(GetContext call) override {
    return serve_lease_get(api_, call, Passing::kRefused);
  }
  kj::Promise<void> list(ListContext call) override {
    return serve_lease_list(api_, call, Passing::kRefused);
  }
  kj::Promise<void> compact(CompactContext call) override {
    return serve_compact(api_, call, Passing::kRefused);
  }
  kj::Promise<void> probe(ProbeContext call) override {
    return serve_probe(api_, call, Passing::kRefused);
  }
  kj::Promise<void> change(ChangeContext call) override {
    return serve_change(api_, call, Passing::kRefused);
  }
  kj::Promise<void> progress(ProgressContext call) override {
    return serve_progress(api_, call, Passing::kRefused);
  }
  kj::Promise<void> transfer(TransferContext call) override {
    return serve_transfer(api_, call, Passing::kRefused);
  }
  kj::Promise<void> publishMember(PublishMemberContext call) override {
    return serve_publish(api_, call);
  }
  kj::Promise<void> digests(DigestsContext call) override {
    serve_digests(api_, call);
    return kj::READY_NOW;
  }

 private:
  Context& api_;
};

class Reception final : public schema::Coord::Server {
 public:
  Reception(Context& api, Services& services, std::function<void()> logged_in)
      : api_(api), services_(services), logged_in_(std::move(logged_in)) {}

  kj::Promise<void> login(LoginContext call) override {
    auto out = call.getResults();
    api_.fill(out.initHeader());
    auto services = out.initServices();
    services.setKv(services_.kv);
    services.setWatch(services_.watch);
    services.setLease(services_.lease);
    services.setLock(services_.lock);
    services.setCluster(services_.cluster);
    services.setMaintenance(services_.maintenance);
    services.setMembership(services_.membership);
    logged_in_();
    return kj::READY_NOW;
  }

 private:
  Context& api_;
  Services& services_;
  std::function<void()> logged_in_;
};

}  // namespace

Services make_services(Context& api) {
  return {kj::heap<KvService>(api),      api.deps.watches.service(),
          kj::heap<LeaseService>(api),   kj::heap<LockService>(api),
          kj::heap<ClusterService>(api), kj::heap<MaintenanceService>(api),
          kj::heap<MembershipService>(api)};
}

schema::Coord::Client make_client_door(Context& api, Services& services,
                                       std::function<void()> logged_in) {
  return kj::heap<Reception>(api, services, std::move(logged_in));
}

schema::Forward::Client make_member_door(Context& api) {
  return kj::heap<ForwardService>(api);
}

}  // namespace coord::service
