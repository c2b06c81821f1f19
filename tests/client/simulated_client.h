// A client and fake members on one KJ loop in virtual time: connections are pipes, and time passes
// only when nothing else is left to do.
#pragma once

#include <gtest/gtest.h>

#include <asio/associated_executor.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/lib/handles.h"
#include "coord/client.h"
#include "raft/base/prng.h"
#include "tests/client/fake_cluster.h"

namespace coord::fake {

// Connects to members by name.
class PipeNetwork final : public kj::Network {
 public:
  explicit PipeNetwork(Cluster& cluster) : cluster_(cluster) {}

  kj::Promise<kj::Own<kj::NetworkAddress>> parseAddress(kj::StringPtr address, kj::uint) override;
  kj::Own<kj::NetworkAddress> getSockaddr(const void*, kj::uint) override {
    KJ_UNIMPLEMENTED("not on pipes");
  }
  kj::Own<kj::Network> restrictPeers(kj::ArrayPtr<const kj::StringPtr>,
                                     kj::ArrayPtr<const kj::StringPtr>) override {
    KJ_UNIMPLEMENTED("not on pipes");
  }

 private:
  Cluster& cluster_;
};

class SimulatedClientTest : public ::testing::Test {
 private:
  kj::EventLoop loop_;
  kj::WaitScope wait_scope_{loop_};
  // Well away from zero, so that nothing confuses "never" with "at the beginning".
  kj::TimerImpl timer_{kj::origin<kj::TimePoint>() + 1000 * kj::SECONDS};

 protected:
  Cluster cluster{timer_, 3};

  SimulatedClientTest();
  ~SimulatedClientTest() noexcept override;

  // The client is made with the first call; options may be changed before.
  Client& client();
  void destroy_client();
  ClientOptions options;

  Instant now() const {
    return Instant(Duration((timer_.now() - kj::origin<kj::TimePoint>()) / kj::NANOSECONDS));
  }
  // Lets that much time pass, with all that happens in it.
  void pass(Duration time);
  // Lets time pass until it holds; false if it does not within `most`.
  bool pass_until(const std::function<bool()>& holds, Duration most = std::chrono::seconds(60));
  // What happens at this moment of time.
  void settle();
  // Time goes on without this process, as if it had been stopped.
  void freeze(Duration time);

  // The answer of an operation: of(client().async_put(...)) with `answer(slot)` as its token.
  template <class Response>
  auto into(std::optional<Response>& slot) {
    return [&slot](Response response) { slot.emplace(std::move(response)); };
  }
  template <class Response>
  Response wait(std::optional<Response>& slot) {
    EXPECT_TRUE(pass_until([&] { return slot.has_value(); })) << "never answered";
    if (!slot.has_value()) return make_error(ErrorCode::kInternal, "never answered");
    return std::move(*slot);
  }

  // Of operations that the client has no asynchronous function for.
  template <class Op>
  typename Op::Response perform(Op op) {
    client();
    std::optional<typename Op::Response> answer;
    internal::async(engine_.lock(), std::move(op), into(answer));
    return wait(answer);
  }
  Result<PutResult> put(std::string key, std::string value, PutOptions put_options = {});
  Result<Lock> lock(std::string name, LockOptions lock_options = {});

  Member& member(std::size_t index) { return cluster.member(index); }

 private:
  PipeNetwork network_{cluster};
  Prng prng_{42};
  std::weak_ptr<internal::Engine> engine_;  // the client's
  std::optional<Client> client_;
};

}  // namespace coord::fake
