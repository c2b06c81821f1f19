// coord-capacity: three members with a large state: how fast one of them is back, how fast a new
// one has caught up, what they take of memory and disk, and whether a long write load stays fast.
//
// The sections happen in this order, on one cluster on loopback: filling it; killing a member and
// starting it again, with its pages in the kernel's cache and without; an empty member that enters
// under a write load, and leaves; the long write load.
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "coord/client.h"
#include "raft/base/prng.h"
#include "tests/bench/histogram.h"
#include "tests/bench/meter.h"
#include "tests/bench/options.h"
#include "tests/bench/program.h"
#include "tests/integration/cluster.h"
#include "tests/integration/tcp.h"

namespace coord::bench {

namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::seconds;

struct Plan {
  std::uint64_t keys = 1'000'000;
  std::size_t value_bytes = 256;
  int outstanding = 256;
  int load_seconds = 300;
  std::vector<std::string> sections = {"restart", "growth", "load"};
  // Short enough that the long load is compacted as fast as it writes, and that the other sections
  // find the history of the filling.
  std::string history_keep = "60s";
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
  std::uint64_t disk = 0;
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

  // The most of each member since the last call: "n1 207/173/1021, ...".
  std::string take() {
    const std::lock_guard lock(mutex_);
    std::string text;
    for (const auto& [member, most] : std::exchange(most_, {})) {
      text += fmt::format("{}{} {}/{}/{}", text.empty() ? "" : ", ", cluster_.name(member),
                          most.resident >> 20, most.anonymous >> 20, most.disk >> 20);
    }
    return text;
  }
  // The members' processes are not to be looked at while they change.
  std::mutex& mutex() { return mutex_; }

 private:
  void run(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    for (int turn = 0;
         !stopped_.wait_for(lock, stop, milliseconds(100), [&] { return stop.stop_requested(); });
         ++turn) {
      for (int member = 0; member < cluster_.size(); ++member) {
        const Usage usage = usage_of(cluster_.process(member).pid());
        Usage& most = most_[member];
        most.resident = std::max(most.resident, usage.resident);
        most.anonymous = std::max(most.anonymous, usage.anonymous);
        if (turn % 10 == 0) {
          most.disk = std::max(most.disk, bytes_under(cluster_.data_directory(member)));
        }
      }
    }
  }

  test::Cluster& cluster_;
  std::mutex mutex_;
  std::condition_variable_any stopped_;
  std::map<int, Usage> most_;
  std::jthread thread_;
};

void report_usage(Watcher& watcher, const char* when) {
  say(fmt::format("{}: MiB resident/anonymous/on disk, at most: {}", when, watcher.take()));
}

// ------------------------------------------------------------------------------------------------
// What the machine takes

// The part of this machine's processors that its host gave to others instead, since this was made:
// where it is not near zero, times say little about what is measured.
class Processors {
 public:
  double stolen_percent() const {
    const Ticks now = ticks();
    return 100 * (now.stolen - begun_.stolen) / std::max(now.all - begun_.all, 1.0);
  }

 private:
  struct Ticks {
    double all = 0;
    double stolen = 0;
  };

  static Ticks ticks() {
    // cpu USER NICE SYSTEM IDLE IOWAIT IRQ SOFTIRQ STEAL ...
    constexpr int kStolen = 7;
    std::ifstream stat("/proc/stat");
    std::string name;
    stat >> name;
    Ticks ticks;
    double value = 0;
    for (int i = 0; i <= kStolen && stat >> value; ++i) {
      ticks.all += value;
      if (i == kStolen) ticks.stolen = value;
    }
    return ticks;
  }

  Ticks begun_ = ticks();
};

// How often the disk that holds a directory answered nothing at all for a while although something
// was asked of it: a disk that is only busy goes on answering. No write can be faster than that.
class Disk {
 public:
  static constexpr milliseconds kStill{50};

  explicit Disk(const std::filesystem::path& directory)
      : stat_(stat_of(directory)), thread_([this](const std::stop_token& stop) { run(stop); }) {}

