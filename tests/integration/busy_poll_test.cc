// A member that has much to do looks for work before it sleeps, unless it is told not to.
#include <coord/client.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "tests/integration/cluster.h"

namespace coord::test {
namespace {

// How often a member of a cluster of one slept while it answered a hundred reads, one by one.
class BusyPolling {
 public:
  explicit BusyPolling(const std::string& microseconds)
      : cluster_({.members = 1, .extra_flags = {"--busy-poll-us=" + microseconds}}),
        client_({.endpoints = cluster_.endpoint_list(), .timeout = milliseconds(30000)}) {
    cluster_.start_all();
    cluster_.wait_until_serving();
  }

  long sleeps() {
    const long before = slept();
    for (int i = 0; i < kReads; ++i) EXPECT_TRUE(client_.get("key").ok());
    return slept() - before;
  }

  static constexpr int kReads = 100;

 private:
  // Of the first thread, which is the loop's.
  long slept() {
    std::ifstream status("/proc/" + std::to_string(cluster_.process(0).pid()) + "/status");
    for (std::string name; status >> name;) {
      if (long times = 0; name == "voluntary_ctxt_switches:" && status >> times) return times;
    }
    ADD_FAILURE() << "the kernel does not say how often it slept";
    return 0;
  }

  Cluster cluster_;
  Client client_;
};

TEST(BusyPollOfAMember, KeepsItAwakeWhileRequestsCome) {
  BusyPolling member("10000");
  // Not while this machine has no processor to spare.
  EXPECT_TRUE(eventually([&] { return member.sleeps() < BusyPolling::kReads / 4; }));
}

TEST(BusyPollOfAMember, OfNoTime_LetsItSleepBetweenAnyTwo) {
  BusyPolling member("0");
  // Whoever asks may now and then have the processor until the next question stands there.
  EXPECT_GE(member.sleeps() + member.sleeps() + member.sleeps(), BusyPolling::kReads);
}

}  // namespace
}  // namespace coord::test
