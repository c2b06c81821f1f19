// What programs that start members of their own have in common.
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <exception>
#include <functional>

namespace coord::bench {

// SIGINT or SIGTERM has come. Whatever takes long looks at this now and then, and returns: the
// members are ended by the destructors.
inline std::atomic<bool> interrupted = false;

// A main(): its exit code is 2 for wrong usage, 1 if `work` throws, 130 if it was interrupted.
inline int run_program(CLI::App& app, int argc, char** argv, const std::function<void()>& work) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  std::signal(SIGINT, [](int) { interrupted = true; });
  std::signal(SIGTERM, [](int) { interrupted = true; });
  try {
    work();
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}: {}\n", app.get_name(), error.what());
    return 1;
  }
  return interrupted ? 130 : 0;
}

}  // namespace coord::bench
