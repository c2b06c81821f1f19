// Cap'n Proto RPC over our streams: calls, cancelling, bounds, and servers that strangers talk to.
#include <gtest/gtest.h>
#include <kj/debug.h>

#include <optional>
#include <string>
#include <vector>

#include "raft/base/prng.h"
#include "schema/peer.capnp.h"
#include "schema/rpc/connection.h"
#include "schema/rpc/loop.h"
#include "schema/rpc/network.h"
#include "schema/rpc/server.h"
#include "schema/rpc/stream.h"
#include "schema/rpc/task.h"

namespace coord::rpc {
namespace {

// greet() answers with `failure` made of the numbers; one from member 7 never answers; one from
// member 8 answers with a megabyte.
class Echo final : public schema::Peer::Server {
 public:
  Echo(coord::rpc::Server::Peer peer, int& pending, int& answered)
      : peer_(peer), pending_(pending), answered_(answered) {}

 protected:
  kj::Promise<void> greet(GreetContext context) override { return answer(context); }

 private:
  Task<void> answer(GreetContext context) {
    peer_.greeted();
    const auto greeting = context.getParams().getGreeting();
    ++pending_;
    KJ_DEFER(--pending_);
    if (greeting.getFrom() == 7) {
      context.allowCancellation();
      co_await kj::Promise<void>(kj::NEVER_DONE);
    }
    ++answered_;
    if (greeting.getFrom() == 8) {
      auto text = context.getResults().initFailure(1 << 20);
      memset(text.begin(), 'x', text.size());
      co_return;
    }
    context.getResults().setFailure(kj::str(greeting.getCluster(), "/", greeting.getFrom()));
  }

  coord::rpc::Server::Peer peer_;
  int& pending_;
  int& answered_;
};

class RpcTest : public testing::Test {
 protected:
  ~RpcTest() noexcept override {}

  void start(ServerOptions options = {}) {
    server_.emplace(
        loop_.timer(),
        [this](Server::Peer peer) { return kj::heap<Echo>(peer, pending_, answered_); }, options);
    auto listener = listen(loop_, "127.0.0.1:0");
    port_ = listener->port;
    listening_ = server_->listen(kj::mv(listener->receiver)).eagerlyEvaluate(nullptr);
  }
  kj::Own<kj::AsyncIoStream> dial() {
    return loop_.network().parseAddress("127.0.0.1", port_).wait(scope())->connect().wait(scope());
  }
  kj::Own<Connection> connect() { return Connection::client(dial(), loop_.timer()); }

