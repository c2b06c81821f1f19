// Increments a number by compare-and-swap, as many times as asked, and exits with 0 if every one of
// the increments is known to have been applied once: one of the processes of the test of the same
// name. usage: cas_counter ENDPOINTS KEY TIMES
#include <coord/client.h>

#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  coord::Client client({.endpoints = coord::parse_endpoints(argv[1]).value(),
                        .timeout = coord::milliseconds(30000),
                        .name = "cas_counter"});
  const std::string key = argv[2];
  for (int done = 0; done < std::atoi(argv[3]);) {
    const auto read = client.get(key);
    if (!read) {
      std::fprintf(stderr, "get: %s\n", read.error().message.c_str());
      return 1;
    }
    const std::string old = read->found() ? read->record->value : "0";
    const auto expect = read->found() ? coord::Expect::mod_revision(read->record->mod_revision)
                                      : coord::Expect::absent();
    const auto swap = client.cas(key, expect, std::to_string(std::atoll(old.c_str()) + 1));
    if (!swap) {
      std::fprintf(stderr, "cas: %s\n", swap.error().message.c_str());
      return 1;
    }
    if (swap->succeeded) ++done;
  }
  return 0;
}
