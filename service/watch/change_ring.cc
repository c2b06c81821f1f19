#include "service/watch/change_ring.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "raft/base/check.h"

namespace coord::service {

void ChangeRing::push(Revision revision, std::span<const Change> changes) {
  CHECK(entries_.empty() || entries_.back().revision < revision, "{} after {}", revision,
        entries_.back().revision);
  std::size_t text = 0;
  for (const Change& change : changes) text += change.key.size() + change.value.size();

  Entry entry{.revision = revision,
              .changes = {changes.begin(), changes.end()},
              .bytes = std::unique_ptr<char[]>(new char[text]),
              .size = text + changes.size() * sizeof(Change) + sizeof(Entry)};
  char* next = entry.bytes.get();
  const auto keep = [&next](std::string_view& view) {
    if (!view.empty()) std::memcpy(next, view.data(), view.size());
    view = {next, view.size()};
    next += view.size();
  };
  for (Change& change : entry.changes) {
    keep(change.key);
    keep(change.value);
  }
  bytes_ += entry.size;
  entries_.push_back(std::move(entry));
}

void ChangeRing::pop() {
  complete_from_ = entries_.front().revision.next();
  bytes_ -= entries_.front().size;
  entries_.pop_front();
}

void ChangeRing::reset(Revision complete_from) {
  entries_.clear();
  bytes_ = 0;
  complete_from_ = complete_from;
}

const ChangeRing::Entry* ChangeRing::find(Revision revision) const {
  const auto found =
      std::lower_bound(entries_.begin(), entries_.end(), revision,
                       [](const Entry& entry, Revision r) { return entry.revision < r; });
  return found == entries_.end() ? nullptr : &*found;
}

}  // namespace coord::service
