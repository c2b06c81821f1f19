// Small files that are read once and replaced as a whole. Any thread; takes as long as the disk
// does.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "raft/base/result.h"

namespace coord::service {

// Nothing, if there is no such file.
Result<std::optional<std::string>> read_file(const std::filesystem::path& path);

// A crash leaves the old file or the new one, whole; when this has returned, the new one.
Status replace_file(const std::filesystem::path& path, const std::string& text);

// The text with a last line that has its checksum; and the text without it again, kCorrupt if it
// was damaged or edited.
std::string with_checksum(const std::string& text);
Result<std::string> without_checksum(const std::string& text);

}  // namespace coord::service
