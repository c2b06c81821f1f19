// What coordd is told: by flags, by COORD_... in the environment, by a file, in this order of
// precedence; and what it makes of what it was not told.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "raft/base/limits.h"
#include "raft/base/result.h"
#include "raft/base/types.h"
#include "service/api/request_limits.h"

namespace coord::service {

enum class LogFormat { kText, kJson };

struct ServerConfig {
  std::string name;
  std::filesystem::path data_dir;
  std::string listen_client;
  std::string listen_peer;
  std::string advertise_client;
  std::string advertise_peer;
  // Name to HOST:PORT of its peer port, of every member that the cluster begins with; this one is
  // among them. Empty if it joins.
  std::map<std::string, std::string> initial_cluster;
  bool initial_cluster_given = false;
  // HOST:PORT of the client ports of members of the cluster that this one is to join.
  std::vector<std::string> join;
  milliseconds heartbeat{50};
  // Timeouts are drawn from [election, 2 * election).
  milliseconds election{500};
  // What was said of it: see busy_poll_with().
  std::optional<microseconds> busy_poll;
  std::string log_level = "info";
  LogFormat log_format = LogFormat::kText;
  // What of the past can be read and watched: at least so long, and so many revisions. Decided by
  // the leader.
  milliseconds history_keep{std::chrono::hours(1)};
  std::uint64_t history_revisions = 10'000;
  std::uint64_t log_bytes_kept = limits::kLogBytesKept;  // see raft::NodeOptions
  // What this member takes into the log while it leads. What others have taken it takes as well.
  RequestLimits limits;

  // Both follow from the initial cluster, which has to be there, so that every member comes to the
  // same. (A cluster of one draws its id at random.)
  ClusterId cluster_id() const;
  MemberId member_id(const std::string& member) const;

  // For rpc::Loop, in a process that may use so many processors.
  Duration busy_poll_with(double processors) const;
};

// What a command line comes to.
struct PrintAndExit {
  std::string text;
  int exit_code = 0;  // 0: for standard output; else for standard error
};
using ParsedConfig = std::variant<ServerConfig, PrintAndExit>;

// `environment` looks a variable up; null if it is not set.
using Environment = const char* (*)(const char* variable);
ParsedConfig parse_config(std::vector<std::string> arguments, Environment environment);

// "n1=HOST:PORT,n2=HOST:PORT"
Result<std::map<std::string, std::string>> parse_cluster(const std::string& text);

std::string version_text();

}  // namespace coord::service
