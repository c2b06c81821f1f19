// Calls per second between two processes, printed; and a floor below which something is badly
// wrong. The server is this same binary, started with --serve.
#include <gtest/gtest.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "schema/peer.capnp.h"
#include "schema/rpc/connection.h"
#include "schema/rpc/loop.h"
#include "schema/rpc/network.h"
#include "schema/rpc/server.h"
#include "schema/rpc/task.h"

namespace coord::rpc {
namespace {

class Answer final : public schema::Peer::Server {
 public:
  explicit Answer(coord::rpc::Server::Peer peer) : peer_(std::move(peer)) {}

 protected:
  kj::Promise<void> greet(GreetContext) override {
    peer_.greeted();
    return kj::READY_NOW;
  }

 private:
  coord::rpc::Server::Peer peer_;
};

// Prints its port and serves until its standard input ends.
int serve() {
  Loop loop;
  Server server(loop.timer(), [](Server::Peer peer) { return kj::heap<Answer>(peer); });
  auto listener = listen(loop, "127.0.0.1:0");
  if (!listener.ok()) return 1;
  auto listening = server.listen(kj::mv(listener->receiver)).eagerlyEvaluate(nullptr);
  printf("%u\n", static_cast<unsigned>(listener->port));
  fflush(stdout);
  loop.run();
  return 0;
}

// The other process; ends with the test.
class Helper {
 public:
  Helper() {
    int output[2];
    if (::pipe(output) != 0) return;
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(output[1], STDOUT_FILENO);
      ::close(output[0]);
      ::close(output[1]);
      ::execl("/proc/self/exe", "rpc_speed_test", "--serve", nullptr);
      ::_exit(127);
    }
    ::close(output[1]);
    FILE* lines = ::fdopen(output[0], "r");
    if (lines == nullptr || ::fscanf(lines, "%u", &port_) != 1) port_ = 0;
    ::fclose(lines);
  }
  ~Helper() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  unsigned port() const { return port_; }

 private:
  pid_t pid_ = 0;
  unsigned port_ = 0;
};

class Caller {
 public:
  explicit Caller(schema::Peer::Client peer) : peer_(kj::mv(peer)) {}

  // Keeps `outstanding` calls under way until `calls` have been answered.
  Task<void> run(std::uint64_t calls, int outstanding) {
    left_ = calls;
    auto callers = kj::heapArrayBuilder<kj::Promise<void>>(outstanding);
    for (int i = 0; i < outstanding; ++i) callers.add(call_repeatedly());
    co_await kj::joinPromises(callers.finish());
  }

 private:
  Task<void> call_repeatedly() {
    while (left_ > 0) {
      --left_;
      auto request = peer_.greetRequest();
      request.getGreeting().setCluster(left_);
      co_await request.send();
    }
  }

  schema::Peer::Client peer_;
  std::uint64_t left_ = 0;
};

TEST(RpcSpeedTest, CallsBetweenTwoProcesses_AreFast) {
  Helper helper;
  ASSERT_NE(helper.port(), 0u);
  Loop loop;
  auto stream = loop.network()
                    .parseAddress("127.0.0.1", helper.port())
                    .wait(loop.wait_scope())
                    ->connect()
                    .wait(loop.wait_scope());
  auto connection = Connection::client(kj::mv(stream), loop.timer());
  Caller caller(connection->bootstrap().castAs<schema::Peer>());
  caller.run(1000, 16).wait(loop.wait_scope());

  const char* wanted = ::getenv("COORD_RPC_SPEED_CALLS");
  const std::uint64_t calls = wanted != nullptr ? std::stoull(wanted) : 20'000;
  for (const int outstanding : {1, 16, 256}) {
    const std::uint64_t n = outstanding == 1 ? calls / 10 : calls;
    const Instant start = Loop::clock();
    caller.run(n, outstanding).wait(loop.wait_scope());
    const double seconds = std::chrono::duration<double>(Loop::clock() - start).count();
    printf("%4d outstanding: %8.0f calls/s\n", outstanding, static_cast<double>(n) / seconds);
    EXPECT_GT(static_cast<double>(n) / seconds, 500);
  }
}

}  // namespace
}  // namespace coord::rpc

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "--serve") return coord::rpc::serve();
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
