#include "tests/lint/rules.h"

#include <algorithm>
#include <array>
#include <optional>
#include <regex>
#include <set>
#include <sstream>

namespace coord::lint {

namespace {

// One row of the dependency table. A folder may include itself, the folders in `may_use` (a file's
// path names just that header), the external packages in `external`, and the standard library.
struct Row {
  std::string_view folder;
  std::vector<std::string_view> may_use;
  std::vector<std::string_view> external;
  bool pure = false;
};

const std::vector<Row>& table() {
  static const std::vector<Row> rows = {
      // fmt for CHECK and errors; hash.cc is the one door to xxHash.
      {"raft/base", {}, {"fmt", "xxhash"}},
      {"raft/core", {"raft/base"}, {"fmt"}, true},
      {"raft/storage", {"raft/base", "raft/core"}, {"posix", "fmt"}},
      {"raft/node", {"raft/base", "raft/core", "raft/storage"}, {"spdlog", "fmt"}},
      {"raft/transport",
       {"raft/base", "raft/core", "schema", "schema/rpc"},
       {"capnp", "kj", "fmt"}},
      {"schema", {"raft/base"}, {"capnp", "kj"}},
      {"schema/rpc", {"raft/base", "schema"}, {"asio", "kj", "capnp", "openssl", "posix", "fmt"}},
      {"service/state", {"raft/base", "raft/core", "schema"}, {"capnp", "kj", "fmt"}, true},
      // The tables' interface belongs to the state, which is written against it.
      {"service/store",
       {"raft/base", "raft/core", "service/state/tables.h"},
       {"lmdb", "absl", "posix", "fmt"}},
      {"service/watch",
       {"raft/base", "raft/core", "raft/node", "service/state", "schema", "schema/rpc"},
       {"capnp", "kj", "fmt", "absl"}},
      {"service/lease",
       {"raft/base", "raft/core", "raft/node", "service/state", "schema", "schema/rpc"},
       {"capnp", "kj", "fmt"}},
      {"service/api",
       {"raft/base", "raft/core", "raft/node", "service/state", "service/watch", "service/lease",
        "schema", "schema/rpc"},
       {"capnp", "kj", "fmt"}},
      {"service/server",
       {"raft", "schema", "schema/rpc", "service"},
       {"capnp", "kj", "asio", "spdlog", "fmt", "cli11", "posix", "mimalloc"}},
      {"client",
       {"client", "schema", "schema/rpc", "raft/base", "coord"},
       {"capnp", "kj", "asio", "cli11", "fmt", "posix"}},
  };
  return rows;
}

// The package that a header of angle brackets or quotes comes from; nothing for the standard
// library's.
std::optional<std::string_view> package_of(std::string_view header) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 17> kPrefixes = {{
      {"capnp/", "capnp"},
      {"kj/", "kj"},
      {"asio", "asio"},
      {"spdlog/", "spdlog"},
      {"fmt/", "fmt"},
      {"CLI/", "cli11"},
      {"absl/", "absl"},
      {"lmdb.h", "lmdb"},
      {"xxhash.h", "xxhash"},
      {"mimalloc", "mimalloc"},
      {"openssl/", "openssl"},
      {"boost/", "boost"},
      {"prometheus/", "prometheus"},
      {"gtest/", "gtest"},
      {"gmock/", "gtest"},
      {"rapidcheck", "rapidcheck"},
      {"sys/", "posix"},
  }};
  for (const auto& [prefix, package] : kPrefixes) {
    if (header.starts_with(prefix)) return package;
  }
  static const std::set<std::string_view> kPosix = {
      "unistd.h", "fcntl.h", "poll.h",  "pthread.h", "signal.h", "dirent.h",
      "netdb.h",  "spawn.h", "sched.h", "dlfcn.h",   "syslog.h", "termios.h",
      "pwd.h",    "grp.h",   "time.h",  "linux/fs.h"};
  if (kPosix.contains(header)) return "posix";
  if (header.starts_with("netinet/") || header.starts_with("arpa/") ||
      header.starts_with("linux/")) {
    return "posix";
  }
  return std::nullopt;
}

// What time, chance, other threads and the outside world come in by.
const std::set<std::string_view>& impure_headers() {
  static const std::set<std::string_view> headers = {
      "thread",        "mutex",         "shared_mutex", "condition_variable",
      "future",        "atomic",        "random",       "ctime",
      "iostream",      "fstream",       "ostream",      "istream",
      "cstdio",        "csignal",       "filesystem",   "semaphore",
      "latch",         "barrier",       "stop_token",   "locale",
      "unordered_map", "unordered_set", "syncstream",   "stdio.h",
      "time.h",        "stdlib.h",      "cstdlib"};
  return headers;
}

bool within(std::string_view path, std::string_view folder) {
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

const Row* row_of(std::string_view path) {
  const Row* best = nullptr;
  for (const Row& row : table()) {
    if (within(path, row.folder) && (best == nullptr || row.folder.size() > best->folder.size())) {
      best = &row;
    }
  }
  return best;
}

bool is_ours(std::string_view header) {
  for (const std::string_view top :
       {"raft/", "service/", "schema/", "client/", "tests/", "coord/"}) {
    if (header.starts_with(top)) return true;
  }
  return false;
}

bool may_include(const Row& row, std::string_view header) {
  // The folder of a header decides, so that "schema" does not let in "schema/rpc".
  const std::string_view folder = header.substr(0, header.rfind('/'));
  if (row_of(header) == &row) return true;
  for (const std::string_view allowed : row.may_use) {
    if (allowed == header || allowed == folder) return true;
    // A whole tree may be named by its top: "raft" for the one place that builds the graph.
    if (allowed.find('/') == std::string_view::npos && allowed != "schema" &&
        within(header, allowed)) {
      return true;
    }
  }
  return false;
}

}  // namespace

Findings check_includes(std::string_view path, std::string_view text) {
  const Row* row = row_of(path);
  if (row == nullptr) return {};
  static const std::regex include(R"re(^\s*#\s*include\s*[<"]([^>"]+)[>"])re");
  Findings findings;
  std::istringstream lines{std::string(text)};
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    std::smatch match;
    if (!std::regex_search(line, match, include)) continue;
    const std::string header = match[1];
    const auto complain = [&](std::string_view why) {
      findings.push_back(std::string(path) + ":" + std::to_string(number) + ": includes " + header +
                         ", " + std::string(why));
    };
    if (is_ours(header)) {
      if (!may_include(*row, header)) complain("which this folder may not use");
    } else if (const auto package = package_of(header)) {
      if (std::find(row->external.begin(), row->external.end(), *package) == row->external.end()) {
        complain("of a package that this folder may not use");
      }
    } else if (row->pure && impure_headers().contains(header)) {
      complain("which has no place in pure code");
    }
  }
  return findings;
}

