// What crashes and age do to the files.
#include <algorithm>
#include <set>

#include "tests/raft/storage/fault_file_system.h"

namespace coord::raft::testing {

// -------------------------------------------------------------------------------------------------
// Crashes

FaultFileSystem::Loss FaultFileSystem::power_cut(std::uint64_t seed) {
  Prng prng(seed);
  Loss loss{.cut_short = cut_short(prng)};
  // Some cuts lose nearly everything, some nearly nothing.
  const std::uint64_t keep_percent = prng.below(5) * 25;
  cut_names(prng, keep_percent);
  std::set<Inode*> done;
  for (auto& [path, inode] : durable_names_) {
    if (done.insert(inode.get()).second && cut_inode(*inode, prng, keep_percent)) loss.torn = true;
  }
  names_ = durable_names_;
  restart();
  return loss;
}

FaultFileSystem::Loss FaultFileSystem::kill(std::uint64_t seed) {
  Prng prng(seed);
  const Loss loss{.cut_short = cut_short(prng)};
  restart();
  return loss;
}

void FaultFileSystem::restart() {
  stopped_ = false;
  fail_at_.reset();
  stop_at_.reset();
  fail_sync_ = false;
  ++life_;
}

// Each change of names survives or not; of one file, none survives that came after a lost one.
void FaultFileSystem::cut_names(Prng& prng, std::uint64_t keep_percent) {
  std::set<Inode*> lost;
  for (const NameChange& change : name_changes_) {
    if (change.lost || lost.contains(change.inode.get()) || !prng.chance(keep_percent, 100)) {
      lost.insert(change.inode.get());
      continue;
    }
    if (!change.from.empty()) durable_names_.erase(change.from);
    if (!change.to.empty()) durable_names_[change.to] = change.inode;
  }
  first_name_change_ += name_changes_.size();
  name_changes_.clear();
}

bool FaultFileSystem::cut_inode(Inode& inode, Prng& prng, std::uint64_t keep_percent) {
  bool torn = false;
  for (const Change& change : inode.unsynced) {
    if (prng.chance(keep_percent, 100)) {
      apply(inode.durable, change);
    } else if (!change.size && prng.chance(1, 2)) {
      torn |= tear(inode.durable, change, prng);
    }
  }
  inode.live = inode.durable;
  inode.first_unsynced += inode.unsynced.size();
  inode.unsynced.clear();
  return torn;
}

// Some of the write's sectors arrive, in no order; or its first bytes.
bool FaultFileSystem::tear(std::vector<std::byte>& image, const Change& change, Prng& prng) {
  constexpr std::uint64_t kSector = 512;
  if (prng.chance(1, 4)) {
    Change part = change;
    part.bytes.resize(prng.below(part.bytes.size() + 1));
    apply(image, part);
    return !part.bytes.empty();
  }
  bool any = false;
  for (std::uint64_t at = 0; at < change.bytes.size();) {
    const std::uint64_t step =
        std::min<std::uint64_t>(kSector - (change.offset + at) % kSector, change.bytes.size() - at);
    if (prng.chance(1, 2)) {
      const auto begin = change.bytes.begin() + static_cast<long>(at);
      apply(image, {change.offset + at, {begin, begin + static_cast<long>(step)}, {}, false});
      any = true;
    }
    at += step;
  }
  return any;
}

// -------------------------------------------------------------------------------------------------
// Damage

bool FaultFileSystem::in_newest_group(const Path& path, std::uint64_t offset,
                                      std::uint64_t size) const {
  const Inode* inode = names_.at(path).get();
  const auto meets = [&](const Range& range) {
    return range.inode.get() == inode && offset < range.end && range.begin < offset + size;
  };
  return std::any_of(newest_.begin(), newest_.end(), meets) ||
         std::any_of(written_.begin(), written_.end(), meets);
}

void FaultFileSystem::overwrite(const Path& path, std::uint64_t offset,
                                std::span<const std::byte> bytes) {
  Inode& inode = *names_.at(path);
  const Change change{.offset = offset, .bytes = {bytes.begin(), bytes.end()}};
  apply(inode.live, change);
  apply(inode.durable, change);
}

void FaultFileSystem::shorten(const Path& path, std::uint64_t size) {
  Inode& inode = *names_.at(path);
  inode.live.resize(std::min<std::size_t>(size, inode.live.size()));
  inode.durable.resize(std::min<std::size_t>(size, inode.durable.size()));
}

void FaultFileSystem::make_unreadable(const Path& path, std::uint64_t offset) {
  names_.at(path)->unreadable.push_back(offset);
}

void FaultFileSystem::put(const Path& path, std::span<const std::byte> bytes) {
  auto inode = std::make_shared<Inode>();
  inode->live = inode->durable = {bytes.begin(), bytes.end()};
  names_[path] = durable_names_[path] = std::move(inode);
}

void FaultFileSystem::wipe() {
  names_.clear();
  durable_names_.clear();
  name_changes_.clear();
  newest_.clear();
  restart();
}

}  // namespace coord::raft::testing
