// The command line of `member` and `leader`.
#include <string>

#include "client/coordctl/cli_parts.h"
#include "client/coordctl/commands.h"

namespace coord::ctl {

namespace {

CLI::Option* add_name(CLI::App& command, std::string& name, const std::string& help) {
  return command.add_option("NAME", name, help)->required();
}

void add_peer(CLI::App& command, std::string& address, const std::string& help) {
  command.add_option("--peer", address, help)->required()->type_name("HOST:PORT");
}

void add_add(CLI::App& member, Action& action) {
  CLI::App& command =
      *member.add_subcommand("add", "Make a member of a coordd that waits to be one");
  auto arguments = arguments_of<MemberAddArguments>(command, action, member_add);
  add_name(command, arguments->name, "The --name it was started with");
  add_peer(command, arguments->peer, "Where the other members reach it");
  command.add_flag("--learner", arguments->learner,
                   "Leave it a learner: it has all data and serves clients, and does not vote");
  command.footer(
      "Start it first, with an empty data directory and --join HOST:PORT,... (client addresses of\n"
      "members). Then this command adds it as a learner, tells how far it has come, and has it\n"
      "vote once it has caught up. When that fails, or on SIGINT or SIGTERM, it is removed again,\n"
      "unless it was a learner before, or votes by then; before another try its data directory "
      "has\n"
      "to be emptied, as a member that was removed never comes back. A second signal ends that,\n"
      "too. Exit code 6: it may have been left a learner, or made to vote.\n\n"
      "  coordctl member add n4 --peer 10.0.0.4:4702");
}

void add_remove(CLI::App& member, Action& action) {
  CLI::App& command = *member.add_subcommand("remove", "Remove a member for good");
  add_name(command, *argument_of<std::string>(command, action, member_remove), "The member");
  command.footer(
      "It is refused when those who stay could not decide anything, because too few of them can "
      "be\n"
      "heard. The member that was removed stops by itself (exit code 4).");
}

void add_promote(CLI::App& member, Action& action) {
  CLI::App& command = *member.add_subcommand("promote", "Have a learner vote");
  add_name(command, *argument_of<std::string>(command, action, member_promote), "The learner");
}

void add_replace(CLI::App& member, Action& action) {
  CLI::App& command = *member.add_subcommand(
      "replace", "Put a new member in the place of another one, in one step");
  auto arguments = arguments_of<MemberReplaceArguments>(command, action, member_replace);
  command.add_option("OLD", arguments->old_name, "The member that goes; it may be down")
      ->required();
  command.add_option("NEW", arguments->new_name, "The --name of the one that comes")->required();
  add_peer(command, arguments->peer, "Where the other members reach the new one");
  command.footer(
      "Start the new one first, as for member add. There is no moment at which the cluster has a\n"
      "voter less or more than before.\n\n"
      "  coordctl member replace n2 n4 --peer 10.0.0.4:4702");
}

void add_update(CLI::App& member, Action& action) {
  CLI::App& command =
      *member.add_subcommand("update", "Tell the members where another one is to be reached");
  auto arguments = arguments_of<MemberUpdateArguments>(command, action, member_update);
  add_name(command, arguments->name, "The member");
  add_peer(command, arguments->peer, "Its new peer address");
}

}  // namespace

void add_member(CLI::App& app, Action& action) {
  CLI::App& member = *app.add_subcommand("member", "Who takes part: list, add, remove, replace");
  member.require_subcommand(1);
  member.fallthrough();
  member.add_subcommand("list", "List the members, and how far each has come")->callback([&action] {
    action = member_list;
  });
  add_add(member, action);
  add_remove(member, action);
  add_promote(member, action);
  add_replace(member, action);
  add_update(member, action);
  for (CLI::App* command : member.get_subcommands({})) command->fallthrough();
}

void add_leader(CLI::App& app, Action& action) {
  CLI::App& leader = *app.add_subcommand("leader", "Which member leads the cluster");
  leader.require_subcommand(1);
  leader.fallthrough();
  leader
      .add_subcommand("show", "Print the name of the member that leads; exit code 7 if none does")
      ->callback([&action] { action = leader_show; });
  CLI::App& transfer = *leader.add_subcommand("transfer", "Hand the leadership over");
  transfer
      .add_option("NAME", *argument_of<std::string>(transfer, action, leader_transfer),
                  "To this member; default: to the one that is best prepared")
      // An unset variable of a script must not hand over to anybody.
      ->check([](const std::string& name) {
        return name.empty() ? std::string("NAME is empty") : std::string();
      });
  transfer.footer("Writes wait meanwhile, some milliseconds; none is lost or refused.");
  for (CLI::App* command : leader.get_subcommands({})) command->fallthrough();
}

}  // namespace coord::ctl
