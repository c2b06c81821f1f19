#include "service/server/config.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

namespace coord::service {
namespace {

const char* nothing(const char*) {
  return nullptr;
}

ServerConfig good(std::vector<std::string> arguments, Environment environment = nothing) {
  auto parsed = parse_config(std::move(arguments), environment);
  if (const auto* exit = std::get_if<PrintAndExit>(&parsed)) {
    ADD_FAILURE() << exit->text;
    return {};
  }
  return std::get<ServerConfig>(parsed);
}

PrintAndExit refused(std::vector<std::string> arguments, Environment environment = nothing) {
  auto parsed = parse_config(std::move(arguments), environment);
  if (std::holds_alternative<ServerConfig>(parsed)) {
    ADD_FAILURE() << "taken";
    return {};
  }
  return std::get<PrintAndExit>(parsed);
}

const char* kCluster = "b=127.0.0.1:2,a=127.0.0.1:1,c=127.0.0.1:3";

TEST(Config, WithNoFlagAtAll_IsAClusterOfOneOnLoopback) {
  const ServerConfig config = good({});
  EXPECT_EQ(config.listen_client, "127.0.0.1:4701");
  EXPECT_EQ(config.listen_peer, "127.0.0.1:4702");
  EXPECT_EQ(config.advertise_client, config.listen_client);
  EXPECT_EQ(config.initial_cluster.size(), 1u);
  EXPECT_EQ(config.member_id(config.name), MemberId(1));
  EXPECT_EQ(config.data_dir, "coord-data/n1");
}

TEST(Config, OfACluster_NumbersItsMembersTheSameInWhateverOrderTheyAreNamed) {
  const ServerConfig one = good({"--name", "a", "--initial-cluster", kCluster});
  const ServerConfig other =
      good({"--name=b", "--initial-cluster", "c=127.0.0.1:3,b=127.0.0.1:2,a=127.0.0.1:1"});
  EXPECT_EQ(one.cluster_id(), other.cluster_id());
  EXPECT_EQ(one.member_id("b"), MemberId(2));
  EXPECT_EQ(other.member_id("b"), MemberId(2));
  EXPECT_EQ(other.listen_peer, "127.0.0.1:2");
  EXPECT_NE(one.cluster_id(), good({}).cluster_id());
}

TEST(Config, BusyPoll_IsWhatWasSaid_OrNothingWithoutAProcessorToSpare) {
  EXPECT_EQ(good({}).busy_poll_with(2), microseconds(400));
  EXPECT_EQ(good({}).busy_poll_with(1.9), microseconds(0));
  EXPECT_EQ(good({"--busy-poll-us", "0"}).busy_poll_with(8), microseconds(0));
  EXPECT_EQ(good({"--busy-poll-us", "100"}).busy_poll_with(1), microseconds(100));
}

TEST(Config, History_IsKeptForATimeAndForANumberOfRevisions) {
  EXPECT_EQ(good({}).history_keep, std::chrono::hours(1));
  EXPECT_EQ(good({}).history_revisions, 10'000u);
  const ServerConfig config = good({"--history-keep", "1h30m", "--history-revisions", "7"});
  EXPECT_EQ(config.history_keep, std::chrono::minutes(90));
  EXPECT_EQ(config.history_revisions, 7u);
  EXPECT_EQ(good({"--log-bytes-kept", "1048576"}).log_bytes_kept, 1048576u);
  const ServerConfig from_environment = good({}, [](const char* variable) -> const char* {
    return std::string(variable) == "COORD_HISTORY_KEEP" ? "10s" : nullptr;
  });
  EXPECT_EQ(from_environment.history_keep, std::chrono::seconds(10));
  const PrintAndExit exit = refused({"--history-keep", "10"});
  EXPECT_NE(exit.text.find("--history-keep"), std::string::npos) << exit.text;
  refused({"--history-revisions", "-1"});
}

// In nanoseconds, as times are kept: three hundred years would be negative.
TEST(Config, HistoryThatIsKeptForEver_CanBeReckonedWith) {
  const Duration keep = good({"--history-keep", "36500d"}).history_keep;
  EXPECT_EQ(keep, std::chrono::hours(36500 * 24));
  EXPECT_NE(refused({"--history-keep", "365000d"}).text.find("hundred years"), std::string::npos);
  refused({"--history-keep", "36501d"});
}

TEST(Config, GivenInSeveralPlaces_PrefersFlagsThenEnvironmentThenFile) {
  const std::string file = testing::TempDir() + "coordd-config-test.ini";
  std::ofstream(file) << "name = from-file\nlog-level = warn\nheartbeat-ms = 20\n";
  static std::string path;
  path = file;
  const auto environment = [](const char* variable) -> const char* {
    if (std::string(variable) == "COORD_NAME") return "from-environment";
    if (std::string(variable) == "COORD_LOG_LEVEL") return "error";
    if (std::string(variable) == "COORD_CONFIG") return path.c_str();
    return nullptr;
  };
  const ServerConfig config = good({"--name", "from-flag"}, environment);
  EXPECT_EQ(config.name, "from-flag");
  EXPECT_EQ(config.log_level, "error");
  EXPECT_EQ(config.heartbeat, milliseconds(20));
  std::filesystem::remove(file);
}

TEST(Config, OfLimits_IsTakenFromFlagsEnvironmentAndFile) {
  EXPECT_EQ(good({}).limits.key_bytes_max, 4096u);
  EXPECT_EQ(good({}).limits.value_bytes_max, 1'048'576u);
  EXPECT_EQ(good({}).limits.request_bytes_max, 1'572'864u);
  EXPECT_EQ(good({}).limits.transaction_operations_max, 128u);
  const std::string file = testing::TempDir() + "coordd-limits-test.ini";
  std::ofstream(file) << "max-txn-operations = 1000\nmax-key-bytes = 17\n";
  const auto environment = [](const char* variable) -> const char* {
    return std::string(variable) == "COORD_MAX_VALUE_BYTES" ? "6000000" : nullptr;
  };
  const ServerConfig config = good(
      {"--config", file, "--max-request-bytes=8388608", "--max-key-bytes", "8192"}, environment);
  EXPECT_EQ(config.limits.key_bytes_max, 8192u);
  EXPECT_EQ(config.limits.value_bytes_max, 6'000'000u);
  EXPECT_EQ(config.limits.request_bytes_max, 8'388'608u);
  EXPECT_EQ(config.limits.transaction_operations_max, 1000u);
  std::filesystem::remove(file);
}

TEST(Config, ThatMakesNoSense_IsOneLineAndAUsageError) {
  const std::vector<std::vector<std::string>> wrong = {
      {"--no-such-flag"},
      {"--name"},
      {"--name", "a/b"},
      {"--name", "nobody", "--initial-cluster", kCluster},
      {"--name", "a", "--initial-cluster", "a"},
      {"--name", "a", "--initial-cluster", "a=1:1,a=1:2"},
      {"--name", "a", "--initial-cluster", "a=1:1,b=1:1"},
      {"--name", "a", "--initial-cluster", "a=127.0.0.1:x"},
      {"--name", "a", "--initial-cluster", kCluster, "--advertise-peer", "127.0.0.1:9"},
      {"--listen-client", "127.0.0.1"},
      {"--listen-client", "127.0.0.1:70000"},
      {"--listen-client", ":1"},
      {"--heartbeat-ms", "0"},
      {"--heartbeat-ms", "soon"},
      {"--heartbeat-ms", "500", "--election-ms", "1000"},
      {"--busy-poll-us", "-1"},
      {"--busy-poll-us", "10001"},
      {"--log-level", "loud"},
      {"--log-format", "xml"},
      {"--max-key-bytes", "0"},
      {"--max-key-bytes", "8193"},
      {"--max-value-bytes", "-1"},
      {"--max-value-bytes", "1MiB"},
      {"--max-value-bytes", "99999999999999999999"},
      {"--max-request-bytes", "1048575"},
      {"--max-request-bytes", "8388609"},
      {"--max-request-bytes", "1052672"},
      {"--max-txn-operations", "0"},
      {"--max-txn-operations", "4097"},
      {"--config", "/no/such/file"},
      {"stray"},
  };
  for (const auto& arguments : wrong) {
    const PrintAndExit exit = refused(arguments);
    EXPECT_EQ(exit.exit_code, 2) << arguments.back();
    EXPECT_TRUE(exit.text.starts_with("coordd: ")) << exit.text;
    EXPECT_EQ(std::count(exit.text.begin(), exit.text.end(), '\n'), 1) << exit.text;
  }
}

TEST(Config, AskedForHelpOrVersion_SaysSoAndSucceeds) {
  EXPECT_EQ(refused({"--help"}).exit_code, 0);
  EXPECT_NE(refused({"--help"}).text.find("--initial-cluster"), std::string::npos);
  EXPECT_EQ(refused({"--version"}).exit_code, 0);
  EXPECT_TRUE(refused({"--version"}).text.starts_with("coordd "));
}

}  // namespace
}  // namespace coord::service
