// The other members, over Cap'n Proto RPC.
//
// Each member dials every other one and sends its messages over the connection that it dialled; a
// reply goes back as the answer to a call that came from there, as long as one is open. All messages
// of one turn to one peer go in one call. Between two members order is kept among those that are
// not replies, and nothing is ever delivered twice. A link never blocks the node: what is outstanding to a peer is bounded in calls and
// bytes, and beyond that messages are dropped and reported. A connection that was closed is dialled
// again with back-off and jitter; one on which nothing was heard for `silence_timeout` is given up
// and dialled again, because after a partition TCP alone can stay stuck for as long again.
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
  // HOST:PORT of every other member.
  std::map<MemberId, std::string> peers = {};
  Duration silence_timeout = milliseconds(1000);
  Duration redial_min = milliseconds(20);
  Duration redial_max = milliseconds(500);
  std::size_t outstanding_bytes_max = 2 * limits::kInflightBytesMax;
  std::size_t outstanding_calls_max = 2 * limits::kInflightAppendsMax;
  // Of one entry that a peer may send.
  std::size_t entry_bytes_max = limits::kEntryBytesMax;
  std::uint64_t seed = 0;  // of the jitter
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
    // Optional, for the log: the member refused our greeting, or sent what is not valid.
    std::function<void(MemberId, const Error&)> trouble;
  };

  Transport(rpc::Loop& loop, kj::Network& network, kj::Timer& timer, TransportOptions options,
            Handlers handlers);
  ~Transport() noexcept;

  // Serves connections from other members on an address that the caller has bound.
  kj::Promise<void> listen(kj::Own<kj::ConnectionReceiver> receiver);

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
