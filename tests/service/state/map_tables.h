// Tables in a std::map, as strict as the interface allows: what a get or a cursor returned is
// scribbled over by the next write, a cursor used after it fails a CHECK, and append() wants the
// greatest key.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "service/state/tables.h"

namespace coord::service {

class MapTables final : public Tables {
 public:
  using Contents = std::array<std::map<std::string, std::string>, kTableCount>;

  std::optional<std::string_view> get(Table table, std::string_view key) const override;
  std::unique_ptr<Cursor> seek(Table table, std::string_view from) const override;
  void put(Table table, std::string_view key, std::string_view value) override;
  void erase(Table table, std::string_view key) override;
  void append(Table queue, std::string_view key, std::string_view value) override;
  void erase_before(Table queue, std::string_view key) override;
  void expect_reads(Table queue, std::string_view from) const override {
    expected_[static_cast<std::size_t>(queue)] = from;
  }

  const Contents& contents() const { return contents_; }
  // As Store::replace().
  void replace(const Contents& contents) {
    end_views();
    contents_ = contents;
    fronts_ = {};
  }
  std::size_t size(Table table) const { return at(table).size(); }
  // From where on it was said last that a queue will be read.
  const std::string& expected(Table queue) const {
    return expected_[static_cast<std::size_t>(queue)];
  }

 private:
  class MapCursor;

  std::map<std::string, std::string>& at(Table table) {
    return contents_[static_cast<std::size_t>(table)];
  }
  const std::map<std::string, std::string>& at(Table table) const {
    return contents_[static_cast<std::size_t>(table)];
  }
  void insert(Table table, std::string_view key, std::string_view value);
  std::string_view lend(const std::string& bytes) const;
  void end_views();

  Contents contents_;
  std::array<std::string, kTableCount> fronts_;
  mutable std::array<std::string, kTableCount> expected_;
  std::uint64_t changes_ = 0;
  mutable std::vector<std::unique_ptr<std::string>> lent_;
};

}  // namespace coord::service
