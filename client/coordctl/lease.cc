// lease grant, revoke, keepalive, ttl, list; session list
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <thread>

#include "client/coordctl/commands.h"
#include "client/coordctl/escape.h"
#include "raft/base/duration.h"

namespace coord::ctl {

namespace {

// The fields that every lease command prints.
Json::Object json_of_lease(LeaseId id, milliseconds ttl, milliseconds remaining) {
  return {{"id", Json::number(id)},
          {"ttl_ms", Json::number(std::int64_t{ttl.count()})},
          {"remaining_ms", Json::number(std::int64_t{remaining.count()})}};
}

Json::Object json_of_lease(const LeaseInfo& lease) {
  Json::Object fields = json_of_lease(lease.id, lease.ttl, lease.remaining);
  Json::Array locks;
  for (const LockName& lock : lease.held) {
    locks.push_back(Json::object({{"name", Json::bytes(lock.name)}, {"election", lock.election}}));
  }
  fields.emplace_back("session", lease.session);
  fields.emplace_back("name", Json::bytes(lease.name));
  fields.emplace_back("host", Json::bytes(lease.host));
  fields.emplace_back("pid", Json::number(std::uint64_t{lease.pid}));
  fields.emplace_back("attached_keys", Json::number(lease.attached_keys));
  fields.emplace_back("held", std::move(locks));
  return fields;
}

std::string text_of(const LeaseInfo& lease) {
  std::string text =
      fmt::format("{}\tttl {}\tremaining {}\tkeys {}", lease.id, format_duration(lease.ttl),
                  format_duration(lease.remaining), lease.attached_keys);
  if (lease.session) {
    text += fmt::format("\tsession {} {}:{}", escape(lease.name), escape(lease.host), lease.pid);
  }
  for (const LockName& held : lease.held) {
    text += fmt::format("\t{} {}", held.election ? "leads" : "holds", escape(held.name));
  }
  return text;
}

void print(const Printer& out, const LeaseInfo& lease) {
  if (out.json()) {
    out.object(Json(json_of_lease(lease)));
  } else {
    out.line(text_of(lease));
  }
}

ExitCode print_all(Context& context, const Result<std::vector<LeaseInfo>>& leases) {
  if (!leases) return context.out().fail(leases.error());
  for (const LeaseInfo& lease : *leases) print(context.out(), lease);
  return ExitCode::kOk;
}

}  // namespace

ExitCode lease_grant(Context& context, milliseconds ttl) {
  const Result<LeaseGrantResult> lease = context.client().lease_grant(ttl);
  if (!lease) return context.out().fail(lease.error());
  if (context.out().json()) {
    context.out().object(Json(json_of_lease(lease->id, lease->ttl, lease->ttl)));
  } else {
    context.out().line(fmt::to_string(lease->id));
  }
  return ExitCode::kOk;
}

ExitCode lease_revoke(Context& context, LeaseId id) {
  const Status status = context.client().lease_revoke(id);
  if (!status) return context.out().fail(status.error());
  if (context.out().json()) {
    context.out().object(Json::object({{"id", Json::number(id)}, {"revoked", true}}));
  } else {
    context.out().line(fmt::format("revoked {}", id));
  }
  return ExitCode::kOk;
}

ExitCode lease_keepalive(Context& context, const KeepaliveArguments& arguments) {
  while (true) {
    const Result<milliseconds> ttl = context.client().lease_renew(arguments.id);
    if (!ttl) return context.out().fail(ttl.error());
    if (context.out().json()) {
      context.out().object(Json(json_of_lease(arguments.id, *ttl, *ttl)));
    } else {
      context.out().line(fmt::format("{}\tttl {}", arguments.id, format_duration(*ttl)));
    }
    if (arguments.once) return ExitCode::kOk;
    std::this_thread::sleep_for(std::max(*ttl / 3, milliseconds(1)));
  }
}

ExitCode lease_ttl(Context& context, LeaseId id) {
  const Result<LeaseInfo> lease = context.client().lease_info(id);
  if (!lease) return context.out().fail(lease.error());
  if (context.out().json()) {
    Json::Object fields = json_of_lease(*lease);
    Json::Array keys;
    for (const std::string& key : lease->keys) keys.push_back(Json::bytes(key));
    fields.emplace_back("keys", std::move(keys));
    context.out().object(Json(std::move(fields)));
    return ExitCode::kOk;
  }
  context.out().line(text_of(*lease));
  for (const std::string& key : lease->keys) context.out().line("key\t" + escape(key));
  return ExitCode::kOk;
}

ExitCode lease_list(Context& context) {
  return print_all(context, context.client().lease_list());
}

ExitCode session_list(Context& context) {
  return print_all(context, context.client().session_list());
}

}  // namespace coord::ctl
