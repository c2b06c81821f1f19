// The real files. Stateless; any thread.
#pragma once

#include "raft/storage/file_system.h"

namespace coord::raft {

class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::filesystem::path& path, Mode mode) override;
  Result<std::vector<std::string>> list(const std::filesystem::path& directory) override;
  Status create_directories(const std::filesystem::path& directory) override;
  Status rename(const std::filesystem::path& from, const std::filesystem::path& to) override;
  Status remove(const std::filesystem::path& path) override;
  Status sync_directory(const std::filesystem::path& directory) override;
};

}  // namespace coord::raft
