// The API of one member: what its clients, and the other members on behalf of theirs, may call.
//
// Loop thread. Has to outlive every connection that it was given to.
#pragma once

#include <kj/async.h>

#include <functional>
#include <memory>

#include "schema/coord.capnp.h"
#include "service/api/context.h"
#include "service/api/services.h"

namespace coord::service {

class Api {
 public:
  Api(ApiOptions options, ApiDependencies dependencies);
  ~Api();
  Api(const Api&) = delete;
  Api& operator=(const Api&) = delete;

  // The bootstrap capability of a client's connection; `logged_in` is called when it has made
  // itself known.
  schema::Coord::Client client_door(std::function<void()> logged_in);
  // What other members forward to: a Forward.
  capnp::Capability::Client member_door();

  // The header of an answer, as of now.
  void fill(schema::Header::Builder header) const;

  // To be told of every fact of the node, and of every lock that changes.
  void on_fact(const raft::Fact& fact);
  void on_lock_changed(const LockName& name);
  // As StateObserver::on_reloaded; the applier is told by this.
  void on_reloaded();

  // Puts this member's record into the state, through the leader, if it is not there already.
  // Resolves when that has been tried.
  kj::Promise<Status> publish_self(MemberRecord record);

  // Answers everything that waits with kShuttingDown, and whatever still comes.
  void shut_down();

 private:
  std::unique_ptr<Context> context_;
  Services services_;
  capnp::Capability::Client member_door_;
};

}  // namespace coord::service
