// Puts the core's facts into words and numbers. Owned by the node.
#pragma once

#include "raft/core/output.h"
#include "raft/node/node.h"

namespace coord::raft {

class FactLog {
 public:
  FactLog(MemberId self, spdlog::logger* logger, NodeCounters& counters);

  void note(const Fact& fact);
  // Snapshots that came to nothing: from the leader, and for a peer.
  void note_useless(const Error& error);
  void note_unsent(MemberId peer, const Error& error);

 private:
  void on(const BecameFollower& fact);
  void on(const BecamePreCandidate& fact);
  void on(const BecameCandidate& fact);
  void on(const BecameLeader& fact);
  void on(const LeadershipConfirmed& fact);
  void on(const SteppedDown& fact);
  void on(const LeaderLearned& fact);
  void on(const Truncated& fact);
  void on(const MessageRefused& fact);
  void on(const PeerNeedsSnapshot& fact);
  void on(const ConfigurationChanged& fact);
  void on(const Removed& fact);
  void on(const TransferStarted& fact);
  void on(const TransferFailed& fact);
  void on(const SnapshotTaken& fact);
  void leads(Term term, MemberId leader);

  const MemberId self_;
  spdlog::logger& logger_;
  NodeCounters& counters_;
  // The last leadership that was told of: one line each, however many facts speak of it.
  Term told_term_{};
};

}  // namespace coord::raft
