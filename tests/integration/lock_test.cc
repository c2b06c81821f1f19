// Locks held by real processes that are killed, stopped and resumed.
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <map>
#include <sstream>

#include "tests/integration/cluster.h"

namespace coord::test {
namespace {

class Locks : public testing::Test {
 protected:
  void SetUp() override {
    cluster_.start_all();
    cluster_.wait_until_serving();
  }

  Process ctl_in_background(std::vector<std::string> arguments, const std::string& output) {
    arguments.insert(arguments.begin(), program("coordctl"));
    return Process(arguments, {.environment = {{"COORDCTL_ENDPOINTS", cluster_.endpoints()}},
                               .output_file = directory_.path() / output});
  }

  std::string output(const std::string& name) const {
    std::ifstream file(directory_.path() / name);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }

  std::string holder_token(const std::string& lock) {
    const RunResult show = cluster_.ctl({"-o", "json", "lock", "--show", lock});
    return show.exit_code == 0 ? json_field(show.out, "token") : "";
  }

  Cluster cluster_;
  TemporaryDirectory directory_;
};

TEST_F(Locks, HolderStoppedBeyondItsTtl_FindsItsLockLostWhenItResumes) {
  Process holder = ctl_in_background(
      {"lock", "stopped", "--ttl", "1s", "--", "/bin/sh", "-c", "echo $COORD_LOCK_TOKEN; sleep 60"},
      "holder");
  ASSERT_TRUE(eventually([&] { return !holder_token("stopped").empty(); }));
  const std::string first = holder_token("stopped");
  holder.signal(SIGSTOP);
  // The next one gets it once the lease is over, with a greater token.
  const RunResult next = cluster_.ctl({"lock", "stopped", "--ttl", "5s", "--wait", "20s", "--",
                                       "/bin/sh", "-c", "echo $COORD_LOCK_TOKEN"});
  ASSERT_EQ(next.exit_code, 0) << next.err;
  EXPECT_GT(std::stoull(next.out), std::stoull(first));
  EXPECT_TRUE(holder.running());
  holder.signal(SIGCONT);
  EXPECT_EQ(holder.wait(Milliseconds(8000)), 5) << output("holder");
  EXPECT_EQ(output("holder").substr(0, first.size()), first);
}

TEST_F(Locks, HolderKilled_LockPassesOnWhenItsLeaseEnds) {
  Process holder =
      ctl_in_background({"lock", "killed", "--ttl", "1s", "--", "/bin/sleep", "60"}, "holder");
  ASSERT_TRUE(eventually([&] { return !holder_token("killed").empty(); }));
  EXPECT_EQ(cluster_.ctl({"lock", "killed", "--try", "--", "/bin/true"}).exit_code, 5);
  holder.kill_now();
  EXPECT_EQ(cluster_.ctl({"lock", "killed", "--wait", "20s", "--", "/bin/true"}).exit_code, 0);
}

TEST_F(Locks, RaftLeaderKilled_HolderKeepsItsLock) {
  Process holder =
      ctl_in_background({"lock", "kept", "--ttl", "2s", "--", "/bin/sleep", "60"}, "holder");
  ASSERT_TRUE(eventually([&] { return !holder_token("kept").empty(); }));
  const std::string token = holder_token("kept");
  for (int round = 0; round < 3; ++round) {
    const int leader = cluster_.leader();
    cluster_.kill(leader);
    cluster_.wait_until_serving();
    cluster_.start(leader);
    cluster_.wait_until_serving();
    EXPECT_TRUE(holder.running()) << output("holder");
    EXPECT_EQ(holder_token("kept"), token);
  }
}

TEST_F(Locks, ManyWorkersUnderLeaderKills_NeverTwoAtATimeAndTokensGrow) {
  // Each worker writes a line when it enters and one when it leaves; appends to one file are in
  // order, whoever makes them.
  const std::string journal = directory_.path() / "journal";
  const std::string script =
      "echo enter $COORD_LOCK_TOKEN >> " + journal + "; echo leave $COORD_LOCK_TOKEN >> " + journal;
  std::vector<Process> workers;
  constexpr int kWorkers = 8;
  constexpr int kRounds = 15;
  for (int i = 0; i < kWorkers; ++i) {
    const std::string loop = "i=0; while [ $i -lt " + std::to_string(kRounds) + " ]; do " +
                             program("coordctl") +
                             " --timeout 20s lock shared-work --ttl 5s --wait 60s -- /bin/sh -c '" +
                             script + "' && i=$((i+1)); done";
    workers.emplace_back(
        std::vector<std::string>{"/bin/sh", "-c", loop},
        ProcessOptions{.environment = {{"COORDCTL_ENDPOINTS", cluster_.endpoints()}},
                       .output_file = directory_.path() / "workers"});
  }
  for (int kills = 0; kills < 3; ++kills) {
    const int leader = cluster_.leader();
    cluster_.kill(leader);
    cluster_.wait_until_serving();
    cluster_.start(leader);
    cluster_.wait_until_serving();
  }
  for (Process& worker : workers) {
    EXPECT_EQ(worker.wait(Milliseconds(90000)), 0) << output("workers");
  }
  std::istringstream lines(output("journal"));
  std::string action;
  std::uint64_t token = 0;
  std::uint64_t inside = 0;
  std::uint64_t last = 0;
  int entered = 0;
  while (lines >> action >> token) {
    if (action == "enter") {
      EXPECT_EQ(inside, 0u) << "two at a time";
      EXPECT_GT(token, last) << "a token did not grow";
      inside = last = token;
      ++entered;
    } else {
      EXPECT_EQ(inside, token);
      inside = 0;
    }
  }
  EXPECT_GE(entered, kWorkers * kRounds);
}

TEST_F(Locks, SharedHolders_AreTogetherAndExcludeTheExclusive) {
  Process one = ctl_in_background({"lock", "rw", "--shared", "--", "/bin/sleep", "60"}, "one");
  Process two = ctl_in_background({"lock", "rw", "--shared", "--", "/bin/sleep", "60"}, "two");
  ASSERT_TRUE(eventually([&] {
    const std::string shown = cluster_.ctl({"-o", "json", "lock", "--show", "rw"}).out;
    const auto first = shown.find("\"token\"");
    return first != std::string::npos && shown.find("\"token\"", first + 1) != std::string::npos;
  }));
  EXPECT_EQ(cluster_.ctl({"lock", "rw", "--try", "--", "/bin/true"}).exit_code, 5);
  one.signal(SIGTERM);
  two.signal(SIGTERM);
  EXPECT_TRUE(one.wait(Milliseconds(8000)).has_value());
  EXPECT_TRUE(two.wait(Milliseconds(8000)).has_value());
  EXPECT_EQ(cluster_.ctl({"lock", "rw", "--wait", "5s", "--", "/bin/true"}).exit_code, 0);
}

TEST_F(Locks, CommandsExitCode_IsPassedOn) {
  EXPECT_EQ(cluster_.ctl({"lock", "code", "--", "/bin/sh", "-c", "exit 42"}).exit_code, 42);
  EXPECT_EQ(cluster_.ctl({"elect", "code", "me", "--", "/bin/sh", "-c", "exit 43"}).exit_code, 43);
}

}  // namespace
}  // namespace coord::test