  // Since the last call.
  std::string take() {
    const std::lock_guard lock(mutex_);
    note_stillness();
    const int times = std::exchange(times_, 0);
    const Clock::duration longest = std::exchange(longest_, {});
    if (!known_) return "nothing is known of the disk";
    if (longest == Clock::duration()) return "the disk never stood still";
    if (times == 0) {
      return fmt::format("the disk went on standing still, for {:.0f} ms in all", in_ms(longest));
    }
    return fmt::format("the disk stood still {} times, for {:.0f} ms at most", times,
                       in_ms(longest));
  }

 private:
  struct Requests {
    std::uint64_t answered = 0;
    std::uint64_t under_way = 0;
  };

  static std::filesystem::path stat_of(const std::filesystem::path& directory) {
    struct stat status {};
    if (::stat(directory.c_str(), &status) != 0) return {};
    return fmt::format("/sys/dev/block/{}:{}/stat", major(status.st_dev), minor(status.st_dev));
  }

  std::optional<Requests> requests() const {
    // READS . . . WRITES . . . UNDER_WAY . . DISCARDS . . . FLUSHES .
    std::array<std::uint64_t, 17> fields{};
    std::ifstream stat(stat_);
    for (std::uint64_t& field : fields) stat >> field;
    if (!stat) return std::nullopt;
    return Requests{fields[0] + fields[4] + fields[11] + fields[15], fields[8]};
  }

  void run(const std::stop_token& stop) {
    for (std::optional<Requests> before = requests(); !stop.stop_requested();) {
      // How often is looked: how exactly a stand-still's length is known.
      std::this_thread::sleep_for(milliseconds(5));
      const std::optional<Requests> now = requests();
      const std::lock_guard lock(mutex_);
      known_ = before && now;
      if (!known_ || now->answered != before->answered || before->under_way == 0) {
        note_stillness();
        since_ = Clock::now();
        counted_ = false;
      }
      // Whoever watches may be late itself: what came after a look is not the disk's.
      last_look_ = Clock::now();
      before = now;
    }
  }

  // Counted once, though it may go on after that.
  void note_stillness() {
    const Clock::duration still = last_look_ - since_;
    if (still < kStill) return;
    if (!std::exchange(counted_, true)) ++times_;
    longest_ = std::max(longest_, still);
  }

  const std::filesystem::path stat_;
  std::mutex mutex_;
  // Guarded by mutex_.
  bool known_ = false;
  Clock::time_point since_ = Clock::now();  // nothing was answered
  Clock::time_point last_look_ = since_;
  bool counted_ = false;  // what goes on since then
  int times_ = 0;
  Clock::duration longest_{};
  std::jthread thread_;
};

// ------------------------------------------------------------------------------------------------
// Load

template <class T>
Status to_status(const Result<T>& result) {
  return result.ok() ? Status() : Status(result.error());
}

// So many operations under way until it is told to stop. Everything happens on the client's thread
// but counting.
class Load {
 public:
  // Starts the operation with that number, and calls back when it has ended.
  using Operation =
      std::function<void(Client&, std::uint64_t number, std::function<void(Status)> ended)>;

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
    for (int left = under_way_; left > 0; left = under_way_) under_way_.wait(left);
  }
  bool over() const { return under_way_ == 0; }

  std::uint64_t succeeded() const { return succeeded_; }
  std::uint64_t failed() const { return failed_; }
  // After wait().
  const std::string& failure() const { return failure_; }
  // Of the operations that succeeded since the last call.
  Histogram take_latencies() {
    const std::lock_guard lock(latencies_mutex_);
    return std::exchange(latencies_, {});
  }

 private:
  void next() {
    const std::uint64_t number = started_++;
    if (stopping_ || interrupted || number >= operations_) {
      --under_way_;
      under_way_.notify_all();
      return;
    }
    operation_(client_, number, [this, begun = Clock::now()](const Status& status) {
      if (status.ok()) {
        const auto latency = Clock::now() - begun;
        {
          const std::lock_guard lock(latencies_mutex_);
          latencies_.record(latency);
        }
        ++succeeded_;
      } else {
        if (failed_++ == 0) failure_ = status.error().message;
      }
      next();
    });
  }

