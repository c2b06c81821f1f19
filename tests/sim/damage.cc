#include "tests/sim/damage.h"

#include <algorithm>

namespace coord::sim {

namespace {

using raft::testing::FaultFileSystem;

constexpr std::uint64_t kSectorBytes = 512;

bool is_minority(const std::vector<MemberId>& few, const std::vector<MemberId>& voters) {
  const auto count = std::count_if(few.begin(), few.end(), [&](MemberId id) {
    return std::find(voters.begin(), voters.end(), id) != voters.end();
  });
  return voters.empty() || 2 * static_cast<std::size_t>(count) < voters.size();
}

std::string flip(FaultFileSystem& files, const std::filesystem::path& path, std::uint64_t offset) {
  files.flip(path, offset);
  return "a bit flips";
}

// The sector as it is after a write that never reached it, or that was meant for another place.
std::string spoil_sector(FaultFileSystem& files, const std::filesystem::path& path,
                         std::uint64_t sector, Prng& dice) {
  const std::vector<std::byte>& bytes = files.bytes(path);
  const std::uint64_t size = std::min(kSectorBytes, bytes.size() - sector);
  std::vector<std::byte> content(size);
  const bool zeroes = dice.chance(1, 2);
  if (!zeroes) {
    const std::uint64_t other = dice.below(bytes.size() / kSectorBytes) * kSectorBytes;
    std::copy_n(bytes.begin() + static_cast<long>(other), size, content.begin());
  }
  files.overwrite(path, sector, content);
  return zeroes ? "a sector is zeroes" : "a sector holds another one's bytes";
}

}  // namespace

std::vector<MemberId> draw_atlas(Prng& dice, const raft::Configuration& configuration) {
  std::vector<MemberId> members = configuration.members();
  for (std::size_t i = members.size(); i > 1; --i)
    std::swap(members[i - 1], members[dice.below(i)]);
  std::vector<MemberId> atlas;
  for (const MemberId id : members) {
    atlas.push_back(id);
    if (!is_minority(atlas, configuration.voters) || !is_minority(atlas, configuration.outgoing)) {
      atlas.pop_back();
    }
  }
  return atlas;
}

std::optional<std::string> damage(FaultFileSystem& files, Prng& dice) {
  const auto names = files.list("/log");
  if (!names.ok()) return std::nullopt;
  std::vector<std::filesystem::path> segments;
  for (const std::string& name : *names) {
    if (name.ends_with(".log")) segments.push_back(std::filesystem::path("/log") / name);
  }
  if (segments.empty()) return std::nullopt;
  const auto path = segments[dice.below(segments.size())];
  const std::vector<std::byte>& bytes = files.bytes(path);
  const auto last = std::find_if(bytes.rbegin(), bytes.rend(),
                                 [](std::byte byte) { return byte != std::byte{0}; });
  const auto used = static_cast<std::uint64_t>(bytes.rend() - last);
  if (used == 0) return std::nullopt;
  const std::uint64_t offset = dice.below(used);
  const std::uint64_t sector = offset / kSectorBytes * kSectorBytes;
  const std::uint64_t kind = dice.below(8);
  // A file that has become shorter has lost all that was behind.
  const std::uint64_t end = kind == 0 ? sector : sector + kSectorBytes;
  if (files.in_newest_group(path, sector, end - sector)) return std::nullopt;
  std::string what;
  switch (kind) {
    case 0:
      files.shorten(path, sector);
      what = "the file ends";
      break;
    case 1:
      files.make_unreadable(path, offset);
      what = "a sector cannot be read";
      break;
    case 2:
    case 3:
    case 4:
      what = flip(files, path, offset);
      break;
    default:
      what = spoil_sector(files, path, sector, dice);
      break;
  }
  return fmt::format("{} at {} of {}", what, offset, path.filename().string());
}

}  // namespace coord::sim
