#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

#include "tests/lint/rules.h"

namespace coord::lint {
namespace {

namespace fs = std::filesystem;

const fs::path kRoot = COORD_SOURCE_DIR;

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Calls `visit(path relative to the root)` for every source file of the tree.
template <class Visit>
std::size_t for_each_source(Visit&& visit) {
  std::size_t count = 0;
  for (const char* top : {"raft", "service", "schema", "client", "tests", "jepsen"}) {
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / top)) {
      const std::string extension = entry.path().extension();
      if (extension == ".h" || extension == ".cc" || extension == ".capnp") {
        visit(fs::relative(entry.path(), kRoot).string());
        ++count;
      }
    }
  }
  return count;
}

std::string output_of(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  EXPECT_NE(pipe, nullptr);
  std::string output;
  std::array<char, 4096> buffer;
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe.get())) {
    output.append(buffer.data(), n);
  }
  return output;
}

std::string join(const Findings& findings) {
  std::string all;
  for (const std::string& finding : findings) all += "\n  " + finding;
  return all;
}

TEST(IncludeRule, ForbiddenNeighbour_IsFound) {
  EXPECT_EQ(check_includes("raft/core/a.cc", "#include \"raft/storage/log.h\"\n").size(), 1u);
  EXPECT_EQ(check_includes("service/state/a.cc", "#include \"service/store/store.h\"\n").size(),
            1u);
  EXPECT_EQ(check_includes("schema/x.h", "#include \"schema/rpc/loop.h\"\n").size(), 1u);
  EXPECT_EQ(check_includes("client/lib/a.cc", "#include \"service/state/state.h\"\n").size(), 1u);
  EXPECT_EQ(check_includes("service/store/a.cc", "#include \"service/state/state.h\"\n").size(),
            1u);
}

TEST(IncludeRule, ForbiddenPackage_IsFound) {
  EXPECT_EQ(check_includes("raft/core/a.cc", "#include <kj/async.h>\n").size(), 1u);
  EXPECT_EQ(check_includes("raft/node/a.h", "  #  include <asio/io_context.hpp>\n").size(), 1u);
  EXPECT_EQ(check_includes("service/watch/a.h", "#include <lmdb.h>\n").size(), 1u);
}

TEST(IncludeRule, ClockThreadAndRandomHeaders_AreFoundInPureCode) {
  for (const char* header : {"thread", "mutex", "random", "ctime", "fstream", "unordered_map"}) {
    const std::string line = std::string("#include <") + header + ">\n";
    EXPECT_EQ(check_includes("raft/core/a.cc", line).size(), 1u) << header;
    EXPECT_EQ(check_includes("service/state/a.cc", line).size(), 1u) << header;
    EXPECT_EQ(check_includes("raft/storage/a.cc", line).size(), 0u) << header;
  }
}

TEST(IncludeRule, AllowedIncludes_Pass) {
  EXPECT_EQ(check_includes("raft/core/a.cc", "#include \"raft/base/types.h\"\n#include <map>\n"),
            Findings{});
  EXPECT_EQ(check_includes("service/server/a.cc", "#include \"raft/node/node.h\"\n"), Findings{});
  EXPECT_EQ(check_includes("service/store/a.h", "#include \"service/state/tables.h\"\n"),
            Findings{});
}

TEST(SymbolRule, ClockRandomThreadAndIo_AreFound) {
  const Findings findings =
      check_pure_symbols("x.a",
                         "                 U clock_gettime@GLIBC_2.17\n"
                         "                 U getrandom\n"
                         "                 U std::chrono::_V2::steady_clock::now()\n"
                         "                 U pthread_mutex_lock\n"
                         "                 U fwrite\n"
                         "                 U memcpy\n"
                         "                 U coord::check_failed(char const*)\n");
  EXPECT_EQ(findings.size(), 5u) << join(findings);
}

TEST(Tree, EveryInclude_IsInTheDependencyTable) {
  Findings findings;
  const std::size_t files = for_each_source([&](const std::string& path) {
    for (auto& finding : check_includes(path, read_file(kRoot / path))) {
      findings.push_back(std::move(finding));
    }
  });
  EXPECT_GT(files, 50u) << "the tree was not found";
  EXPECT_TRUE(findings.empty()) << join(findings);
}

TEST(Tree, PureLibraries_NeedNoClockThreadRandomnessOrIo) {
  for (const char* library : {COORD_RAFT_CORE_LIBRARY, COORD_SERVICE_STATE_LIBRARY}) {
    ASSERT_TRUE(fs::exists(library)) << library;
    const std::string symbols = output_of(std::string("nm -uC ") + library);
    EXPECT_NE(symbols.find(" U "), std::string::npos) << "nm said nothing about " << library;
    const Findings findings = check_pure_symbols(fs::path(library).filename().string(), symbols);
    EXPECT_TRUE(findings.empty()) << join(findings);
  }
}

TEST(Tree, TopLevel_IsTheFixedOne) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kRoot)) names.push_back(entry.path().filename());
  const Findings findings = check_top_level(names);
  EXPECT_TRUE(findings.empty()) << join(findings);
  EXPECT_EQ(check_top_level({"src"}).size(), 1u);
}

TEST(Tree, EveryTopFolder_HasAReadme) {
  for (const char* top : {"raft", "service", "schema", "client", "tests", "jepsen"}) {
    EXPECT_TRUE(fs::exists(kRoot / top / "README.md")) << top;
  }
}

TEST(Tree, NoFile_NamesAPlaceOnSomeMachine) {
  Findings findings;
  for_each_source([&](const std::string& path) {
    for (auto& finding : check_words(path, read_file(kRoot / path))) {
      findings.push_back(std::move(finding));
    }
  });
  EXPECT_TRUE(findings.empty()) << join(findings);
}

TEST(Tree, EveryHeader_IsGuarded) {
  for_each_source([&](const std::string& path) {
    if (path.ends_with(".h")) {
      EXPECT_NE(read_file(kRoot / path).find("#pragma once"), std::string::npos) << path;
    }
  });
}

}  // namespace
}  // namespace coord::lint