  const std::uint64_t operations_;
  const Operation operation_;
  std::mutex latencies_mutex_;
  Histogram latencies_;
  std::string failure_;  // the first
  std::atomic<std::uint64_t> started_ = 0;
  std::atomic<std::uint64_t> succeeded_ = 0;
  std::atomic<std::uint64_t> failed_ = 0;
  std::atomic<int> under_way_ = 0;
  std::atomic<bool> stopping_ = false;
  Client client_;
};

struct Draws {
  std::mutex mutex;
  Prng prng{1};
};

Load::Operation puts(const Plan& plan) {
  auto draws = std::make_shared<Draws>();
  return [&plan, draws, value = std::string(plan.value_bytes, 'w')](
             Client& client, std::uint64_t, std::function<void(Status)> ended) {
    std::uint64_t key = 0;
    {
      const std::lock_guard lock(draws->mutex);
      key = draws->prng.below(plan.keys);
    }
    client.async_put(
        key_name(key), value, {},
        [ended = std::move(ended)](const Result<PutResult>& result) { ended(to_status(result)); });
  };
}

// Operations a second that ended within so long from now on.
double rate(const Load& load, seconds time) {
  const std::uint64_t before = load.succeeded();
  const auto begun = Clock::now();
  // The time is what is measured over; in pieces, because a signal can tell nobody here.
  while (!interrupted && Clock::now() - begun < time) std::this_thread::sleep_for(milliseconds(20));
  return static_cast<double>(load.succeeded() - before) /
         std::chrono::duration<double>(Clock::now() - begun).count();
}

// ------------------------------------------------------------------------------------------------
// The sections

void fill(const Plan& plan, test::Cluster& cluster) {
  constexpr std::uint64_t kInTransaction = 100;
  constexpr int kTransactions = 16;
  const auto begun = Clock::now();
  Load load(cluster.endpoint_list(), kTransactions,
            (plan.keys + kInTransaction - 1) / kInTransaction,
            [&plan, value = std::string(plan.value_bytes, 'v')](
                Client& client, std::uint64_t number, std::function<void(Status)> ended) {
              Txn txn;
              const std::uint64_t end = std::min((number + 1) * kInTransaction, plan.keys);
              for (std::uint64_t key = number * kInTransaction; key < end; ++key) {
                txn.then(txn::put(key_name(key), value));
              }
              client.async_txn(std::move(txn), {},
                               [ended = std::move(ended)](const Result<TxnResult>& result) {
                                 ended(to_status(result));
                               });
            });
  load.wait();
  if (load.failed() > 0)
    fail(fmt::format("{} transactions failed: {}", load.failed(), load.failure()));
  say(fmt::format("filled: {} keys of {} bytes in {:.1f} s", plan.keys, plan.value_bytes,
                  in_ms(Clock::now() - begun) / 1000));
}

bool drop_caches() {
  ::sync();
  std::ofstream caches("/proc/sys/vm/drop_caches");
  caches << 3 << std::flush;
  return caches.good();
}

