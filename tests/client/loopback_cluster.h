// Fake members on loopback, on a thread of their own: for what is not in their thread, or not even
// in their process.
#pragma once

#include <functional>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "schema/rpc/loop.h"
#include "schema/rpc/network.h"
#include "tests/client/fake_cluster.h"

namespace coord::fake {

class LoopbackCluster {
 public:
  LoopbackCluster() {
    std::promise<void> ready;
    thread_ = std::thread([this, &ready] { run(ready); });
    ready.get_future().wait();
  }
  ~LoopbackCluster() {
    loop_->post([this] { loop_->stop(); });
    thread_.join();
  }

  const std::vector<std::string>& endpoints() const { return endpoints_; }

  // On the members' thread.
  void with(std::function<void(Cluster&)> work) {
    std::promise<void> done;
    loop_->post([&] {
      work(*cluster_);
      done.set_value();
    });
    done.get_future().wait();
  }

 private:
  class Ignore final : public kj::TaskSet::ErrorHandler {
    void taskFailed(kj::Exception&&) override {}
  };

  void run(std::promise<void>& ready) {
    rpc::Loop loop;
    Cluster cluster(loop.timer(), 3);
    Ignore ignore;
    kj::TaskSet tasks(ignore);
    std::vector<kj::Own<kj::ConnectionReceiver>> receivers;
    for (std::size_t i = 0; i < cluster.size(); ++i) {
      auto listener = rpc::listen(loop, "127.0.0.1:0");
      Member& member = cluster.member(i);
      member.address = "127.0.0.1:" + std::to_string(listener->port);
      endpoints_.push_back(member.address);
      receivers.push_back(kj::mv(listener->receiver));
      tasks.add(accept(*receivers.back(), member));
    }
    loop_ = &loop;
    cluster_ = &cluster;
    ready.set_value();
    loop.run();
  }

  static kj::Promise<void> accept(kj::ConnectionReceiver& receiver, Member& member) {
    return receiver.accept().then([&](kj::Own<kj::AsyncIoStream> stream) {
      member.serve(kj::mv(stream));
      return accept(receiver, member);
    });
  }

  std::thread thread_;
  std::vector<std::string> endpoints_;
  rpc::Loop* loop_ = nullptr;
  Cluster* cluster_ = nullptr;
};

}  // namespace coord::fake
