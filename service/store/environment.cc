#include "service/store/environment.h"

#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

#include "raft/base/check.h"
#include "service/store/files.h"

namespace coord::service {

namespace {

constexpr std::string_view kVersionName = "version";
// Of the layout of the whole file. A change that an older coordd would misread takes the next one.
constexpr std::string_view kVersion = "coord store 4";
constexpr std::string_view kInstalledName = "installed";

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

std::uint64_t big_endian(std::uint64_t number) {
  return std::endian::native == std::endian::little ? __builtin_bswap64(number) : number;
}

raft::LogId read_installed(MDB_txn* txn, MDB_dbi store) {
  MDB_val name = val_of(kInstalledName);
  MDB_val found;
  if (!lmdb_found(mdb_get(txn, store, &name, &found), "get")) return {};
  std::array<std::uint64_t, 2> numbers;
  if (found.mv_size != sizeof numbers) throw LmdbFailure{MDB_CORRUPTED, "get"};
  std::memcpy(numbers.data(), found.mv_data, sizeof numbers);
  return {Term(big_endian(numbers[0])), Index(big_endian(numbers[1]))};
}

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
  try {
    if (Status opened = environment->open_env(map_bytes); !opened.ok()) return opened.error();
    if (Status opened = environment->open_databases(); !opened.ok()) return opened.error();
  } catch (const LmdbFailure& thrown) {
    return environment->describe(thrown);
  }
  // LMDB syncs what is in its file, and not that there is one.
  if (Status synced = sync_directory(directory); !synced.ok()) return synced.error();
  const auto parent = std::filesystem::absolute(directory).parent_path();
  if (Status synced = sync_directory(parent); !synced.ok()) return synced.error();
  return environment;
}

Environment::~Environment() {
  if (env_ != nullptr) mdb_env_close(env_);
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
  mdb_filehandle_t file;
  MDB_envinfo info;
  lmdb_must(mdb_env_get_fd(env_, &file), "env_get_fd");
  lmdb_must(mdb_env_info(env_, &info), "env_info");
  memory_ = std::make_unique<MapMemory>(file, info.me_mapsize);
  return Status::success();
}

Status Environment::open_databases() {
  MDB_txn* begun = nullptr;
  lmdb_must(mdb_txn_begin(env_, nullptr, 0, &begun), "txn_begin");
  TxnGuard txn(begun);

  lmdb_must(mdb_dbi_open(begun, "store", MDB_CREATE, &databases_.store), "dbi_open");
  MDB_val name = val_of(kVersionName);
  MDB_val found;
  if (!lmdb_found(mdb_get(begun, databases_.store, &name, &found), "get")) {
    MDB_val version = val_of(kVersion);
    lmdb_must(mdb_put(begun, databases_.store, &name, &version, 0), "put");
  }
  if (Status known = check_version(begun, databases_.store, directory_ / kDataFile); !known.ok()) {
    return known;
  }
  installed_at_ = read_installed(begun, databases_.store);
  lmdb_must(mdb_dbi_open(begun, "layers", MDB_CREATE, &databases_.layers), "dbi_open");
  for (std::size_t i = 0; i < kTableCount; ++i) {
    lmdb_must(mdb_dbi_open(begun, database_name(i).c_str(), MDB_CREATE, &databases_.tables[i]),
              "dbi_open");
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

Status Environment::mark_installed(raft::LogId at) {
  const std::array<std::uint64_t, 2> numbers = {big_endian(at.term.value()),
                                                big_endian(at.index.value())};
  try {
    MDB_txn* begun = nullptr;
    lmdb_must(mdb_txn_begin(env_, nullptr, 0, &begun), "txn_begin");
    TxnGuard txn(begun);
    MDB_val name = val_of(kInstalledName);
    MDB_val value{sizeof numbers, const_cast<std::uint64_t*>(numbers.data())};
    lmdb_must(mdb_put(begun, databases_.store, &name, &value, 0), "put");
    lmdb_must(mdb_txn_commit(txn.release()), "txn_commit");
  } catch (const LmdbFailure& failure) {
    return describe(failure);
  }
  installed_at_ = at;
  return Status::success();
}

Status Environment::move_to(const std::filesystem::path& directory) {
  // LMDB has both files open and does not look for them again. The lock file is nothing that lasts:
  // whoever opens the directory first makes it anew.
  if (::rename((directory_ / kLockFile).c_str(), (directory / kLockFile).c_str()) != 0) {
    return file_error("rename", directory_ / kLockFile);
  }
  Status moved = rename_durably(directory_ / kDataFile, directory / kDataFile);
  if (moved.ok()) directory_ = directory;
  return moved;
}

Error describe_failure(const LmdbFailure& failure, const std::filesystem::path& file) {
  const ErrorCode code = code_of(failure.code);
  if (failure.code == MDB_MAP_FULL) {
    return make_error(code, "the state has reached the configured size limit of {}", file.string());
  }
  return make_error(code, "LMDB failed at {} of {}: {}", failure.call, file.string(),
                    mdb_strerror(failure.code));
}

Status check_version(MDB_txn* txn, MDB_dbi store, const std::filesystem::path& file) {
  MDB_val name = val_of(kVersionName);
  MDB_val found;
  const bool any = lmdb_found(mdb_get(txn, store, &name, &found), "get");
  const std::string_view version =
      any ? std::string_view(static_cast<const char*>(found.mv_data), found.mv_size)
          : std::string_view();
  if (version == kVersion) return Status::success();
  return make_error(ErrorCode::kUnsupported,
                    "the file {} was written as \"{}\", this program knows \"{}\"", file.string(),
                    version.substr(0, 64), kVersion);
}

std::string database_name(std::size_t table) {
  return "t" + std::to_string(table);
}

}  // namespace coord::service
