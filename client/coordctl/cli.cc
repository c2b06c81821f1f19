#include "client/coordctl/cli.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "client/coordctl/cli_parts.h"
#include "client/coordctl/commands.h"
#include "client/coordctl/escape.h"
#include "client/coordctl/number.h"
#include "client/coordctl/txn_text.h"
#include "raft/base/duration.h"

namespace coord::ctl {

namespace {

CLI::Option* add_duration(CLI::App& command, const std::string& name, milliseconds& target,
                          const std::string& help) {
  return command
      .add_option_function<std::string>(
          name,
          [name, &target](const std::string& text) {
            const Result<milliseconds> duration = parse_duration(text);
            if (!duration) throw CLI::ValidationError(name, duration.error().message);
            target = *duration;
          },
          help)
      ->type_name("DURATION");
}

// CLI11 by itself takes "-1" for the largest number there is, and "" for none.
std::uint64_t number_of(const std::string& name, const std::string& text, std::uint64_t least) {
  const auto number = parse_number<std::uint64_t>(text);
  if (number && *number >= least) return *number;
  throw CLI::ValidationError(
      name, fmt::format("it has to be a number from {} on, not \"{}\"", least, escape(text)));
}

CLI::Option* add_number(CLI::App& command, const std::string& name, std::uint64_t least,
                        std::function<void(std::uint64_t)> take, const std::string& help) {
  return command
      .add_option_function<std::string>(
          name,
          [name, least, take = std::move(take)](const std::string& text) {
            take(number_of(name, text, least));
          },
          help)
      ->type_name("N");
}

template <class Tag>
CLI::Option* add_number(CLI::App& command, const std::string& name, Strong<Tag>& target,
                        const std::string& help) {
  return add_number(
      command, name, 0, [&target](std::uint64_t number) { target = Strong<Tag>(number); }, help);
}

CLI::Option* add_count(CLI::App& command, std::uint64_t& target, const std::string& help) {
  return add_number(
      command, "--count", 1, [&target](std::uint64_t count) { target = count; }, help);
}

void add_put(CLI::App& app, Action& action) {
  CLI::App& command = *app.add_subcommand("put", "Set the value of a key");
  auto arguments = arguments_of<PutArguments>(command, action, put);
  command.add_option("KEY", arguments->key)->required();
  command.add_option("VALUE", arguments->value, "The value; - reads it from standard input")
      ->required();
  add_number(command, "--lease", arguments->lease, "Attach to this lease: the key ends with it");
  command.add_flag("--prev", arguments->want_previous, "Also print the value that was there");
  command.footer(
      "Prints the revision of the change.\n\n"
      "  coordctl put greeting hello\n"
      "  coordctl put certificate - < certificate.der\n"
      "  coordctl put worker/7 busy --lease 4711");
}

void add_get(CLI::App& app, Action& action) {
  CLI::App& command = *app.add_subcommand("get", "Read a key, or all keys with a prefix");
  auto arguments = arguments_of<GetArguments>(command, action, get);
  command.add_option("KEY", arguments->key, "The key, or the prefix")->required();
  command.add_flag("--prefix", arguments->prefix, "Every key that starts with KEY");
  add_number(
      command, "--limit", 0, [arguments](std::uint64_t limit) { arguments->limit = limit; },
      "With --prefix: at most so many keys");
  add_number(command, "--rev", arguments->revision, "As it was at this revision");
  command.add_flag("--stale", arguments->stale,
                   "Whatever the member that is asked has, even if it is cut off from the others");
  auto* keys_only = command.add_flag("--keys-only", arguments->keys_only, "Print no values");
  command.add_flag("--value-only", arguments->value_only, "Print no keys")->excludes(keys_only);
  command.footer(
      "Without --prefix, prints the value and a newline; with --value-only, exactly the bytes of\n"
      "the value. With --prefix, prints a line KEY<tab>VALUE for each key, where tabs, newlines,\n"
      "backslashes and bytes that are not UTF-8 are escaped (\\t \\n \\\\ \\xHH), or with\n"
      "--value-only each value and a newline. A key that does not exist is exit code 3; a prefix\n"
      "without keys prints nothing.\n\n"
      "  coordctl get greeting\n"
      "  coordctl get worker/ --prefix --keys-only\n"
      "  coordctl get certificate --value-only > certificate.der");
}

void add_del(CLI::App& app, Action& action) {
  CLI::App& command = *app.add_subcommand("del", "Delete a key, or all keys with a prefix");
  auto arguments = arguments_of<DeleteArguments>(command, action, del);
  command.add_option("KEY", arguments->key, "The key, or the prefix")->required();
  command.add_flag("--prefix", arguments->prefix, "Every key that starts with KEY");
  command.footer("Prints how many keys were deleted. None is not a failure.");
}

void add_cas(CLI::App& app, Action& action) {
  CLI::App& command =
      *app.add_subcommand("cas", "Compare and swap: set a key if it is as expected");
  auto arguments = arguments_of<CasArguments>(command, action, cas);
  command.add_option("KEY", arguments->key)->required();
  command.add_option("--set", arguments->value, "The new value; - reads it from standard input")
      ->required();
  auto* expectation = command.add_option_group("expectation", "Exactly one is needed");
  expectation->add_option("--expect", arguments->expect_value, "The value that has to be there");
  add_number(
      *expectation, "--expect-rev", 0,
      [arguments](std::uint64_t revision) { arguments->expect_revision = revision; },
      "The revision of the key's last change");
  expectation->add_flag("--expect-absent", arguments->expect_absent, "The key has not to exist");
  expectation->require_option(1);
  command.footer(
      "Exit code 4 says that the key was not as expected; what it was is told.\n\n"
      "  coordctl cas counter --expect 41 --set 42\n"
      "  coordctl cas owner --expect-absent --set me");
}

void add_txn(CLI::App& app, Action& action) {
  CLI::App& command = *app.add_subcommand("txn", "Several operations as one, under conditions");
  command.callback([&action] { action = txn; });
  command.footer(kTxnHelp);
}

void add_watch(CLI::App& app, Action& action) {
  CLI::App& command = *app.add_subcommand("watch", "Print every change of a key or a prefix");
  auto arguments = arguments_of<WatchArguments>(command, action, watch);
  command.add_option("KEY", arguments->key, "The key, or the prefix")->required();
  command.add_flag("--prefix", arguments->prefix, "Every key that starts with KEY");
  add_number(command, "--rev", arguments->revision, "From this revision on; default: from now");
  command.add_flag("--list", arguments->list,
                   "First what is there (with --rev, as of then), then what changes after that");
  add_count(command, arguments->count, "End after so many changes");
  command.footer(
      "Prints a line for each change, in order, none left out and none twice:\n"
      "REVISION<tab>put<tab>KEY<tab>VALUE or REVISION<tab>delete<tab>KEY, escaped as by get.\n"
      "What --list finds comes as `listed` instead of `put` (in JSON, with \"listed\": true), and\n"
      "does not count for --count.\n\n"
      "  coordctl watch config/ --prefix --list\n"
      "  coordctl watch ready --count 1");
}

void add_lease_id(CLI::App& command, LeaseId& id) {
  add_number(command, "ID", id, "The number that `lease grant` printed")->required();
}

void add_lease(CLI::App& app, Action& action) {
  CLI::App& lease = *app.add_subcommand("lease", "Leases: keys that end when nobody renews them");
  lease.require_subcommand(1);
  lease.footer("  coordctl put worker/7 busy --lease $(coordctl lease grant 10s)");
  lease.fallthrough();

  CLI::App& grant = *lease.add_subcommand("grant", "Make a lease, and print its number");
  add_duration(grant, "TTL", *argument_of<milliseconds>(grant, action, lease_grant),
               "How long it lives after its last renewal, e.g. 10s")
      ->required();
  CLI::App& revoke = *lease.add_subcommand("revoke", "End a lease and delete its keys");
  add_lease_id(revoke, *argument_of<LeaseId>(revoke, action, lease_revoke));
  CLI::App& keepalive =
      *lease.add_subcommand("keepalive", "Renew a lease, again and again until interrupted");
  auto keepalive_arguments = arguments_of<KeepaliveArguments>(keepalive, action, lease_keepalive);
  add_lease_id(keepalive, keepalive_arguments->id);
  keepalive.add_flag("--once", keepalive_arguments->once, "Renew it once");
  CLI::App& ttl = *lease.add_subcommand("ttl", "Tell how long a lease has to live, and its keys");
  add_lease_id(ttl, *argument_of<LeaseId>(ttl, action, lease_ttl));
  CLI::App& list = *lease.add_subcommand("list", "List all leases");
  list.callback([&action] { action = lease_list; });
  for (CLI::App* command : {&grant, &revoke, &keepalive, &ttl, &list}) command->fallthrough();
}

void add_session(CLI::App& app, Action& action) {
  CLI::App& session = *app.add_subcommand("session", "Sessions: the leases of running clients");
  session.require_subcommand(1);
  session.footer("  coordctl session list");
  session.fallthrough();
  CLI::App& list = *session.add_subcommand("list", "List all sessions: who, where, holding what");
  list.fallthrough();
  list.callback([&action] { action = session_list; });
}

struct LockLine {
  LockArguments arguments;
  milliseconds wait{0};
  bool attempt = false;
  bool list = false;
  std::string show;
};

ExitCode run_lock_line(Context& context, const LockLine& line) {
  if (line.list) return lock_list(context);
  if (!line.show.empty()) return lock_show(context, line.show);
  return lock(context, line.arguments);
}

void add_lock(CLI::App& app, Action& action) {
  CLI::App& command =
      *app.add_subcommand("lock", "Hold a lock while a command runs, or look at locks");
  auto line = std::make_shared<LockLine>();
  auto* name = command.add_option("NAME", line->arguments.name, "The lock to acquire");
  command.add_option("COMMAND", line->arguments.command,
                     "After --: what to run while holding it; without, hold until interrupted");
  command.add_flag("--shared", line->arguments.shared, "Share it with other --shared holders");
  add_duration(command, "--ttl", line->arguments.ttl,
               "How long the lock outlives a holder that has died; default: 10s");
  auto* wait = add_duration(command, "--wait", line->wait,
                            "Give up after that time; default: wait as long as it takes");
  auto* attempt = command.add_flag("--try", line->attempt, "Do not wait at all");
  attempt->excludes(wait);
  auto* list = command.add_flag("--list", line->list, "List the locks that are held");
  auto* show = command.add_option("--show", line->show, "Show who holds a lock and who waits");
  list->excludes(name)->excludes(show);
  show->type_name("NAME")->excludes(name);
  command.footer(
      "The command finds COORD_LOCK_NAME, COORD_LOCK_TOKEN (the fencing token, which grows with\n"
      "every holder) and COORD_LOCK_SESSION in its environment. Its exit code becomes coordctl's.\n"
      "When the lock is lost the command and its children get TERM, after 5 s KILL, and the exit\n"
      "code is 5; so it is when the lock is not obtained. Without a command, a line "
      "NAME<tab>token\n"
      "N tells that the lock is held; SIGINT or SIGTERM gives it back.\n\n"
      "  coordctl lock backups --wait 30s -- ./backup.sh\n"
      "  coordctl lock --show backups");
  command.callback([&action, line, wait, name] {
    if (!line->list && line->show.empty() && name->count() == 0) {
      throw CLI::RequiredError("NAME (or --list, or --show NAME)");
    }
    if (line->attempt || wait->count() != 0) {
      line->arguments.wait = line->attempt ? milliseconds(0) : line->wait;
    }
    action = [line](Context& context) { return run_lock_line(context, *line); };
  });
}

struct ElectLine {
  ElectArguments arguments;
  std::string leader;
  ObserveArguments observe;
};

ExitCode run_elect_line(Context& context, const ElectLine& line) {
  if (!line.leader.empty()) return elect_leader(context, line.leader);
  if (!line.observe.name.empty()) return elect_observe(context, line.observe);
  return elect(context, line.arguments);
}

void add_elect(CLI::App& app, Action& action) {
  CLI::App& command = *app.add_subcommand(
      "elect", "Campaign, and run a command while leading, or look at an election");
  auto line = std::make_shared<ElectLine>();
  auto* name = command.add_option("NAME", line->arguments.name, "The election to campaign in");
  auto* value = command.add_option("VALUE", line->arguments.value,
                                   "What to publish as leader; - reads it from standard input");
  command.add_option("COMMAND", line->arguments.command,
                     "After --: what to run while leading; without, lead until interrupted");
  add_duration(command, "--ttl", line->arguments.ttl,
               "How long the leadership outlives a leader that has died; default: 10s");
  auto* leader = command.add_option("--leader", line->leader, "Print the value of who leads");
  auto* observe = command.add_option("--observe", line->observe.name,
                                     "Print who leads, and every change of it");
  auto* count = add_count(command, line->observe.count, "With --observe: end after so many lines");
  leader->type_name("NAME")->excludes(name)->excludes(observe);
  observe->type_name("NAME")->excludes(name);
  count->needs(observe);
  command.footer(
      "The command finds COORD_ELECTION_NAME, COORD_ELECTION_VALUE, COORD_ELECTION_TOKEN (the\n"
      "fencing token, which grows with every leader) and COORD_ELECTION_SESSION in its\n"
      "environment. Everything else is as with lock. --observe prints TOKEN<tab>VALUE, or - when\n"
      "the leader has gone and there is no other; --leader is exit code 3 when nobody leads.\n\n"
      "  coordctl elect scheduler $(hostname) -- ./schedule.sh\n"
      "  coordctl elect --leader scheduler");
  command.callback([&action, line, name, value] {
    const bool looks = !line->leader.empty() || !line->observe.name.empty();
    if (!looks && (name->count() == 0 || value->count() == 0)) {
      throw CLI::RequiredError("NAME VALUE (or --leader NAME, or --observe NAME)");
    }
    action = [line](Context& context) { return run_elect_line(context, *line); };
  });
}

void add_cluster(CLI::App& app, Action& action) {
  app.add_subcommand("status", "Show each member: its role, and how far it has come")
      ->callback([&action] { action = status; });
  app.add_subcommand("health", "Tell whether the cluster serves; exit code 7 if not")
      ->callback([&action] { action = health; });
  CLI::App& command =
      *app.add_subcommand("compact", "Remove history: what keys were before a revision");
  auto revision = std::make_shared<Revision>();
  command
      .add_option_function<std::string>(
          "REV",
          [revision](const std::string& text) { *revision = Revision(number_of("REV", text, 1)); },
          "The oldest revision that can still be read and watched afterwards")
      ->required()
      ->type_name("N");
  command.callback([&action, revision] {
    action = [revision](Context& context) { return compact(context, *revision); };
  });
  command.footer(
      "Returns when it is done; with exit code 6 when that takes longer than --timeout, and the\n"
      "cluster goes on. Without this command, history goes as coordd --history-keep says.\n\n"
      "  coordctl compact 120000");
  app.add_subcommand("version", "Print coordctl's version")->callback([&action] {
    action = version;
  });
}

void add_globals(CLI::App& app, Globals& globals) {
  app.add_option_function<std::string>(
         "--endpoints",
         [&globals](const std::string& text) {
           Result<std::vector<std::string>> endpoints = parse_endpoints(text);
           if (!endpoints) throw CLI::ValidationError("--endpoints", endpoints.error().message);
           globals.endpoints = std::move(*endpoints);
         },
         "Members to talk to; default: 127.0.0.1:4701")
      ->type_name("HOST:PORT,...")
      ->envname("COORDCTL_ENDPOINTS");
  add_duration(app, "--timeout", globals.timeout,
               "How long a request may take, with all its retries; default: 5s");
  app.add_option_function<std::string>(
         "-o,--output",
         [&globals](const std::string& format) {
           if (format != "simple" && format != "json") {
             throw CLI::ValidationError("--output", "there are the formats simple and json");
           }
           globals.json = format == "json";
         },
         "For people, or one JSON object a line")
      ->type_name("simple|json");
}

// The commands are parsed before what -o says is known to a failed parse.
bool wants_json(int argc, const char* const* argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--") return false;
    if (argument == "-ojson" || argument == "--output=json") return true;
    if ((argument == "-o" || argument == "--output") && i + 1 < argc) {
      return std::string_view(argv[i + 1]) == "json";
    }
  }
  return false;
}

// "coordctl lease grant" for the deepest command that was named.
std::string command_path(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app.get_name() : app.get_name() + ' ' + command_path(*chosen.front());
}

int usage_error(const CLI::App& app, std::string message, bool json) {
  const std::vector<std::string> unknown = app.remaining();
  if (app.get_subcommands().empty() && !unknown.empty()) {
    message = fmt::format("there is no command or flag {}", brief(unknown.front()));
  }
  return static_cast<int>(Printer(json).fail(
      ExitCode::kUsage, "usage", fmt::format("{} (see {} --help)", message, command_path(app))));
}

void add_commands(CLI::App& app, Action& action) {
  add_put(app, action);
  add_get(app, action);
  add_del(app, action);
  add_cas(app, action);
  add_txn(app, action);
  add_watch(app, action);
  add_lease(app, action);
  add_session(app, action);
  add_lock(app, action);
  add_elect(app, action);
  add_cluster(app, action);
  add_member(app, action);
  add_leader(app, action);
  // Global flags are understood after the command as well.
  for (CLI::App* command : app.get_subcommands({})) command->fallthrough();
}

}  // namespace

int run_command_line(int argc, const char* const* argv) {
  CLI::App app("coordctl: talks to a Coord cluster", "coordctl");
  app.require_subcommand(1);
  app.footer(std::string("Durations have units: 500ms, 10s, 2m. coordctl COMMAND --help tells "
                         "more.\n\n") +
             kExitCodeHelp);
  Globals globals;
  Action action;
  add_globals(app, globals);
  add_commands(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    return usage_error(app, error.what(), wants_json(argc, argv));
  }
  Context context(std::move(globals));
  ExitCode code = action(context);
  if (!context.out().finish()) {
    const Outcome outcome = code == ExitCode::kOk ? Outcome::kApplied : Outcome::kNotApplied;
    const ExitCode unwritten =
        context.out().fail(ExitCode::kOther, "io", "cannot write to standard output", outcome);
    // Another failure says more.
    if (code == ExitCode::kOk) code = unwritten;
  }
  return static_cast<int>(code);
}

}  // namespace coord::ctl
