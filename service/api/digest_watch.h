// Members prove to each other that the same log has given them the same state: each asks the others
// again and again for their digests, and compares them with its own at the same places of the log.
//
// A difference means that a member's disk or memory, or its build, has changed what it holds, and
// nobody can tell by the digests whose is right; but a majority that agrees against one member is
// taken to be. That one must not answer anybody any more.
//
// Loop thread.
#pragma once

#include <capnp/capability.h>
#include <kj/async.h>
#include <kj/timer.h>

#include <functional>
#include <map>
#include <set>
#include <vector>

#include "schema/peer.capnp.h"
#include "schema/rpc/task.h"
#include "service/api/digest_trail.h"

namespace coord::service {

class DigestWatch {
 public:
  static constexpr milliseconds kInterval{1000};

  struct Handlers {
    // Another member holds another state. Told at every comparison that shows it.
    std::function<void(const Error&)> differs;
    // So does a majority of the members: it is this one's state that is wrong.
    std::function<void(const Error&)> outvoted;
  };
  // A member's Forward capability; nothing while it cannot be reached.
  using Service = std::function<kj::Maybe<capnp::Capability::Client>(MemberId)>;

  // Everything outlives this object.
  DigestWatch(const DigestTrail& trail, kj::Timer& timer, Service service, Handlers handlers);
  DigestWatch(const DigestWatch&) = delete;

  // The other voters: a majority of them and this member decides.
  void set_others(const std::vector<MemberId>& others);

 private:
  rpc::Task<void> watch(MemberId other);
  void compare(MemberId other, capnp::List<schema::StateDigest>::Reader theirs);

  const DigestTrail& trail_;
  kj::Timer& timer_;
  const Service service_;
  const Handlers handlers_;
  // Whose state was another one when it was last compared.
  std::set<MemberId> different_;
  // One for each of the others.
  std::map<MemberId, rpc::Task<void>> watches_;
};

}  // namespace coord::service
