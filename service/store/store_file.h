// A store's data file that nobody writes, opened to be looked into: a snapshot.
//
// One thread. What cannot be read throws LmdbFailure; content_of() is the door that catches it.
#pragma once

#include <filesystem>

#include "service/store/environment.h"
#include "service/store/snapshot.h"

namespace coord::service {

class StoreFile final : public Tables {
 public:
  static Result<std::unique_ptr<StoreFile>> open(const std::filesystem::path& file);
  ~StoreFile() override;

  std::optional<std::string_view> get(Table table, std::string_view key) const override;
  std::unique_ptr<Cursor> seek(Table table, std::string_view from) const override;
  // There is no writing: these stop the process.
  void put(Table table, std::string_view key, std::string_view value) override;
  void erase(Table table, std::string_view key) override;
  void append(Table queue, std::string_view key, std::string_view value) override;
  void erase_before(Table queue, std::string_view key) override;

 private:
  StoreFile() = default;
  Status open_databases(const std::filesystem::path& file);

  MDB_env* env_ = nullptr;
  MDB_txn* reader_ = nullptr;
  Databases databases_;
};

// Opens the file and has its content told. kCorrupt if it is no store or says nothing sensible.
Result<SnapshotContent> content_of(const std::filesystem::path& file, const ReadContent& read);

}  // namespace coord::service
