// The capabilities that the API hands out.
#pragma once

#include <functional>

#include "schema/coord.capnp.h"
#include "schema/peer.capnp.h"
#include "service/api/context.h"

namespace coord::service {

// What a client gets at login: the same for all of them, because the services keep nothing about
// who calls them.
struct Services {
  schema::Kv::Client kv;
  schema::Watch::Client watch;
  schema::Lease::Client lease;
  schema::Lock::Client lock;
  schema::Cluster::Client cluster;
  schema::Maintenance::Client maintenance;
  schema::Membership::Client membership;
};

// The context has to outlive all of them.
Services make_services(Context& api);
// The bootstrap capability of one connection; `logged_in` is called at a login.
schema::Coord::Client make_client_door(Context& api, Services& services,
                                       std::function<void()> logged_in);
schema::Forward::Client make_member_door(Context& api);

}  // namespace coord::service
