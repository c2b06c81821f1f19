// The capabilities that the API hands out.
#pragma once

#include "schema/coord.capnp.h"
#include "schema/peer.capnp.h"
#include "service/api/context.h"

namespace coord::service {

// The context has to outlive them.
schema::Coord::Client make_client_door(Context& api);
schema::Forward::Client make_member_door(Context& api);

}  // namespace coord::service
