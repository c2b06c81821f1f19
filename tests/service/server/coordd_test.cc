// The real binary: what it says and how it ends when it cannot serve, and that it ends when told
// to.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "tests/temporary_directory.h"

extern char** environ;

namespace coord::service {
namespace {

namespace fs = std::filesystem;
using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::seconds kPatience{30};

// One coordd, killed at the end if need be.
class Process {
 public:
  explicit Process(std::vector<std::string> arguments) : Process(COORDD, std::move(arguments)) {}
  // With what `ulimit` is to say before.
  static Process limited(const std::string& ulimit, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"-c", ulimit + "; exec \"$0\" \"$@\"", COORDD});
    return Process("/bin/sh", std::move(arguments));
  }
  Process(const char* program, std::vector<std::string> arguments) {
    int pipe_ends[2];
    if (::pipe2(pipe_ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
    output_ = pipe_ends[0];
    std::vector<char*> argv{const_cast<char*>(program)};
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDERR_FILENO);
    posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDOUT_FILENO);
    const int error = ::posix_spawn(&pid_, program, &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    ::close(pipe_ends[1]);
    if (error != 0) throw std::runtime_error("spawn");
  }
  ~Process() {
    if (pid_ > 0) ::kill(pid_, SIGKILL);
    (void)exit_code();
    ::close(output_);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void signal(int number) { ::kill(pid_, number); }
  fs::path proc() const { return fs::path("/proc") / std::to_string(pid_); }

  // Reads until a line has `text`; the whole output so far, or all of it at the end.
  std::string until(const std::string& text) {
    const auto deadline = SteadyClock::now() + kPatience;
    while (text.empty() || said_.find(text) == std::string::npos) {
      pollfd ready{output_, POLLIN, 0};
      if (SteadyClock::now() > deadline || ::poll(&ready, 1, 1000) < 0) break;
      if (ready.revents == 0) continue;
      char buffer[4096];
      const ssize_t size = ::read(output_, buffer, sizeof buffer);
      if (size <= 0) break;
      said_.append(buffer, static_cast<std::size_t>(size));
    }
    return said_;
  }
  std::string to_end() { return until(""); }

  // -1: it did not exit by itself.
  int exit_code() {
    if (pid_ <= 0) return code_;
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = 0;
    return code_ = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t pid_ = 0;
  int output_ = -1;
  int code_ = -1;
  std::string said_;
};

class Coordd : public testing::Test {
 protected:
  std::vector<std::string> arguments(std::vector<std::string> more = {},
                                     const std::string& data = "data") const {
    std::vector<std::string> all{"--data-dir",      (directory_ / data).string(),
                                 "--listen-client", "127.0.0.1:0",
                                 "--listen-peer",   "127.0.0.1:0"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  // Starts it, waits for its end, and sees that it says one line with `text`.
  void expect_failure(const std::vector<std::string>& arguments, int code,
                      const std::string& text) {
    Process process(arguments);
    const std::string said = process.to_end();
    EXPECT_EQ(process.exit_code(), code) << said;
    EXPECT_NE(said.find(text), std::string::npos) << said;
    EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
  }

  const test::TemporaryDirectory temporary_;
  const fs::path& directory_ = temporary_.path();
};

// The address behind `what` in the line that says what is served.
std::string address_after(const std::string& said, const std::string& what) {
  const auto begin = said.find(what) + what.size();
  return said.substr(begin, said.find(',', begin) - begin);
}

TEST_F(Coordd, WithAWrongFlag_SaysSoAndExitsWith2) {
  expect_failure({"--no-such-flag"}, 2, "--no-such-flag");
  expect_failure({"--name", "x", "--initial-cluster", "a=127.0.0.1:1"}, 2, "no member named 'x'");
}

TEST_F(Coordd, OnAPortInUse_SaysSoAndExitsWith1) {
  Process first(arguments());
  const std::string address = address_after(first.until("serving clients"), "serving clients on ");
  auto second = arguments({}, "other");
  second[3] = address;
  expect_failure(second, 1, address);
  // It has left nothing behind that the corrected start would stumble over.
  second[3] = "127.0.0.1:0";
  second.insert(second.end(), {"--name", "n2"});
  Process corrected(second);
  EXPECT_NE(corrected.until("serving clients").find("serving clients"), std::string::npos);
}

TEST_F(Coordd, AloneInItsCluster_MayMoveToOtherPorts) {
  for (const char* peer : {"127.0.0.1:0", "127.0.0.2:0"}) {
    auto moved = arguments();
    moved[5] = peer;
    Process process(moved);
    EXPECT_NE(process.until("serving clients").find("serving clients"), std::string::npos) << peer;
    process.signal(SIGTERM);
    EXPECT_EQ(process.exit_code(), 0);
  }
}

TEST_F(Coordd, OnADataDirectoryInUse_SaysSoAndExitsWith1) {
  Process first(arguments());
  first.until("serving clients");
  expect_failure(arguments(), 1, "in use by another process");
}

TEST_F(Coordd, OnADataDirectoryOfAnother_SaysSoAndExitsWith1) {
  {
    Process first(arguments());
    first.until("serving clients");
    first.signal(SIGTERM);
    EXPECT_EQ(first.exit_code(), 0);
  }
  expect_failure(arguments({"--name", "n2"}), 1, "belongs to the member 'n1', this is 'n2'");
  expect_failure(arguments({"--initial-cluster", "n1=127.0.0.1:1,n2=127.0.0.1:2"}), 1,
                 "belongs to another cluster");
}

TEST_F(Coordd, WithNobodyToJoin_SaysSoAndExitsWith1_AndLeavesNoTrace) {
  expect_failure(arguments({"--join", "127.0.0.1:1,127.0.0.1:2"}), 1, "no member to join answers");
  EXPECT_FALSE(fs::exists(directory_ / "data"));
  expect_failure(arguments({"--join", "nowhere"}), 2, "--join has to be HOST:PORT");
  expect_failure(arguments({"--join", "127.0.0.1:1", "--initial-cluster", "n1=127.0.0.1:1"}), 2,
                 "give one of them");
}

TEST_F(Coordd, WithDataAlready_IgnoresWhomToJoin) {
  {
    Process first(arguments());
    first.until("serving clients");
    first.signal(SIGTERM);
    EXPECT_EQ(first.exit_code(), 0);
  }
  Process again(arguments({"--join", "127.0.0.1:1"}));
  EXPECT_NE(again.until("serving clients").find("serving clients"), std::string::npos);
}

TEST_F(Coordd, WithACorruptLog_SaysSoAndExitsWith1) {
  {
    Process first(arguments());
    first.until("serving clients");
    first.signal(SIGTERM);
    EXPECT_EQ(first.exit_code(), 0);
  }
  for (const auto& file : fs::directory_iterator(directory_ / "data" / "log")) {
    std::fstream out(file.path(), std::ios::in | std::ios::out | std::ios::binary);
    out.seekp(4);
    out << "this is no header of a segment at all";
  }
  Process process(arguments());
  const std::string said = process.to_end();
  EXPECT_EQ(process.exit_code(), 1) << said;
}

TEST_F(Coordd, WithoutTheRightToItsDirectory_SaysSoAndExitsWith1) {
  std::ofstream(directory_ / "file") << "x";
  expect_failure(arguments({}, "file/data"), 1, "cannot create the data directory");
}

TEST_F(Coordd, ToldToEnd_DoesWithinASecondAndStartsAgain) {
  for (const int signal : {SIGTERM, SIGINT}) {
    Process process(arguments());
    process.until("serving clients");
    const auto told = SteadyClock::now();
    process.signal(signal);
    EXPECT_EQ(process.exit_code(), 0) << process.to_end();
    EXPECT_LT(SteadyClock::now() - told, std::chrono::seconds(1));
  }
}

TEST_F(Coordd, WithALowSoftLimitOfDescriptors_RaisesIt) {
  Process process = Process::limited("ulimit -Sn 100", arguments());
  process.until("serving clients");
  std::ifstream limits(process.proc() / "limits");
  for (std::string line; std::getline(limits, line);) {
    if (!line.starts_with("Max open files")) continue;
    std::istringstream words(line.substr(std::string("Max open files").size()));
    std::string soft, hard;
    words >> soft >> hard;
    EXPECT_EQ(soft, hard);
    return;
  }
  FAIL() << "no limit of open files";
}

int connect_to(const std::string& address) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.find(':') + 1))));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int stream = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(::connect(stream, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
  return stream;
}

TEST_F(Coordd, WithMoreConnectionsThanDescriptors_RefusesThem_AndKeepsSomeForItself) {
  constexpr long kLimit = 128;
  Process process = Process::limited("ulimit -n 128", arguments());
  const std::string said = process.until("serving clients");
  std::vector<int> streams;
  for (const char* port : {"serving clients on ", "members on "}) {
    const std::string address = address_after(said, port);
    for (long i = 0; i < kLimit; ++i) streams.push_back(connect_to(address));
    // The last one was accepted, and closed.
    pollfd closed{streams.back(), POLLIN, 0};
    EXPECT_EQ(::poll(&closed, 1, 1500), 1) << port;
  }
  const auto open =
      std::distance(fs::directory_iterator(process.proc() / "fd"), fs::directory_iterator{});
  EXPECT_LT(open, kLimit - 20);
  for (const int stream : streams) ::close(stream);
  process.signal(SIGTERM);
  EXPECT_EQ(process.exit_code(), 0);
}

TEST_F(Coordd, LoggingJson_WritesOneObjectALine) {
  Process process(arguments({"--log-format", "json"}));
  const std::string said = process.until("serving clients");
  EXPECT_EQ(said.front(), '{') << said;
  EXPECT_NE(said.find("\"level\":\"info\""), std::string::npos) << said;
}

}  // namespace
}  // namespace coord::service
