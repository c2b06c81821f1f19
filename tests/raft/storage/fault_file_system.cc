#include "tests/raft/storage/fault_file_system.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>

namespace coord::raft::testing {

class FaultFileSystem::Handle final : public File {
 public:
  Handle(FaultFileSystem& system, InodePtr inode)
      : system_(system), inode_(std::move(inode)), life_(system.life_) {}

  Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    if (dead()) return stopped_error();
    return system_.change_inode(inode_, {.offset = offset, .bytes = {bytes.begin(), bytes.end()}});
  }
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> buffer) override {
    if (dead()) return stopped_error();
    const auto& live = inode_->live;
    const std::size_t start = std::min<std::size_t>(offset, live.size());
    const std::size_t count = std::min(buffer.size(), live.size() - start);
    for (const std::uint64_t bad : inode_->unreadable) {
      if (bad >= start && bad < start + count) {
        return make_error(ErrorCode::kIo, "cannot read at offset {}", bad);
      }
    }
    if (count > 0) std::memcpy(buffer.data(), live.data() + start, count);
    return count;
  }
  Status sync() override {
    if (dead()) return stopped_error();
    return system_.sync_inode(inode_);
  }
  Status allocate(std::uint64_t size) override {
    return resize(std::max<std::uint64_t>(size, inode_->live.size()));
  }
  Status truncate(std::uint64_t size) override { return resize(size); }
  Result<std::uint64_t> size() override {
    if (dead()) return stopped_error();
    return static_cast<std::uint64_t>(inode_->live.size());
  }

 private:
  bool dead() const { return system_.stopped_ || life_ != system_.life_; }
  Status resize(std::uint64_t size) {
    if (dead()) return stopped_error();
    return system_.change_inode(inode_, {.bytes = {}, .size = size});
  }

  FaultFileSystem& system_;
  InodePtr inode_;
  const std::uint64_t life_;
};

Error FaultFileSystem::stopped_error() {
  return make_error(ErrorCode::kIo, "the machine has stopped");
}

// -------------------------------------------------------------------------------------------------
// Operations

template <class Effect>
Status FaultFileSystem::operate(Effect effect) {
  if (stopped_) return stopped_error();
  const std::uint64_t operation = operations_++;
  if (operation == fail_at_) return make_error(ErrorCode::kIo, "injected");
  effect();
  if (operation == stop_at_) {
    stopped_ = true;
    return stopped_error();
  }
  return {};
}

Status FaultFileSystem::change_inode(const InodePtr& inode, Change change) {
  const std::uint64_t end = change.size.value_or(change.offset + change.bytes.size());
  if (takes_too_much(*inode, end)) return make_error(ErrorCode::kIo, "no space left");
  return operate([&] {
    apply(inode->live, change);
    if (under_way_) {
      steps_.push_back({.kind = Step::Kind::kChange, .inode = inode});
      if (!change.size) written_.push_back({inode, change.offset, end});
    }
    if (!change.size) {
      std::erase_if(inode->unreadable,
                    [&](std::uint64_t bad) { return bad >= change.offset && bad < end; });
    }
    inode->unsynced.push_back(std::move(change));
  });
}

bool FaultFileSystem::takes_too_much(const Inode& inode, std::uint64_t size) const {
  if (capacity_ == UINT64_MAX || size <= inode.live.size()) return false;
  return bytes_in_use() + size - inode.live.size() > capacity_;
}

std::uint64_t FaultFileSystem::bytes_in_use() const {
  std::uint64_t bytes = 0;
  for (const auto& [path, inode] : names_) bytes += inode->live.size();
  return bytes;
}

Status FaultFileSystem::sync_inode(const InodePtr& inode) {
  Status allowed = std::exchange(fail_sync_, false) ? Status(make_error(ErrorCode::kIo, "injected"))
                                                    : operate([] {});
  if (stopped_) return allowed;
  const std::uint64_t through = inode->first_unsynced + inode->unsynced.size();
  const Step step{Step::Kind::kSync, inode, through, !allowed.ok()};
  under_way_ ? steps_.push_back(step) : settle(step);
  return allowed;
}

void FaultFileSystem::change_name(NameChange change) {
  if (under_way_) steps_.push_back({.kind = Step::Kind::kNameChange, .inode = change.inode});
  name_changes_.push_back(std::move(change));
}

Result<std::unique_ptr<File>> FaultFileSystem::open(const Path& path, Mode mode) {
  if (stopped_) return stopped_error();
  if (mode == Mode::kCreateNew) {
    if (names_.contains(path)) return make_error(ErrorCode::kIo, "{} exists", path.string());
    if (Status allowed = operate([] {}); !allowed.ok()) return allowed.error();
    names_[path] = std::make_shared<Inode>();
    change_name({.from = {}, .to = path, .inode = names_[path]});
  }
  if (!names_.contains(path)) return make_error(ErrorCode::kIo, "no {}", path.string());
  return std::unique_ptr<File>(std::make_unique<Handle>(*this, names_.at(path)));
}

