// The other members, over Cap'n Proto RPC.
//
// Each member dials every other one and sends its messages over the connection that it dialled; a
// reply goes back as the answer to a call that came from there, as long as one is open. All
// messages of one turn to one peer go in one call. Between two members order is kept among those
// that are not replies, and nothing is ever delivered twice. A link never blocks the node: what is
// outstanding to a peer is bounded in calls and bytes, and beyond that messages are dropped and
// reported. A connection that was closed is dialled again with back-off and jitter, and at once
// when the peer greets, for then it is there; one on which nothing was heard for `silence_timeout`
// is given up and dialled again, because after a partition TCP alone can stay stuck for as long
// again.
//
// Who the others are follows the configuration: set_peers(). One that leaves it is still served for
// a while, because it has to be told. One that greets and is in no configuration known here is a
// guest: it is dialled where its greeting says, so that it can be answered, for as long as it
// stays. That is how a new member answers a leader that it has never heard of.
//
// Loop thread only.
#pragma once

#include <kj/async-io.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "raft/base/limits.h"
#include "raft/base/result.h"
#include "raft/core/message.h"
#include "schema/peer.capnp.h"
#include "schema/rpc/loop.h"

namespace coord::raft {

struct TransportOptions {
  ClusterId cluster;
  MemberId self;
  Incarnation incarnation;
  // HOST:PORT where a member that does not know this one yet can dial it.
  std::string address = {};
  Duration silence_timeout = milliseconds(1000);
  Duration redial_min = milliseconds(20);
  Duration redial_max = milliseconds(500);
  std::size_t outstanding_bytes_max = 2 * limits::kInflightBytesMax;
  std::size_t outstanding_calls_max = 2 * limits::kInflightAppendsMax;
  // Of one entry that a peer may send.
  std::size_t entry_bytes_max = limits::kEntryBytesMax;
  // How long a member that left is still served, and a guest that went away is waited for.
  Duration linger = seconds(5);
  std::size_t guests_max = 16;
  // Accepted, of whoever dials.
  std::size_t connections_max = 1024;
  std::uint64_t seed = 0;  // of the jitter
};

// Who is met at the other end of a connection.
struct Introduction {
  MemberId member;
  Incarnation incarnation;
};

// What a member says of itself to somebody who only asks (Peer.identify).
struct Identification {
  ClusterId cluster;
  MemberId member;
  std::string name;
  Incarnation incarnation;
  bool empty = false;  // it belongs to no configuration yet
  std::string version;
  std::string client_address;
};

class Transport {
 public:
  struct Handlers {
    // A decoded, validated message of this cluster to this member.
    std::function<void(Message)> receive;
    // The peer's side closed a connection, in whichever direction it was.
    std::function<void(MemberId)> closed;
    // Messages to the peer were, or may have been, lost.
    std::function<void(MemberId)> unreachable;
    // What other members may call through our connection besides consensus: the capability that
    // requests are forwarded to. Handed to them at their greeting.
    std::function<capnp::Capability::Client()> service;
    // Optional, for the log: the member is not who it ought to be, or sent what is not valid.
    std::function<void(MemberId, const Error&)> trouble;
    // Optional: whether to have to do with it at all. Asked at every greeting, whichever side made
    // it. Before it has answered, nothing else of that connection is listened to, and a greeting is
    // not accepted.
    std::function<kj::Promise<Status>(const Introduction&)> meet;
    // Optional: the member has accepted our greeting.
    std::function<void(MemberId)> greeted;
    // Optional: it has refused our greeting, at its address in the configuration. What a guest
    // answers, or one that has left, is trouble: it proves nothing.
    std::function<void(MemberId, const Error&)> refused;
    // Optional: a member of that other cluster takes this one for a member of it.
    std::function<void(ClusterId)> claimed;
    // Optional: whom somebody finds here who asks.
    std::function<Identification()> identify;
  };

  Transport(rpc::Loop& loop, kj::Network& network, kj::Timer& timer, TransportOptions options,
            Handlers handlers);
  ~Transport() noexcept;

  // Serves connections from other members on an address that the caller has bound.
  kj::Promise<void> listen(kj::Own<kj::ConnectionReceiver> receiver);

  // The other members, and HOST:PORT where each is dialled. `self` may be among them.
  void set_peers(const std::map<MemberId, std::string>& peers);

  // Messages of one turn; the receivers may differ.
  void send(std::vector<Message> messages);

  // The service capability of that member, as it was handed to us; breaks when the connection does.
  // Nothing while there is no connection.
  kj::Maybe<capnp::Capability::Client> service_of(MemberId member);

  bool connected(MemberId member) const;

 private:
  class Impl;
  kj::Own<Impl> impl_;
};

}  // namespace coord::raft
