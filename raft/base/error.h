// The typed errors of the whole product: what a client is told, and what a function returns.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "raft/base/types.h"

namespace coord {

// The numbers are on the wire (Failure.code of schema/coord.capnp) and never change.
enum class ErrorCode : std::uint16_t {
  kInternal = 0,
  // The request itself is wrong; sending it again will not help.
  kInvalidArgument = 1,
  kEmptyKey = 2,
  kReversedRange = 3,
  kZeroTtl = 4,
  kKeyTooLarge = 5,
  kValueTooLarge = 6,
  kRequestTooLarge = 7,
  kTooManyOperations = 8,
  kReservedKey = 9,
  kFutureRevision = 10,
  kCompacted = 11,
  kUnsupported = 12,
  // What it names is not there, or not as it was thought to be.
  kLeaseNotFound = 20,
  kLeaseExists = 21,
  kSessionExpired = 22,
  kReplyDiscarded = 23,
  kLockNotFound = 24,
  kLockNotHeld = 25,
  kLockBusy = 26,
  kLockCancelled = 27,
  kStaleToken = 28,
  kLockModeMismatch = 29,
  kNoLeaderElected = 30,
  kNotANumber = 31,
  kNumberOverflow = 32,
  kMemberNotFound = 33,
  kMemberExists = 34,
  // The cluster cannot do it now; another try, later or elsewhere, may succeed.
  kNotLeader = 40,
  kNoQuorum = 41,
  kDeadlineExceeded = 42,
  kOverloaded = 43,
  kShuttingDown = 44,
  kStorageFull = 45,
  kUnreachable = 46,
  kConnectionLost = 47,
  kCancelled = 48,
  kChangeInFlight = 49,
  kNotCaughtUp = 50,
  kWouldLoseQuorum = 51,
  // Who is asking, or who is being asked.
  kPermissionDenied = 60,
  kUnauthenticated = 61,
  kWrongCluster = 62,
  kWrongMember = 63,
  kMemberRemoved = 64,
  kWrongIncarnation = 65,  // a new disk under the identity of an old one
  // The local disk.
  kIo = 80,
  kCorrupt = 81,
  kInUse = 82,
};

// What became of a failed write. kUnknown is never used where one of the others can be proven.
enum class Outcome : std::uint8_t { kNotApplied = 0, kApplied = 1, kUnknown = 2 };

// "reversedRange", as the wire and coordctl's JSON spell it.
std::string_view to_string(ErrorCode code);
// "notApplied", "applied", "unknown".
std::string_view to_string(Outcome outcome);

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  // One sentence for a person, without a trailing period; names the operands.
  std::string message;
  Outcome outcome = Outcome::kNotApplied;
  // HOST:PORT of the leader's client address, where the answering member knows it.
  std::string leader_hint = {};
  // Not worth trying again before that; zero where it makes no difference.
  milliseconds retry_after{0};
  // kCompacted: the oldest revision still kept. kFutureRevision: the newest one there is.
  Revision revision{};

  friend bool operator==(const Error&, const Error&) = default;
};

}  // namespace coord
