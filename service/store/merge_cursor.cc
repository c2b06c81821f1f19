#include "service/store/merge_cursor.h"

#include "raft/base/check.h"

namespace coord::service {

MergeCursor::MergeCursor(const Sources& sources, Table table, std::string_view from)
    : active_{sources.active.seek(table, from), sources.active.end(table)},
      failed_(sources.failed),
      generation_(sources.generation),
      generation_then_(sources.generation) {
  if (sources.frozen != nullptr) {
    frozen_ = {sources.frozen->seek(table, from), sources.frozen->end(table)};
  }
  try {
    if (sources.txn != nullptr) disk_.emplace(sources.txn, sources.databases, table, from);
  } catch (const LmdbFailure& failure) {
    failed_(failure);
  }
  settle();
}

std::string_view MergeCursor::key() const {
  require_usable();
  switch (source_) {
    case Source::kNone:
      break;
    case Source::kActive:
      return active_.key();
    case Source::kFrozen:
      return frozen_.key();
    case Source::kDisk:
      return disk_->key();
  }
  check_failed(__FILE__, __LINE__, "valid()", "key() of a cursor at the end");
}

std::string_view MergeCursor::value() const {
  require_usable();
  switch (source_) {
    case Source::kNone:
      break;
    case Source::kActive:
      return active_.record().value();
    case Source::kFrozen:
      return frozen_.record().value();
    case Source::kDisk:
      return disk_->value();
  }
  check_failed(__FILE__, __LINE__, "valid()", "value() of a cursor at the end");
}

void MergeCursor::next() {
  require_usable();
  switch (source_) {
    case Source::kNone:
      check_failed(__FILE__, __LINE__, "valid()", "next() at the end");
    case Source::kActive:
      ++active_.at;
      break;
    case Source::kFrozen:
      ++frozen_.at;
      break;
    case Source::kDisk:
      next_on_disk();
      break;
  }
  settle();
}

void MergeCursor::next_on_disk() {
  try {
    disk_->next();
  } catch (const LmdbFailure& failure) {
    failed_(failure);
  }
}

// Finds the uppermost record of the smallest key that is left, and steps over it while it says that
// there is none. The same key in the layers below is passed at once, so that each key comes once.
void MergeCursor::settle() {
  const auto skip_on_disk = [this](std::string_view key) {
    if (disk_ && disk_->valid() && disk_->key() == key) next_on_disk();
  };
  while (true) {
    const bool on_disk = disk_ && disk_->valid();
    if (active_.valid() && (!frozen_.valid() || active_.key() <= frozen_.key()) &&
        (!on_disk || active_.key() <= disk_->key())) {
      frozen_.skip(active_.key());
      skip_on_disk(active_.key());
      source_ = Source::kActive;
      if (!active_.record().erased) return;
      ++active_.at;
    } else if (frozen_.valid() && (!on_disk || frozen_.key() <= disk_->key())) {
      skip_on_disk(frozen_.key());
      source_ = Source::kFrozen;
      if (!frozen_.record().erased) return;
      ++frozen_.at;
    } else {
      source_ = on_disk ? Source::kDisk : Source::kNone;
      return;
    }
  }
}

void MergeCursor::require_usable() const {
  CHECK(generation_ == generation_then_, "a cursor does not outlive a write to the store");
}

}  // namespace coord::service
