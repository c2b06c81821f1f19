#include "client/coordctl/exit_code.h"

namespace coord::ctl {

const char* const kExitCodeHelp =
    "Exit codes:\n"
    "  0  done                         5  lock or leadership not obtained, or lost\n"
    "  1  any other failure            6  outcome unknown: it may have been done\n"
    "  2  wrong usage                  7  no quorum, or no member reachable\n"
    "  3  not found                    8  refused: a limit, a permission, or members that are\n"
    "  4  compare failed                  not ready for the change";

ExitCode exit_code_of(const Error& error) {
  if (error.outcome == Outcome::kUnknown) return ExitCode::kOutcomeUnknown;
  switch (error.code) {
    case ErrorCode::kLeaseNotFound:
    case ErrorCode::kLockNotFound:
    case ErrorCode::kNoLeaderElected:
    case ErrorCode::kMemberNotFound:
      return ExitCode::kNotFound;

    case ErrorCode::kLockNotHeld:
    case ErrorCode::kLockBusy:
    case ErrorCode::kLockCancelled:
    case ErrorCode::kLockModeMismatch:
    case ErrorCode::kStaleToken:
    case ErrorCode::kSessionExpired:
      return ExitCode::kNotHeld;

    case ErrorCode::kNotLeader:
    case ErrorCode::kNoQuorum:
    case ErrorCode::kDeadlineExceeded:
    case ErrorCode::kShuttingDown:
    case ErrorCode::kUnreachable:
    case ErrorCode::kConnectionLost:
      return ExitCode::kUnavailable;

    case ErrorCode::kKeyTooLarge:
    case ErrorCode::kValueTooLarge:
    case ErrorCode::kRequestTooLarge:
    case ErrorCode::kTooManyOperations:
    case ErrorCode::kReservedKey:
    case ErrorCode::kOverloaded:
    case ErrorCode::kChangeInFlight:
    case ErrorCode::kNotCaughtUp:
    case ErrorCode::kWouldLoseQuorum:
    case ErrorCode::kStorageFull:
    case ErrorCode::kPermissionDenied:
    case ErrorCode::kUnauthenticated:
      return ExitCode::kRefused;

    case ErrorCode::kInternal:
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kEmptyKey:
    case ErrorCode::kReversedRange:
    case ErrorCode::kZeroTtl:
    case ErrorCode::kFutureRevision:
    case ErrorCode::kCompacted:
    case ErrorCode::kUnsupported:
    case ErrorCode::kLeaseExists:
    case ErrorCode::kMemberExists:
    case ErrorCode::kMemberRemoved:
    case ErrorCode::kWrongIncarnation:
    case ErrorCode::kReplyDiscarded:
    case ErrorCode::kNotANumber:
    case ErrorCode::kNumberOverflow:
    case ErrorCode::kCancelled:
    case ErrorCode::kWrongCluster:
    case ErrorCode::kWrongMember:
    case ErrorCode::kIo:
    case ErrorCode::kCorrupt:
    case ErrorCode::kInUse:
      return ExitCode::kOther;
  }
  return ExitCode::kOther;
}

}  // namespace coord::ctl
