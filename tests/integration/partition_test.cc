// A leader that is cut off together with clients of its: what they are told, and how soon the
// cluster is whole again. COORD_PARTITION_SECONDS makes the partition longer (default: 3).
#include <coord/client.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <thread>

#include "tests/integration/cluster.h"
#include "tests/integration/peer_network.h"

namespace coord::test {
namespace {

using Clock = std::chrono::steady_clock;
constexpr Milliseconds kWholeAgain{3000};

std::chrono::seconds partition_time() {
  const char* wanted = ::getenv("COORD_PARTITION_SECONDS");
  return std::chrono::seconds(wanted != nullptr ? std::atoi(wanted) : 3);
}

class Partition : public testing::Test {
 protected:
  Partition()
      // Clients stay where they are: the addresses that they are told lead nowhere.
      : cluster_({.members = 3, .extra_flags = {"--advertise-client", "127.0.0.1:1"}}),
        network_({cluster_.peer_port(0), cluster_.peer_port(1), cluster_.peer_port(2)},
                 [this](int member) { return cluster_.process(member).pid(); }) {
    for (int member = 0; member < 3; ++member) {
      cluster_.advertise_peer(member, network_.address(member));
    }
    cluster_.start_all();
    cluster_.wait_until_serving();
  }

  Client client_of(std::vector<int> members) {
    std::vector<std::string> endpoints;
    for (const int member : members) endpoints.push_back(cluster_.endpoint(member));
    return Client({.endpoints = std::move(endpoints), .timeout = milliseconds(1000)});
  }

  // The member that all three take for their leader; none.
  std::optional<int> leader_of_all(Client& client) {
    std::optional<MemberId> leader;
    for (int member = 0; member < 3; ++member) {
      const auto status = client.status(cluster_.endpoint(member), milliseconds(300));
      if (!status || status->leader.is_zero()) return std::nullopt;
      if (leader && *leader != status->leader) return std::nullopt;
      leader = status->leader;
    }
    return static_cast<int>(leader->value()) - 1;
  }

  Cluster cluster_;
  PeerNetwork network_;
};

TEST_F(Partition, OfALeaderWithItsClients_IsNeverStaleAndNeverLies) {
  Client everywhere = client_of({0, 1, 2});
  std::optional<int> found;
  ASSERT_TRUE(eventually([&] { return (found = leader_of_all(everywhere)).has_value(); }));
  const int leader = *found;
  const int follower = (leader + 1) % 3;
  const int other = (leader + 2) % 3;
  Client inside = client_of({leader});
  Client outside = client_of({follower, other});
  ASSERT_TRUE(inside.put("x", "0").ok());
  ASSERT_TRUE(outside.put("y", "0").ok());

  network_.isolate({leader});
  const auto isolated = Clock::now();
  std::map<std::string, Outcome> written;  // by those inside
  std::uint64_t newest = 0;                // acknowledged outside
  std::atomic<bool> over{false};
  std::thread writer([&] {
    Client mine = client_of({leader});
    for (int i = 0; !over; ++i) {
      const std::string key = "inside/" + std::to_string(i);
      const auto put = mine.put(key, "x", {.timeout = milliseconds(300)});
      written[key] = put.ok() ? Outcome::kApplied : put.error().outcome;
    }
  });
  bool elected_outside = false;
  while (Clock::now() - isolated < partition_time()) {
    const auto put = outside.put("x", std::to_string(newest + 1), {.timeout = milliseconds(1000)});
    if (put.ok()) {
      ++newest;
      elected_outside = true;
    }
    const auto get = inside.get("x", {.timeout = milliseconds(100)});
    if (get.ok() && newest > 0) {
      ADD_FAILURE() << "the isolated leader answered a linearizable read with "
                    << get->record->value << " when " << newest << " had been acknowledged";
    }
  }
  over = true;
  writer.join();
  EXPECT_TRUE(elected_outside);

  network_.heal();
  const auto healed = Clock::now();
  // Whole: all follow one leader, and whoever was inside can write again.
  EXPECT_TRUE(eventually([&] {
    return leader_of_all(everywhere).has_value() &&
           inside.put("z", "1", {.timeout = milliseconds(500)}).ok();
  }));
  const auto whole = std::chrono::duration_cast<Milliseconds>(Clock::now() - healed);
  std::printf("whole %lld ms after a partition of %lld s; %llu writes outside, %zu tried inside\n",
              static_cast<long long>(whole.count()),
              static_cast<long long>(partition_time().count()),
              static_cast<unsigned long long>(newest), written.size());
  EXPECT_LT(whole, kWholeAgain);

  const auto x = outside.get("x");
  ASSERT_TRUE(x.ok() && x->found());
  EXPECT_GE(std::stoull(x->record->value), newest);
  for (const auto& [key, outcome] : written) {
    const auto there = outside.get(key);
    ASSERT_TRUE(there.ok()) << there.error().message;
    if (outcome != Outcome::kUnknown) {
      EXPECT_EQ(there->found(), outcome == Outcome::kApplied) << key;
    }
  }
  EXPECT_FALSE(written.empty());
}

}  // namespace
}  // namespace coord::test
