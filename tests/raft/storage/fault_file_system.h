// A file system in memory that can fail an operation, stop the world at one, and forget what was
// not synced: for each file a durable image and a list of the writes since, for the directory a
// durable listing and a list of the changes since. A power cut keeps, drops or tears each of them,
// as its seed says. One thread.
#pragma once

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <set>
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
  // it should have made durable, and the next one succeeds without it, as in a kernel.
  void fail_operation(std::uint64_t n) { fail_at_ = operations_ + n; }
  // The machine stops at that operation, which may or may not have an effect; everything fails from
  // then on, until power_cut() or kill() brings it up again.
  void stop_at_operation(std::uint64_t n) { stop_at_ = operations_ + n; }
  bool stopped() const { return stopped_; }

  // Everything that was not synced is kept, dropped or torn. Open files are of no use any more.
  void power_cut(std::uint64_t seed) {
    Prng prng(seed);
    // Some cuts lose nearly everything, some nearly nothing.
    const std::uint64_t keep_percent = prng.below(5) * 25;
    cut_names(prng, keep_percent);
    std::set<Inode*> done;
    for (auto& [path, inode] : durable_names_) {
      if (done.insert(inode.get()).second) cut_inode(*inode, prng, keep_percent);
    }
    names_ = durable_names_;
    restart();
  }
  // The process ended; what it had written stays, but is not durable yet.
  void kill() { restart(); }

  // --- What a test looks at and damages ---------------------------------------------------------

  std::vector<std::byte>& bytes(const Path& path) { return names_.at(path)->live; }
  bool exists(const Path& path) const { return names_.contains(path); }
  // Damage at rest, on the disk and in the cache.
  void overwrite(const Path& path, std::uint64_t offset, std::span<const std::byte> bytes) {
    Inode& inode = *names_.at(path);
    std::copy(bytes.begin(), bytes.end(), inode.live.begin() + static_cast<long>(offset));
    inode.durable = inode.live;
    inode.unsynced.clear();
  }
  void flip(const Path& path, std::uint64_t offset) {
    const std::byte flipped = bytes(path).at(offset) ^ std::byte{0x40};
    overwrite(path, offset, {&flipped, 1});
  }
  void forget(const Path& path) {
    names_.erase(path);
    durable_names_.erase(path);
  }
  void copy(const Path& from, const Path& to) {
    names_[to] = durable_names_[to] = std::make_shared<Inode>(*names_.at(from));
  }

  // --- FileSystem -------------------------------------------------------------------------------

  Result<std::unique_ptr<File>> open(const Path& path, Mode mode) override {
    if (stopped_) return stopped_error();
    if (mode == Mode::kCreateNew) {
      if (names_.contains(path)) return make_error(ErrorCode::kIo, "{} exists", path.string());
      if (Status allowed = change(); !allowed.ok()) return allowed.error();
      names_[path] = std::make_shared<Inode>();
      name_changes_.push_back({{}, path, names_[path]});
    }
    if (!names_.contains(path)) return make_error(ErrorCode::kIo, "no {}", path.string());
    return std::unique_ptr<File>(std::make_unique<Handle>(*this, names_.at(path)));
  }
  Result<std::vector<std::string>> list(const Path& directory) override {
    if (stopped_) return stopped_error();
    std::vector<std::string> found;
    for (const auto& [path, inode] : names_) {
      if (path.parent_path() == directory) found.push_back(path.filename().string());
    }
    return found;
  }
  Status create_directories(const Path&) override {
    return stopped_ ? Status(stopped_error()) : Status();
  }
  Status rename(const Path& from, const Path& to) override {
    if (!names_.contains(from)) return make_error(ErrorCode::kIo, "no {}", from.string());
    return change([&] {
      names_[to] = names_.at(from);
      names_.erase(from);
      name_changes_.push_back({from, to, names_.at(to)});
    });
  }
  Status remove(const Path& path) override {
    if (!names_.contains(path)) return make_error(ErrorCode::kIo, "no {}", path.string());
    return change([&] {
      name_changes_.push_back({path, {}, names_.at(path)});
      names_.erase(path);
    });
  }
  Status sync_directory(const Path&) override {
    if (Status allowed = change(); !allowed.ok()) {
      if (!stopped_) name_changes_.clear();
      return allowed;
    }
    durable_names_ = names_;
    name_changes_.clear();
    return {};
  }

 private:
  // A write, or without bytes a change of the size.
  struct Change {
    std::uint64_t offset;
    std::vector<std::byte> bytes;
    std::optional<std::uint64_t> size;
  };
  struct Inode {
    std::vector<std::byte> live;
    std::vector<std::byte> durable;
    std::vector<Change> unsynced;
  };
  struct NameChange {
    Path from;
    Path to;
    std::shared_ptr<Inode> inode;
  };

  class Handle final : public File {
   public:
    Handle(FaultFileSystem& system, std::shared_ptr<Inode> inode)
        : system_(system), inode_(std::move(inode)), life_(system.life_) {}

    Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
      return change({offset, {bytes.begin(), bytes.end()}, {}});
    }
    Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> buffer) override {
      if (dead()) return stopped_error();
      const auto& live = inode_->live;
      const std::size_t start = std::min<std::size_t>(offset, live.size());
      const std::size_t count = std::min(buffer.size(), live.size() - start);
      if (count > 0) std::memcpy(buffer.data(), live.data() + start, count);
      return count;
    }
    Status sync() override {
      if (dead()) return stopped_error();
      if (Status allowed = system_.change(); !allowed.ok()) {
        if (!system_.stopped_) inode_->unsynced.clear();
        return allowed;
      }
      // Only what is still on the list: what a failed sync has lost stays lost.
      for (const Change& change : inode_->unsynced) apply(inode_->durable, change);
      inode_->unsynced.clear();
      return {};
    }
    Status allocate(std::uint64_t size) override {
      return change({0, {}, std::max<std::uint64_t>(size, inode_->live.size())});
    }
    Status truncate(std::uint64_t size) override { return change({0, {}, size}); }
    Result<std::uint64_t> size() override {
      if (dead()) return stopped_error();
      return static_cast<std::uint64_t>(inode_->live.size());
    }

   private:
    bool dead() const { return system_.stopped_ || life_ != system_.life_; }
    Status change(Change change) {
      if (dead()) return stopped_error();
      return system_.change([&] {
        apply(inode_->live, change);
        inode_->unsynced.push_back(std::move(change));
      });
    }

    FaultFileSystem& system_;
    std::shared_ptr<Inode> inode_;
    const std::uint64_t life_;
  };

  static Error stopped_error() { return make_error(ErrorCode::kIo, "the machine has stopped"); }

  static void apply(std::vector<std::byte>& image, const Change& change) {
    if (change.size) {
      image.resize(*change.size);
      return;
    }
    if (image.size() < change.offset + change.bytes.size()) {
      image.resize(change.offset + change.bytes.size());
    }
    std::copy(change.bytes.begin(), change.bytes.end(),
              image.begin() + static_cast<long>(change.offset));
  }

  // Whether an operation may go on. A stop lets its effect happen, into the unsynced list.
  Status change() {
    return change([] {});
  }
  template <class Effect>
  Status change(Effect effect) {
    if (stopped_) return stopped_error();
    const std::uint64_t operation = operations_++;
    if (operation == fail_at_) return make_error(ErrorCode::kIo, "injected");
    if (operation == stop_at_) {
      effect();
      stopped_ = true;
      return stopped_error();
    }
    effect();
    return {};
  }

  void restart() {
    stopped_ = false;
    fail_at_.reset();
    stop_at_.reset();
    ++life_;
  }

  // Each change of names survives or not; of one file, none survives that came after a lost one.
  void cut_names(Prng& prng, std::uint64_t keep_percent) {
    std::set<Inode*> lost;
    for (const NameChange& change : name_changes_) {
      if (lost.contains(change.inode.get()) || !prng.chance(keep_percent, 100)) {
        lost.insert(change.inode.get());
        continue;
      }
      if (!change.from.empty()) durable_names_.erase(change.from);
      if (!change.to.empty()) durable_names_[change.to] = change.inode;
    }
    name_changes_.clear();
  }

  static void cut_inode(Inode& inode, Prng& prng, std::uint64_t keep_percent) {
    for (const Change& change : inode.unsynced) {
      if (prng.chance(keep_percent, 100)) {
        apply(inode.durable, change);
      } else if (!change.size && prng.chance(1, 2)) {
        tear(inode.durable, change, prng);
      }
    }
    inode.live = inode.durable;
    inode.unsynced.clear();
  }

  // Some of the write's sectors arrive, in no order; or its first bytes.
  static void tear(std::vector<std::byte>& image, const Change& change, Prng& prng) {
    constexpr std::uint64_t kSector = 512;
    if (prng.chance(1, 4)) {
      Change part = change;
      part.bytes.resize(prng.below(part.bytes.size() + 1));
      return apply(image, part);
    }
    for (std::uint64_t at = 0; at < change.bytes.size();) {
      const std::uint64_t step = std::min<std::uint64_t>(kSector - (change.offset + at) % kSector,
                                                         change.bytes.size() - at);
      if (prng.chance(1, 2)) {
        const auto begin = change.bytes.begin() + static_cast<long>(at);
        apply(image, {change.offset + at, {begin, begin + static_cast<long>(step)}, {}});
      }
      at += step;
    }
  }

  std::map<Path, std::shared_ptr<Inode>> names_;
  std::map<Path, std::shared_ptr<Inode>> durable_names_;
  std::vector<NameChange> name_changes_;
  std::uint64_t operations_ = 0;
  std::optional<std::uint64_t> fail_at_;
  std::optional<std::uint64_t> stop_at_;
  bool stopped_ = false;
  std::uint64_t life_ = 0;
};

}  // namespace coord::raft::testing
