#include "service/api/services.h"

#include <utility>

#include "service/api/cluster_calls.h"
#include "service/api/kv_calls.h"
#include "service/api/lease_calls.h"
#include "service/api/lock_calls.h"
#include "service/api/member_calls.h"
#include "service/api/watch_calls.h"

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

class WatchService final : public schema::Watch::Server {
 public:
  explicit WatchService(Context& api) : api_(api) {}
  kj::Promise<void> watch(WatchContext call) override { return serve_watch(api_, call); }

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
  kj::Promise<void> publishMember(PublishMemberContext call) override {
    return serve_publish(api_, call);
  }

 private:
  Context& api_;
};

// One of each for all clients: the services keep nothing about who calls them.
class Reception final : public schema::Coord::Server {
 public:
  explicit Reception(Context& api)
      : api_(api),
        kv_(kj::heap<KvService>(api)),
        watch_(kj::heap<WatchService>(api)),
        lease_(kj::heap<LeaseService>(api)),
        lock_(kj::heap<LockService>(api)),
        cluster_(kj::heap<ClusterService>(api)) {}

  kj::Promise<void> login(LoginContext call) override {
    auto out = call.getResults();
    api_.fill(out.initHeader());
    auto services = out.initServices();
    services.setKv(kv_);
    services.setWatch(watch_);
    services.setLease(lease_);
    services.setLock(lock_);
    services.setCluster(cluster_);
    return kj::READY_NOW;
  }

 private:
  Context& api_;
  schema::Kv::Client kv_;
  schema::Watch::Client watch_;
  schema::Lease::Client lease_;
  schema::Lock::Client lock_;
  schema::Cluster::Client cluster_;
};

}  // namespace

schema::Coord::Client make_client_door(Context& api) {
  return kj::heap<Reception>(api);
}

schema::Forward::Client make_member_door(Context& api) {
  return kj::heap<ForwardService>(api);
}

}  // namespace coord::service
