// coord-bench: load for a Coord cluster, through libcoord as a service would use it.
#include <fmt/format.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <latch>
#include <memory>
#include <string>
#include <vector>

#include "coord/client.h"
#include "raft/base/prng.h"
#include "tests/bench/meter.h"
#include "tests/bench/options.h"
#include "tests/bench/report.h"

namespace coord::bench {

namespace {

[[noreturn]] void fail(const Error& error) {
  fmt::print(stderr, "coord-bench: {}\n", error.message);
  std::exit(1);
}

// The time a value was sent, in front of it, for the one who sees it come out of a watch.
std::string stamped_value(std::size_t size, Clock::time_point now) {
  std::string value(std::max(size, sizeof(std::int64_t)), 'v');
  const std::int64_t ns = now.time_since_epoch().count();
  std::memcpy(value.data(), &ns, sizeof(ns));
  return value;
}

Clock::time_point stamp_of(const std::string& value) {
  std::int64_t ns = 0;
  if (value.size() >= sizeof(ns)) std::memcpy(&ns, value.data(), sizeof(ns));
  return Clock::time_point(Clock::duration(ns));
}

// One of the operations that a client has under way. Everything happens on the client's I/O thread,
// where each answer starts the next operation; `done` counts the slots that have stopped.
class Slot {
 public:
  Slot(const Options& options, Client& client, Meter& meter, std::latch& done, std::uint64_t number)
      : options_(options),
        client_(client),
        meter_(meter),
        done_(done),
        prng_(number),
        lock_name_(fmt::format("bench/{}", number)),
        value_(options.value_bytes, 'v') {}

  void start() {
    started_ = Clock::now();
    const std::string& op = options_.op;
    if (op == "lock") return acquire();
    if (op == "get") return get(Consistency::linearizable());
    if (op == "get-stale") return get(Consistency::local());
    if (op == "mixed" && !prng_.chance(1, 5)) return get(Consistency::linearizable());
    if (op == "watch") return put(stamped_value(options_.value_bytes, started_));
    put(value_);
  }

 private:
  std::string next_key() { return key_name(prng_.below(options_.keys)); }

  void get(Consistency consistency) {
    client_.async_get(next_key(), {.consistency = consistency},
                      [this](Result<GetResult> result) { finish(result.ok()); });
  }
  void put(std::string value) {
    client_.async_put(next_key(), std::move(value), {},
                      [this](Result<PutResult> result) { finish(result.ok()); });
  }
  // A lock operation is both: taking it and giving it back.
  void acquire() {
    client_.async_lock(lock_name_, {}, [this](Result<Lock> result) {
      if (!result) return finish(false);
      lock_ = std::move(*result);
      lock_.async_release([this](Status status) { finish(status.ok()); });
    });
  }

  void finish(bool succeeded) {
    const Clock::time_point now = Clock::now();
    if (!succeeded) {
      meter_.failed(now);
    } else if (options_.op != "watch") {  // there, what counts is what the watch delivers
      meter_.succeeded(started_, now);
    }
    if (meter_.over(now)) {
      done_.count_down();
    } else {
      start();
    }
  }

  const Options& options_;
  Client& client_;
  Meter& meter_;
  std::latch& done_;
  Prng prng_;
  const std::string lock_name_;
  const std::string value_;
  Lock lock_;
  Clock::time_point started_;
};

class LoadClient {
 public:
  LoadClient(const Options& options, Window window, std::latch& done, int number)
      : meter_(window),
        client_(std::make_unique<Client>(
            ClientOptions{.endpoints = options.endpoints, .name = "coord-bench"})) {
    for (int i = 0; i < options.outstanding; ++i) {
      const auto slot = static_cast<std::uint64_t>(number) * 65536 + static_cast<unsigned>(i);
      slots_.push_back(std::make_unique<Slot>(options, *client_, meter_, done, slot));
    }
    if (options.op == "watch") watch();
  }

  void start() {
    for (const auto& slot : slots_) slot->start();
  }
  // Ends the client and with it the thread that measures.
  const Meter& stop() {
    client_.reset();
    return meter_;
  }

 private:
  void watch() {
    watcher_ = client_->watch({KeyRange::prefix("bench/")}, {}, [this](Result<WatchUpdate> update) {
      if (!update) {
        if (update.error().code == ErrorCode::kCancelled) return;  // the client ends
        fail(update.error());
      }
      const Clock::time_point now = Clock::now();
      for (const WatchEvent& event : update->events) {
        meter_.succeeded(stamp_of(event.current.value), now);
      }
    });
  }

  Meter meter_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::unique_ptr<Client> client_;  // after what its callbacks use, so that it ends first
  Watcher watcher_;
};

// Every key exists before it is read.
void fill(const Options& options) {
  constexpr std::uint64_t kPutsInTransaction = 100;
  Client client({.endpoints = options.endpoints, .name = "coord-bench"});
  const std::string value(options.value_bytes, 'v');
  for (std::uint64_t next = 0; next < options.keys;) {
    Txn txn;
    const std::uint64_t end = std::min(next + kPutsInTransaction, options.keys);
    for (; next < end; ++next) txn.then(txn::put(key_name(next), value));
    if (const Result<TxnResult> result = client.txn(std::move(txn)); !result) fail(result.error());
  }
}

void require_cluster(const Options& options) {
  Client client({.endpoints = options.endpoints, .name = "coord-bench"});
  if (const auto read = client.get("bench/ready"); !read) fail(read.error());
}

Measurement measure(const Options& options) {
  require_cluster(options);
  const bool reads = options.op == "get" || options.op == "get-stale" || options.op == "mixed";
  if (reads) fill(options);
  const Window window = Window::after_warmup(options);
  std::latch done(std::ptrdiff_t{options.clients} * options.outstanding);
  std::vector<std::unique_ptr<LoadClient>> clients;
  for (int i = 0; i < options.clients; ++i) {
    clients.push_back(std::make_unique<LoadClient>(options, window, done, i));
  }
  for (const auto& client : clients) client->start();
  done.wait();
  Measurement measurement;
  for (const auto& client : clients) measurement.add(client->stop());
  return measurement;
}

}  // namespace

}  // namespace coord::bench

int main(int argc, char** argv) {
  using namespace coord::bench;
  const Options options =
      parse_options(argc, argv,
                    {.program = "coord-bench",
                     .description = "Load for a Coord cluster",
                     .ops = {"put", "get", "get-stale", "mixed", "lock", "watch"},
                     .default_endpoint = "127.0.0.1:4701"});
  print(options, measure(options));
}
