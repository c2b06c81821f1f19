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

// Does it read keys, which have to be there then?
bool reads(const Options& options);

// "bench/0000004711"
std::string key_name(std::uint64_t number);
// Of the lock that one slot cycles on alone, and of the one that all want.
std::string own_lock_name(std::uint64_t slot);
std::string shared_lock_name();

}  // namespace coord::bench
