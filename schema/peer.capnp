# What members say to each other: raft/core/message.h on the wire.
@0xcae34fd82707e417;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("coord::schema");
using Api = import "coord.capnp";

interface Peer {
  # The bootstrap capability of the peer port.
  greet @0 (greeting :Greeting)
        -> (session :PeerSession, failure :Text, code :UInt16, incarnation :UInt64);
  # Refused for another cluster, for a member that this one is not, or from one that was removed or
  # has lost its disk: then there is no session, but a sentence and an ErrorCode of
  # raft/base/error.h. `incarnation`: of the member that answers.

  identify @1 () -> (identity :PeerIdentity);
  # Who answers here; for whoever wants to know before it is made a member.
}

struct Greeting {
  cluster @0 :UInt64;
  from @1 :UInt64;
  to @2 :UInt64;
  protocol @3 :UInt16;        # of raft/transport/bounds.h
  incarnation @4 :UInt64;     # of the disk of the member that greets: drawn when it was new
  address @5 :Text;           # HOST:PORT where it wants to be dialled by who does not know it yet
}

struct PeerIdentity {
  cluster @0 :UInt64;
  member @1 :UInt64;
  name @2 :Text;
  incarnation @3 :UInt64;
  empty @4 :Bool;             # it belongs to no configuration yet: it waits to be added
  version @5 :Text;
  clientAddress @6 :Text;
}

interface PeerSession {
  deliver @0 (messages :List(Message)) -> (replies :List(Message));
  # Answered when there is something to reply, or a little later with nothing: most messages are
  # answered by one, and so the answer costs no call of its own in the other direction.
  service @1 () -> (service :Capability);
  # What requests are forwarded to: a Forward.
}

interface Forward extends(Api.Kv, Api.Lease, Api.Maintenance, Api.Membership) {
  # What only the leader can do, on behalf of another member's client. A member that does not lead
  # refuses (notLeader) instead of passing on, so that no request goes round in circles.
  publishMember @0 (member :Api.MemberInfo) -> (failure :Api.Failure);

  digests @1 () -> (digests :List(StateDigest));
  # Of the state as this member had it at some places of the log, in order. Any member answers.
}

struct StateDigest {
  index @0 :UInt64;
  digest @1 :UInt64;
}

struct Message {
  cluster @0 :UInt64;
  from @1 :UInt64;
  to @2 :UInt64;
  term @3 :UInt64;
  union {
    voteRequest @4 :VoteRequest;
    voteReply @5 :VoteReply;
    appendRequest @6 :AppendRequest;
    appendReply @7 :AppendReply;
    heartbeat @8 :Heartbeat;
    heartbeatReply @9 :UInt64;       # round
    timeoutNow @10 :Void;
    readIndexRequest @11 :UInt64;    # id
    readIndexReply @12 :ReadIndexReply;
    snapshotChunk @13 :SnapshotChunk;
    snapshotReply @14 :SnapshotReply;
  }
}

struct LogId {
  term @0 :UInt64;
  index @1 :UInt64;
}
struct VoteRequest {
  preVote @0 :Bool;
  transfer @1 :Bool;
  last @2 :LogId;
}
struct VoteReply {
  preVote @0 :Bool;
  granted @1 :Bool;
}
struct AppendRequest {
  previous @0 :LogId;
  commit @1 :UInt64;
  round @2 :UInt64;
  entries @3 :List(Entry);    # indexes follow `previous` without a gap
}
struct Entry {
  term @0 :UInt64;
  type @1 :UInt8;
  payload @2 :Data;
}
struct AppendReply {
  accepted @0 :Bool;
  match @1 :UInt64;
  rejected @2 :UInt64;
  hint @3 :LogId;
  round @4 :UInt64;
}
struct Heartbeat {
  commit @0 :UInt64;
  round @1 :UInt64;
  heldByAll @2 :UInt64;
}
struct SnapshotChunk {
  last @0 :LogId;             # the last entry that the snapshot contains
  size @1 :UInt64;            # of the whole, and its checksum (XXH3, 64 bits)
  checksum @2 :UInt64;
  offset @3 :UInt64;
  data @4 :Data;
}
struct SnapshotReply {
  last @0 :LogId;
  received @1 :UInt64;        # stored without a gap
}
struct ReadIndexReply {
  id @0 :UInt64;
  granted @1 :Bool;
  index @2 :UInt64;
}
