// Streams and receivers where an asynchronous socket goes wrong first: dropped promises, closed and
// reset peers, peers that do not read, no descriptors left.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <kj/debug.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <vector>

#include "schema/rpc/loop.h"
#include "schema/rpc/network.h"
#include "schema/rpc/network_impl.h"
#include "schema/rpc/socket_address.h"
#include "schema/rpc/stream.h"
#include "schema/rpc/task.h"

namespace coord::rpc {
namespace {

using StreamPtr = kj::Own<kj::AsyncIoStream>;

kj::ArrayPtr<const kj::byte> bytes(std::string_view text) {
  return {reinterpret_cast<const kj::byte*>(text.data()), text.size()};
}

class StreamTest : public testing::Test {
 protected:
  ~StreamTest() noexcept override {}

  // A TCP connection over loopback: [0] connected to [1].
  kj::TwoWayPipe connect_pair() {
    auto listener = listen(loop_, "127.0.0.1:0");
    auto address = std::string("127.0.0.1:") + std::to_string(listener->port);
    auto accepted = listener->receiver->accept();
    kj::TwoWayPipe pair;
    pair.ends[0] =
        loop_.network().parseAddress(address).wait(scope()).get()->connect().wait(scope());
    pair.ends[1] = accepted.wait(scope());
    return pair;
  }
  std::string read(kj::AsyncIoStream& stream, size_t min, size_t max) {
    std::string text(max, '?');
    text.resize(stream.tryRead(text.data(), min, max).wait(scope()));
    return text;
  }
  void write(kj::AsyncIoStream& stream, std::string_view text) {
    stream.write(text.data(), text.size()).wait(scope());
  }
  void one_turn() { loop_.timer().afterDelay(1 * kj::MILLISECONDS).wait(scope()); }
  void reset(kj::AsyncIoStream& stream) {
    const linger hard{1, 0};
    stream.setsockopt(SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
  }
  kj::WaitScope& scope() { return loop_.wait_scope(); }

  Loop loop_;
};

TEST_F(StreamTest, Bytes_ArriveInOrder_OverPipeAndTcp) {
  for (const bool tcp : {false, true}) {
    auto pair = tcp ? connect_pair() : make_pipe(loop_);
    const kj::ArrayPtr<const kj::byte> pieces[] = {bytes("one "), bytes(""), bytes("two ")};
    pair.ends[0]->write(pieces).wait(scope());
    write(*pair.ends[0], "three");
    EXPECT_EQ(read(*pair.ends[1], 13, 13), "one two three");
    write(*pair.ends[1], "back");
    EXPECT_EQ(read(*pair.ends[0], 1, 100), "back");
  }
}

TEST_F(StreamTest, TryRead_WaitsForTheLeast_AndTakesAtMostTheMost) {
  auto pair = make_pipe(loop_);
  write(*pair.ends[0], "abc");
  std::string text(10, '?');
  auto promise = pair.ends[1]->tryRead(text.data(), 5, 8);
  EXPECT_FALSE(promise.poll(scope()));
  write(*pair.ends[0], "defghijklm");
  EXPECT_EQ(promise.wait(scope()), 8u);
  EXPECT_EQ(text.substr(0, 8), "abcdefgh");
  EXPECT_EQ(read(*pair.ends[1], 5, 100), "ijklm");
}

// A SEQPACKET socket keeps system calls apart, so that they can be counted.
TEST_F(StreamTest, OutputOfOneTurn_LeavesInOneCall) {
  int fds[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
  StreamPtr stream = adopt_socket(loop_.impl(), fds[0], AF_UNIX);
  auto writing = kj::evalLater([&] { return stream->write("a", 1); })
                     .then([&] { return kj::evalLater([&] { return stream->write("b", 1); }); })
                     .then([&] { return stream->write("c", 1); })
                     .eagerlyEvaluate(nullptr);
  one_turn();
  char buffer[16];
  EXPECT_EQ(::recv(fds[1], buffer, sizeof(buffer), 0), 3);
  ::close(fds[1]);
}

TEST_F(StreamTest, LargeTransfer_BothWaysAtOnce_Arrives) {
  auto pair = connect_pair();
  std::string sent[2];
  for (int side = 0; side < 2; ++side) {
    for (int i = 0; i < 2'000'000; ++i) sent[side] += static_cast<char>('a' + (i * 31 + side) % 26);
  }
  auto send = [](kj::AsyncIoStream& stream, const std::string& text) -> Task<void> {
    for (size_t at = 0; at < text.size(); at += 77'777) {
      co_await stream.write(text.data() + at, std::min<size_t>(77'777, text.size() - at));
    }
  };
  auto receive = [](kj::AsyncIoStream& stream, size_t size, size_t step) -> Task<std::string> {
    std::string text(size, '?');
    for (size_t at = 0; at < size;) {
      at += co_await stream.tryRead(text.data() + at, std::min(step, size - at),
                                    std::min(step * 3, size - at));
    }
    co_return text;
  };
  kj::Promise<void> sending0 = send(*pair.ends[0], sent[0]);
  kj::Promise<void> sending1 = send(*pair.ends[1], sent[1]);
  kj::Promise<std::string> got0 = receive(*pair.ends[0], sent[1].size(), 999);
  kj::Promise<std::string> got1 = receive(*pair.ends[1], sent[0].size(), 700'000);
  EXPECT_EQ(got0.wait(scope()), sent[1]);
  EXPECT_EQ(got1.wait(scope()), sent[0]);
  sending0.wait(scope());
  sending1.wait(scope());
}

TEST_F(StreamTest, ReadDroppedWhileItWaits_LosesNothing) {
  auto pair = make_pipe(loop_);
  {
    std::string text(100, '?');
    auto promise = pair.ends[1]->tryRead(text.data(), 50, 100);
    write(*pair.ends[0], "hello ");
    EXPECT_FALSE(promise.poll(scope()));
    one_turn();
    EXPECT_FALSE(promise.poll(scope()));
  }
  write(*pair.ends[0], "world");
  EXPECT_EQ(read(*pair.ends[1], 11, 100), "hello world");
}

TEST_F(StreamTest, ReadDroppedWhenItIsReady_ButWasNotTaken_LosesNothing) {
  auto pair = make_pipe(loop_);
  write(*pair.ends[0], "0123456789");
  EXPECT_EQ(read(*pair.ends[1], 2, 2), "01");
  for (int i = 0; i < 3; ++i) {
    std::string text(100, '?');
    auto promise = pair.ends[1]->tryRead(text.data(), 1, 3);
    EXPECT_TRUE(promise.poll(scope()));
  }
  {
    // Straight into the reader's buffer, so there is nothing in front of the read-ahead to fill.
    EXPECT_EQ(read(*pair.ends[1], 8, 8), "23456789");
    std::string text(100, '?');
    auto promise = pair.ends[1]->tryRead(text.data(), 4, 4);
    write(*pair.ends[0], "abcdefgh");
    while (!promise.poll(scope())) one_turn();
  }
  EXPECT_EQ(read(*pair.ends[1], 8, 8), "abcdefgh");
}

TEST_F(StreamTest, ReadRacedAgainstATimer_LosesNothing) {
  auto pair = make_pipe(loop_);
  std::string received;
  auto send = [](Loop& loop, kj::AsyncIoStream& stream) -> Task<void> {
    for (int i = 0; i < 200; ++i) {
      const char byte = static_cast<char>('a' + i % 26);
      co_await stream.write(&byte, 1);
      co_await loop.timer().afterDelay((i * 37 % 100) * kj::MICROSECONDS);
    }
    stream.shutdownWrite();
  };
  kj::Promise<void> sending = send(loop_, *pair.ends[0]);
  bool ended = false;
  while (!ended) {
    char buffer[3];
    pair.ends[1]
        ->tryRead(buffer, 2, 3)
        .then([&](size_t n) {
          received.append(buffer, n);
          if (n < 2) ended = true;
        })
        .exclusiveJoin(loop_.timer().afterDelay(50 * kj::MICROSECONDS))
        .wait(scope());
  }
  ASSERT_EQ(received.size(), 200u);
  for (int i = 0; i < 200; ++i) EXPECT_EQ(received[i], 'a' + i % 26);
}

TEST_F(StreamTest, SecondReadAtOnce_IsRefused_AndTheFirstGoesOn) {
  auto pair = make_pipe(loop_);
  char first[1], second[1];
  auto reading = pair.ends[1]->tryRead(first, 1, 1);
  EXPECT_THROW(pair.ends[1]->tryRead(second, 1, 1).wait(scope()), kj::Exception);
  write(*pair.ends[0], "x");
  EXPECT_EQ(reading.wait(scope()), 1u);
}

TEST_F(StreamTest, ClosedPeer_IsEndOfFile_AfterWhatItSent) {
  for (const bool tcp : {false, true}) {
    auto pair = tcp ? connect_pair() : make_pipe(loop_);
    write(*pair.ends[0], "last words");
    pair.ends[0] = nullptr;  // sends what was taken over, then closes
    EXPECT_EQ(read(*pair.ends[1], 4, 4), "last");
    EXPECT_EQ(read(*pair.ends[1], 100, 100), " words");
    EXPECT_EQ(read(*pair.ends[1], 1, 1), "");
  }
}

TEST_F(StreamTest, ResetPeer_IsDisconnected_NotEndOfFile) {
  auto pair = connect_pair();
  char byte;
  auto reading = pair.ends[1]->tryRead(&byte, 1, 1);
  EXPECT_FALSE(reading.poll(scope()));
  reset(*pair.ends[0]);
  pair.ends[0] = nullptr;
  KJ_IF_MAYBE (exception, kj::runCatchingExceptions([&] { reading.wait(scope()); })) {
    EXPECT_EQ(exception->getType(), kj::Exception::Type::DISCONNECTED);
  } else {
    FAIL() << "no exception";
  }
}

TEST_F(StreamTest, WritingToAClosedPeer_FailsAsDisconnected_WithoutSigpipe) {
  for (const bool tcp : {false, true}) {
    auto pair = tcp ? connect_pair() : make_pipe(loop_);
    auto disconnected = pair.ends[1]->whenWriteDisconnected();
    EXPECT_FALSE(disconnected.poll(scope()));
    pair.ends[0] = nullptr;
    std::optional<kj::Exception::Type> failure;
    for (int i = 0; i < 100 && !failure; ++i) {
      KJ_IF_MAYBE (exception, kj::runCatchingExceptions([&] { write(*pair.ends[1], "x"); })) {
        failure = exception->getType();
      }
      one_turn();
    }
    ASSERT_TRUE(failure.has_value());
    EXPECT_EQ(*failure, kj::Exception::Type::DISCONNECTED);
    disconnected.wait(scope());
    pair.ends[1]->whenWriteDisconnected().wait(scope());
  }
}

TEST_F(StreamTest, WhenWriteDisconnected_IsFulfilled_ByAResetAlone) {
  auto pair = connect_pair();
  auto disconnected = pair.ends[1]->whenWriteDisconnected();
  reset(*pair.ends[0]);
  pair.ends[0] = nullptr;
  disconnected.wait(scope());
}

TEST_F(StreamTest, PeerThatDoesNotRead_MakesTheWriterWait_WithBoundedBuffers) {
  auto pair = connect_pair();
  const std::string chunk(256 * limits::kKiB, 'z');
  kj::Promise<void> writing = kj::READY_NOW;
  size_t written = 0;
  while (writing.poll(scope()) && written < 1000 * chunk.size()) {
    writing = pair.ends[0]->write(chunk.data(), chunk.size());
    written += chunk.size();
  }
  ASSERT_LT(written, 1000 * chunk.size()) << "the writer never had to wait";
  auto& stream = static_cast<Stream&>(*pair.ends[0]);
  EXPECT_LE(stream.unsent_bytes(), limits::kStreamWriteBufferMax + chunk.size());
  // It goes on once the peer reads, and nothing is lost.
  size_t received = 0;
  std::vector<char> buffer(1 << 20);
  while (!writing.poll(scope())) {
    received += pair.ends[1]->tryRead(buffer.data(), 1, buffer.size()).wait(scope());
  }
  pair.ends[0]->shutdownWrite();
  while (size_t n = pair.ends[1]->tryRead(buffer.data(), 1, buffer.size()).wait(scope())) {
    received += n;
  }
  EXPECT_EQ(received, written);
}

TEST_F(StreamTest, WriterThatWaits_IsToldWhenThePeerIsReset) {
  auto pair = connect_pair();
  const std::string chunk(64 * limits::kMiB, 'z');
  auto writing = pair.ends[0]->write(chunk.data(), chunk.size());
  EXPECT_FALSE(writing.poll(scope()));
  reset(*pair.ends[1]);
  pair.ends[1] = nullptr;
  EXPECT_THROW(writing.wait(scope()), kj::Exception);
  EXPECT_THROW(write(*pair.ends[0], "x"), kj::Exception);
}

TEST_F(StreamTest, WriteDroppedWhileItWaits_IsStillSentWhole) {
  auto pair = connect_pair();
  const std::string chunk(16 * limits::kMiB, 'z');
  {
    auto writing = pair.ends[0]->write(chunk.data(), chunk.size());
    EXPECT_FALSE(writing.poll(scope()));
  }
  pair.ends[0]->shutdownWrite();
  size_t received = 0;
  std::vector<char> buffer(1 << 20);
  while (size_t n = pair.ends[1]->tryRead(buffer.data(), 1, buffer.size()).wait(scope())) {
    received += n;
  }
  EXPECT_EQ(received, chunk.size());
}

TEST_F(StreamTest, StreamNobodyReads_IsNotReadAhead) {
  auto pair = make_pipe(loop_);
  kj::Promise<void> writing = kj::READY_NOW;
  const std::string chunk(limits::kMiB, 'z');
  size_t written = 0;
  while (writing.poll(scope()) && written < 100 * chunk.size()) {
    writing = pair.ends[0]->write(chunk.data(), chunk.size());
    written += chunk.size();
  }
  EXPECT_LT(written, 100 * chunk.size());
  EXPECT_TRUE(static_cast<Stream&>(*pair.ends[1]).buffered().empty());
}

TEST_F(StreamTest, ShutdownWrite_EndsTheOneDirectionOnly) {
  auto pair = connect_pair();
  auto reading = pair.ends[1]->readAllText();
  auto writing = pair.ends[0]->write("all of it", 9);
  pair.ends[0]->shutdownWrite();
  EXPECT_EQ(reading.wait(scope()), "all of it");
  write(*pair.ends[1], "answer");
  EXPECT_EQ(read(*pair.ends[0], 6, 6), "answer");
  EXPECT_THROW(write(*pair.ends[0], "x"), kj::Exception);
}

TEST_F(StreamTest, AbortRead_EndsTheReadUnderWay) {
  auto pair = connect_pair();
  char byte;
  auto reading = pair.ends[1]->tryRead(&byte, 1, 1);
  EXPECT_FALSE(reading.poll(scope()));
  pair.ends[1]->abortRead();
  EXPECT_EQ(reading.wait(scope()), 0u);
}

TEST_F(StreamTest, StreamDestroyedWhileAsioWaits_IsNeverTouchedAgain) {
  auto pair = connect_pair();
  const std::string chunk(64 * limits::kMiB, 'z');
  char byte;
  {
    auto reading = pair.ends[0]->tryRead(&byte, 1, 1);
    auto writing = pair.ends[0]->write(chunk.data(), chunk.size());
    auto disconnected = pair.ends[0]->whenWriteDisconnected();
    EXPECT_FALSE(reading.poll(scope()));
    EXPECT_FALSE(writing.poll(scope()));
  }
  pair.ends[0] = nullptr;
  one_turn();
}

TEST_F(StreamTest, Sockets_AreClosedOnExec) {
  auto pair = connect_pair();
  for (auto& end : pair.ends) {
    const int fd = end->getFd().orDefault(-1);
    EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
  }
}

TEST_F(StreamTest, Listen_SaysWhatIsWrong) {
  auto listener = listen(loop_, "127.0.0.1:0");
  ASSERT_TRUE(listener.ok());
  auto taken = listen(loop_, "127.0.0.1:" + std::to_string(listener->port));
  ASSERT_FALSE(taken.ok());
  EXPECT_EQ(taken.error().code, ErrorCode::kInUse);
  for (const char* wrong : {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:x",
                            "::1:80", "[::1:80", "[::1]80", "a b:1"}) {
    auto refused = listen(loop_, wrong);
    ASSERT_FALSE(refused.ok()) << wrong;
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument) << wrong;
  }
  EXPECT_EQ(listen(loop_, "192.0.2.1:0").error().code, ErrorCode::kIo);
}

TEST_F(StreamTest, ReceiverDestroyedWhileSomebodyAccepts_TellsThem) {
  auto listener = listen(loop_, "127.0.0.1:0");
  auto accepting = listener->receiver->accept();
  EXPECT_FALSE(accepting.poll(scope()));
  listener->receiver = nullptr;
  EXPECT_THROW(accepting.wait(scope()), kj::Exception);
}

TEST_F(StreamTest, AcceptDropped_LeavesTheConnectionForTheNext) {
  auto listener = listen(loop_, "127.0.0.1:0");
  { EXPECT_FALSE(listener->receiver->accept().poll(scope())); }
  auto address = loop_.network().parseAddress("127.0.0.1", listener->port).wait(scope());
  auto client = address->connect().wait(scope());
  auto server = listener->receiver->accept().wait(scope());
  write(*client, "x");
  EXPECT_EQ(read(*server, 1, 1), "x");
}

TEST_F(StreamTest, NoDescriptorsLeft_PausesAccepting_WithoutSpinning) {
  auto listener = listen(loop_, "127.0.0.1:0");
  const SocketAddress address = *numeric_address({"127.0.0.1", listener->port});
  const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  rlimit saved{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &saved), 0);
  const rlimit none{static_cast<rlim_t>(client) + 1, saved.rlim_max};
  // Anything above `client` that is open stays open; new ones cannot be had.
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  ASSERT_EQ(::connect(client, address.get(), address.length), 0);
  std::vector<int> fillers;
  for (int fd; (fd = ::dup(client)) >= 0;) fillers.push_back(fd);
  auto accepting = listener->receiver->accept();
  loop_.take_stats();
  const auto turns_before = loop_.take_stats().turns;
  loop_.timer().afterDelay(50 * kj::MILLISECONDS).wait(scope());
  EXPECT_FALSE(accepting.poll(scope()));
  EXPECT_LT(loop_.take_stats().turns - turns_before, 10u);
  for (int fd : fillers) ::close(fd);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &saved), 0);
  accepting.wait(scope());
  ::close(client);
}

TEST_F(StreamTest, ConnectingWhereNobodyListens_IsDisconnected) {
  std::uint16_t port = 0;
  { port = listen(loop_, "127.0.0.1:0")->port; }
  auto address = loop_.network().parseAddress("127.0.0.1", port).wait(scope());
  KJ_IF_MAYBE (exception, kj::runCatchingExceptions([&] { address->connect().wait(scope()); })) {
    EXPECT_EQ(exception->getType(), kj::Exception::Type::DISCONNECTED);
  } else {
    FAIL() << "connected";
  }
}

TEST_F(StreamTest, ConnectDropped_IsGivenUp) {
  auto address = loop_.network().parseAddress("192.0.2.1:9").wait(scope());
  { auto connecting = address->connect(); }
  one_turn();
}

TEST_F(StreamTest, Names_AreResolved) {
  auto listener = listen(loop_, "localhost:0");
  ASSERT_TRUE(listener.ok());
  auto address = loop_.network().parseAddress("localhost", listener->port).wait(scope());
  auto client = address->connect().wait(scope());
  listener->receiver->accept().wait(scope());
  EXPECT_THROW(loop_.network().parseAddress("no.such.name.invalid:1").wait(scope()), kj::Exception);
}

TEST_F(StreamTest, RestrictedNetwork_RefusesOthers) {
  auto pair = connect_pair();
  const kj::StringPtr local[] = {"127.0.0.0/8"};
  const kj::StringPtr elsewhere[] = {"10.0.0.0/8", "public", "fc00::/7"};
  auto listener = listen(loop_, "127.0.0.1:0");
  auto connect = [&](kj::Network& network) {
    return network.parseAddress("127.0.0.1", listener->port).wait(scope())->connect().wait(scope());
  };
  auto allowed = loop_.network().restrictPeers(local);
  auto denied = loop_.network().restrictPeers(elsewhere);
  auto narrowed = allowed->restrictPeers(local, local);
  connect(*allowed);
  EXPECT_THROW(connect(*denied), kj::Exception);
  EXPECT_THROW(connect(*narrowed), kj::Exception);
  const kj::StringPtr wrong[] = {"10.0.0.0/40"};
  EXPECT_THROW(auto network = loop_.network().restrictPeers(wrong), kj::Exception);
}

TEST(SocketAddressTest, HostAndPort_IsReadAsWritten) {
  const auto check = [](const char* text, const char* host, std::uint16_t port) {
    auto parsed = parse_host_and_port(text, std::uint16_t{7});
    ASSERT_TRUE(parsed.ok()) << text;
    EXPECT_EQ(parsed->host, host) << text;
    EXPECT_EQ(parsed->port, port) << text;
  };
  check("example.org:80", "example.org", 80);
  check("example.org", "example.org", 7);
  check("10.0.0.1:1", "10.0.0.1", 1);
  check("[::1]:65535", "::1", 65535);
  check("[::1]", "::1", 7);
  check("*:5", "", 5);
  check(":5", "", 5);
  EXPECT_EQ(numeric_address({"::1", 80})->to_string(), "[::1]:80");
  EXPECT_EQ(numeric_address({"127.0.0.1", 80})->to_string(), "127.0.0.1:80");
  EXPECT_FALSE(numeric_address({"localhost", 80}).has_value());
  ASSERT_EQ(known_addresses({"localhost", 80}).size(), 2u);
  EXPECT_EQ(known_addresses({"localhost", 80})[0].to_string(), "127.0.0.1:80");
  EXPECT_EQ(known_addresses({"localhost", 80})[1].to_string(), "[::1]:80");
  EXPECT_TRUE(known_addresses({"localhost.example", 80}).empty());
}

}  // namespace
}  // namespace coord::rpc
