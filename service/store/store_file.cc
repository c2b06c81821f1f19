#include "service/store/store_file.h"

#include <algorithm>
#include <utility>

#include "raft/base/check.h"
#include "service/store/disk_cursor.h"

namespace coord::service {

namespace {

class FileCursor final : public Cursor {
 public:
  FileCursor(MDB_txn* txn, const Databases& databases, Table table, std::string_view from)
      : cursor_(txn, databases, table, from) {}
  bool valid() const override { return cursor_.valid(); }
  std::string_view key() const override { return cursor_.key(); }
  std::string_view value() const override { return cursor_.value(); }
  void next() override { cursor_.next(); }

 private:
  DiskCursor cursor_;
};

[[noreturn]] void refuse_writing() {
  check_failed(__FILE__, __LINE__, "a snapshot is only read", "a write to it");
}

// A database that every store has.
void open_database(MDB_txn* txn, const char* name, MDB_dbi* database) {
  const int code = mdb_dbi_open(txn, name, 0, database);
  lmdb_must(code == MDB_NOTFOUND ? MDB_CORRUPTED : code, "dbi_open");
}

}  // namespace

Result<std::unique_ptr<StoreFile>> StoreFile::open(const std::filesystem::path& file) {
  std::unique_ptr<StoreFile> opened(new StoreFile());
  try {
    if (Status status = opened->open_databases(file); !status.ok()) return status.error();
  } catch (const LmdbFailure& failure) {
    return describe_failure(failure, file);
  }
  return opened;
}

Status StoreFile::open_databases(const std::filesystem::path& file) {
  lmdb_must(mdb_env_create(&env_), "env_create");
  lmdb_must(mdb_env_set_maxdbs(env_, kTableCount + 2), "env_set_maxdbs");
  // Without a lock: nobody writes it.
  const unsigned flags = MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS | MDB_NORDAHEAD;
  lmdb_must(mdb_env_open(env_, file.c_str(), flags, 0600), "env_open");
  MDB_txn* begun = nullptr;
  lmdb_must(mdb_txn_begin(env_, nullptr, MDB_RDONLY, &begun), "txn_begin");
  TxnGuard txn(begun);
  open_database(begun, "store", &databases_.store);
  if (Status known = check_version(begun, databases_.store, file); !known.ok()) return known;
  open_database(begun, "layers", &databases_.layers);
  for (std::size_t i = 0; i < kTableCount; ++i) {
    open_database(begun, database_name(i).c_str(), &databases_.tables[i]);
  }
  // Committed, so that the handles stay.
  lmdb_must(mdb_txn_commit(txn.release()), "txn_commit");
  lmdb_must(mdb_txn_begin(env_, nullptr, MDB_RDONLY, &reader_), "txn_begin");
  return Status::success();
}

StoreFile::~StoreFile() {
  if (reader_ != nullptr) mdb_txn_abort(reader_);
  if (env_ != nullptr) mdb_env_close(env_);
}

std::optional<std::string_view> StoreFile::get(Table table, std::string_view key) const {
  if (is_queue(table) && key < queue_front(reader_, databases_, table)) return std::nullopt;
  return disk_get(reader_, databases_, table, key);
}

std::unique_ptr<Cursor> StoreFile::seek(Table table, std::string_view from) const {
  if (is_queue(table)) from = std::max(from, queue_front(reader_, databases_, table));
  return std::make_unique<FileCursor>(reader_, databases_, table, from);
}

void StoreFile::put(Table, std::string_view, std::string_view) {
  refuse_writing();
}
void StoreFile::erase(Table, std::string_view) {
  refuse_writing();
}
void StoreFile::append(Table, std::string_view, std::string_view) {
  refuse_writing();
}
void StoreFile::erase_before(Table, std::string_view) {
  refuse_writing();
}

Result<SnapshotContent> content_of(const std::filesystem::path& file, const ReadContent& read) {
  auto opened = StoreFile::open(file);
  if (!opened.ok()) return opened.error();
  try {
    return read(**opened);
  } catch (const LmdbFailure& failure) {
    return describe_failure(failure, file);
  }
}

}  // namespace coord::service
