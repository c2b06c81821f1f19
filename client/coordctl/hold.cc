// lock and elect: hold something while a command runs, or until a signal comes.
#include <fmt/format.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "client/coordctl/child.h"
#include "client/coordctl/commands.h"
#include "client/coordctl/escape.h"
#include "client/coordctl/input.h"
#include "client/coordctl/interrupts.h"
#include "raft/base/duration.h"

namespace coord::ctl {

namespace {

// An answer that comes on the client's thread, for a main thread that waits for signals as well.
template <class T>
class Answer {
 public:
  explicit Answer(Interrupts& interrupts) : interrupts_(interrupts) {}

  void set(Result<T> result) {
    {
      const std::lock_guard lock(mutex_);
      result_.emplace(std::move(result));
    }
    interrupts_.wake();
  }
  // Nothing if a signal came first.
  std::optional<Result<T>> wait() {
    while (true) {
      {
        const std::lock_guard lock(mutex_);
        if (result_) return std::move(result_);
      }
      const int signal = interrupts_.wait();
      if (signal != 0 && signal != SIGCHLD) return std::nullopt;
    }
  }

 private:
  Interrupts& interrupts_;
  std::mutex mutex_;
  std::optional<Result<T>> result_;
};

// What `lock` and `elect` differ in.
struct Holding {
  std::string what;       // "the lock \"x\"", for messages
  std::string lost_name;  // of the error, in JSON
  Json::Object fields;    // of the line printed when there is no command
  std::string text;       // the same for people
  std::vector<std::pair<std::string, std::string>> environment;
};

ExitCode lost(Context& context, const Holding& holding, std::string_view then) {
  return context.out().fail(ExitCode::kNotHeld, holding.lost_name,
                            fmt::format("{} was lost{}", holding.what, then));
}

ExitCode hold_until_signal(Context& context, Interrupts& interrupts, const Holding& holding,
                           const std::stop_token& token) {
  if (context.out().json()) {
    context.out().object(Json(holding.fields));
  } else {
    context.out().line(holding.text);
  }
  const std::stop_callback on_loss(token, [&interrupts] { interrupts.wake(); });
  while (!token.stop_requested()) {
    const int signal = interrupts.wait();
    if (signal != 0 && signal != SIGCHLD) return ExitCode::kOk;
  }
  return lost(context, holding, "");
}

ExitCode hold_while_running(Context& context, Interrupts& interrupts, const Holding& holding,
                            const std::stop_token& token, std::vector<std::string> command) {
  const Result<ChildResult> child = run_child(
      interrupts, {.command = command, .environment = holding.environment, .lost = token});
  if (!child) return context.out().fail(child.error());
  if (!child->failure.empty()) {
    context.out().fail(ExitCode::kOther, "cannotRun",
                       fmt::format("cannot run {}: {}", command.front(), child->failure));
  } else if (child->lost) {
    return lost(context, holding, "; its command was ended");
  }
  // Whatever the command said, also where our own table gives it another meaning.
  return static_cast<ExitCode>(child->exit_code);
}

ExitCode hold(Context& context, Interrupts& interrupts, const Holding& holding,
              const std::stop_token& token, const std::vector<std::string>& command) {
  return command.empty() ? hold_until_signal(context, interrupts, holding, token)
                         : hold_while_running(context, interrupts, holding, token, command);
}

ExitCode interrupted(Context& context, std::string_view what) {
  // Takes back what still waits, and lets nothing come after the answer's place is gone.
  context.close_client();
  return context.out().fail(ExitCode::kNotHeld, "interrupted",
                            fmt::format("interrupted while waiting for {}", what));
}

// A hold that was found lost when it was given back was lost while the command ran.
ExitCode after_release(Context& context, const Holding& holding, const Status& released,
                       ExitCode code) {
  if (released || code != ExitCode::kOk) return code;
  const ErrorCode why = released.error().code;
  const bool was_lost = why == ErrorCode::kLockNotHeld || why == ErrorCode::kSessionExpired ||
                        why == ErrorCode::kLeaseNotFound;
  return was_lost ? lost(context, holding, " before it was given back") : code;
}

// A nested coordctl talks to the same cluster.
std::pair<std::string, std::string> endpoints_variable(const Context& context) {
  return {"COORDCTL_ENDPOINTS", fmt::format("{}", fmt::join(context.globals().endpoints, ","))};
}

Holding holding_of(const Context& context, const LockArguments& arguments, const Lock& lock) {
  const std::string token = fmt::to_string(lock.token());
  const LeaseId session = lock.session().id();
  return {
      .what = "the lock " + brief(arguments.name),
      .lost_name = "lockLost",
      .fields = {{"name", Json::bytes(arguments.name)},
                 {"mode", arguments.shared ? "shared" : "exclusive"},
                 {"token", Json::number(lock.token())},
                 {"session", Json::number(session)}},
      .text = fmt::format("{}\ttoken {}", escape(arguments.name), token),
      .environment = {{"COORD_LOCK_NAME", arguments.name},
                      {"COORD_LOCK_TOKEN", token},
                      {"COORD_LOCK_SESSION", fmt::to_string(session)},
                      endpoints_variable(context)},
  };
}

Holding holding_of(const Context& context, const ElectArguments& arguments,
                   const std::string& value, const Leadership& leadership) {
  const std::string token = fmt::to_string(leadership.token());
  const LeaseId session = leadership.session().id();
  return {
      .what = "the leadership of " + brief(arguments.name),
      .lost_name = "leadershipLost",
      .fields = {{"name", Json::bytes(arguments.name)},
                 {"value", Json::bytes(value)},
                 {"token", Json::number(leadership.token())},
                 {"session", Json::number(session)}},
      .text = fmt::format("{}\ttoken {}", escape(arguments.name), token),
      .environment = {{"COORD_ELECTION_NAME", arguments.name},
                      {"COORD_ELECTION_VALUE", value},
                      {"COORD_ELECTION_TOKEN", token},
                      {"COORD_ELECTION_SESSION", fmt::to_string(session)},
                      endpoints_variable(context)},
  };
}

}  // namespace

ExitCode lock(Context& context, const LockArguments& arguments) {
  Interrupts interrupts;
  Answer<Lock> answer(interrupts);
  Client& client = context.client(arguments.ttl);
  client.async_lock(
      arguments.name,
      {.mode = arguments.shared ? LockMode::kShared : LockMode::kExclusive, .wait = arguments.wait},
      [&answer](Result<Lock> result) { answer.set(std::move(result)); });
  std::optional<Result<Lock>> acquired = answer.wait();
  if (!acquired) return interrupted(context, "the lock " + brief(arguments.name));
  if (!*acquired) return context.out().fail(acquired->error());
  Lock& lock = **acquired;
  const Holding holding = holding_of(context, arguments, lock);
  const ExitCode code = hold(context, interrupts, holding, lock.stop_token(), arguments.command);
  return after_release(context, holding, lock.release(), code);
}

ExitCode elect(Context& context, const ElectArguments& arguments) {
  const Result<std::string> value = value_of(arguments.value);
  if (!value) return context.out().fail(value.error());
  Interrupts interrupts;
  Answer<Leadership> answer(interrupts);
  Client& client = context.client(arguments.ttl);
  client.async_campaign(arguments.name, *value, {},
                        [&answer](Result<Leadership> result) { answer.set(std::move(result)); });
  std::optional<Result<Leadership>> elected = answer.wait();
  if (!elected) return interrupted(context, "the leadership of " + brief(arguments.name));
  if (!*elected) return context.out().fail(elected->error());
  Leadership& leadership = **elected;
  const Holding holding = holding_of(context, arguments, *value, leadership);
  const ExitCode code =
      hold(context, interrupts, holding, leadership.stop_token(), arguments.command);
  return after_release(context, holding, leadership.resign(), code);
}

}  // namespace coord::ctl
