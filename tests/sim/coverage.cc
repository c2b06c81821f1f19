#include "tests/sim/coverage.h"

#include <fmt/format.h>

namespace coord::sim {

namespace {
constexpr std::size_t kSituations = static_cast<std::size_t>(Situation::kCount);
}

std::string_view to_string(Situation situation) {
  switch (situation) {
    case Situation::kLeaderElected:
      return "a leader was elected";
    case Situation::kLeaderReplaced:
      return "a leader was replaced";
    case Situation::kElectionUndecided:
      return "an election was lost or undecided";
    case Situation::kJointElection:
      return "a leader was elected in a joint configuration";
    case Situation::kPreVoteRefused:
      return "a pre-vote was refused";
    case Situation::kLeaderVotedOut:
      return "a leader that was voted out stepped down";
    case Situation::kRemovedMemberTold:
      return "a member learnt that it was removed";
    case Situation::kMemberAdded:
      return "a member was added";
    case Situation::kLearnerPromoted:
      return "a learner was promoted";
    case Situation::kChangeRefused:
      return "a change of the members was refused";
    case Situation::kConfigurationRolledBack:
      return "a configuration was truncated off a log";
    case Situation::kTransferred:
      return "leadership was handed over";
    case Situation::kTransferFailed:
      return "a handover came to nothing";
    case Situation::kSnapshotTaken:
      return "a snapshot was taken for a lagging member";
    case Situation::kSnapshotBegunAnew:
      return "another snapshot took the place of one being received";
    case Situation::kSnapshotDamaged:
      return "a received snapshot was damaged";
    case Situation::kSnapshotStale:
      return "a received snapshot was of no use any more";
    case Situation::kSnapshotInstalled:
      return "a snapshot was installed";
    case Situation::kSnapshotAmidAppends:
      return "a snapshot was installed under a log that was kept";
    case Situation::kLeaseRead:
      return "a cluster with reads under a lease got on";
    case Situation::kRemovedMemberRefused:
      return "a member that was removed unheard was refused";
    case Situation::kQuorumLost:
      return "a leader stepped down without a quorum";
    case Situation::kDiskTooSlowToLead:
      return "a leader stepped down because of its disk";
    case Situation::kConnectionCloseHint:
      return "a follower saw its leader's connection close";
    case Situation::kFastFailover:
      return "a crashed leader was replaced before a timeout";
    case Situation::kOldLeaderTold:
      return "an old leader was told of a new term";
    case Situation::kLogTruncated:
      return "a log was truncated";
    case Situation::kTruncatedWhileBeingWritten:
      return "what was being written was truncated";
    case Situation::kAppendRejected:
      return "an append was rejected";
    case Situation::kProbeWhileReplicating:
      return "a stalled window was asked about";
    case Situation::kCommitAheadOfDisk:
      return "an entry was committed before it was durable here";
    case Situation::kCommitBeforeLeadersDisk:
      return "a commit overtook the leader's own disk";
    case Situation::kSingleMemberCommit:
      return "a cluster of one committed";
    case Situation::kManyEventsInOneOutput:
      return "several events shared one output";
    case Situation::kGroupCommit:
      return "several batches shared a sync";
    case Situation::kCrashWithWritesPending:
      return "a crash lost writes";
    case Situation::kTornBatch:
      return "a crash tore a write";
    case Situation::kRestartedFromFlush:
      return "a restart began at a flush";
    case Situation::kLogCut:
      return "a log was cut";
    case Situation::kLoadedFromDisk:
      return "a follower was served from disk";
    case Situation::kStoppedByDisk:
      return "a member stopped because of its disk";
    case Situation::kDamageDone:
      return "a disk was damaged";
    case Situation::kDamageFound:
      return "a member found its disk damaged and halted";
    case Situation::kDiskFull:
      return "a disk was full";
    case Situation::kOverloaded:
      return "a proposal was refused: overloaded";
    case Situation::kProposalLost:
      return "a proposal's place was taken by another entry";
    case Situation::kRetried:
      return "a client tried again";
    case Situation::kOperationFailed:
      return "an operation failed for certain";
    case Situation::kOutcomeUnknown:
      return "an operation's outcome stayed unknown";
    case Situation::kReadOnLeader:
      return "a read was answered by its leader";
    case Situation::kReadOnFollower:
      return "a read was answered on a follower";
    case Situation::kReadAfterLeaderChange:
      return "a read was answered after a change of leader";
    case Situation::kReadRefused:
      return "a read was refused";
    case Situation::kWatched:
      return "a watcher was told of a change";
    case Situation::kWatchCompacted:
      return "a watcher came too late";
    case Situation::kPartition:
      return "a partition began";
    case Situation::kClog:
      return "a link was clogged";
    case Situation::kReset:
      return "a connection lost the tail of what was under way";
    case Situation::kDuplicateDelivered:
      return "a duplicate was delivered";
    case Situation::kReplayDelivered:
      return "an old message was replayed";
    case Situation::kOldIncarnationDelivered:
      return "a message from before a restart arrived";
    case Situation::kNumbersAtTheEdge:
      return "a log began near 2^31, 2^32, 2^53 or 2^62";
    case Situation::kCoreHealedAlone:
      return "a bare quorum got on without the others";
    case Situation::kDeafMember:
      return "a cluster got on beside a deaf member";
    case Situation::kCount:
      break;
  }
  return "?";
}

void Coverage::add(const Coverage& other) {
  for (std::size_t i = 0; i < kSituations; ++i) counts_[i] += other.counts_[i];
}

std::vector<Situation> Coverage::never_reached() const {
  std::vector<Situation> missing;
  for (std::size_t i = 0; i < kSituations; ++i) {
    if (counts_[i] == 0) missing.push_back(static_cast<Situation>(i));
  }
  return missing;
}

std::string Coverage::report() const {
  std::string text;
  for (std::size_t i = 0; i < kSituations; ++i) {
    text += fmt::format("{:>12}  {}\n", counts_[i], to_string(static_cast<Situation>(i)));
  }
  return text;
}

}  // namespace coord::sim
