// Ordered tables of bytes: all that the state machine knows of storage. service/store implements
// them (an overlay in memory over LMDB); tests use a std::map.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

namespace coord::service {

// The numbers are names in LMDB and never change. A table's key order is bytewise.
enum class Table : std::uint8_t {
  kMeta = 0,       // small records by name: position, revision, compaction line, epoch
  kKeys = 1,       // key -> its newest record, a tombstone for a deleted one
  kChanges = 2,    // revision, number within it -> the change
  kReplaced = 3,   // revision, number within it -> what its key had before, unless that is near
  kLeases = 4,     // lease -> its terms
  kLeaseKeys = 5,  // lease, key -> nothing
  kLocks = 6,      // space, name -> holders and queue
  kSessions = 7,   // session -> the replies that its client has not acknowledged
  kMembers = 8,    // member -> what it published
  kAuth = 9,
  kRemoved = 10,  // member that was removed -> nothing; its number is never used again
};
inline constexpr std::size_t kTableCount = 11;

// A queue only grows at its end and goes from its front: append() and erase_before() are all that
// writes it. The other tables are maps: put() and erase().
inline constexpr bool is_queue(Table table) {
  return table == Table::kChanges || table == Table::kReplaced;
}

// What a cursor or a get returns stays valid until the next write to any table, or until the tables
// are frozen.
class Cursor {
 public:
  virtual ~Cursor() = default;
  virtual bool valid() const = 0;
  virtual std::string_view key() const = 0;
  virtual std::string_view value() const = 0;
  virtual void next() = 0;
};

class Tables {
 public:
  virtual ~Tables() = default;
  virtual std::optional<std::string_view> get(Table table, std::string_view key) const = 0;
  // Positioned at the first key that is not less than `from`. Forward only. A write makes every
  // cursor unusable.
  virtual std::unique_ptr<Cursor> seek(Table table, std::string_view from) const = 0;

  virtual void put(Table table, std::string_view key, std::string_view value) = 0;
  // Without effect if the key does not exist.
  virtual void erase(Table table, std::string_view key) = 0;

  // The key is greater than every key that the queue ever had.
  virtual void append(Table queue, std::string_view key, std::string_view value) = 0;
  // Every record whose key is less is gone. What is appended from now on is not less.
  virtual void erase_before(Table queue, std::string_view key) = 0;
  // What a queue has from there on will be read soon, in order: a hint, so that whoever does it
  // need not wait for the disk.
  virtual void expect_reads(Table /*queue*/, std::string_view /*from*/) const {}
};

}  // namespace coord::service
