// What the files that declare the command line share.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>

#include "client/coordctl/context.h"

namespace coord::ctl {

// What parsing has decided to do.
using Action = std::function<ExitCode(Context&)>;

// A command whose arguments live as long as the parser, and the function that they go to.
template <class Arguments>
std::shared_ptr<Arguments> arguments_of(CLI::App& command, Action& action,
                                        ExitCode (*run)(Context&, const Arguments&)) {
  auto arguments = std::make_shared<Arguments>();
  command.callback([&action, run, arguments] {
    action = [run, arguments](Context& context) { return run(context, *arguments); };
  });
  return arguments;
}

// A command of one argument.
template <class Argument>
std::shared_ptr<Argument> argument_of(CLI::App& command, Action& action,
                                      ExitCode (*run)(Context&, Argument)) {
  auto argument = std::make_shared<Argument>();
  command.callback([&action, run, argument] {
    action = [run, argument](Context& context) { return run(context, *argument); };
  });
  return argument;
}

// cli_members.cc
void add_member(CLI::App& app, Action& action);
void add_leader(CLI::App& app, Action& action);

}  // namespace coord::ctl
