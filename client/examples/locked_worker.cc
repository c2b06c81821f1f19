// Workers that share a lock, each of which adds to one counter, one at a time.
//
//   locked_worker --endpoints 127.0.0.1:4701,127.0.0.1:4702 --rounds 10 bob
//
// Reading a number, thinking, and writing it back is only right if nobody else does so in between.
// The lock sees to that; and should a worker be stopped in the middle and wake up when the lock is
// long somebody else's, its write is refused, because it carries the token of a hold that is over.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "client/examples/example.h"
#include "coord/client.h"

namespace {

using coord::milliseconds;

void say(const std::string& who, const std::string& what) {
  std::printf("%s: %s\n", who.c_str(), what.c_str());
  std::fflush(stdout);
}

struct Round {
  long count = 0;
  std::uint64_t token = 0;
};

// One read-modify-write under the lock.
coord::Result<Round> add_one(coord::Client& client, const std::string& lock_name,
                             const std::string& key, milliseconds thinking, std::stop_token stop) {
  auto lock = client.lock(lock_name, {.stop = stop});
  if (!lock.ok()) return lock.error();
  auto before = client.get(key);
  if (!before.ok()) return before.error();
  const long count = before->found() ? std::stol(before->record->value) + 1 : 1;
  // A worker whose lock is lost meanwhile has no reason to finish.
  coord::example::sleep_unless(stop, lock->stop_token(), thinking);
  auto put = client.put(key, std::to_string(count), {.guard = lock->guard()});
  if (!put.ok()) return put.error();
  return Round{.count = count, .token = lock->token().value()};
  // The lock goes with its object.
}

}  // namespace

int main(int argc, char** argv) {
  std::string endpoints = "127.0.0.1:4701";
  std::string lock = "demo/lock";
  std::string key = "demo/counter";
  std::string name;
  int rounds = 10;
  int think_ms = 0;
  int ttl_ms = 2'000;
  CLI::App app("A worker that adds to a counter under a lock.");
  app.add_option("--endpoints", endpoints, "HOST:PORT,... of the cluster")
      ->envname("COORDCTL_ENDPOINTS");
  app.add_option("--lock", lock, "the lock that the workers share");
  app.add_option("--key", key, "the counter");
  app.add_option("--rounds", rounds, "how often to add")->check(CLI::NonNegativeNumber);
  app.add_option("--think-ms", think_ms, "how long a round takes between reading and writing");
  app.add_option("--ttl-ms", ttl_ms, "how long the lock outlives a worker that died");
  app.add_option("NAME", name, "of this worker")->required();
  if (const auto exit = coord::example::parse(app, argc, argv)) return *exit;

  auto parsed = coord::parse_endpoints(endpoints);
  if (!parsed.ok()) {
    std::fprintf(stderr, "%s\n", parsed.error().message.c_str());
    return 2;
  }
  coord::example::StopOnSignal signals;
  coord::Client client(
      {.endpoints = std::move(parsed).value(), .name = name, .session_ttl = milliseconds(ttl_ms)});

  for (int round = 1; round <= rounds;) {
    auto done = add_one(client, lock, key, milliseconds(think_ms), signals.token());
    if (signals.token().stop_requested()) return 130;
    if (done.ok()) {
      say(name, "round " + std::to_string(round) + ", token " + std::to_string(done->token) +
                    ": counter is " + std::to_string(done->count));
      ++round;
      continue;
    }
    say(name, std::string(to_string(done.error().code)) + ": " + done.error().message);
    // What may have been applied must not be done a second time without looking.
    if (done.error().outcome == coord::Outcome::kUnknown) return 1;
    coord::example::sleep_unless(signals.token(), {}, milliseconds(100));
  }
  say(name, "done");
  return 0;
}
