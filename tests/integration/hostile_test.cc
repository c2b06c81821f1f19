// Bytes that are not ours: whatever a connection sends, the members live on, small and serving.
#include <gtest/gtest.h>

#include <memory>
#include <random>

#include "tests/integration/cluster.h"
#include "tests/integration/tcp.h"

namespace coord::test {
namespace {

class Hostile : public testing::Test {
 protected:
  void expect_serving() {
    for (int member = 0; member < cluster_.size(); ++member) {
      EXPECT_TRUE(cluster_.process(member).running()) << cluster_.log(member);
      EXPECT_EQ(cluster_
                    .ctl({"--endpoints", cluster_.endpoint(member), "put", "after",
                          cluster_.name(member)})
                    .exit_code,
                0)
          << cluster_.log(member);
    }
  }

  void expect_small() {
    for (int member = 0; member < cluster_.size(); ++member) {
      EXPECT_LT(cluster_.process(member).resident_bytes(), std::size_t{300} << 20);
    }
  }

  // A string of up to 200 bytes; half of them begin like a Cap'n Proto message, so that more than
  // the first check is reached.
  std::string random_bytes() {
    std::string bytes(random_() % 200, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random_());
    if (random_() % 2 == 0 && bytes.size() >= 8) {
      bytes[0] = static_cast<char>(random_() % 3);
      bytes[1] = bytes[2] = bytes[3] = 0;
      bytes[5] = static_cast<char>(random_() % 2);
      bytes[6] = bytes[7] = static_cast<char>(random_() % 4 == 0 ? 0x7f : 0);
    }
    return bytes;
  }

  Cluster cluster_;
  std::mt19937 random_{20240229};
};

TEST_F(Hostile, TwentyThousandRandomStringsToEachPort_LeaveTheServersRunning) {
  cluster_.start_all();
  cluster_.wait_until_serving();
  for (const int port : {cluster_.client_port(0), cluster_.peer_port(0)}) {
    for (int i = 0; i < 20000; ++i) {
      RawConnection connection(port);
      ASSERT_TRUE(connection.connected()) << "after " << i << " connections";
      connection.send(random_bytes());
      if (i % 4 == 0) connection.reset();
    }
  }
  expect_serving();
  expect_small();
}

TEST_F(Hostile, ConnectionsThatSayNothingOrStopHalfway_DoNotKeepOthersOut) {
  cluster_.start_all();
  cluster_.wait_until_serving();
  std::vector<std::unique_ptr<RawConnection>> idle;
  for (int i = 0; i < 200; ++i) {
    for (const int port : {cluster_.client_port(0), cluster_.peer_port(0)}) {
      idle.push_back(std::make_unique<RawConnection>(port));
      if (i % 2 == 0) idle.back()->send(std::string("\0\0\0\0\x10", 5));
    }
  }
  expect_serving();
  expect_small();
}

TEST_F(Hostile, AMessageThatClaimsToBeHuge_TakesNoMemory) {
  cluster_.start_all();
  cluster_.wait_until_serving();
  std::vector<std::unique_ptr<RawConnection>> connections;
  for (int i = 0; i < 64; ++i) {
    for (const int port : {cluster_.client_port(0), cluster_.peer_port(0)}) {
      connections.push_back(std::make_unique<RawConnection>(port));
      // One segment of 128 MiB, of which only the beginning comes.
      connections.back()->send(std::string("\0\0\0\0\0\0\0\x01", 8) + std::string(4096, 'x'));
    }
  }
  expect_serving();
  expect_small();
}

TEST_F(Hostile, AValidExchangeCutAtEveryByte_LeavesTheServersRunning) {
  RecordingProxy peer_proxy(cluster_.peer_port(0));
  cluster_.advertise_peer(0, "127.0.0.1:" + std::to_string(peer_proxy.port()));
  cluster_.start_all();
  cluster_.wait_until_serving();
  std::string client_bytes;
  {
    RecordingProxy proxy(cluster_.client_port(0));
    const std::string through = "127.0.0.1:" + std::to_string(proxy.port());
    ASSERT_EQ(cluster_.ctl({"--endpoints", through, "put", "key", "value"}).exit_code, 0);
    client_bytes = proxy.recorded();
  }
  const std::string peer_bytes = peer_proxy.recorded().substr(0, 4096);
  ASSERT_GT(client_bytes.size(), 100u);
  ASSERT_GT(peer_bytes.size(), 100u);
  const auto cut_everywhere = [&](int port, const std::string& bytes) {
    for (std::size_t size = 0; size <= bytes.size(); ++size) {
      RawConnection connection(port);
      ASSERT_TRUE(connection.connected());
      connection.send(bytes.substr(0, size));
      if (size % 2 == 0) connection.reset();
    }
  };
  cut_everywhere(cluster_.client_port(0), client_bytes);
  cut_everywhere(cluster_.peer_port(0), peer_bytes);
  expect_serving();
  expect_small();
}

}  // namespace
}  // namespace coord::test
