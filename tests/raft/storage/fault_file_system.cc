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

void FaultFileSystem::finish(Outcome outcome) {
  CHECK(under_way_.has_value());
  for (const Step& step : steps_) settle(step);
  if (*under_way_ == Work::kGroup) {
    if (outcome == Outcome::kDone) newest_.clear();
    newest_.insert(newest_.end(), written_.begin(), written_.end());
  }
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

}  // namespace coord::raft::testing
