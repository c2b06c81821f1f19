#include "client/lib/failure.h"

namespace coord::internal {
namespace {

enum class Meaning { kTransient, kVerdict, kFinal };

Meaning meaning_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotLeader:
    case ErrorCode::kNoQuorum:
    case ErrorCode::kDeadlineExceeded:
    case ErrorCode::kOverloaded:
    case ErrorCode::kShuttingDown:
    case ErrorCode::kUnreachable:
    case ErrorCode::kConnectionLost:
    case ErrorCode::kCancelled:
      return Meaning::kTransient;

    case ErrorCode::kInvalidArgument:
    case ErrorCode::kEmptyKey:
    case ErrorCode::kReversedRange:
    case ErrorCode::kZeroTtl:
    case ErrorCode::kKeyTooLarge:
    case ErrorCode::kValueTooLarge:
    case ErrorCode::kRequestTooLarge:
    case ErrorCode::kTooManyOperations:
    case ErrorCode::kReservedKey:
    case ErrorCode::kFutureRevision:
    case ErrorCode::kCompacted:
    case ErrorCode::kUnsupported:
    case ErrorCode::kLeaseNotFound:
    case ErrorCode::kLeaseExists:
    case ErrorCode::kLockNotFound:
    case ErrorCode::kLockNotHeld:
    case ErrorCode::kLockBusy:
    case ErrorCode::kLockCancelled:
    case ErrorCode::kStaleToken:
    case ErrorCode::kLockModeMismatch:
    case ErrorCode::kNoLeaderElected:
    case ErrorCode::kNotANumber:
    case ErrorCode::kNumberOverflow:
    case ErrorCode::kMemberNotFound:
    case ErrorCode::kMemberExists:
    case ErrorCode::kChangeInFlight:
    case ErrorCode::kNotCaughtUp:
    case ErrorCode::kWouldLoseQuorum:
      return Meaning::kVerdict;

    // An expired session has forgotten what it answered to an earlier attempt.
    case ErrorCode::kSessionExpired:
    case ErrorCode::kReplyDiscarded:
    case ErrorCode::kInternal:
    case ErrorCode::kStorageFull:
    case ErrorCode::kPermissionDenied:
    case ErrorCode::kUnauthenticated:
    case ErrorCode::kWrongCluster:
    case ErrorCode::kWrongMember:
    case ErrorCode::kMemberRemoved:
    case ErrorCode::kWrongIncarnation:
    case ErrorCode::kIo:
    case ErrorCode::kCorrupt:
    case ErrorCode::kInUse:
      return Meaning::kFinal;
  }
  return Meaning::kFinal;
}

}  // namespace

bool is_transient(ErrorCode code) {
  return meaning_of(code) == Meaning::kTransient;
}
bool is_verdict(ErrorCode code) {
  return meaning_of(code) == Meaning::kVerdict;
}

}  // namespace coord::internal
