// The LMDB environment of one data directory: checked and opened.
//
// On disk:
//   lock                 held exclusively while a process has the directory open (directory_lock.h)
//   data.mdb, lock.mdb   LMDB's; the databases "t0" ... "t10" are the tables, "layers" is what
//                        layers.h says, and "store" is what the store says of itself:
//                          "version"     of all this
//                          "next_layer"  see layers.h
//                          "front of t2" and of the other queues, see blocks.h
//                          "installed"   the last entry that a snapshot had in it, term and index,
//                                        big-endian, if this file came as one
//
// Read by the loop's thread, and by those that copy it or read ahead; write transactions are begun
// by the flusher.
#pragma once

#include <lmdb.h>

#include <filesystem>
#include <memory>
#include <string>

#include "raft/base/result.h"
#include "raft/core/types.h"
#include "service/store/layers.h"
#include "service/store/map_memory.h"

namespace coord::service {

inline constexpr const char* kDataFile = "data.mdb";
inline constexpr const char* kLockFile = "lock.mdb";

// A member is to do with 600 MiB. Between two looks some tens may be added.
inline constexpr MapMemory::Limit kMemoryLimit{.resident_bytes = std::size_t{480} << 20,
                                               .mapped_bytes_min = std::size_t{128} << 20};

// What to tell a person.
Error describe_failure(const LmdbFailure& failure, const std::filesystem::path& file);
// kUnsupported unless the database "store" says that this program knows the file.
[[nodiscard]] Status check_version(MDB_txn* txn, MDB_dbi store, const std::filesystem::path& file);
// The name of a table's database.
std::string database_name(std::size_t table);

// Ends a transaction that was not committed.
struct AbortTxn {
  void operator()(MDB_txn* txn) const { mdb_txn_abort(txn); }
};
using TxnGuard = std::unique_ptr<MDB_txn, AbortTxn>;

class Environment {
 public:
  // Creates what is not there. kUnsupported (written by another version), kCorrupt, kIo,
  // kStorageFull.
  static Result<std::unique_ptr<Environment>> open(const std::filesystem::path& directory,
                                                   std::size_t map_bytes);
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  MDB_env* env() const { return env_; }
  const Databases& databases() const { return databases_; }
  std::filesystem::path data_file() const { return directory_ / kDataFile; }
  // Of LMDB's file, as of the last commit.
  std::uint64_t disk_bytes() const;

  // Takes pages of the map out of the page tables if the process has too much in them. Cheap if
  // not. Any thread.
  void look_after_memory() const { memory_->look(kMemoryLimit); }

  // That this file came as a snapshot which ends with that entry; zero if it did not.
  raft::LogId installed_at() const { return installed_at_; }
  // Durable when it returns.
  [[nodiscard]] Status mark_installed(raft::LogId at);
  // Puts the files, open as they are, in the place of what that directory has, durably. A crash
  // leaves the one data.mdb there or the other, whole.
  [[nodiscard]] Status move_to(const std::filesystem::path& directory);
  Error describe(const LmdbFailure& failure) const {
    return describe_failure(failure, data_file());
  }

 private:
  explicit Environment(std::filesystem::path directory) : directory_(std::move(directory)) {}
  Status open_env(std::size_t map_bytes);
  Status open_databases();

  std::filesystem::path directory_;
  MDB_env* env_ = nullptr;
  std::unique_ptr<MapMemory> memory_;
  Databases databases_;
  raft::LogId installed_at_;
};

}  // namespace coord::service