Findings check_pure_symbols(std::string_view library, std::string_view nm_output) {
  // Whole names, or their beginnings where a star ends them.
  static const std::vector<std::string> forbidden = {"clock_gettime*",
                                                     "gettimeofday*",
                                                     "time",
                                                     "clock",
                                                     "nanosleep",
                                                     "usleep",
                                                     "sleep",
                                                     "rand",
                                                     "srand",
                                                     "random",
                                                     "srandom",
                                                     "drand48",
                                                     "getrandom",
                                                     "getentropy",
                                                     "arc4random*",
                                                     "getenv",
                                                     "secure_getenv",
                                                     "setenv",
                                                     "open",
                                                     "open64",
                                                     "openat*",
                                                     "read",
                                                     "write",
                                                     "pread*",
                                                     "pwrite*",
                                                     "close",
                                                     "fsync",
                                                     "fdatasync",
                                                     "mmap*",
                                                     "ioctl",
                                                     "fopen*",
                                                     "fread",
                                                     "fwrite",
                                                     "fclose",
                                                     "printf",
                                                     "puts",
                                                     "putchar",
                                                     "fprintf",
                                                     "vfprintf",
                                                     "fputs",
                                                     "syslog",
                                                     "socket",
                                                     "connect",
                                                     "accept*",
                                                     "bind",
                                                     "listen",
                                                     "send",
                                                     "sendto",
                                                     "sendmsg",
                                                     "recv*",
                                                     "poll",
                                                     "ppoll",
                                                     "select",
                                                     "epoll*",
                                                     "pthread_create*",
                                                     "pthread_mutex*",
                                                     "pthread_cond*",
                                                     "pthread_rwlock*",
                                                     "sem_*",
                                                     "fork",
                                                     "std::chrono::_V2::*",
                                                     "std::thread::*",
                                                     "std::random_device::*",
                                                     "std::mutex::*",
                                                     "std::condition_variable::*",
                                                     "std::cout",
                                                     "std::cerr",
                                                     "std::clog",
                                                     "std::cin",
                                                     "std::basic_ofstream*",
                                                     "std::basic_ifstream*",
                                                     "std::filesystem::*",
                                                     "kj::systemPreciseMonotonicClock*",
                                                     "kj::systemCoarseMonotonicClock*",
                                                     "kj::systemPreciseCalendarClock*",
                                                     "kj::systemCoarseCalendarClock*",
                                                     "kj::setupAsyncIo*",
                                                     "kj::Thread::*",
                                                     "spdlog::*"};
  Findings findings;
  std::istringstream lines{std::string(nm_output)};
  std::string line;
  while (std::getline(lines, line)) {
    const auto mark = line.find(" U ");
    if (mark == std::string::npos) continue;
    std::string symbol = line.substr(mark + 3);
    // A version suffix ("clock_gettime@GLIBC_2.17") says nothing here.
    symbol = symbol.substr(0, symbol.find('@'));
    for (const std::string& pattern : forbidden) {
      const bool hit = pattern.back() == '*'
                           ? symbol.starts_with(pattern.substr(0, pattern.size() - 1))
                           : symbol == pattern || symbol.starts_with(pattern + "(");
      if (hit) findings.push_back(std::string(library) + ": needs " + symbol);
    }
  }
  return findings;
}

Findings check_words(std::string_view path, std::string_view text) {
  // Spelled in pieces, so that this file passes its own rule.
  static const std::regex machine(
      R"re(/(h[o]me|w[o]rk|r[o]ot)/[a-z]|https?://(d[e]b|regi[s]try|secur[i]ty)[.])re");
  Findings findings;
  std::istringstream lines{std::string(text)};
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (std::regex_search(line, machine)) {
      findings.push_back(std::string(path) + ":" + std::to_string(number) +
                         ": names a place on some machine or a registry's host");
    }
  }
  return findings;
}

Findings check_top_level(const std::vector<std::string>& names) {
  static const std::set<std::string_view> fixed = {"CMakeLists.txt", "CMakePresets.json",
                                                   "LICENSE",        "README.md",
                                                   "raft",           "service",
                                                   "schema",         "client",
                                                   "tests",          "jepsen"};
  Findings findings;
  for (const std::string& name : names) {
    if (!name.starts_with('.') && !fixed.contains(name) && name != "build") {
      findings.push_back(name + ": has no place at the top of the tree");
    }
  }
  return findings;
}

}  // namespace coord::lint