void await_listening(test::Cluster& cluster, int member) {
  const auto begun = Clock::now();
  while (!interrupted && !test::RawConnection(cluster.client_port(member)).connected()) {
    if (Clock::now() - begun > seconds(60) || !cluster.process(member).running()) {
      fail("the member did not come up\n" + cluster.log(member));
    }
    // Nothing tells when a port begins to listen.
    std::this_thread::sleep_for(milliseconds(1));
  }
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
  await_listening(cluster, member);
  Client client({.endpoints = {cluster.endpoint(member)}, .name = "coord-capacity"});
  const auto read = client.get(key, {.consistency = Consistency::linearizable()});
  if (!read) fail(read.error().message);
  if (!read->found()) fail("the member came back without what was written");
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
void growth(const Plan& plan, test::Cluster& cluster, Watcher& watcher) {
  Load load(cluster.endpoint_list(), plan.outstanding, UINT64_MAX, puts(plan));
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
  await_listening(cluster, member);
  const auto added =
      cluster.ctl({"member", "add", cluster.name(member), "--peer", cluster.peer(member)}, {},
                  milliseconds(120'000));
  const double took = in_ms(Clock::now() - begun) / 1000;
  if (added.exit_code != 0) fail(added.out + added.err + cluster.log(member));
  const double meanwhile = static_cast<double>(load.succeeded() - acknowledged) / took;
  load.stop();
  load.wait();
  if (load.failed() > 0) fail(fmt::format("{} writes failed: {}", load.failed(), load.failure()));
  say(fmt::format(
      "an empty new member has caught up and votes after {:.1f} s; writes/s before "
      "{:.0f}, meanwhile {:.0f}: {:.0f} %; the slowest took {:.0f} ms",
      took, before, meanwhile, 100 * meanwhile / before, in_ms(load.take_latencies().max())));
  report_usage(watcher, "while it caught up");
  const auto removed = cluster.ctl({"member", "remove", cluster.name(member)});
  if (removed.exit_code != 0) fail(removed.err);
}

std::string in_words(const Histogram& latencies) {
  return fmt::format("p50 {:.1f}, p99 {:.1f}, p99.9 {:.1f}, slowest {:.0f} ms",
                     in_ms(latencies.percentile(0.5)), in_ms(latencies.percentile(0.99)),
                     in_ms(latencies.percentile(0.999)), in_ms(latencies.max()));
}

void long_load(const Plan& plan, test::Cluster& cluster, Watcher& watcher) {
  Load load(cluster.endpoint_list(), plan.outstanding, UINT64_MAX, puts(plan));
  rate(load, seconds(1));
  const int pieces = std::max(2, plan.load_seconds / 60);
  const seconds piece(plan.load_seconds / pieces);
  double first = 0;
  double last = 0;
  Histogram all;
  const Processors whole;
  Disk disk(cluster.data_directory(0));
  for (int i = 0; i < pieces && !interrupted; ++i) {
    const Processors processors;
    last = rate(load, piece);
    if (i == 0) first = last;
    const Histogram latencies = load.take_latencies();
    all.merge(latencies);
    say(
        fmt::format("load, {} s: {:.0f} writes/s; {}; {:.1f} % stolen, {}; MiB "
                    "resident/anonymous/on disk: {}",
                    (i + 1) * piece.count(), last, in_words(latencies), processors.stolen_percent(),
                    disk.take(), watcher.take()));
  }
  load.stop();
  load.wait();
  all.merge(load.take_latencies());
  say(fmt::format(
      "load: the last piece did {:.0f} % of the first; {}; {:.1f} % stolen; {} failed{}",
      100 * last / first, in_words(all), whole.stolen_percent(), load.failed(),
      load.failed() > 0 ? ": " + load.failure() : ""));
}

void measure(const Plan& plan) {
  std::vector<std::string> flags = {"--history-keep=" + plan.history_keep};
  flags.insert(flags.end(), plan.server_flags.begin(), plan.server_flags.end());
  test::Cluster cluster({.extra_flags = flags});
  cluster.start_all();
  cluster.wait_until_serving();
  Watcher watcher(cluster);
  fill(plan, cluster);
  report_usage(watcher, "while it was filled");
  const auto wanted = [&](const char* section) {
    return !interrupted &&
           std::find(plan.sections.begin(), plan.sections.end(), section) != plan.sections.end();
  };
  if (wanted("restart")) {
    restarts(cluster, watcher);
    report_usage(watcher, "while members were started again");
  }
  if (wanted("growth")) growth(plan, cluster, watcher);
  if (wanted("load")) long_load(plan, cluster, watcher);
}

}  // namespace

}  // namespace coord::bench

int main(int argc, char** argv) {
  using namespace coord::bench;
  Plan plan;
  CLI::App app("What a large state and a long load do to three members", "tests/bench/capacity");
  app.add_option("--keys", plan.keys, "How many")->capture_default_str();
  app.add_option("--value-bytes", plan.value_bytes, "Of each")->capture_default_str();
  app.add_option("--outstanding", plan.outstanding, "Writes under way")->capture_default_str();
  app.add_option("--load-seconds", plan.load_seconds, "Of the long load")
      ->check(CLI::Range(2, 86'400))
      ->capture_default_str();
  app.add_option("--section", plan.sections, "Which, after the filling")
      ->check(CLI::IsMember({"restart", "growth", "load"}))
      ->capture_default_str();
  app.add_option("--history-keep", plan.history_keep, "Of each coordd")->capture_default_str();
  app.add_option("--server-flag", plan.server_flags, "For each coordd, as --server-flag=--x=y");
  return run_program(app, argc, argv, [&] { measure(plan); });
}
