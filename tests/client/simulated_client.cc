#include "tests/client/simulated_client.h"

namespace coord::fake {
namespace {

class PipeAddress final : public kj::NetworkAddress {
 public:
  PipeAddress(Cluster& cluster, std::string address)
      : cluster_(cluster), address_(std::move(address)) {}

  kj::Promise<kj::Own<kj::AsyncIoStream>> connect() override {
    Member* member = cluster_.at(address_);
    if (member == nullptr || !member->up) {
      return KJ_EXCEPTION(DISCONNECTED, "connection refused");
    }
    auto pipe = kj::newTwoWayPipe();
    member->serve(kj::mv(pipe.ends[0]));
    return kj::mv(pipe.ends[1]);
  }
  kj::Own<kj::ConnectionReceiver> listen() override { KJ_UNIMPLEMENTED("not on pipes"); }
  kj::Own<kj::NetworkAddress> clone() override { return kj::heap<PipeAddress>(cluster_, address_); }
  kj::String toString() override { return kj::str(address_.c_str()); }

 private:
  Cluster& cluster_;
  std::string address_;
};

}  // namespace

kj::Promise<kj::Own<kj::NetworkAddress>> PipeNetwork::parseAddress(kj::StringPtr address,
                                                                   kj::uint) {
  kj::Own<kj::NetworkAddress> parsed = kj::heap<PipeAddress>(cluster_, address.cStr());
  return kj::mv(parsed);
}

SimulatedClientTest::SimulatedClientTest() {
  options.endpoints = {"member1:1", "member2:1", "member3:1"};
  options.name = "test";
}

SimulatedClientTest::~SimulatedClientTest() noexcept {
  client_.reset();
}

Client& SimulatedClientTest::client() {
  if (!client_.has_value()) {
    const internal::EnginePtr engine =
        internal::Engine::attach(internal::Environment{.network = network_,
                                                       .timer = timer_,
                                                       .clock = [this] { return now(); },
                                                       .random = [this] { return prng_.next(); },
                                                       .host = "host",
                                                       .pid = 7},
                                 options);
    engine_ = engine;
    client_.emplace(internal::Access::client(engine));
  }
  return *client_;
}

void SimulatedClientTest::destroy_client() {
  client_.reset();
}

void SimulatedClientTest::settle() {
  wait_scope_.poll();
}

bool SimulatedClientTest::pass_until(const std::function<bool()>& holds, Duration most) {
  const kj::TimePoint end = timer_.now() + internal::to_kj(most);
  while (true) {
    settle();
    if (holds()) return true;
    auto next = timer_.nextEvent();
    KJ_IF_MAYBE (time, next) {
      if (*time > end) {
        timer_.advanceTo(end);
        settle();
        return holds();
      }
      timer_.advanceTo(*time);
    } else {
      timer_.advanceTo(end);
      settle();
      return holds();
    }
  }
}

void SimulatedClientTest::pass(Duration time) {
  (void)pass_until([] { return false; }, time);
}

void SimulatedClientTest::freeze(Duration time) {
  timer_.advanceTo(timer_.now() + internal::to_kj(time));
}

Result<PutResult> SimulatedClientTest::put(std::string key, std::string value,
                                           PutOptions put_options) {
  std::optional<Result<PutResult>> answer;
  client().async_put(std::move(key), std::move(value), std::move(put_options), into(answer));
  return wait(answer);
}

Result<Lock> SimulatedClientTest::lock(std::string name, LockOptions lock_options) {
  std::optional<Result<Lock>> answer;
  client().async_lock(std::move(name), std::move(lock_options), into(answer));
  return wait(answer);
}

}  // namespace coord::fake