Result<std::vector<std::string>> FaultFileSystem::list(const Path& directory) {
  if (stopped_) return stopped_error();
  std::vector<std::string> found;
  for (const auto& [path, inode] : names_) {
    if (path.parent_path() == directory) found.push_back(path.filename().string());
  }
  return found;
}

Status FaultFileSystem::rename(const Path& from, const Path& to) {
  if (!names_.contains(from)) return make_error(ErrorCode::kIo, "no {}", from.string());
  return operate([&] {
    names_[to] = names_.at(from);
    names_.erase(from);
    change_name({.from = from, .to = to, .inode = names_.at(to)});
  });
}

Status FaultFileSystem::remove(const Path& path) {
  if (!names_.contains(path)) return make_error(ErrorCode::kIo, "no {}", path.string());
  return operate([&] {
    change_name({.from = path, .to = {}, .inode = names_.at(path)});
    names_.erase(path);
  });
}

Status FaultFileSystem::sync_directory(const Path&) {
  Status allowed = operate([] {});
  if (stopped_) return allowed;
  const std::uint64_t through = first_name_change_ + name_changes_.size();
  const Step step{Step::Kind::kSyncDirectory, nullptr, through, !allowed.ok()};
  under_way_ ? steps_.push_back(step) : settle(step);
  return allowed;
}

// -------------------------------------------------------------------------------------------------
// What is durable

void FaultFileSystem::apply(std::vector<std::byte>& image, const Change& change) {
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

void FaultFileSystem::settle(const Step& step) {
  switch (step.kind) {
    case Step::Kind::kSync:
      return settle_inode(*step.inode, step.through, step.fails);
    case Step::Kind::kSyncDirectory:
      return settle_names(step.through, step.fails);
    case Step::Kind::kChange:
    case Step::Kind::kNameChange:
      return;
  }
}

void FaultFileSystem::settle_inode(Inode& inode, std::uint64_t through, bool fails) {
  if (through <= inode.first_unsynced) return;
  const auto count = std::min<std::size_t>(through - inode.first_unsynced, inode.unsynced.size());
  const auto end = inode.unsynced.begin() + static_cast<long>(count);
  for (auto each = inode.unsynced.begin(); each != end; ++each) {
    // What a failed sync has lost stays lost.
    if (fails) each->lost = true;
    if (!each->lost) apply(inode.durable, *each);
  }
  // Lost bytes need not be kept for the cache's sake: `live` has them.
  inode.unsynced.erase(inode.unsynced.begin(), end);
  inode.first_unsynced += count;
}

void FaultFileSystem::settle_names(std::uint64_t through, bool fails) {
  if (through <= first_name_change_) return;
  const auto count = std::min<std::size_t>(through - first_name_change_, name_changes_.size());
  for (std::size_t i = 0; i < count && !fails; ++i) {
    const NameChange& change = name_changes_[i];
    if (!change.from.empty()) durable_names_.erase(change.from);
    if (!change.to.empty()) durable_names_[change.to] = change.inode;
  }
  name_changes_.erase(name_changes_.begin(), name_changes_.begin() + static_cast<long>(count));
  first_name_change_ += count;
}

void FaultFileSystem::begin(Work work) {
  CHECK(!under_way_, "two things at once");
  under_way_ = work;
}

void FaultFileSystem::finish() {
  CHECK(under_way_.has_value());
  for (const Step& step : steps_) settle(step);
  if (*under_way_ == Work::kGroup) newest_ = std::move(written_);
  written_.clear();
  steps_.clear();
  under_way_.reset();
}

bool FaultFileSystem::cut_short(Prng& prng) {
  if (!under_way_) return false;
  std::size_t happened = prng.below(steps_.size() + 1);
  // A write that has happened and is not synced is what there is to tear.
  const auto is_change = [](const Step& step) { return step.kind == Step::Kind::kChange; };
  if (happened > 0 && prng.chance(3, 4)) {
    while (happened > 1 && !is_change(steps_[happened - 1])) --happened;
  }
  const bool cut = happened < steps_.size();
  std::set<Inode*> shortened;
  bool names_shortened = false;
  for (std::size_t i = steps_.size(); i-- > happened;) {
    const Step& step = steps_[i];
    if (step.kind == Step::Kind::kChange) {
      step.inode->unsynced.pop_back();
      shortened.insert(step.inode.get());
    } else if (step.kind == Step::Kind::kNameChange) {
      name_changes_.pop_back();
      names_shortened = true;
    }
  }
  for (Inode* inode : shortened) {
    inode->live = inode->durable;
    for (const Change& change : inode->unsynced) apply(inode->live, change);
  }
  if (names_shortened) rebuild_names();
  for (std::size_t i = 0; i < happened; ++i) settle(steps_[i]);
  // What was under way may have arrived and be the newest now, or what was before it.
  newest_.insert(newest_.end(), written_.begin(), written_.end());
  written_.clear();
  steps_.clear();
  under_way_.reset();
  return cut;
}

void FaultFileSystem::rebuild_names() {
  names_ = durable_names_;
  for (const NameChange& change : name_changes_) {
    if (!change.from.empty()) names_.erase(change.from);
    if (!change.to.empty()) names_[change.to] = change.inode;
  }
}

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
