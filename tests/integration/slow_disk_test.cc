// A slow disk makes writes slow, and nothing else: no member's loop, which has to answer the others
// in time, ever waits for it.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>

#include "tests/integration/cluster.h"
#include "tests/integration/write_load.h"

namespace coord::test {
namespace {

class SlowDisk : public testing::Test {
 protected:
  SlowDisk() : cluster_(options()) {
    cluster_.start_all();
    cluster_.wait_until_serving();
    for (int member = 0; member < cluster_.size(); ++member) await(member, "it takes part");
  }
  void await(int member, const std::string& text) {
    EXPECT_TRUE(eventually([&] { return cluster_.log(member).find(text) != std::string::npos; }))
        << cluster_.log(member);
  }
  ClusterOptions options() const {
    ClusterOptions options;
    options.environment = {{"LD_PRELOAD", program("slow_disk.so")},
                           {"COORD_TEST_SYNC_MS", "20"},
                           {"COORD_TEST_LOOP_SYNCS", list_}};
    return options;
  }
  void expect_done(std::vector<std::string> arguments) {
    const RunResult result = cluster_.ctl(std::move(arguments), {}, Milliseconds(60000));
    EXPECT_EQ(result.exit_code, 0) << result.err;
  }
  // What each process's loop has waited for so far, by process.
  std::multimap<std::string, std::string> syncs_on_loops() const {
    std::multimap<std::string, std::string> all;
    std::ifstream in(list_);
    for (std::string process, call; in >> process >> call;) all.emplace(process, call);
    return all;
  }

  const TemporaryDirectory directory_;
  const std::string list_ = directory_.path() / "syncs";
  Cluster cluster_;
};

TEST_F(SlowDisk, IsWaitedForByNobodysLoop_WhateverBecomesOfTheCluster) {
  const int fresh = cluster_.add_joining();
  cluster_.start(fresh);
  await(fresh, "waits to be added");
  const auto of_the_starts = syncs_on_loops();
  ASSERT_FALSE(of_the_starts.empty()) << "nobody takes note of them";

  WriteLoad load(cluster_.endpoint_list(), 2);
  expect_done({"member", "add", cluster_.name(fresh), "--peer", cluster_.peer(fresh)});
  expect_done({"leader", "transfer"});
  const int leader = cluster_.leader();
  expect_done({"member", "remove", cluster_.name(leader)});
  EXPECT_TRUE(cluster_.process(leader).wait(Milliseconds(30000))) << cluster_.log(leader);
  {
    // More than the state is kept in memory for: it is flushed, and the log is cut.
    Client client({.endpoints = cluster_.endpoint_list(), .timeout = milliseconds(20000)});
    const std::string value(512 << 10, 'v');
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(client.put("large/" + std::to_string(i), value).ok());
  }
  cluster_.kill(cluster_.leader());
  expect_done({"put", "after", "all"});
  load.stop();
  EXPECT_EQ(load.failures(), std::vector<std::string>());
  EXPECT_EQ(syncs_on_loops(), of_the_starts);
}

}  // namespace
}  // namespace coord::test
