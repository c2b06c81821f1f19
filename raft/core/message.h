// What members say to each other. Every message is validated once, where it is decoded
// (raft/transport); the core may rely on its shape but on none of its claims.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "raft/core/types.h"

namespace coord::raft {

// Numbers a leader's heartbeat rounds. Strictly increasing within a leadership, so that an
// acknowledgement can never be taken for that of a later round (Raft §6.4).
using Round = Strong<struct RoundTag>;
// Names a read that waits for its index; chosen by the member that asks, unique in its lifetime.
using ReadId = Strong<struct ReadIdTag>;

// RequestVote (Raft §3.4); as PreVote (Raft §9.6) the message's term is the one that would be
// campaigned for and changes nothing at the receiver.
struct VoteRequest {
  bool pre_vote = false;
  // A campaign that a leader asked for with TimeoutNow: stickiness does not hold it up (Raft
  // §4.2.3).
  bool transfer = false;
  LogId last{};  // the candidate's last entry
};
struct VoteReply {
  bool pre_vote = false;
  bool granted = false;
};

// AppendEntries (Raft §3.5). Entries follow `previous` without a gap.
struct AppendRequest {
  LogId previous{};
  Index commit{};
  Round round{};
  std::vector<Entry> entries{};
};
struct AppendReply {
  bool accepted = false;
  // Accepted: previous + entries of that request, which are now durable on the follower.
  Index match{};
  // Rejected: the `previous` that did not match, and where the leader should look next: the
  // follower's last entry at or below `previous` whose term is not above the leader's there
  // (fast backtracking, Raft §3.5).
  Index rejected{};
  LogId hint{};
  Round round{};
};

// An AppendEntries without entries and without a log check: says who leads, confirms leadership for
// reads, and carries the commit index as far as the receiver is known to match.
struct Heartbeat {
  Index commit{};
  Round round{};  // zero: only news of the commit index, which nobody has to acknowledge
  // Every member's log reaches at least to here, so nobody will ask for entries before it again:
  // logs may be cut up to it.
  Index held_by_all{};
};
struct HeartbeatReply {
  Round round{};
};

// Leadership transfer (Raft §3.10): campaign at once.
struct TimeoutNow {};

// A piece of the leader's snapshot (InstallSnapshot, Raft §5.1). Pieces of one snapshot have the
// same `last`, size and checksum; what is in it is the state machine's business.
struct SnapshotChunk {
  LogId last{};  // the last entry that the snapshot contains
  std::uint64_t size = 0;
  std::uint64_t checksum = 0;  // of the whole
  std::uint64_t offset = 0;
  Bytes data{};
};
// So much of that snapshot is stored, without a gap; from there on is wanted. A follower that does
// not need it answers with an AppendReply instead.
struct SnapshotReply {
  LogId last{};
  std::uint64_t received = 0;
};

// ReadIndex asked for by another member (Raft §6.4).
struct ReadIndexRequest {
  ReadId id{};
};
struct ReadIndexReply {
  ReadId id{};
  // False: this member is not a leader that may answer; ask again elsewhere.
  bool granted = false;
  Index index{};
};

using MessageBody =
    std::variant<VoteRequest, VoteReply, AppendRequest, AppendReply, Heartbeat, HeartbeatReply,
                 TimeoutNow, ReadIndexRequest, ReadIndexReply, SnapshotChunk, SnapshotReply>;

struct Message {
  ClusterId cluster;
  MemberId from;
  MemberId to;
  // The sender's; of a PreVote and of its granting: the term that would be campaigned for.
  Term term;
  MessageBody body;
};

}  // namespace coord::raft
