// Locks and elections as others see them: lock --list, --show; elect --leader, --observe.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>

#include "client/coordctl/commands.h"
#include "client/coordctl/escape.h"

namespace coord::ctl {

namespace {

// "2024-05-01T12:34:56.789Z"
std::string utc_time(std::uint64_t since_1970_ms) {
  const auto seconds = static_cast<std::time_t>(since_1970_ms / 1000);
  std::tm parts{};
  if (::gmtime_r(&seconds, &parts) == nullptr) return fmt::format("{}ms", since_1970_ms);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", parts, since_1970_ms % 1000);
}

std::string_view to_string(LockMode mode) {
  return mode == LockMode::kShared ? "shared" : "exclusive";
}

Json json_of_holder(const LockHolder& holder) {
  return Json::object({{"session", Json::number(holder.session)},
                       {"token", Json::number(holder.token)},
                       {"since", utc_time(holder.since_ms)},
                       {"host", Json::bytes(holder.host)},
                       {"pid", Json::number(std::uint64_t{holder.pid})},
                       {"name", Json::bytes(holder.name)}});
}

Json json_of_lock(const LockInfo& lock) {
  Json::Array holders;
  for (const LockHolder& holder : lock.holders) holders.push_back(json_of_holder(holder));
  Json::Array waiters;
  for (const LockHolder& waiter : lock.waiters) waiters.push_back(json_of_holder(waiter));
  return Json::object({{"name", Json::bytes(lock.lock.name)},
                       {"mode", to_string(lock.mode)},
                       {"holders", std::move(holders)},
                       {"waiters", std::move(waiters)}});
}

std::string text_of(const LockHolder& holder) {
  return fmt::format("session {}  {}:{} ({})  since {}", holder.session, escape(holder.host),
                     holder.pid, escape(holder.name), utc_time(holder.since_ms));
}

// The lock on a line, then whoever holds it and waits for it on lines of their own.
std::string text_of(const LockInfo& lock) {
  std::string text = fmt::format("{}\t{}\t{} holding\t{} waiting", escape(lock.lock.name),
                                 to_string(lock.mode), lock.holders.size(), lock.waiters.size());
  for (const LockHolder& holder : lock.holders) {
    text += fmt::format("\n  token {}  {}", holder.token, text_of(holder));
  }
  for (const LockHolder& waiter : lock.waiters) text += "\n  waits  " + text_of(waiter);
  return text;
}

void print(const Printer& out, const LockInfo& lock) {
  if (out.json()) {
    out.object(json_of_lock(lock));
  } else {
    out.line(text_of(lock));
  }
}

void print_leader(const Printer& out, const LeaderInfo& leader) {
  if (out.json()) {
    out.object(Json::object({{"name", Json::bytes(leader.election)},
                             {"value", Json::bytes(leader.value)},
                             {"token", Json::number(leader.token)},
                             {"session", Json::number(leader.session)},
                             {"host", Json::bytes(leader.host)},
                             {"pid", Json::number(std::uint64_t{leader.pid})}}));
  } else {
    out.line(fmt::format("{}\t{}", leader.token, escape(leader.value)));
  }
}

void print_nobody(const Printer& out, const std::string& election) {
  if (out.json()) {
    out.object(Json::object({{"name", Json::bytes(election)},
                             {"value", Json()},
                             {"token", Json()},
                             {"session", Json()}}));
  } else {
    out.line("-");
  }
}

}  // namespace

ExitCode lock_list(Context& context) {
  const Result<std::vector<LockInfo>> locks = context.client().lock_list();
  if (!locks) return context.out().fail(locks.error());
  for (const LockInfo& lock : *locks) print(context.out(), lock);
  return ExitCode::kOk;
}

ExitCode lock_show(Context& context, const std::string& name) {
  const Result<LockInfo> lock = context.client().lock_show(name);
  if (!lock) return context.out().fail(lock.error());
  print(context.out(), *lock);
  return ExitCode::kOk;
}

ExitCode elect_leader(Context& context, const std::string& name) {
  const Result<LeaderInfo> leader = context.client().leader(name);
  if (!leader) return context.out().fail(leader.error());
  if (context.out().json()) {
    print_leader(context.out(), *leader);
  } else {
    context.out().line(leader->value);
  }
  return ExitCode::kOk;
}

ExitCode elect_observe(Context& context, const ObserveArguments& arguments) {
  // It waits for ever, also for a cluster that is not there: find that out first.
  if (const Result<MembersResult> members = context.client().members(); !members) {
    return context.out().fail(members.error());
  }
  ElectionObserver observer = context.client().observe(arguments.name);
  std::uint64_t seen = 0;
  while (true) {
    const Result<std::optional<LeaderInfo>> leader = observer.next();
    if (!leader) return context.out().fail(leader.error());
    if (*leader) {
      print_leader(context.out(), **leader);
    } else if (seen != 0) {
      print_nobody(context.out(), arguments.name);
    } else {
      continue;  // nobody leads yet: not a change
    }
    if (++seen == arguments.count) return ExitCode::kOk;
  }
}

}  // namespace coord::ctl
