// The command line of a load generator; the same for Coord's and for others', so that runs compare.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace coord::bench {

struct Options {
  std::string op;
  std::vector<std::string> endpoints;
  // Each with a connection and I/O of its own.
  int clients = 1;
  // Operations that each client has under way at any time.
  int outstanding = 1;
  std::size_t value_bytes = 256;
  std::uint64_t keys = 10'000;
  std::chrono::milliseconds duration{10'000};
  // Load before the measurement begins.
  std::chrono::milliseconds warmup{1'000};
  bool json = false;
};

struct OptionsFormat {
  std::string program;
  std::string description;
  std::vector<std::string> ops;
  std::string default_endpoint;
};

// Ends the process with exit code 2 if the arguments are wrong, 0 after --help.
Options parse_options(int argc, const char* const* argv, const OptionsFormat& format);

// "bench/0000004711"
std::string key_name(std::uint64_t number);

}  // namespace coord::bench
