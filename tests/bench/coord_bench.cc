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
#include "tests/bench/load.h"
#include "tests/bench/meter.h"
#include "tests/bench/options.h"
#include "tests/bench/report.h"
#include "tests/bench/slot.h"

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

class LoadSlot final : public Slot {
 public:
  LoadSlot(const Options& options, Client& client, Meter& meter, std::latch& done,
           std::uint64_t number)
      : Slot(options, meter, done, number), client_(client), value_bytes_(options.value_bytes) {}

 private:
  void begin(Action action) override {
    switch (action) {
      case Action::kPut:
        return put(value());
      case Action::kGet:
        return get(Consistency::linearizable());
      case Action::kGetStale:
        return get(Consistency::local());
      case Action::kLockCycle:
        return cycle();
      case Action::kStampedPut:
        return put(stamped_value(value_bytes_, started()));
    }
  }

  void get(Consistency consistency) {
    client_.async_get(next_key(), {.consistency = consistency},
                      [this](Result<GetResult> result) { ended(result.ok()); });
  }
  void put(std::string value) {
    client_.async_put(next_key(), std::move(value), {},
                      [this](Result<PutResult> result) { ended(result.ok()); });
  }
  void cycle() {
    client_.async_lock(lock_name(), {}, [this](Result<Lock> result) {
      if (!result) return ended(false);
      lock_ = std::move(*result);
      lock_.async_release([this](Status status) { ended(status.ok()); });
    });
  }

  Client& client_;
  const std::size_t value_bytes_;
  Lock lock_;
};

class LoadClient {
 public:
  LoadClient(const Options& options, std::latch& done, int number)
      : client_(std::make_unique<Client>(
            ClientOptions{.endpoints = options.endpoints, .name = "coord-bench"})) {
    for (int i = 0; i < options.outstanding; ++i) {
      slots_.push_back(
          std::make_unique<LoadSlot>(options, *client_, meter_, done, Slot::number(number, i)));
    }
    if (options.op == "watch") watch();
  }

  void open(Window window) { meter_.open(window); }
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
  std::vector<std::unique_ptr<LoadSlot>> slots_;
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
  if (reads(options)) fill(options);
  return measure_clients(options, [&](int number, std::latch& done) {
    return std::make_unique<LoadClient>(options, done, number);
  });
}

}  // namespace

}  // namespace coord::bench

int main(int argc, char** argv) {
  using namespace coord::bench;
  const Options options =
      parse_options(argc, argv,
                    {.program = "coord-bench",
                     .description = "Load for a Coord cluster",
                     .ops = {"put", "get", "get-stale", "mixed", "lock", "lock-contended", "watch"},
                     .default_endpoint = "127.0.0.1:4701"});
  print(options, measure(options));
}
