// The LMDB environment of one data directory: locked, checked and opened.
//
// On disk:
//   lock                 held exclusively (flock) while a process has the directory open
//   data.mdb, lock.mdb   LMDB's; the databases "t0" ... "t9" are the tables, "layers" is what
//                        layers.h says, and "store" holds the version of all this
//
// Opened on the loop thread, which also reads; write transactions are begun by the flusher.
#pragma once

#include <lmdb.h>

#include <filesystem>
#include <memory>

#include "raft/base/result.h"
#include "service/store/layers.h"

namespace coord::service {

class Environment {
 public:
  // kInUse, kUnsupported (written by another version), kCorrupt, kIo, kStorageFull.
  static Result<std::unique_ptr<Environment>> open(const std::filesystem::path& directory,
                                                   std::size_t map_bytes);
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  MDB_env* env() const { return env_; }
  const Databases& databases() const { return databases_; }
  // Of LMDB's file, as of the last commit.
  std::uint64_t disk_bytes() const;
  // What to tell a person.
  Error describe(const LmdbFailure& failure) const;

 private:
  explicit Environment(std::filesystem::path directory) : directory_(std::move(directory)) {}
  Status lock();
  Status open_env(std::size_t map_bytes);
  Status open_databases();

  std::filesystem::path directory_;
  int lock_ = -1;
  MDB_env* env_ = nullptr;
  Databases databases_;
};

}  // namespace coord::service
