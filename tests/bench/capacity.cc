// coord-capacity: three members with a large state: how fast one of them is back, how fast a new
// one has caught up, what they take of memory and disk, and whether a long write load stays fast.
//
// The sections happen in this order, on one cluster on loopback: filling it; killing a member and
// starting it again, with its pages in the kernel's cache and without; an empty member that enters
// under a write load, and leaves; the long write load.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "coord/client.h"
#include "raft/base/prng.h"
#include "tests/bench/histogram.h"
#include "tests/bench/meter.h"
#include "tests/bench/options.h"
#include "tests/integration/cluster.h"
#include "tests/integration/tcp.h"

namespace coord::bench {

namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr double kMiB = 1 << 20;

std::atomic<bool> interrupted = false;

struct Options {
  std::uint64_t keys = 1'000'000;
  std::size_t value_bytes = 256;
  int outstanding = 256;
  int load_seconds = 300;
  std::vector<std::string> server_flags;
};

double in_ms(Clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

[[noreturn]] void fail(const std::string& message) {
  throw std::runtime_error(message);
}

void say(const std::string& line) {
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

// ------------------------------------------------------------------------------------------------
// What the members take

struct Usage {
  std::uint64_t resident = 0;
  std::uint64_t anonymous = 0;
};

Usage usage_of(pid_t process) {
  Usage usage;
  std::ifstream status(fmt::format("/proc/{}/status", process));
  for (std::string line; std::getline(status, line);) {
    const auto kilobytes = [&] { return std::stoull(line.substr(line.find(':') + 1)) * 1024; };
    if (line.starts_with("VmRSS:")) usage.resident = kilobytes();
    if (line.starts_with("RssAnon:")) usage.anonymous = kilobytes();
  }
  return usage;
}

std::uint64_t bytes_under(const std::string& directory) {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (const auto& file : std::filesystem::recursive_directory_iterator(directory, error)) {
    const auto size = file.file_size(error);
    if (!error) bytes += size;
  }
  return bytes;
}

// Looks at the members ten times a second, and remembers the most.
class Watcher {
 public:
  explicit Watcher(test::Cluster& cluster)
      : cluster_(cluster), thread_([this](const std::stop_token& stop) { run(stop); }) {}

  // Of a member, since the last call.
  void take(Usage& most, std::uint64_t& disk) {
    const std::lock_guard lock(mutex_);
    most = std::exchange(most_, {});
    disk = std::exchange(disk_, 0);
  }
  // The members' processes are not to be looked at while they change.
  std::mutex& mutex() { return mutex_; }

 private:
  void run(const std::stop_token& stop) {
    for (int turn = 0; !stop.stop_requested(); ++turn) {
      std::this_thread::sleep_for(milliseconds(100));
      const std::lock_guard lock(mutex_);
      for (int member = 0; member < cluster_.size(); ++member) {
        const Usage usage = usage_of(cluster_.process(member).pid());
        most_.resident = std::max(most_.resident, usage.resident);
        most_.anonymous = std::max(most_.anonymous, usage.anonymous);
        if (turn % 10 == 0) disk_ = std::max(disk_, bytes_under(cluster_.data_directory(member)));
      }
    }
  }

  test::Cluster& cluster_;
  std::mutex mutex_;
  Usage most_;
  std::uint64_t disk_ = 0;
  std::jthread thread_;
};

void report_usage(Watcher& watcher, const char* when) {
  Usage most;
  std::uint64_t disk = 0;
  watcher.take(most, disk);
  say(fmt::format(
      "{}: at most {:.0f} MiB resident, {:.0f} MiB of it anonymous, {:.0f} MiB on disk, "
      "each member",
      when, static_cast<double>(most.resident) / kMiB, static_cast<double>(most.anonymous) / kMiB,
      static_cast<double>(disk) / kMiB));
}

// ------------------------------------------------------------------------------------------------
// Load

// So many operations under way until it is told to stop. Everything happens on the client's thread
// but counting.
class Load {
 public:
  // Starts the operation with that number, and calls back when it has ended.
  using Operation =
      std::function<void(Client&, std::uint64_t number, std::function<void(bool)> ended)>;

  Load(const std::vector<std::string>& endpoints, int outstanding, std::uint64_t operations,
       Operation operation)
      : operations_(operations),
        operation_(std::move(operation)),
        client_({.endpoints = endpoints, .name = "coord-capacity"}) {
    under_way_ = outstanding;
    for (int i = 0; i < outstanding; ++i) next();
  }
  ~Load() {
    stop();
    wait();
  }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  void stop() { stopping_ = true; }
  void wait() const {
    while (under_way_ > 0) std::this_thread::sleep_for(milliseconds(1));
  }
  bool over() const { return under_way_ == 0; }

  std::uint64_t succeeded() const { return succeeded_; }
  std::uint64_t failed() const { return failed_; }
  // After wait().
  const Histogram& latencies() const { return latencies_; }

 private:
  void next() {
    const std::uint64_t number = started_++;
    if (stopping_ || interrupted || number >= operations_) {
      --under_way_;
      return;
    }
    operation_(client_, number, [this, begun = Clock::now()](bool succeeded) {
      if (succeeded) {
        latencies_.record(Clock::now() - begun);
        ++succeeded_;
      } else {
        ++failed_;
      }
      next();
    });
  }

  const std::uint64_t operations_;
  const Operation operation_;
  Histogram latencies_;
  std::atomic<std::uint64_t> started_ = 0;
  std::atomic<std::uint64_t> succeeded_ = 0;
  std::atomic<std::uint64_t> failed_ = 0;
  std::atomic<int> under_way_ = 0;
  std::atomic<bool> stopping_ = false;
  Client client_;
};

Load::Operation puts(const Options& options) {
  auto prng = std::make_shared<std::pair<std::mutex, Prng>>();
  return [&options, prng, value = std::string(options.value_bytes, 'w')](
             Client& client, std::uint64_t, std::function<void(bool)> ended) {
    std::uint64_t key = 0;
    {
      const std::lock_guard lock(prng->first);
      key = prng->second.below(options.keys);
    }
    client.async_put(
        key_name(key), value, {},
        [ended = std::move(ended)](const Result<PutResult>& result) { ended(result.ok()); });
  };
}

// Operations a second that ended within so long from now on.
double rate(const Load& load, seconds time) {
  const std::uint64_t before = load.succeeded();
  const auto begun = Clock::now();
  while (!interrupted && Clock::now() - begun < time) std::this_thread::sleep_for(milliseconds(20));
  return static_cast<double>(load.succeeded() - before) /
         std::chrono::duration<double>(Clock::now() - begun).count();
}

// ------------------------------------------------------------------------------------------------
// The sections

void fill(const Options& options, test::Cluster& cluster) {
  constexpr std::uint64_t kInTransaction = 100;
  constexpr int kTransactions = 16;
  const auto begun = Clock::now();
  Load load(
      cluster.endpoint_list(), kTransactions, (options.keys + kInTransaction - 1) / kInTransaction,
      [&options, value = std::string(options.value_bytes, 'v')](
          Client& client, std::uint64_t number, std::function<void(bool)> ended) {
        Txn txn;
        const std::uint64_t end = std::min((number + 1) * kInTransaction, options.keys);
        for (std::uint64_t key = number * kInTransaction; key < end; ++key) {
          txn.then(txn::put(key_name(key), value));
        }
        client.async_txn(
            std::move(txn), {},
            [ended = std::move(ended)](const Result<TxnResult>& result) { ended(result.ok()); });
      });
  load.wait();
  if (load.failed() > 0) fail(fmt::format("{} transactions failed", load.failed()));
  say(fmt::format("filled: {} keys of {} bytes in {:.1f} s", options.keys, options.value_bytes,
                  in_ms(Clock::now() - begun) / 1000));
}

bool drop_caches() {
  ::sync();
  std::ofstream caches("/proc/sys/vm/drop_caches");
  caches << 3 << std::flush;
  return caches.good();
}

// From the start of the process to the first read that it answers.
double restart(test::Cluster& cluster, Watcher& watcher, int member, const std::string& key,
               bool cold) {
  {
    const std::lock_guard lock(watcher.mutex());
    cluster.kill(member);
  }
  if (cold && !drop_caches()) fail("the kernel's caches cannot be dropped here");
  const auto begun = Clock::now();
  {
    const std::lock_guard lock(watcher.mutex());
    cluster.start(member);
  }
  const int port = cluster.client_port(member);
  while (!test::RawConnection(port).connected()) {
    if (Clock::now() - begun > seconds(60))
      fail("the member did not come back\n" + cluster.log(member));
    std::this_thread::sleep_for(milliseconds(1));
  }
  Client client({.endpoints = {cluster.endpoint(member)}, .name = "coord-capacity"});
  const auto read = client.get(key, {.consistency = Consistency::linearizable()});
  if (!read) fail(read.error().message);
  if (!read->has_value()) fail("the member came back without what was written");
  return in_ms(Clock::now() - begun);
}

void restarts(test::Cluster& cluster, Watcher& watcher) {
  for (const bool cold : {false, true}) {
    std::string times;
    for (int turn = 0; turn < 3; ++turn) {
      const int member = (cluster.leader() + 1) % cluster.size();
      times += fmt::format(" {:.0f} ms", restart(cluster, watcher, member, key_name(4711), cold));
    }
    say(fmt::format("a killed member serves again, {}:{}",
                    cold ? "the kernel's cache dropped" : "with the kernel's cache", times));
  }
}

// As coordctl does it, from the start of the process on.
void growth(const Options& options, test::Cluster& cluster, Watcher& watcher) {
  Load load(cluster.endpoint_list(), options.outstanding, UINT64_MAX, puts(options));
  rate(load, seconds(3));
  const double before = rate(load, seconds(10));
  const auto begun = Clock::now();
  const std::uint64_t acknowledged = load.succeeded();
  int member = 0;
  {
    const std::lock_guard lock(watcher.mutex());
    member = cluster.add_joining();
    cluster.start(member);
  }
  const auto added =
      cluster.ctl({"member", "add", cluster.name(member), "--peer", cluster.peer(member)}, {},
                  milliseconds(120'000));
  const double took = in_ms(Clock::now() - begun) / 1000;
  if (added.exit_code != 0) fail(added.out + added.err + cluster.log(member));
  const double meanwhile = static_cast<double>(load.succeeded() - acknowledged) / took;
  load.stop();
  load.wait();
  if (load.failed() > 0) fail(fmt::format("{} writes failed", load.failed()));
  say(fmt::format(
      "an empty new member has caught up and votes after {:.1f} s; writes/s before "
      "{:.0f}, meanwhile {:.0f}: {:.0f} %; the slowest took {:.0f} ms",
      took, before, meanwhile, 100 * meanwhile / before, in_ms(load.latencies().max())));
  report_usage(watcher, "while it caught up");
  const auto removed = cluster.ctl({"member", "remove", cluster.name(member)});
  if (removed.exit_code != 0) fail(removed.err);
}

void long_load(const Options& options, test::Cluster& cluster, Watcher& watcher) {
  Load load(cluster.endpoint_list(), options.outstanding, UINT64_MAX, puts(options));
  rate(load, seconds(1));
  const int pieces = std::max(2, options.load_seconds / 60);
  const seconds piece(options.load_seconds / pieces);
  double first = 0;
  double last = 0;
  for (int i = 0; i < pieces && !interrupted; ++i) {
    last = rate(load, piece);
    if (i == 0) first = last;
    Usage most;
    std::uint64_t disk = 0;
    watcher.take(most, disk);
    say(
        fmt::format("load, {} s: {:.0f} writes/s; {:.0f} MiB resident, {:.0f} anonymous, {:.0f} on "
                    "disk",
                    (i + 1) * piece.count(), last, static_cast<double>(most.resident) / kMiB,
                    static_cast<double>(most.anonymous) / kMiB, static_cast<double>(disk) / kMiB));
  }
  load.stop();
  load.wait();
  say(fmt::format(
      "load: the last piece did {:.0f} % of the first; p50 {:.1f}, p99 {:.1f}, p99.9 "
      "{:.1f}, slowest {:.0f} ms; {} failed",
      100 * last / first, in_ms(load.latencies().percentile(0.5)),
      in_ms(load.latencies().percentile(0.99)), in_ms(load.latencies().percentile(0.999)),
      in_ms(load.latencies().max()), load.failed()));
}

void measure(const Options& options) {
  test::Cluster cluster({.extra_flags = options.server_flags});
  cluster.start_all();
  cluster.wait_until_serving();
  Watcher watcher(cluster);
  const std::array<std::function<void()>, 4> sections = {
      [&] {
        fill(options, cluster);
        report_usage(watcher, "while it was filled");
      },
      [&] {
        restarts(cluster, watcher);
        report_usage(watcher, "while members were started again");
      },
      [&] { growth(options, cluster, watcher); }, [&] { long_load(options, cluster, watcher); }};
  for (const auto& section : sections) {
    if (!interrupted) section();
  }
}

}  // namespace

}  // namespace coord::bench

int main(int argc, char** argv) {
  using namespace coord::bench;
  Options options;
  CLI::App app("What a large state and a long load do to three members", "tests/bench/capacity");
  app.add_option("--keys", options.keys, "How many")->capture_default_str();
  app.add_option("--value-bytes", options.value_bytes, "Of each")->capture_default_str();
  app.add_option("--outstanding", options.outstanding, "Writes under way")->capture_default_str();
  app.add_option("--load-seconds", options.load_seconds, "Of the long load")
      ->check(CLI::Range(2, 86'400))
      ->capture_default_str();
  app.add_option("--server-flag", options.server_flags, "For each coordd, as --server-flag=--x=y");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  // The members are ended by the destructors.
  std::signal(SIGINT, [](int) { interrupted = true; });
  std::signal(SIGTERM, [](int) { interrupted = true; });
  try {
    measure(options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "tests/bench/capacity: {}\n", error.what());
    return 1;
  }
  return interrupted ? 130 : 0;
}
