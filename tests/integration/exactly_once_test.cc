// Through the client library, under leader kills: retried writes apply once, watches miss nothing,
// stale tokens are refused.
#include <coord/client.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <functional>
#include <map>
#include <thread>

#include "tests/integration/cluster.h"

namespace coord::test {
namespace {

class UnderKills : public testing::Test {
 protected:
  void SetUp() override {
    cluster_.start_all();
    cluster_.wait_until_serving();
  }

  Client client(std::string name = "test") {
    return Client({.endpoints = cluster_.endpoint_list(),
                   .timeout = milliseconds(30000),
                   .name = std::move(name)});
  }

  // Kills and restarts the leader, again and again, while `work` runs in threads of its own.
  void kill_leaders_during(int threads, const std::function<void(int)>& work, int kills_min = 4) {
    std::atomic<int> running{threads};
    std::vector<std::thread> workers;
    for (int i = 0; i < threads; ++i) {
      workers.emplace_back([&, i] {
        work(i);
        --running;
      });
    }
    int kills = 0;
    while (running > 0 || kills < kills_min) {
      const int leader = cluster_.leader();
      cluster_.kill(leader);
      cluster_.wait_until_serving();
      cluster_.start(leader);
      cluster_.wait_until_serving();
      ++kills;
      if (running == 0) break;
    }
    for (std::thread& worker : workers) worker.join();
    EXPECT_GT(kills, 0);
  }

  Cluster cluster_;
};

TEST_F(UnderKills, IncrementsOfManyThreads_ApplyExactlyOnceEach) {
  Client shared = client();
  std::atomic<std::int64_t> acknowledged{0};
  kill_leaders_during(4, [&](int thread) {
    for (int i = 0; i < 500; ++i) {
      const auto added = shared.txn(Txn().then(
          txn::increment("total"), txn::put("by" + std::to_string(thread), std::to_string(i))));
      ASSERT_TRUE(added.ok()) << added.error().message;
      ++acknowledged;
    }
  });
  const auto total = shared.get("total");
  ASSERT_TRUE(total.ok() && total->found());
  EXPECT_EQ(total->record->value, std::to_string(acknowledged.load()));
  // The number of changes agrees: nothing was applied twice and then overwritten.
  EXPECT_EQ(total->record->version, static_cast<std::uint64_t>(acknowledged.load()));
}

TEST_F(UnderKills, TwoHundredIncrementsByCasFromEightProcesses_SumUpExactly) {
  std::vector<Process> processes;
  for (int i = 0; i < 8; ++i) {
    processes.emplace_back(
        std::vector<std::string>{program("cas_counter"), cluster_.endpoints(), "counter", "25"},
        ProcessOptions{});
  }
  for (int kills = 0; kills < 3; ++kills) {
    const int leader = cluster_.leader();
    cluster_.kill(leader);
    cluster_.wait_until_serving();
    cluster_.start(leader);
    cluster_.wait_until_serving();
  }
  for (Process& process : processes) EXPECT_EQ(process.wait(Milliseconds(60000)), 0);
  EXPECT_EQ(json_field(cluster_.ctl({"-o", "json", "get", "counter"}).out, "value"), "200");
}

TEST_F(UnderKills, Watch_SeesEveryRevisionOnceAndInOrder) {
  Client writer = client("writer");
  Client reader = client("reader");
  const auto first = writer.put("watched/begin", "x");
  ASSERT_TRUE(first.ok());
  Watcher watcher = reader.watch(KeyRange::prefix("watched/"), {.from = first->revision});

  std::map<std::uint64_t, std::string> written;
  written[first->revision.value()] = "x";
  std::uint64_t last = 0;
  kill_leaders_during(1, [&](int) {
    for (int i = 0; i < 1500; ++i) {
      const auto put = writer.put("watched/" + std::to_string(i % 7), "value " + std::to_string(i));
      ASSERT_TRUE(put.ok()) << put.error().message;
      written[put->revision.value()] = "value " + std::to_string(i);
      last = put->revision.value();
    }
  });

  std::map<std::uint64_t, std::string> seen;
  std::uint64_t newest = 0;
  while (newest < last) {
    const auto update = watcher.next(milliseconds(20000));
    ASSERT_TRUE(update.ok()) << update.error().message << " after revision " << newest;
    for (const WatchEvent& event : update->events) {
      const std::uint64_t revision = event.current.mod_revision.value();
      EXPECT_GT(revision, newest) << "a revision came twice or out of order";
      newest = revision;
      seen[revision] = event.current.value;
    }
  }
  EXPECT_EQ(seen, written);
}

TEST_F(UnderKills, StaleToken_WriteIsRefused) {
  Client first = client("first");
  Client second = client("second");
  Guard old;
  {
    auto lock = first.lock("guarded");
    ASSERT_TRUE(lock.ok()) << lock.error().message;
    old = lock->guard();
    EXPECT_TRUE(first.put("resource", "by the holder", {.guard = old}).ok());
  }
  auto lock = second.lock("guarded");
  ASSERT_TRUE(lock.ok()) << lock.error().message;
  EXPECT_GT(lock->token(), old.token);
  cluster_.kill(cluster_.leader());
  const auto stale = first.put("resource", "by the old holder", {.guard = old});
  ASSERT_FALSE(stale.ok());
  EXPECT_EQ(stale.error().code, ErrorCode::kStaleToken);
  EXPECT_EQ(stale.error().outcome, Outcome::kNotApplied);
  EXPECT_TRUE(second.put("resource", "by the new holder", {.guard = lock->guard()}).ok());
  EXPECT_EQ(second.get("resource")->record->value, "by the new holder");
}

TEST_F(UnderKills, LinearizableReads_NeverGoBack) {
  Client writer = client("writer");
  std::atomic<std::int64_t> acknowledged{0};
  std::atomic<bool> done{false};
  kill_leaders_during(3, [&](int thread) {
    if (thread == 0) {
      for (int i = 1; i <= 800; ++i) {
        ASSERT_TRUE(writer.put("register", std::to_string(i)).ok());
        acknowledged = i;
      }
      done = true;
      return;
    }
    // Each reader asks one member, so that followers' reads are tried too.
    Client reader({.endpoints = {cluster_.endpoint(thread)}, .timeout = milliseconds(30000)});
    while (!done) {
      const std::int64_t before = acknowledged;
      const auto read = reader.get("register");
      if (!read) continue;  // that member is down just now
      const std::int64_t value = read->found() ? std::stoll(read->record->value) : 0;
      EXPECT_GE(value, before) << "a read did not see a write that was acknowledged before it";
    }
  });
}

TEST_F(UnderKills, PausedLeader_DoesNotAnswerWithWhatIsOverWhenItResumes) {
  Client writer = client("writer");
  ASSERT_TRUE(writer.put("register", "0").ok());
  for (int round = 1; round <= 3; ++round) {
    const int leader = cluster_.leader();
    cluster_.pause(leader);
    ASSERT_TRUE(writer.put("register", std::to_string(round)).ok());
    cluster_.resume(leader);
    // Straight to the one that has slept and may still take itself for the leader.
    Client reader({.endpoints = {cluster_.endpoint(leader)}, .timeout = milliseconds(20000)});
    const auto read = reader.get("register");
    ASSERT_TRUE(read.ok()) << read.error().message;
    EXPECT_EQ(read->record->value, std::to_string(round));
    cluster_.wait_until_serving();
  }
}

}  // namespace
}  // namespace coord::test
