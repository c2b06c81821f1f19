#include "service/server/config.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <chrono>
#include <optional>
#include <string_view>

#include "raft/base/duration.h"
#include "raft/base/hash.h"
#include "raft/base/limits.h"
#include "schema/rpc/busy_poll.h"
#include "service/api/host_port.h"

#ifndef COORD_VERSION
#define COORD_VERSION "development"
#endif

namespace coord::service {

namespace {

constexpr int kUsageError = 2;
// For ever, as far as anybody can tell, and far from what nanoseconds can count.
constexpr std::chrono::hours kHistoryKeepMax{100 * 365 * 24};
constexpr const char* kDefaultName = "n1";
constexpr const char* kDefaultClientAddress = "127.0.0.1:4701";
constexpr const char* kDefaultPeerAddress = "127.0.0.1:4702";

// As they are written, before they are understood.
struct Raw {
  std::string name = kDefaultName;
  std::string data_dir;
  std::string listen_client = kDefaultClientAddress;
  std::string listen_peer;
  std::string advertise_client;
  std::string advertise_peer;
  std::string initial_cluster;
  std::string join;
  std::int64_t heartbeat_ms = 50;
  std::int64_t election_ms = 500;
  std::optional<std::int64_t> busy_poll_us;
  std::string log_level = "info";
  std::string log_format = "text";
  std::string history_keep = "1h";
  std::uint64_t history_revisions = 10'000;
  std::uint64_t log_bytes_kept = limits::kLogBytesKept;
  std::size_t max_key_bytes = limits::kKeyBytesMax;
  std::size_t max_value_bytes = limits::kValueBytesMax;
  std::size_t max_request_bytes = limits::kRequestBytesMax;
  std::size_t max_txn_operations = limits::kTransactionOperationsMax;
  bool version = false;
};

PrintAndExit usage_error(std::string message) {
  return {"coordd: " + std::move(message) + " (see coordd --help)\n", kUsageError};
}

Status check_address(const std::string& flag, const std::string& address) {
  if (is_host_port(address)) return Status::success();
  return make_error(ErrorCode::kInvalidArgument, "{} has to be HOST:PORT, not '{}'", flag, address);
}

Status check_name(const std::string& name) {
  const bool good = !name.empty() && name.size() <= 64 &&
                    std::all_of(name.begin(), name.end(), [](unsigned char c) {
                      return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
                    });
  if (good) return Status::success();
  return make_error(ErrorCode::kInvalidArgument,
                    "a member's name is 1 to 64 letters, digits, '-', '_' or '.', not '{}'", name);
}

Status parse_join(const std::string& text, std::vector<std::string>& addresses) {
  for (std::size_t begin = 0; !text.empty() && begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    addresses.push_back(text.substr(begin, end - begin));
    begin = end + 1;
    if (Status status = check_address("--join", addresses.back()); !status.ok()) return status;
  }
  return Status::success();
}

Status check_limits(const Raw& raw) {
  if (raw.max_key_bytes + raw.max_value_bytes < raw.max_request_bytes) return Status::success();
  return make_error(ErrorCode::kInvalidArgument,
                    "--max-request-bytes ({}) has to be more than --max-key-bytes ({}) and "
                    "--max-value-bytes ({}) together",
                    raw.max_request_bytes, raw.max_key_bytes, raw.max_value_bytes);
}

// This member's peer addresses, and the other members.
Status understand_cluster(const Raw& raw, ServerConfig& config) {
  if (!raw.initial_cluster.empty() && !raw.join.empty()) {
    return make_error(ErrorCode::kInvalidArgument,
                      "--initial-cluster begins a cluster and --join enters one: give one of them");
  }
  if (raw.initial_cluster.empty()) {
    config.listen_peer = raw.listen_peer.empty() ? kDefaultPeerAddress : raw.listen_peer;
    config.advertise_peer = raw.advertise_peer.empty() ? config.listen_peer : raw.advertise_peer;
    if (raw.join.empty()) config.initial_cluster = {{config.name, config.advertise_peer}};
    return parse_join(raw.join, config.join);
  }
  auto cluster = parse_cluster(raw.initial_cluster);
  if (!cluster) return cluster.error();
  config.initial_cluster = std::move(*cluster);
  config.initial_cluster_given = true;
  const auto self = config.initial_cluster.find(config.name);
  if (self == config.initial_cluster.end()) {
    return make_error(ErrorCode::kInvalidArgument, "--initial-cluster has no member named '{}'",
                      config.name);
  }
  if (!raw.advertise_peer.empty() && raw.advertise_peer != self->second) {
    return make_error(ErrorCode::kInvalidArgument,
                      "--advertise-peer {} is not what --initial-cluster says of '{}': {}",
                      raw.advertise_peer, config.name, self->second);
  }
  config.advertise_peer = self->second;
  config.listen_peer = raw.listen_peer.empty() ? self->second : raw.listen_peer;
  return Status::success();
}

Result<ServerConfig> understand(const Raw& raw) {
  ServerConfig config;
  config.name = raw.name;
  if (Status status = check_name(raw.name); !status.ok()) return status.error();
  config.listen_client = raw.listen_client;
  config.advertise_client = raw.advertise_client.empty() ? raw.listen_client : raw.advertise_client;
  if (Status status = understand_cluster(raw, config); !status.ok()) return status.error();
  const std::pair<const char*, const std::string&> addresses[] = {
      {"--listen-client", config.listen_client},
      {"--listen-peer", config.listen_peer},
      {"--advertise-client", config.advertise_client},
      {"--advertise-peer", config.advertise_peer}};
  for (const auto& [flag, address] : addresses) {
    if (Status status = check_address(flag, address); !status.ok()) return status.error();
  }
  if (raw.election_ms < 5 * raw.heartbeat_ms) {
    return make_error(ErrorCode::kInvalidArgument,
                      "--election-ms ({}) has to be at least 5 times --heartbeat-ms ({})",
                      raw.election_ms, raw.heartbeat_ms);
  }
  if (Status status = check_limits(raw); !status.ok()) return status.error();
  const auto history_keep = parse_duration(raw.history_keep);
  if (!history_keep) {
    return make_error(ErrorCode::kInvalidArgument, "--history-keep: {}",
                      history_keep.error().message);
  }
  if (*history_keep > kHistoryKeepMax) {
    return make_error(ErrorCode::kInvalidArgument,
                      "--history-keep: {} is longer than a hundred years", raw.history_keep);
  }
  config.history_keep = *history_keep;
  config.history_revisions = raw.history_revisions;
  config.log_bytes_kept = raw.log_bytes_kept;
  config.limits.key_bytes_max = raw.max_key_bytes;
  config.limits.value_bytes_max = raw.max_value_bytes;
  config.limits.request_bytes_max = raw.max_request_bytes;
  config.limits.transaction_operations_max = raw.max_txn_operations;
  config.heartbeat = milliseconds(raw.heartbeat_ms);
  config.election = milliseconds(raw.election_ms);
  if (raw.busy_poll_us) config.busy_poll = microseconds(*raw.busy_poll_us);
  config.data_dir = raw.data_dir.empty() ? "coord-data/" + config.name : raw.data_dir;
  config.log_level = raw.log_level;
  config.log_format = raw.log_format == "json" ? LogFormat::kJson : LogFormat::kText;
  return config;
}

void declare(CLI::App& app, Raw& raw) {
  app.add_option("--name", raw.name, "This member's name (default n1)");
  app.add_option("--data-dir", raw.data_dir,
                 "Where the log and the state are kept (default coord-data/NAME)");
  app.add_option("--listen-client", raw.listen_client,
                 "HOST:PORT to serve clients on (default 127.0.0.1:4701)");
  app.add_option("--listen-peer", raw.listen_peer,
                 "HOST:PORT to serve the other members on (default this member's address in "
                 "--initial-cluster, or 127.0.0.1:4702)");
  app.add_option("--advertise-client", raw.advertise_client,
                 "HOST:PORT that clients are told (default --listen-client)");
  app.add_option("--advertise-peer", raw.advertise_peer,
                 "HOST:PORT that the other members reach this one at (default as in "
                 "--initial-cluster, or --listen-peer)");
  app.add_option("--initial-cluster", raw.initial_cluster,
                 "NAME=HOST:PORT,... of the peer ports of all members that a cluster begins with, "
                 "the same on each (default: this member alone)");
  app.add_option("--join", raw.join,
                 "HOST:PORT,... of the client ports of some members: enter their cluster with an "
                 "empty data directory, and wait for `coordctl member add`");
  app.add_option("--heartbeat-ms", raw.heartbeat_ms,
                 "Between two heartbeats of a leader (default 50)")
      ->check(CLI::Range(1, 60'000));
  app.add_option("--election-ms", raw.election_ms,
                 "A follower that hears no leader for this long, to twice as long, campaigns "
                 "(default 500)")
      ->check(CLI::Range(5, 600'000));
  app.add_option("--busy-poll-us", raw.busy_poll_us,
                 "How long to look for work before sleeping, while there is much of it: sooner "
                 "answers for up to one processor; 0: never (default 400, or 0 where this process "
                 "may use less than two processors)")
      ->check(CLI::Range(0, 10'000));
  app.add_option("--log-level", raw.log_level, "trace, debug, info, warn or error (default info)")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error"}));
  app.add_option("--log-format", raw.log_format, "text, or json: one object a line (default text)")
      ->check(CLI::IsMember({"text", "json"}));
  app.add_option(
      "--history-keep", raw.history_keep,
      "For how long what a key was can be read and watched: 90s, 30m, 1h, 7d (default 1h)");
  app.add_option("--history-revisions", raw.history_revisions,
                 "The newest revisions that are kept for longer (default 10000)")
      ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{1} << 62));
  app.add_option("--log-bytes-kept", raw.log_bytes_kept,
                 "How much of the log is kept for members that lag behind; one that needs more is "
                 "sent a snapshot (default 268435456)")
      ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{1} << 62));
  app.add_option("--max-key-bytes", raw.max_key_bytes, "The longest key taken (default 4096)")
      ->check(CLI::Range(std::size_t{1}, limits::kConfigurableKeyBytesMax));
  app.add_option("--max-value-bytes", raw.max_value_bytes,
                 "The largest value taken (default 1048576)")
      ->check(CLI::Range(std::size_t{1}, limits::kConfigurableRequestBytesMax));
  app.add_option("--max-request-bytes", raw.max_request_bytes,
                 "The largest write or transaction taken (default 1572864)")
      ->check(
          CLI::Range(limits::kConfigurableRequestBytesMin, limits::kConfigurableRequestBytesMax));
  app.add_option("--max-txn-operations", raw.max_txn_operations,
                 "The most comparisons and operations in a transaction (default 128)")
      ->check(CLI::Range(std::size_t{1}, limits::kConfigurableTransactionOperationsMax));
  app.set_config("--config", "", "A file with any of these settings, as NAME = VALUE lines");
  app.allow_config_extras(CLI::config_extras_mode::error);
  app.add_flag("--version", raw.version, "Print the version and exit")->configurable(false);
}

// "--listen-client" -> "COORD_LISTEN_CLIENT"
std::string variable_of(const std::string& flag) {
  std::string variable = "COORD_";
  for (const char c : flag.substr(2)) {
    variable += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return variable;
}

// What the environment says, as flags in front of those that were given; a flag given wins.
void add_environment(std::vector<std::string>& arguments, Environment environment) {
  const auto given = [&](const std::string& flag) {
    return std::any_of(arguments.begin(), arguments.end(), [&](const std::string& argument) {
      return argument == flag || argument.starts_with(flag + "=");
    });
  };
  std::vector<std::string> from_environment;
  for (const char* name : {"--name",
                           "--data-dir",
                           "--listen-client",
                           "--listen-peer",
                           "--advertise-client",
                           "--advertise-peer",
                           "--initial-cluster",
                           "--join",
                           "--heartbeat-ms",
                           "--election-ms",
                           "--busy-poll-us",
                           "--log-level",
                           "--log-format",
                           "--history-keep",
                           "--history-revisions",
                           "--log-bytes-kept",
                           "--max-key-bytes",
                           "--max-value-bytes",
                           "--max-request-bytes",
                           "--max-txn-operations",
                           "--config"}) {
    const std::string flag = name;
    const char* value = environment(variable_of(flag).c_str());
    if (value != nullptr && *value != '\0' && !given(flag)) {
      from_environment.push_back(flag + "=" + value);
    }
  }
  arguments.insert(arguments.begin(), from_environment.begin(), from_environment.end());
}

}  // namespace

std::string version_text() {
  return COORD_VERSION;
}

Result<std::map<std::string, std::string>> parse_cluster(const std::string& text) {
  std::map<std::string, std::string> cluster;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    begin = end + 1;
    const auto equals = part.find('=');
    if (equals == std::string::npos) {
      return make_error(ErrorCode::kInvalidArgument,
                        "--initial-cluster has to be NAME=HOST:PORT,..., not '{}'", part);
    }
    const std::string name = part.substr(0, equals);
    const std::string address = part.substr(equals + 1);
    if (Status status = check_name(name); !status.ok()) return status.error();
    if (Status status = check_address("--initial-cluster", address); !status.ok()) {
      return status.error();
    }
    if (!cluster.emplace(name, address).second) {
      return make_error(ErrorCode::kInvalidArgument, "--initial-cluster names '{}' twice", name);
    }
  }
  std::map<std::string, std::string> by_address;
  for (const auto& [name, address] : cluster) {
    if (const auto [other, added] = by_address.emplace(address, name); !added) {
      return make_error(ErrorCode::kInvalidArgument,
                        "--initial-cluster gives '{}' and '{}' the same address, {}", other->second,
                        name, address);
    }
  }
  return cluster;
}

// A process that has used up what its control group allows stands still for the rest of a period,
// which is as long as two heartbeats: nothing to risk for a sooner answer.
Duration ServerConfig::busy_poll_with(double processors) const {
  constexpr double kProcessorsWanted = 2;
  if (busy_poll) return *busy_poll;
  return processors < kProcessorsWanted ? Duration(0) : rpc::BusyPoll::kUsual;
}

ClusterId ServerConfig::cluster_id() const {
  std::string canonical;
  for (const auto& [member, address] : initial_cluster) canonical += member + "=" + address + ",";
  const std::uint64_t id = hash64(canonical);
  return ClusterId(id == 0 ? 1 : id);  // zero means none
}

MemberId ServerConfig::member_id(const std::string& member) const {
  const auto it = initial_cluster.find(member);
  CHECK(it != initial_cluster.end(), "{} is no member", member);
  return MemberId(static_cast<std::uint64_t>(std::distance(initial_cluster.begin(), it)) + 1);
}

ParsedConfig parse_config(std::vector<std::string> arguments, Environment environment) {
  CLI::App app("coordd: a member of a Coord cluster", "coordd");
  app.footer(
      "Every flag can be given in the environment too, as COORD_NAME, COORD_DATA_DIR and so on.\n"
      "A flag comes before the environment, which comes before the file.\n"
      "The --max-... limits and --history-... are the leader's: give them to every member alike.\n"
      "--initial-cluster and --join matter once: after that the data directory says to which "
      "cluster\n"
      "it belongs. --join is ignored then, and another --initial-cluster refused.\n\n"
      "Exit codes: 0 told to end; 1 failed; 2 wrong usage; 4 this member was removed from its\n"
      "cluster; 5 its disk is not the one that the others know.");
  Raw raw;
  declare(app, raw);
  add_environment(arguments, environment);
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants a vector
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::CallForHelp&) {
    return PrintAndExit{app.help(), 0};
  } catch (const CLI::ParseError& error) {
    return usage_error(error.what());
  }
  if (raw.version) return PrintAndExit{"coordd " + version_text() + "\n", 0};
  auto config = understand(raw);
  if (!config) return usage_error(config.error().message);
  return std::move(*config);
}

}  // namespace coord::service
