#include "tests/bench/options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "raft/base/duration.h"

namespace coord::bench {

namespace {

void add_duration(CLI::App& app, const std::string& name, std::chrono::milliseconds& target,
                  const std::string& help) {
  app.add_option_function<std::string>(
         name,
         [name, &target](const std::string& text) {
           const Result<milliseconds> duration = parse_duration(text);
           if (!duration) throw CLI::ValidationError(name, duration.error().message);
           target = *duration;
         },
         help)
      ->type_name("DURATION");
}

}  // namespace

Options parse_options(int argc, const char* const* argv, const OptionsFormat& format) {
  Options options;
  options.endpoints = {format.default_endpoint};
  CLI::App app(format.description, format.program);
  app.add_option("OP", options.op, "What to do again and again")
      ->required()
      ->check(CLI::IsMember(format.ops));
  app.add_option("--endpoints", options.endpoints, "HOST:PORT,...")->delimiter(',');
  app.add_option("--clients", options.clients, "Clients, each with a connection of its own")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--outstanding", options.outstanding,
                 "Operations that each client has under way at any time")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app.add_option("--value-size", options.value_bytes, "Bytes in a value")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  app.add_option("--keys", options.keys, "Keys that are written and read, at random")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  add_duration(app, "--duration", options.duration, "How long to measure (10s)");
  add_duration(app, "--warmup", options.warmup, "Load before the measurement begins (1s)");
  app.add_flag("--json", options.json, "One JSON object a line");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    std::exit(code == 0 ? 0 : 2);
  }
  return options;
}

bool reads(const Options& options) {
  return options.op == "get" || options.op == "get-stale" || options.op == "mixed";
}

std::string key_name(std::uint64_t number) {
  return fmt::format("bench/{:010}", number);
}

std::string own_lock_name(std::uint64_t slot) {
  return fmt::format("bench-lock/{}", slot);
}

std::string shared_lock_name() {
  return "bench-lock/shared";
}

}  // namespace coord::bench
