#include "tests/service/state/map_tables.h"

#include <algorithm>
#include <utility>

#include "raft/base/check.h"

namespace coord::service {

class MapTables::MapCursor final : public Cursor {
 public:
  MapCursor(const MapTables& tables, Table table, std::string_view from)
      : tables_(tables),
        map_(tables.at(table)),
        position_(map_.lower_bound(std::string(from))),
        changes_(tables.changes_) {}

  bool valid() const override {
    CHECK_EQ(changes_, tables_.changes_);
    return position_ != map_.end();
  }
  std::string_view key() const override {
    CHECK(valid());
    return tables_.lend(position_->first);
  }
  std::string_view value() const override {
    CHECK(valid());
    return tables_.lend(position_->second);
  }
  void next() override {
    CHECK(valid());
    ++position_;
  }

 private:
  const MapTables& tables_;
  const std::map<std::string, std::string>& map_;
  std::map<std::string, std::string>::const_iterator position_;
  std::uint64_t changes_;
};

std::optional<std::string_view> MapTables::get(Table table, std::string_view key) const {
  const auto found = at(table).find(std::string(key));
  if (found == at(table).end()) return std::nullopt;
  return lend(found->second);
}

std::unique_ptr<Cursor> MapTables::seek(Table table, std::string_view from) const {
  return std::make_unique<MapCursor>(*this, table, from);
}

void MapTables::append(Table queue, std::string_view key, std::string_view value) {
  CHECK(is_queue(queue));
  CHECK(at(queue).empty() || at(queue).rbegin()->first < key, "not the greatest key");
  CHECK(key >= fronts_[static_cast<std::size_t>(queue)], "behind what is gone");
  insert(queue, key, value);
}

void MapTables::erase_before(Table queue, std::string_view key) {
  CHECK(is_queue(queue));
  std::string& front = fronts_[static_cast<std::size_t>(queue)];
  front = std::max(front, std::string(key));
  end_views();
  at(queue).erase(at(queue).begin(), at(queue).lower_bound(front));
}

void MapTables::put(Table table, std::string_view key, std::string_view value) {
  CHECK(!is_queue(table));
  insert(table, key, value);
}

void MapTables::insert(Table table, std::string_view key, std::string_view value) {
  std::string new_key(key);
  std::string new_value(value);
  end_views();
  at(table)[std::move(new_key)] = std::move(new_value);
}

void MapTables::erase(Table table, std::string_view key) {
  CHECK(!is_queue(table));
  const std::string old_key(key);
  end_views();
  at(table).erase(old_key);
}

std::string_view MapTables::lend(const std::string& bytes) const {
  return *lent_.emplace_back(std::make_unique<std::string>(bytes));
}

void MapTables::end_views() {
  ++changes_;
  for (auto& bytes : lent_) std::ranges::fill(*bytes, '?');
  lent_.clear();
}

}  // namespace coord::service