  static kj::Promise<std::string> greet(schema::Peer::Client peer, std::uint64_t cluster,
                                        std::uint64_t from = 1) {
    auto request = peer.greetRequest();
    request.getGreeting().setCluster(cluster);
    request.getGreeting().setFrom(from);
    return request.send().then(
        [](auto&& response) { return std::string(response.getFailure().cStr()); });
  }
  // What a client that makes these calls sends, if nobody answers.
  template <class Calls>
  std::string record(Calls calls) {
    auto pipe = make_pipe(loop_);
    auto connection = Connection::client(kj::mv(pipe.ends[0]), loop_.timer());
    auto outstanding = calls(connection->bootstrap().castAs<schema::Peer>());
    std::string recorded(100'000, '\0');
    recorded.resize(pipe.ends[1]->tryRead(recorded.data(), 100, recorded.size()).wait(scope()));
    return recorded;
  }
  std::string requests_for_megabytes(int count) {
    return record([count](schema::Peer::Client peer) {
      std::vector<kj::Promise<std::string>> calls;
      for (int i = 0; i < count; ++i) calls.push_back(greet(peer, 1, 8));
      return calls;
    });
  }
  std::string greet_now(Connection& connection, std::uint64_t cluster) {
    return greet(connection.bootstrap().castAs<schema::Peer>(), cluster).wait(scope());
  }
  void let_pass(Duration time) {
    loop_.timer().afterDelay(time.count() * kj::NANOSECONDS).wait(scope());
  }
  template <class Condition>
  bool eventually(Condition condition) {
    for (int i = 0; i < 2000 && !condition(); ++i) let_pass(milliseconds(1));
    return condition();
  }
  kj::WaitScope& scope() { return loop_.wait_scope(); }

  Loop loop_;
  int pending_ = 0;
  int answered_ = 0;
  std::optional<Server> server_;
  std::uint16_t port_ = 0;
  kj::Promise<void> listening_ = nullptr;
};

TEST_F(RpcTest, Calls_AreAnswered_OnManyConnectionsAtOnce) {
  start();
  std::vector<kj::Own<Connection>> connections;
  std::vector<kj::Promise<std::string>> answers;
  for (int c = 0; c < 10; ++c) {
    connections.push_back(connect());
    auto peer = connections.back()->bootstrap().castAs<schema::Peer>();
    for (int i = 0; i < 100; ++i) answers.push_back(greet(peer, c * 1000 + i));
  }
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(answers[i].wait(scope()), std::to_string(i / 100 * 1000 + i % 100) + "/1");
  }
  EXPECT_EQ(server_->connections(), 10u);
}

TEST_F(RpcTest, DroppedCall_IsCancelledAtTheServer_AndTheConnectionGoesOn) {
  start();
  auto connection = connect();
  auto peer = connection->bootstrap().castAs<schema::Peer>();
  {
    auto call = greet(peer, 1, 7);
    EXPECT_EQ(greet_now(*connection, 2), "2/1");
    EXPECT_EQ(pending_, 1);
  }
  EXPECT_EQ(greet_now(*connection, 3), "3/1");
  EXPECT_TRUE(eventually([&] { return pending_ == 0; }));
  EXPECT_EQ(greet_now(*connection, 4), "4/1");
}

TEST_F(RpcTest, ServerGone_BreaksWhatIsOutstanding_AsDisconnected) {
  start();
  auto connection = connect();
  auto call = greet(connection->bootstrap().castAs<schema::Peer>(), 1, 7);
  EXPECT_EQ(greet_now(*connection, 1), "1/1");
  auto disconnected = connection->on_disconnect();
  EXPECT_FALSE(disconnected.poll(scope()));
  server_.reset();
  EXPECT_TRUE(eventually([&] { return pending_ == 0; }));
  KJ_IF_MAYBE (exception, kj::runCatchingExceptions([&] { call.wait(scope()); })) {
    EXPECT_EQ(exception->getType(), kj::Exception::Type::DISCONNECTED);
  } else {
    FAIL() << "answered";
  }
  disconnected.wait(scope());
}

TEST_F(RpcTest, ClientGone_IsNoticedByTheServer) {
  start();
  auto connection = connect();
  EXPECT_EQ(greet_now(*connection, 1), "1/1");
  connection = nullptr;
  EXPECT_TRUE(eventually([&] { return server_->connections() == 0; }));
}

TEST_F(RpcTest, ConnectionThatDoesNotGreet_IsClosed_OthersStay) {
  start({.greeting_timeout = milliseconds(30)});
  auto good = connect();
  EXPECT_EQ(greet_now(*good, 1), "1/1");
  auto silent = dial();
  auto fragment = dial();
  fragment->write("\0\0\0\0\3", 5).wait(scope());
  // What there is to read is that the connection is given up, and no more.
  for (auto* stream : {silent.get(), fragment.get()}) {
    kj::byte last_words[1024];
    EXPECT_LT(stream->tryRead(last_words, sizeof last_words, sizeof last_words).wait(scope()),
              sizeof last_words);
  }
  EXPECT_EQ(server_->stats().ungreeted, 2u);
  EXPECT_EQ(server_->connections(), 1u);
  EXPECT_EQ(greet_now(*good, 2), "2/1");
}

TEST_F(RpcTest, TooManyConnections_AreClosedAtOnce) {
  start({.connections_max = 2});
  auto first = connect();
  auto second = connect();
  EXPECT_EQ(greet_now(*first, 1), "1/1");
  EXPECT_EQ(greet_now(*second, 1), "1/1");
  auto third = dial();
  char byte;
  EXPECT_EQ(third->tryRead(&byte, 1, 1).wait(scope()), 0u);
  EXPECT_EQ(server_->stats().refused, 1u);
  second = nullptr;
  EXPECT_TRUE(eventually([&] { return server_->connections() == 1; }));
  second = connect();
  EXPECT_EQ(greet_now(*second, 2), "2/1");
}

TEST_F(RpcTest, MessageAnnouncedTooLarge_EndsTheConnection_WithoutAllocating) {
  start();
  for (const std::uint32_t words : {0xffffffffu, 0x20000000u, 600'000u}) {
    auto stream = dial();
    const std::uint32_t header[2] = {0, words};
    stream->write(header, sizeof(header)).wait(scope());
    std::vector<char> answer(1000);
    while (stream->tryRead(answer.data(), 1, answer.size()).wait(scope()) > 0) {
    }
  }
  auto many_segments = dial();
  const std::uint32_t header[2] = {0xffffffff, 1};
  many_segments->write(header, sizeof(header)).wait(scope());
  std::vector<char> answer(1000);
  while (many_segments->tryRead(answer.data(), 1, answer.size()).wait(scope()) > 0) {
  }
  auto good = connect();
  EXPECT_EQ(greet_now(*good, 1), "1/1");
}

TEST_F(RpcTest, ClientThatReadsNoAnswers_StopsBeingRead_UntilItDoes) {
  start();
  const std::string requests = requests_for_megabytes(100);
  auto deaf = dial();
  deaf->write(requests.data(), requests.size()).wait(scope());
  let_pass(milliseconds(100));
  const int held = answered_;
  EXPECT_LT(held, 50) << "100 answers of 1 MiB are waiting in memory";
  let_pass(milliseconds(20));
  EXPECT_EQ(answered_, held);

  std::vector<char> answers(1 << 20);
  std::size_t received = 0;
  while (received < 100u << 20) {
    received += deaf->tryRead(answers.data(), 1, answers.size()).wait(scope());
  }
  EXPECT_EQ(answered_, 100);
}

// However often something is added to what it does not read, and although its own reads are held.
TEST_F(RpcTest, ClientThatNeverReads_IsCutOff) {
  ServerOptions options;
  options.connection.messages.stall_timeout = milliseconds(100);
  start(options);
  const std::string requests = requests_for_megabytes(30);
  auto deaf = dial();
  deaf->write(requests.data(), requests.size()).wait(scope());
  EXPECT_TRUE(eventually([&] { return server_->connections() == 1 && answered_ > 4; }));
  EXPECT_TRUE(eventually([&] { return server_->connections() == 0; }));
}

TEST_F(RpcTest, ClientThatReadsSlowly_IsNotCutOff) {
  ServerOptions options;
  options.connection.messages.stall_timeout = milliseconds(100);
  start(options);
  constexpr int kCalls = 60;
  const std::string requests = requests_for_megabytes(kCalls);
  auto slow = dial();
  slow->write(requests.data(), requests.size()).wait(scope());
  std::vector<char> answers(1 << 20);
  std::size_t received = 0;
  while (received < std::size_t{kCalls} << 20) {
    const std::size_t got = slow->tryRead(answers.data(), 1, answers.size()).wait(scope());
    ASSERT_GT(got, 0u) << "cut off after " << received;
    received += got;
    if (received < 20u << 20) let_pass(milliseconds(10));  // several times the timeout in all
  }
  EXPECT_EQ(answered_, kCalls);
}

TEST_F(RpcTest, PartOfAMessage_IsHeard) {
  auto pipe = make_pipe(loop_);
  auto connection = Connection::client(kj::mv(pipe.ends[0]), loop_.timer());
  const auto peer = connection->bootstrap();
  const kj::TimePoint made = connection->heard();
  let_pass(milliseconds(1));
  EXPECT_EQ(connection->heard(), made);
  const std::string part(4, '\0');
  pipe.ends[1]->write(part.data(), part.size()).wait(scope());
  let_pass(milliseconds(1));
  EXPECT_GT(connection->heard(), made);
}

TEST_F(RpcTest, LargeMessages_Arrive_WhicheverWayTheyAreCut) {
  start();
  auto connection = connect();
  auto peer = connection->bootstrap().castAs<schema::Peer>();
  std::vector<kj::Promise<std::string>> calls;
  for (int i = 0; i < 20; ++i) {
    calls.push_back(greet(peer, 1, 8));
    calls.push_back(greet(peer, 1, 1));
  }
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(calls[i].wait(scope()).size(), i % 2 == 0 ? 1u << 20 : 3u);
  }
}

TEST_F(RpcTest, RandomBytes_LeaveTheServerServing) {
  start({.greeting_timeout = milliseconds(200)});
  auto good = connect();
  Prng random(1);
  for (int i = 0; i < 2000; ++i) {
    std::string junk(random.below(200), '\0');
    for (char& c : junk) c = static_cast<char>(random.chance(1, 2) ? 0 : random.next());
    auto stream = dial();
    stream->write(junk.data(), junk.size()).wait(scope());
    if (i % 100 == 0) {
      EXPECT_EQ(greet_now(*good, i), std::to_string(i) + "/1");
    }
  }
  EXPECT_TRUE(eventually([&] { return server_->connections() == 1; }));
  EXPECT_EQ(greet_now(*good, 1), "1/1");
}

TEST_F(RpcTest, ExchangeCutAtEveryByte_LeavesTheServerServing) {
  start();
  const std::string recorded = record([](schema::Peer::Client peer) { return greet(peer, 1); });
  ASSERT_GT(recorded.size(), 100u);
  for (std::size_t cut = 0; cut <= recorded.size(); ++cut) {
    auto stream = dial();
    stream->write(recorded.data(), cut).wait(scope());
    if (cut % 3 == 0) stream->shutdownWrite();
    let_pass(microseconds(10));
  }
  auto good = connect();
  EXPECT_EQ(greet_now(*good, 1), "1/1");
  EXPECT_TRUE(eventually([&] { return server_->connections() == 1; }));
}

}  // namespace
}  // namespace coord::rpc
