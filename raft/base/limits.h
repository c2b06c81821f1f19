// Every bound of the product, in one place, with what must hold between them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace coord::limits {

inline constexpr std::size_t kKiB = 1024;
inline constexpr std::size_t kMiB = 1024 * kKiB;

// Requests. Defaults; coordd may be configured to take more or less. Checked where a write is
// proposed, never where it is applied, as members may be configured differently.
inline constexpr std::size_t kKeyBytesMax = 4 * kKiB;
inline constexpr std::size_t kValueBytesMax = 1 * kMiB;
inline constexpr std::size_t kRequestBytesMax = 3 * kMiB / 2;
inline constexpr std::size_t kTransactionOperationsMax = 128;
// Writes, or reads, in one call, each with its own outcome.
inline constexpr std::size_t kCallOperationsMax = 1024;
inline constexpr std::size_t kTransactionDepthMax = 8;
// A response stops there and carries a cursor to go on from.
inline constexpr std::size_t kResponseBytesMax = 2 * kMiB;
inline constexpr std::size_t kNameBytesMax = 1 * kKiB;  // of a lock, an election, a session

// The range of limits that coordd's configuration accepts. The least for a request is what the
// client library puts into one call when many small writes wait.
inline constexpr std::size_t kConfigurableKeyBytesMax = 8 * kKiB;
inline constexpr std::size_t kConfigurableRequestBytesMin = 1 * kMiB;
inline constexpr std::size_t kConfigurableRequestBytesMax = 8 * kMiB;
inline constexpr std::size_t kConfigurableTransactionOperationsMax = 4096;

// The log. An entry is a request, of whichever member's configuration, plus what the leader adds.
inline constexpr std::size_t kEntryBytesMax = kConfigurableRequestBytesMax + kMiB / 2;
// A start reads all segments that are kept: small ones, so that little is kept that is of no use.
inline constexpr std::size_t kSegmentBytes = 16 * kMiB;
// Entries that a leader has appended and not committed; past that, writes are refused (overloaded).
inline constexpr std::size_t kUncommittedBytesMax = 64 * kMiB;

// Replication.
inline constexpr std::size_t kAppendBytesMax =
    1 * kMiB;  // at least one entry goes, whatever its size
inline constexpr std::size_t kInflightBytesMax = 16 * kMiB;
inline constexpr std::size_t kInflightAppendsMax = 256;
// A piece of a snapshot: small enough not to hold up the messages behind it.
inline constexpr std::size_t kSnapshotChunkBytes = 512 * kKiB;

// Consensus.
inline constexpr std::size_t kVotersMax = 31;  // in either half of a joint configuration
inline constexpr std::size_t kLearnersMax = 31;
inline constexpr std::size_t kAddressBytesMax = 1 * kKiB;  // HOST:PORT of a member
// Reads that wait for their index, at one member.
inline constexpr std::size_t kReadsWaitingMax = 64 * kKiB;

// Applying: one turn of the loop stops after that much, or after about a millisecond.
inline constexpr std::size_t kApplyBytesMax = 256 * kKiB;
inline constexpr std::size_t kApplyEntriesMax = 1024;
// Entries that every member has and the state has durably, and that are kept in the log all the
// same: whoever turns out to need one of the last few is spared a snapshot.
inline constexpr std::uint64_t kLogEntriesKept = 4096;
// But not more than about so much.
inline constexpr std::uint64_t kLogTailBytesMax = 16 * kMiB;
// Log that is kept for members that lag behind.
inline constexpr std::uint64_t kLogBytesKept = 256 * kMiB;

// Streams: what is buffered for a peer that does not read, before writing to it waits.
inline constexpr std::size_t kStreamReadBuffer = 256 * kKiB;
inline constexpr std::size_t kStreamWriteBufferMax = 4 * kMiB;

// The state.
inline constexpr std::size_t kOverlayBytesMax = 32 * kMiB;
// These decide what an applied command does, so they are the same on every member: changing one
// changes the meaning of the log and needs a new version of the command.
inline constexpr std::size_t kSessionRepliesMax =
    4096;  // kept until their client acknowledges them
inline constexpr std::size_t kSessionReplyBytesMax = 16 * kMiB;
inline constexpr std::size_t kLockHoldersMax = 1024;  // of a shared lock; more of them wait
inline constexpr std::size_t kLockWaitersMax = 16 * 1024;
inline constexpr std::uint64_t kLeaseTtlMsMax = 10ull * 365 * 24 * 3600 * 1000;
// What a change replaced is not kept a second time if the changes from there to here take no more:
// so much of the history outlives the compaction line. Each counts for so much at least, which
// bounds their number too.
inline constexpr std::uint64_t kNearBytes = 16 * kMiB;
inline constexpr std::uint64_t kChangeBytesMin = kKiB / 2;

// History. A command that compacts it takes so many changes, and about so many bytes of them, or
// those of one revision: applying one takes a few hundredths of a millisecond, and a look-up more
// for each delete. A revision that deleted very many keys takes as long as it did when it was made.
inline constexpr std::size_t kCompactChangesMax = 256;
inline constexpr std::uint64_t kCompactBytesMax = kMiB / 2;
// How many such commands may be proposed and not applied.
inline constexpr std::size_t kCompactCommandsMax = 8;

// Watches.
inline constexpr std::size_t kWatchesMax = 100'000;   // of one member
inline constexpr std::size_t kWatchRangesMax = 1024;  // of one watch
inline constexpr std::size_t kWatchBatchBytesMax =
    128 * kKiB;  // at least one event, whatever its size
inline constexpr std::size_t kWatchRingBytesMax = 16 * kMiB;

// Leases.
inline constexpr std::size_t kRenewalsMax = 4096;  // in one command
inline constexpr std::size_t kExpireBatchMax = 256;

static_assert(kWatchBatchBytesMax < kWatchRingBytesMax);
static_assert(kRenewalsMax * 8 < kEntryBytesMax);
static_assert(kKeyBytesMax + kValueBytesMax < kRequestBytesMax);
static_assert(kConfigurableRequestBytesMin <= kRequestBytesMax);
static_assert(kRequestBytesMax <= kConfigurableRequestBytesMax);
static_assert(kEntryBytesMax < kUncommittedBytesMax);
static_assert(kEntryBytesMax < kSegmentBytes);
static_assert(kAppendBytesMax <= kInflightBytesMax);
static_assert(kTransactionOperationsMax <= kCallOperationsMax);
static_assert(kCallOperationsMax <= kSessionRepliesMax);
static_assert(kResponseBytesMax <= kSessionReplyBytesMax);
// A reply with one previous value is kept like any other.
static_assert(kEntryBytesMax <= kSessionReplyBytesMax);

}  // namespace coord::limits
