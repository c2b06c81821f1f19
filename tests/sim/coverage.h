// What a simulation has reached. A run that never met a situation has tested nothing about it, so
// each one that is named here has to occur over a run of enough seeds.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace coord::sim {

enum class Situation : std::uint8_t {
  kLeaderElected,
  kLeaderReplaced,
  kElectionUndecided,
  kJointElection,
  kPreVoteRefused,
  kQuorumLost,
  kLeaderVotedOut,
  kRemovedMemberTold,
  kMemberAdded,
  kLearnerPromoted,
  kChangeRefused,
  kConfigurationRolledBack,
  kTransferred,
  kTransferFailed,
  kSnapshotTaken,
  kSnapshotBegunAnew,
  kSnapshotDamaged,
  kSnapshotStale,
  kSnapshotInstalled,
  kSnapshotAmidAppends,
  kLeaseRead,
  kRemovedMemberRefused,
  kDiskTooSlowToLead,
  kConnectionCloseHint,
  kFastFailover,
  kOldLeaderTold,
  kLogTruncated,
  kTruncatedWhileBeingWritten,
  kAppendRejected,
  kProbeWhileReplicating,
  kCommitAheadOfDisk,
  kCommitBeforeLeadersDisk,
  kSingleMemberCommit,
  kManyEventsInOneOutput,
  kGroupCommit,
  kCrashWithWritesPending,
  kTornBatch,
  kRestartedFromFlush,
  kLogCut,
  kLoadedFromDisk,
  kStoppedByDisk,
  kDamageDone,
  kDamageFound,
  kDiskFull,
  kOverloaded,
  kProposalLost,
  kRetried,
  kOperationFailed,
  kOutcomeUnknown,
  kReadOnLeader,
  kReadOnFollower,
  kReadAfterLeaderChange,
  kReadRefused,
  kWatched,
  kWatchCompacted,
  kPartition,
  kClog,
  kReset,
  kDuplicateDelivered,
  kReplayDelivered,
  kOldIncarnationDelivered,
  kNumbersAtTheEdge,
  kCoreHealedAlone,
  kDeafMember,
  kCount,
};

// So many seeds, from the first, meet every situation, or something has become unreachable.
inline constexpr std::uint64_t kSeedsThatReachAll = 1000;

std::string_view to_string(Situation situation);

class Coverage {
 public:
  void reached(Situation situation) { ++counts_[static_cast<std::size_t>(situation)]; }
  std::uint64_t count(Situation situation) const {
    return counts_[static_cast<std::size_t>(situation)];
  }
  void add(const Coverage& other);
  std::vector<Situation> never_reached() const;
  // A line for each situation.
  std::string report() const;

 private:
  std::array<std::uint64_t, static_cast<std::size_t>(Situation::kCount)> counts_{};
};

}  // namespace coord::sim
