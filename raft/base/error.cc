#include "raft/base/error.h"

namespace coord {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInternal:
      return "internal";
    case ErrorCode::kInvalidArgument:
      return "invalidArgument";
    case ErrorCode::kEmptyKey:
      return "emptyKey";
    case ErrorCode::kReversedRange:
      return "reversedRange";
    case ErrorCode::kZeroTtl:
      return "zeroTtl";
    case ErrorCode::kKeyTooLarge:
      return "keyTooLarge";
    case ErrorCode::kValueTooLarge:
      return "valueTooLarge";
    case ErrorCode::kRequestTooLarge:
      return "requestTooLarge";
    case ErrorCode::kTooManyOperations:
      return "tooManyOperations";
    case ErrorCode::kReservedKey:
      return "reservedKey";
    case ErrorCode::kFutureRevision:
      return "futureRevision";
    case ErrorCode::kCompacted:
      return "compacted";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kLeaseNotFound:
      return "leaseNotFound";
    case ErrorCode::kLeaseExists:
      return "leaseExists";
    case ErrorCode::kSessionExpired:
      return "sessionExpired";
    case ErrorCode::kReplyDiscarded:
      return "replyDiscarded";
    case ErrorCode::kLockNotFound:
      return "lockNotFound";
    case ErrorCode::kLockNotHeld:
      return "lockNotHeld";
    case ErrorCode::kLockBusy:
      return "lockBusy";
    case ErrorCode::kLockCancelled:
      return "lockCancelled";
    case ErrorCode::kStaleToken:
      return "staleToken";
    case ErrorCode::kLockModeMismatch:
      return "lockModeMismatch";
    case ErrorCode::kNoLeaderElected:
      return "noLeaderElected";
    case ErrorCode::kNotANumber:
      return "notANumber";
    case ErrorCode::kNumberOverflow:
      return "numberOverflow";
    case ErrorCode::kMemberNotFound:
      return "memberNotFound";
    case ErrorCode::kMemberExists:
      return "memberExists";
    case ErrorCode::kNotLeader:
      return "notLeader";
    case ErrorCode::kNoQuorum:
      return "noQuorum";
    case ErrorCode::kDeadlineExceeded:
      return "deadlineExceeded";
    case ErrorCode::kOverloaded:
      return "overloaded";
    case ErrorCode::kShuttingDown:
      return "shuttingDown";
    case ErrorCode::kStorageFull:
      return "storageFull";
    case ErrorCode::kUnreachable:
      return "unreachable";
    case ErrorCode::kConnectionLost:
      return "connectionLost";
    case ErrorCode::kCancelled:
      return "cancelled";
    case ErrorCode::kChangeInFlight:
      return "changeInFlight";
    case ErrorCode::kNotCaughtUp:
      return "notCaughtUp";
    case ErrorCode::kWouldLoseQuorum:
      return "wouldLoseQuorum";
    case ErrorCode::kPermissionDenied:
      return "permissionDenied";
    case ErrorCode::kUnauthenticated:
      return "unauthenticated";
    case ErrorCode::kWrongCluster:
      return "wrongCluster";
    case ErrorCode::kWrongMember:
      return "wrongMember";
    case ErrorCode::kMemberRemoved:
      return "memberRemoved";
    case ErrorCode::kWrongIncarnation:
      return "wrongIncarnation";
    case ErrorCode::kIo:
      return "io";
    case ErrorCode::kCorrupt:
      return "corrupt";
    case ErrorCode::kInUse:
      return "inUse";
  }
  return "internal";
}

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::kNotApplied:
      return "notApplied";
    case Outcome::kApplied:
      return "applied";
    case Outcome::kUnknown:
      return "unknown";
  }
  return "unknown";
}

}  // namespace coord
