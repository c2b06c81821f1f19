// Passes on what the state and the node tell: made before those who listen, because the state and
// the node are made before them too.
//
// Loop thread.
#pragma once

#include "raft/node/node.h"
#include "service/api/api.h"
#include "service/api/compactor.h"
#include "service/lease/lease_keeper.h"
#include "service/server/place.h"
#include "service/state/state.h"
#include "service/watch/watch_hub.h"

namespace coord::service {

class Observers final : public StateObserver, public raft::NodeObserver {
 public:
  // To be called once, before anything is applied.
  void attach(Place& place, Api& api, Compactor& compactor, LeaseKeeper& leases,
              WatchHub& watches) {
    place_ = &place;
    api_ = &api;
    compactor_ = &compactor;
    leases_ = &leases;
    watches_ = &watches;
  }

  void on_changes(Revision revision, std::span<const Change> changes) override {
    watches_->on_changes(revision, changes);
  }
  void on_lease_granted(LeaseId lease, milliseconds ttl) override {
    leases_->on_lease_granted(lease, ttl);
  }
  void on_lease_renewed(LeaseId lease) override { leases_->on_lease_renewed(lease); }
  void on_lease_ended(LeaseId lease) override { leases_->on_lease_ended(lease); }
  void on_lock_changed(const LockName& name) override { api_->on_lock_changed(name); }
  void on_member_published(const MemberRecord&) override {}
  void on_compacted(Revision oldest_kept) override { compactor_->on_compacted(oldest_kept); }
  void on_reloaded() override {
    api_->on_reloaded();
    leases_->on_reloaded();
    watches_->on_reloaded();
  }

  void on_fact(const raft::Fact& fact) override {
    place_->on_fact(fact);
    leases_->on_fact(fact);
    compactor_->on_fact(fact);
    api_->on_fact(fact);
  }

 private:
  Place* place_ = nullptr;
  Api* api_ = nullptr;
  Compactor* compactor_ = nullptr;
  LeaseKeeper* leases_ = nullptr;
  WatchHub* watches_ = nullptr;
};

}  // namespace coord::service
