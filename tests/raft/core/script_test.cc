// The scripts in scripts/ happen as they were recorded. With COORD_RECORD_SCRIPTS=1 they are
// recorded anew: read the difference before you keep it.
#include "tests/raft/core/script.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

namespace coord::raft {
namespace {

std::string contents(const std::filesystem::path& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

std::vector<std::string> scripts() {
  std::vector<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(COORD_SCRIPTS)) {
    if (file.path().extension() == ".txt") names.push_back(file.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class Script : public testing::TestWithParam<std::string> {};

TEST_P(Script, HappensAsRecorded) {
  const std::filesystem::path path = std::filesystem::path(COORD_SCRIPTS) / (GetParam() + ".txt");
  const std::string recorded = contents(path);
  ASSERT_NE(recorded, "");
  const std::string played = play(recorded);
  EXPECT_EQ(played.find("BROKEN"), std::string::npos);
  EXPECT_EQ(played.find("no such command"), std::string::npos);
  if (std::getenv("COORD_RECORD_SCRIPTS") != nullptr) {
    std::ofstream(path) << played;
    return;
  }
  EXPECT_EQ(difference(recorded, played), "") << "in " << path;
}

INSTANTIATE_TEST_SUITE_P(Scripts, Script, testing::ValuesIn(scripts()),
                         [](const auto& info) { return info.param; });

TEST(ScriptDifference, ShowsWhatIsMissingAndWhatIsNew) {
  EXPECT_EQ(difference("a\nb\nc\n", "a\nb\nc\n"), "");
  EXPECT_EQ(difference("a\nb\nc\n", "a\nx\nc\n"), "   2 -b\n   2 +x\n");
  EXPECT_EQ(difference("a\n", "a\nb\n"), "   2 +b\n");
}

}  // namespace
}  // namespace coord::raft
