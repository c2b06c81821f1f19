// A file system in memory that can fail an operation, stop the world at one, and forget what was
// not synced: for each file a durable image and a list of the writes since, for the directory a
// durable listing and a list of the changes since. A power cut keeps, drops or tears each of them,
// as its seed says. One thread.
//
// Operations take effect at once. In virtual time a caller puts begin() and finish() around those
// that take a while together: what they sync is durable with finish(), and a crash before it cuts
// them short anywhere.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "raft/base/prng.h"
#include "raft/storage/file_system.h"

namespace coord::raft::testing {

class FaultFileSystem final : public FileSystem {
 public:
  using Path = std::filesystem::path;

  // --- Faults -----------------------------------------------------------------------------------

  // Operations that change something, or make it durable, so far.
  std::uint64_t operations() const { return operations_; }
  // That operation, counted from now (0: the next), returns an error. A sync that fails loses what
  // it should have made durable, and the next one succeeds without it, as in a kernel; until the
  // power is cut the lost bytes can be read all the same.
  void fail_operation(std::uint64_t n) { fail_at_ = operations_ + n; }
  // The machine stops at that operation, which may or may not have an effect; everything fails from
  // then on, until power_cut() or kill() brings it up again.
  void stop_at_operation(std::uint64_t n) { stop_at_ = operations_ + n; }
  bool stopped() const { return stopped_; }
  // The next sync fails.
  void fail_next_sync() { fail_sync_ = true; }
  // Files may not take more than that together.
  void set_capacity(std::uint64_t bytes) { capacity_ = bytes; }

  struct Loss {
    bool cut_short = false;  // operations that were under way did not all happen
    bool torn = false;       // a write arrived in part
  };
  // Everything that was not synced is kept, dropped or torn. Open files are of no use any more.
  Loss power_cut(std::uint64_t seed);
  // The process ended; what it had written stays, but is not durable yet.
  // The seed says where it cuts short what was under way.
  Loss kill(std::uint64_t seed = 0);

  // --- Virtual time -----------------------------------------------------------------------------

  // A group of the log's records, or anything else. See newest_group().
  enum class Work { kGroup, kOther };
  void begin(Work work);
  // A group that failed may have written nothing, and the one before it is the newest then.
  enum class Outcome { kDone, kFailed };
  void finish(Outcome outcome = Outcome::kDone);
  bool under_way() const { return under_way_.has_value(); }

  // --- What a test looks at and damages ---------------------------------------------------------

  const std::vector<std::byte>& bytes(const Path& path) const { return names_.at(path)->live; }
  bool exists(const Path& path) const { return names_.contains(path); }
  std::uint64_t bytes_in_use() const;
  // Whether a byte of that range belongs to the group of records that was written last. What
  // happens to it looks like a write that never returned, and no log can tell.
  bool in_newest_group(const Path& path, std::uint64_t offset, std::uint64_t size) const;
  // Damage at rest, on the disk and in the cache.
  void overwrite(const Path& path, std::uint64_t offset, std::span<const std::byte> bytes);
  void flip(const Path& path, std::uint64_t offset) {
    const std::byte flipped = bytes(path).at(offset) ^ std::byte{0x40};
    overwrite(path, offset, {&flipped, 1});
  }
  void shorten(const Path& path, std::uint64_t size);
  // Reading there is an error.
  void make_unreadable(const Path& path, std::uint64_t offset);
  void forget(const Path& path) {
    names_.erase(path);
    durable_names_.erase(path);
  }
  void copy(const Path& from, const Path& to) {
    names_[to] = durable_names_[to] = std::make_shared<Inode>(*names_.at(from));
  }
  // Puts a file there, durably.
  void put(const Path& path, std::span<const std::byte> bytes);
  // A new, empty disk.
  void wipe();

  // --- FileSystem -------------------------------------------------------------------------------

  Result<std::unique_ptr<File>> open(const Path& path, Mode mode) override;
  Result<std::vector<std::string>> list(const Path& directory) override;
  Status create_directories(const Path&) override {
    return stopped_ ? Status(stopped_error()) : Status();
  }
  Status rename(const Path& from, const Path& to) override;
  Status remove(const Path& path) override;
  Status sync_directory(const Path&) override;

 private:
  // A write, or without bytes a change of the size.
  struct Change {
    std::uint64_t offset = 0;
    std::vector<std::byte> bytes = {};
    std::optional<std::uint64_t> size = {};
    bool lost = false;  // by a sync that failed: in the cache only
  };
  struct Inode {
    std::vector<std::byte> live;
    std::vector<std::byte> durable;
    std::vector<Change> unsynced;
    std::uint64_t first_unsynced = 0;  // the number of the first of them
    std::vector<std::uint64_t> unreadable;
  };
  using InodePtr = std::shared_ptr<Inode>;
  struct NameChange {
    Path from;
    Path to;
    InodePtr inode;
    bool lost = false;
  };
  // One operation of those under way. A sync reaches to the changes before number `through`.
  struct Step {
    enum class Kind { kChange, kNameChange, kSync, kSyncDirectory } kind;
    InodePtr inode;
    std::uint64_t through = 0;
    bool fails = false;
  };
  struct Range {
    InodePtr inode;
    std::uint64_t begin;
    std::uint64_t end;
  };
  class Handle;

  static Error stopped_error();
  static void apply(std::vector<std::byte>& image, const Change& change);
  static bool tear(std::vector<std::byte>& image, const Change& change, Prng& prng);

  // Whether an operation may go on. A stop lets its effect happen, into the unsynced list.
  template <class Effect>
  Status operate(Effect effect);
  Status change_inode(const InodePtr& inode, Change change);
  void change_name(NameChange change);
  Status sync_inode(const InodePtr& inode);
  bool takes_too_much(const Inode& inode, std::uint64_t size) const;

  void settle(const Step& step);
  void settle_inode(Inode& inode, std::uint64_t through, bool fails);
  void settle_names(std::uint64_t through, bool fails);
  // Of what is under way a part has happened. False: all of it.
  bool cut_short(Prng& prng);
  void rebuild_names();
  void cut_names(Prng& prng, std::uint64_t keep_percent);
  bool cut_inode(Inode& inode, Prng& prng, std::uint64_t keep_percent);
  void restart();

  std::map<Path, InodePtr> names_;
  std::map<Path, InodePtr> durable_names_;
  std::vector<NameChange> name_changes_;
  std::uint64_t first_name_change_ = 0;  // the number of the first of them

  std::optional<Work> under_way_;
  std::vector<Step> steps_;
  std::vector<Range> written_;  // by what is under way
  std::vector<Range> newest_;   // see in_newest_group()

  std::uint64_t operations_ = 0;
  std::optional<std::uint64_t> fail_at_;
  std::optional<std::uint64_t> stop_at_;
  bool fail_sync_ = false;
  std::uint64_t capacity_ = UINT64_MAX;
  bool stopped_ = false;
  std::uint64_t life_ = 0;
};

}  // namespace coord::raft::testing
