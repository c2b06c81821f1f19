// A history of changes as a naive twin keeps it: everything, in a list.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "service/watch/source.h"

namespace coord::service {

class TwinSource final : public WatchSource {
 public:
  struct Stored {
    bool deleted = false;
    std::string key;
    std::string value;
    Revision create_revision;
    Revision mod_revision;
    std::uint64_t version = 0;
    std::optional<KeyValue> previous;

    Change change() const {
      return {.deleted = deleted,
              .key = key,
              .value = value,
              .create_revision = create_revision,
              .mod_revision = mod_revision,
              .version = version,
              .lease = {},
              .previous_mod_revision = previous ? previous->mod_revision : Revision()};
    }
  };
  using State = std::map<std::string, KeyValue>;

  // One revision. Each key at most once; deleting what is not there changes nothing.
  struct Edit {
    std::string key;
    std::optional<std::string> value;  // nothing: delete
  };
  // Returns the changes, which is nothing if there were none.
  std::vector<Change> apply(const std::vector<Edit>& edits) {
    State state = states_.back();
    std::vector<Stored> stored;
    const Revision revision = Revision(states_.size());
    for (const Edit& edit : edits) {
      const auto found = state.find(edit.key);
      std::optional<KeyValue> previous;
      if (found != state.end()) previous = found->second;
      if (!edit.value) {
        if (!previous) continue;
        state.erase(found);
        stored.push_back({true, edit.key, "", {}, revision, 0, previous});
        continue;
      }
      KeyValue now{.key = edit.key,
                   .value = *edit.value,
                   .create_revision = previous ? previous->create_revision : revision,
                   .mod_revision = revision,
                   .version = previous ? previous->version + 1 : 1,
                   .lease = {}};
      state[edit.key] = now;
      stored.push_back(
          {false, now.key, now.value, now.create_revision, revision, now.version, previous});
    }
    if (stored.empty()) return {};
    states_.push_back(std::move(state));
    history_.push_back(std::move(stored));
    return changes_of(revision);
  }
  void compact(Revision oldest_kept) { compacted_ = oldest_kept; }
  Revision compacted() const override { return compacted_; }

  const std::vector<Stored>& stored(Revision revision) const {
    return history_.at(revision.value() - 1);
  }
  const State& state_at(Revision revision) const { return states_.at(revision.value()); }

  Revision revision() const override { return Revision(states_.size() - 1); }
  Result<Revision> changes_since(
      Revision from, std::size_t bytes_max,
      const std::function<void(Revision, std::span<const Change>)>& visit) const override {
    if (from < compacted_) return compacted_error();
    std::size_t bytes = 0;
    Revision at = from;
    for (; at <= revision(); ++at) {
      const std::vector<Change> changes = changes_of(at);
      for (const Change& change : changes) bytes += change.key.size() + change.value.size();
      if (bytes > bytes_max && at != from) break;
      visit(at, changes);
    }
    return at;
  }
  std::optional<KeyValue> previous_of(const Change& change) const override {
    if (change.mod_revision < compacted_) return std::nullopt;
    const State& before = states_.at(change.mod_revision.value() - 1);
    const auto found = before.find(std::string(change.key));
    if (found == before.end()) return std::nullopt;
    return found->second;
  }
  Result<RangeResult> range(const RangeQuery& query) const override {
    if (!query.revision.is_zero() && query.revision < compacted_) return compacted_error();
    const Revision as_of = query.revision.is_zero() ? revision() : query.revision;
    RangeResult result;
    result.revision = as_of;
    std::size_t bytes = 0;
    std::size_t scanned = 0;
    for (const auto& [key, record] : states_.at(as_of.value())) {
      if (!contains(query.range, key) || (!query.cursor.empty() && key < query.cursor)) continue;
      if (scanned == query.scan_max || (bytes > query.bytes_max && !result.items.empty())) {
        result.more = true;
        result.cursor = key;
        break;
      }
      ++scanned;
      bytes += key.size() + record.value.size();
      result.items.push_back(record);
    }
    return result;
  }

 private:
  static bool contains(const KeyRange& range, std::string_view key) {
    switch (range.kind) {
      case KeyRange::Kind::kSingle:
        return key == range.begin;
      case KeyRange::Kind::kPrefix:
        return key.starts_with(range.begin);
      case KeyRange::Kind::kHalfOpen:
        return range.begin <= key && key < range.end;
      case KeyRange::Kind::kToEnd:
        return range.begin <= key;
    }
    return false;
  }
  std::vector<Change> changes_of(Revision revision) const {
    std::vector<Change> changes;
    for (const Stored& stored : stored(revision)) changes.push_back(stored.change());
    return changes;
  }
  Error compacted_error() const {
    Error error = make_error(ErrorCode::kCompacted, "compacted up to {}", compacted_);
    error.revision = compacted_;
    return error;
  }

  std::vector<State> states_ = {{}};          // by revision
  std::vector<std::vector<Stored>> history_;  // of revision 1 and on
  Revision compacted_;
};

}  // namespace coord::service
