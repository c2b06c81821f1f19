// coord-failover: how long a cluster refuses writes after its leader was killed.
//
// Three members on loopback, and a client that starts a put every other millisecond, whatever
// became of those before. Each round kills the leader with SIGKILL and takes the time from just
// before the kill to the first acknowledgement of a put that was started after it: only such a put
// was certainly acknowledged by the leader's successor. Then the killed member is started again,
// and has to catch up before the next round.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "coord/client.h"
#include "raft/base/prng.h"
#include "tests/bench/program.h"
#include "tests/integration/cluster.h"

namespace coord::bench {

namespace {

using Clock = std::chrono::steady_clock;

// Starts puts for as long as it lives.
class Load {
 public:
  explicit Load(const std::vector<std::string>& endpoints)
      : client_({.endpoints = endpoints, .name = "coord-failover"}),
        thread_([this](const std::stop_token& stop) { run(stop); }) {}
  // The thread ends first, then the client, whose callbacks use all the rest.
  ~Load() {
    thread_.request_stop();
    thread_.join();
  }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  // Waits for the acknowledgement of a put that was started after `moment`.
  std::optional<Clock::time_point> acknowledged_after(Clock::time_point moment) {
    std::unique_lock lock(mutex_);
    moment_ = moment;
    first_.reset();
    const auto deadline = Clock::now() + std::chrono::seconds(30);
    // In pieces, because a signal can tell nobody here.
    while (!first_ && Clock::now() < deadline && !interrupted) {
      acknowledged_.wait_for(lock, std::chrono::milliseconds(100));
    }
    return first_;
  }

 private:
  static constexpr auto kPace = std::chrono::milliseconds(2);
  static constexpr int kOutstandingMax = 4096;

  void run(const std::stop_token& stop) {
    Clock::time_point next = Clock::now();
    for (std::uint64_t number = 0; !stop.stop_requested(); ++number) {
      next += kPace;
      std::this_thread::sleep_until(next);  // the load's pace
      if (outstanding_ >= kOutstandingMax) continue;
      ++outstanding_;
      const Clock::time_point started = Clock::now();
      client_.async_put(fmt::format("failover/{}", number % 100), fmt::to_string(number), {},
                        [this, started](const Result<PutResult>& result) {
                          --outstanding_;
                          if (result) note(started, Clock::now());
                        });
    }
  }

  void note(Clock::time_point started, Clock::time_point acknowledged) {
    const std::lock_guard lock(mutex_);
    if (!moment_ || started <= *moment_ || first_) return;
    first_ = acknowledged;
    acknowledged_.notify_one();
  }

  std::mutex mutex_;
  std::condition_variable acknowledged_;
  std::optional<Clock::time_point> moment_;
  std::optional<Clock::time_point> first_;
  std::atomic<int> outstanding_ = 0;
  Client client_;
  std::jthread thread_;
};

// How the members stand, asked of each of them.
class Observer {
 public:
  explicit Observer(const test::Cluster& cluster)
      : endpoints_(cluster.endpoint_list()),
        client_(
            {.endpoints = endpoints_, .timeout = milliseconds(1000), .name = "coord-failover"}) {}

  // The member that leads, when all members agree on it and have nearly all that is committed.
  std::optional<int> settled_leader() {
    std::optional<int> leader;
    MemberId leader_id;
    Index applied_min = Index::max();
    Index commit_max;
    std::vector<MemberStatus> all;
    for (std::size_t i = 0; i < endpoints_.size(); ++i) {
      Result<MemberStatus> status = client_.status(endpoints_[i]);
      if (!status) return std::nullopt;
      if (status->role == MemberRole::kLeader) {
        leader = static_cast<int>(i);
        leader_id = status->info.id;
      }
      applied_min = std::min(applied_min, status->applied_index);
      commit_max = std::max(commit_max, status->commit_index);
      all.push_back(std::move(*status));
    }
    constexpr std::uint64_t kNearly = 200;  // the load goes on while they are asked
    const bool agreed = std::all_of(all.begin(), all.end(), [&](const MemberStatus& status) {
      return status.leader == leader_id;
    });
    const bool caught_up = commit_max.value() <= applied_min.value() + kNearly;
    return agreed && caught_up ? leader : std::nullopt;
  }

 private:
  std::vector<std::string> endpoints_;
  Client client_;
};

// Nothing if the wait was interrupted.
std::optional<int> wait_for_settled_leader(Observer& observer, const test::Cluster& cluster) {
  std::optional<int> leader;
  const bool settled = test::eventually(
      [&] {
        leader = observer.settled_leader();
        return leader.has_value() || interrupted;
      },
      test::Milliseconds(60'000));
  if (!settled) {
    throw std::runtime_error("the members did not settle on a leader within a minute\n" +
                             cluster.log(0));
  }
  return leader;
}

struct Options {
  int kills = 20;
  bool json = false;
};

// Times in milliseconds, one a kill.
std::vector<double> measure(const Options& options) {
  test::Cluster cluster;
  cluster.start_all();
  cluster.wait_until_serving();
  Observer observer(cluster);
  Load load(cluster.endpoint_list());
  Prng prng(1);
  std::vector<double> times_ms;
  while (static_cast<int>(times_ms.size()) < options.kills && !interrupted) {
    wait_for_settled_leader(observer, cluster);
    // A kill at a random point of the heartbeats' rhythm: not a wait for something, but the thing
    // that is varied.
    std::this_thread::sleep_for(std::chrono::milliseconds(300 + prng.below(200)));
    const std::optional<int> leader = observer.settled_leader();
    if (!leader) continue;
    const Clock::time_point killed = Clock::now();
    cluster.process(*leader).signal(SIGKILL);
    const std::optional<Clock::time_point> back = load.acknowledged_after(killed);
    if (!back) {
      if (interrupted) break;
      throw std::runtime_error("no write was acknowledged within 30 s of the kill\n" +
                               cluster.log((*leader + 1) % cluster.size()));
    }
    times_ms.push_back(std::chrono::duration<double, std::milli>(*back - killed).count());
    if (!options.json) {
      fmt::print("kill {:>2}: {} led, writes again after {:.1f} ms\n", times_ms.size(),
                 cluster.name(*leader), times_ms.back());
      std::fflush(stdout);
    }
    cluster.kill(*leader);
    cluster.start(*leader);
  }
  return times_ms;
}

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

void print(const Options& options, const std::vector<double>& times_ms) {
  const double median = median_of(times_ms);
  const double max = *std::max_element(times_ms.begin(), times_ms.end());
  if (options.json) {
    fmt::print("{{\"kills\":{},\"median_ms\":{:.1f},\"max_ms\":{:.1f},\"times_ms\":[{:.1f}]}}\n",
               times_ms.size(), median, max, fmt::join(times_ms, ","));
  } else {
    fmt::print("{} kills: median {:.1f} ms, max {:.1f} ms\n", times_ms.size(), median, max);
  }
}

}  // namespace

}  // namespace coord::bench

int main(int argc, char** argv) {
  using namespace coord::bench;
  Options options;
  CLI::App app("Kills the leader again and again, and times the next acknowledged write",
               "tests/bench/failover");
  app.add_option("--kills", options.kills, "How often")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  app.add_flag("--json", options.json, "One JSON object");
  return run_program(app, argc, argv, [&] {
    const std::vector<double> times_ms = measure(options);
    if (!interrupted) print(options, times_ms);
  });
}
