#include "service/store/environment.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

#include "raft/base/check.h"

namespace coord::service {

namespace {

constexpr std::string_view kVersionName = "version";
// Of the layout of the whole file. A change that an older coordd would misread takes the next one.
constexpr std::string_view kVersion = "coord store 1";

ErrorCode code_of(int lmdb_code) {
  switch (lmdb_code) {
    case MDB_MAP_FULL:
    case ENOSPC:
    case EDQUOT:
      return ErrorCode::kStorageFull;
    case MDB_INVALID:
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
      return ErrorCode::kCorrupt;
    case MDB_VERSION_MISMATCH:
      return ErrorCode::kUnsupported;
    default:
      return ErrorCode::kIo;
  }
}

// Ends a transaction that was not committed.
struct Abort {
  void operator()(MDB_txn* txn) const { mdb_txn_abort(txn); }
};
using TxnGuard = std::unique_ptr<MDB_txn, Abort>;

}  // namespace

Result<std::unique_ptr<Environment>> Environment::open(const std::filesystem::path& directory,
                                                       std::size_t map_bytes) {
  std::error_code failure;
  std::filesystem::create_directories(directory, failure);
  if (failure) {
    return make_error(ErrorCode::kIo, "cannot create {}: {}", directory.string(),
                      failure.message());
  }
  std::unique_ptr<Environment> environment(new Environment(directory));
  if (Status locked = environment->lock(); !locked.ok()) return locked.error();
  try {
    if (Status opened = environment->open_env(map_bytes); !opened.ok()) return opened.error();
    if (Status opened = environment->open_databases(); !opened.ok()) return opened.error();
  } catch (const LmdbFailure& thrown) {
    return environment->describe(thrown);
  }
  return environment;
}

Environment::~Environment() {
  if (env_ != nullptr) mdb_env_close(env_);
  if (lock_ >= 0) ::close(lock_);
}

// LMDB lets several processes in; two members on one directory must not be.
Status Environment::lock() {
  const std::string path = (directory_ / "lock").string();
  lock_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_ < 0) return make_error(ErrorCode::kIo, "cannot open {}: {}", path, strerror(errno));
  if (::flock(lock_, LOCK_EX | LOCK_NB) == 0) return Status::success();
  if (errno == EWOULDBLOCK) {
    return make_error(ErrorCode::kInUse, "the data directory {} is in use by another process",
                      directory_.string());
  }
  return make_error(ErrorCode::kIo, "cannot lock {}: {}", path, strerror(errno));
}

Status Environment::open_env(std::size_t map_bytes) {
  lmdb_must(mdb_env_create(&env_), "env_create");
  if (static_cast<std::size_t>(mdb_env_get_maxkeysize(env_)) < kLmdbKeyBytesMax) {
    return make_error(ErrorCode::kUnsupported, "this LMDB takes keys of {} bytes, {} are needed",
                      mdb_env_get_maxkeysize(env_), kLmdbKeyBytesMax);
  }
  lmdb_must(mdb_env_set_mapsize(env_, map_bytes), "env_set_mapsize");
  lmdb_must(mdb_env_set_maxdbs(env_, kTableCount + 2), "env_set_maxdbs");
  // No NOSYNC of any kind: a commit is on disk. NOTLS: a transaction belongs to an object, not to a
  // thread. NORDAHEAD: look-ups are scattered, and reading ahead would push out what is in use.
  const unsigned flags = MDB_NOTLS | MDB_NORDAHEAD;
  lmdb_must(mdb_env_open(env_, directory_.c_str(), flags, 0600), "env_open");
  return Status::success();
}

Status Environment::open_databases() {
  MDB_txn* begun = nullptr;
  lmdb_must(mdb_txn_begin(env_, nullptr, 0, &begun), "txn_begin");
  TxnGuard txn(begun);

  lmdb_must(mdb_dbi_open(begun, "store", MDB_CREATE, &databases_.store), "dbi_open");
  MDB_val name = val_of(kVersionName);
  MDB_val found;
  const int code = mdb_get(begun, databases_.store, &name, &found);
  if (code == MDB_NOTFOUND) {
    MDB_val version = val_of(kVersion);
    lmdb_must(mdb_put(begun, databases_.store, &name, &version, 0), "put");
  } else {
    lmdb_must(code, "get");
    const std::string_view version(static_cast<const char*>(found.mv_data), found.mv_size);
    if (version != kVersion) {
      return make_error(ErrorCode::kUnsupported,
                        "the data directory {} was written as \"{}\", this program knows \"{}\"",
                        directory_.string(), version.substr(0, 64), kVersion);
    }
  }
  lmdb_must(mdb_dbi_open(begun, "layers", MDB_CREATE, &databases_.layers), "dbi_open");
  for (std::size_t i = 0; i < kTableCount; ++i) {
    const std::string table = "t" + std::to_string(i);
    lmdb_must(mdb_dbi_open(begun, table.c_str(), MDB_CREATE, &databases_.tables[i]), "dbi_open");
  }
  lmdb_must(mdb_txn_commit(txn.release()), "txn_commit");
  return Status::success();
}

std::uint64_t Environment::disk_bytes() const {
  MDB_envinfo info;
  MDB_stat stat;
  if (mdb_env_info(env_, &info) != MDB_SUCCESS || mdb_env_stat(env_, &stat) != MDB_SUCCESS) {
    return 0;
  }
  return (static_cast<std::uint64_t>(info.me_last_pgno) + 1) * stat.ms_psize;
}

Error Environment::describe(const LmdbFailure& failure) const {
  const ErrorCode code = code_of(failure.code);
  const std::string file = (directory_ / "data.mdb").string();
  if (failure.code == MDB_MAP_FULL) {
    return make_error(code, "the state has reached the configured size limit of {}", file);
  }
  return make_error(code, "LMDB failed at {} of {}: {}", failure.call, file,
                    mdb_strerror(failure.code));
}

}  // namespace coord::service
