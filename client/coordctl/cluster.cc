// status, health, compact, version
#include <fmt/format.h>

#include <algorithm>
#include <asio/use_future.hpp>
#include <future>
#include <map>
#include <string>

#include "client/coordctl/commands.h"
#include "client/coordctl/escape.h"
#include "client/coordctl/table.h"

namespace coord::ctl {

namespace {

Json json_of_member(const MemberStatus& status) {
  return Json::object({
      {"name", Json::bytes(status.info.name)},
      {"id", Json::number(status.info.id)},
      {"role", to_string(status.role)},
      {"term", Json::number(status.term)},
      {"leader", Json::number(status.leader)},
      {"commit_index", Json::number(status.commit_index)},
      {"applied_index", Json::number(status.applied_index)},
      {"revision", Json::number(status.revision)},
      {"version", Json::bytes(status.version)},
      {"endpoint", Json::bytes(status.info.client_address)},
      {"last_index", Json::number(status.last_index)},
      {"compact_revision", Json::number(status.compact_revision)},
      {"uptime_ms", Json::number(std::int64_t{status.uptime.count()})},
      {"log_bytes", Json::number(status.log_bytes)},
      {"state_bytes", Json::number(status.state_bytes)},
      {"leases", Json::number(status.leases)},
      {"watches", Json::number(status.watches)},
      {"connections", Json::number(status.connections)},
      {"loop_stall_max_us", Json::number(std::int64_t{status.loop_stall_max.count()})},
  });
}

// Of a member that has not answered.
std::string_view role_of(const Error& error) {
  return error.code == ErrorCode::kWrongCluster ? "another cluster" : "unreachable";
}

// A member that did not answer: the same fields, as far as the others know them.
Json json_of_member(const MemberInfo& member, const Error& error) {
  return Json::object({{"name", Json::bytes(member.name)},
                       {"id", Json::number(member.id)},
                       {"role", role_of(error)},
                       {"term", Json()},
                       {"leader", Json()},
                       {"commit_index", Json()},
                       {"applied_index", Json()},
                       {"revision", Json()},
                       {"version", Json()},
                       {"endpoint", Json::bytes(member.client_address)},
                       {"error", Json::bytes(error.message)}});
}

std::string name_of(const std::vector<MemberInfo>& members, MemberId id) {
  for (const MemberInfo& member : members) {
    if (member.id == id) return escape(member.name);
  }
  return "-";
}

TableRow row_of(const std::vector<MemberInfo>& members, const MemberStatus& status) {
  return {escape(status.info.name),
          escape(status.info.client_address),
          std::string(to_string(status.role)),
          fmt::to_string(status.term),
          name_of(members, status.leader),
          fmt::to_string(status.commit_index),
          fmt::to_string(status.applied_index),
          fmt::to_string(status.revision),
          escape(status.version)};
}

TableRow row_of(const MemberInfo& member, const Error& error) {
  return {escape(member.name),
          escape(member.client_address),
          std::string(role_of(error)),
          "-",
          "-",
          "-",
          "-",
          "-",
          "-"};
}

// Where to ask: at the addresses that the members have told of themselves and, for one that has not
// yet, at the endpoints that were given.
std::vector<std::string> addresses_of(const std::vector<MemberInfo>& members,
                                      const std::vector<std::string>& endpoints) {
  std::vector<std::string> addresses;
  for (const MemberInfo& member : members) {
    if (!member.client_address.empty()) addresses.push_back(member.client_address);
  }
  for (const std::string& endpoint : endpoints) {
    if (std::find(addresses.begin(), addresses.end(), endpoint) == addresses.end()) {
      addresses.push_back(endpoint);
    }
  }
  return addresses;
}

// The answers of all who answered, by member; and why the others did not, by address.
struct Answers {
  std::map<MemberId, MemberStatus> statuses;
  std::map<std::string, Error> errors;

  Error error_of(const MemberInfo& member) const {
    const auto found = errors.find(member.client_address);
    return found != errors.end()
               ? found->second
               : make_error(ErrorCode::kUnreachable, "{} has not told its client address yet",
                            escape(member.name));
  }
};

Error stranger(const std::string& address) {
  return make_error(ErrorCode::kWrongCluster, "what answers at {} belongs to another cluster",
                    address);
}

Answers ask(Client& client, ClusterId cluster, const std::vector<std::string>& addresses) {
  // All at once: a member that is down must not make the others wait.
  std::vector<std::future<Result<MemberStatus>>> asked;
  for (const std::string& address : addresses) {
    asked.push_back(client.async_status(address, milliseconds(0), asio::use_future));
  }
  Answers answers;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    Result<MemberStatus> status = asked[i].get();
    if (status && status->header.cluster != cluster) status = stranger(addresses[i]);
    if (!status) {
      answers.errors.emplace(addresses[i], status.error());
      continue;
    }
    if (status->info.client_address.empty()) status->info.client_address = addresses[i];
    answers.statuses.emplace(status->info.id, *std::move(status));
  }
  return answers;
}

}  // namespace

ExitCode status(Context& context) {
  const Result<MembersResult> found = context.client().members();
  if (!found) return context.out().fail(found.error());
  const std::vector<MemberInfo>& members = found->members;
  const Answers answers = ask(context.client(), found->header.cluster,
                              addresses_of(members, context.globals().endpoints));
  std::vector<TableRow> rows = {
      {"NAME", "ENDPOINT", "ROLE", "TERM", "LEADER", "COMMIT", "APPLIED", "REVISION", "VERSION"}};
  for (const MemberInfo& member : members) {
    const auto status = answers.statuses.find(member.id);
    const bool answered = status != answers.statuses.end();
    if (context.out().json()) {
      context.out().object(answered ? json_of_member(status->second)
                                    : json_of_member(member, answers.error_of(member)));
    } else {
      rows.push_back(answered ? row_of(members, status->second)
                              : row_of(member, answers.error_of(member)));
    }
  }
  if (!context.out().json()) print_table(context.out(), rows);
  return ExitCode::kOk;
}

ExitCode health(Context& context) {
  const Result<HealthResult> result = context.client().health();
  if (!result) return context.out().fail(result.error());
  if (context.out().json()) {
    context.out().object(Json::object({{"healthy", result->healthy},
                                       {"reason", Json::bytes(result->reason)},
                                       {"member", Json::number(result->header.member)}}));
  } else if (result->healthy) {
    context.out().line("healthy");
  }
  if (result->healthy) return ExitCode::kOk;
  return context.out().fail(ExitCode::kUnavailable, "unhealthy", "unhealthy: " + result->reason);
}

ExitCode compact(Context& context, Revision revision) {
  const Result<Revision> oldest = context.client().compact(revision);
  if (!oldest) return context.out().fail(oldest.error());
  if (context.out().json()) {
    context.out().object(Json::object({{"compact_revision", Json::number(*oldest)}}));
  } else {
    context.out().line(fmt::format("compacted: the oldest revision kept is {}", *oldest));
  }
  return ExitCode::kOk;
}

ExitCode version(Context& context) {
  if (context.out().json()) {
    context.out().object(Json::object({{"version", COORD_VERSION}}));
  } else {
    context.out().line("coordctl " COORD_VERSION);
  }
  return ExitCode::kOk;
}

}  // namespace coord::ctl
