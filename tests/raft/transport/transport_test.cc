// Two members' transports on one loop, over loopback: order, hints, redialling, refusals, bounds.
#include "raft/transport/transport.h"

#include <gtest/gtest.h>
#include <kj/timer.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "raft/base/prng.h"
#include "raft/transport/identify.h"
#include "schema/rpc/connection.h"
#include "schema/rpc/loop.h"
#include "schema/rpc/network.h"
#include "schema/rpc/server.h"
#include "schema/rpc/task.h"

namespace coord::raft {
namespace {

constexpr ClusterId kCluster(77);

// Listens on a port of its own, which it keeps when it is stopped and started again.
class Member {
 public:
  Member(rpc::Loop& loop, MemberId self, ClusterId cluster = kCluster)
      : loop_(loop), self_(self), cluster_(cluster) {
    auto listener = rpc::listen(loop_, "127.0.0.1:0");
    port = listener->port;
    receiver_ = kj::mv(listener->receiver);
  }

  void start(std::map<MemberId, std::uint16_t> peers) {
    TransportOptions options{.cluster = cluster_,
                             .self = self_,
                             .incarnation = incarnation,
                             .address = "127.0.0.1:" + std::to_string(port)};
    options.silence_timeout = silence;
    options.redial_min = redial;
    options.redial_max = std::max<Duration>(redial, milliseconds(20));
    options.linger = linger;
    options.guests_max = 2;
    Transport::Handlers handlers;
    handlers.receive = [this](Message message) { received.push_back(std::move(message)); };
    handlers.closed = [this](MemberId member) { closed.push_back(member); };
    handlers.unreachable = [this](MemberId member) { unreachable.push_back(member); };
    handlers.trouble = [this](MemberId, const Error& error) { trouble.push_back(error); };
    handlers.refused = [this](MemberId, const Error& error) { refused.push_back(error); };
    handlers.greeted = [this](MemberId member) { greeted.push_back(member); };
    handlers.meet = [this](const Introduction& other) -> kj::Promise<Status> {
      met.push_back(other);
      if (meeting_waits) {
        auto meeting = kj::newPromiseAndFulfiller<Status>();
        meetings.push_back(kj::mv(meeting.fulfiller));
        return kj::mv(meeting.promise);
      }
      return refuses ? Status(make_error(ErrorCode::kMemberRemoved, "gone")) : Status();
    };
    handlers.identify = [this] {
      return Identification{.cluster = cluster_,
                            .member = self_,
                            .name = "n" + std::to_string(self_.value()),
                            .incarnation = incarnation,
                            .empty = true,
                            .version = "v",
                            .client_address = "c:1"};
    };
    handlers.service = [this]() -> capnp::Capability::Client {
      if (service != nullptr) return *service;
      return nullptr;
    };
    transport.emplace(loop_, loop_.network(), timer != nullptr ? *timer : loop_.timer(), options,
                      handlers);
    know(peers);
    if (receiver_.get() == nullptr) {
      receiver_ = rpc::listen(loop_, "127.0.0.1:" + std::to_string(port)).value().receiver;
    }
    listening_ = transport->listen(kj::mv(receiver_)).eagerlyEvaluate(nullptr);
  }
  void know(const std::map<MemberId, std::uint16_t>& peers) {
    peers_ = peers;
    std::map<MemberId, std::string> addresses;
    for (const auto& [member, port] : peers) {
      addresses[member] = "127.0.0.1:" + std::to_string(port);
    }
    transport->set_peers(addresses);
  }
  void stop() {
    listening_ = nullptr;
    transport.reset();
  }
  void restart() {
    stop();
    start(peers_);
  }

  std::optional<Transport> transport;
  std::uint16_t port = 0;
  std::vector<Message> received;
  std::vector<MemberId> closed;
  std::vector<MemberId> unreachable;
  std::vector<Error> trouble;
  std::vector<Error> refused;
  std::vector<MemberId> greeted;
  std::vector<Introduction> met;
  bool refuses = false;
  bool meeting_waits = false;
  std::vector<kj::Own<kj::PromiseFulfiller<Status>>> meetings;  // that wait
  Incarnation incarnation{1000};
  Duration linger = milliseconds(200);
  Duration redial = milliseconds(5);
  Duration silence = milliseconds(300);
  capnp::Capability::Client* service = nullptr;
  kj::Timer* timer = nullptr;  // the loop's

 private:
  rpc::Loop& loop_;
  MemberId self_;
  ClusterId cluster_;
  std::map<MemberId, std::uint16_t> peers_;
  kj::Own<kj::ConnectionReceiver> receiver_;
  kj::Promise<void> listening_ = nullptr;
};

constexpr MemberId kA(1);
constexpr MemberId kB(2);

class TransportTest : public testing::Test {
 protected:
  ~TransportTest() noexcept override {}

  void start() {
    a_.start({{kB, b_.port}});
    b_.start({{kA, a_.port}});
    ASSERT_TRUE(eventually([&] { return connected(); }));
  }
  bool connected() { return a_.transport->connected(kB) && b_.transport->connected(kA); }
  void let_pass(Duration time) {
    loop_.timer().afterDelay(time.count() * kj::NANOSECONDS).wait(loop_.wait_scope());
  }
  template <class Condition>
  bool eventually(Condition condition) {
    for (int i = 0; i < 5000 && !condition(); ++i) let_pass(milliseconds(1));
    return condition();
  }
  static Message beat(std::uint64_t round) {
    return {.cluster = kCluster,
            .from = kA,
            .to = kB,
            .term = Term(1),
            .body = Heartbeat{.commit = {}, .round = Round(round), .held_by_all = {}}};
  }
  static Message append(std::uint64_t index, std::size_t bytes) {
    Bytes payload =
        Bytes::make(bytes, [](auto target) { memset(target.data(), 'p', target.size()); });
    return {.cluster = kCluster,
            .from = kA,
            .to = kB,
            .term = Term(1),
            .body = AppendRequest{.previous = {.term = Term(1), .index = Index(index - 1)},
                                  .commit = {},
                                  .round = {},
                                  .entries = {{.id = {.term = Term(1), .index = Index(index)},
                                               .type = EntryType::kCommand,
                                               .payload = std::move(payload)}}}};
  }

  rpc::Loop loop_;
  Member a_{loop_, kA};
  Member b_{loop_, kB};
};

TEST_F(TransportTest, Messages_ArriveInOrder) {
  start();
  std::uint64_t round = 0;
  for (int turn = 0; turn < 100; ++turn) {
    std::vector<Message> batch;
    for (int i = 0; i < turn % 5; ++i) batch.push_back(beat(++round));
    a_.transport->send(std::move(batch));
    if (turn % 3 == 0) let_pass(microseconds(100));
  }
  ASSERT_TRUE(eventually([&] { return b_.received.size() == round; }));
  for (std::uint64_t i = 0; i < round; ++i) {
    EXPECT_EQ(std::get<Heartbeat>(b_.received[i].body).round, Round(i + 1));
  }
  EXPECT_TRUE(a_.unreachable.empty());
}

TEST_F(TransportTest, NewsOfTheCommitIndex_WaitsForWhatItCanTravelWith_EachForItsOwnTime) {
  kj::TimerImpl time(kj::origin<kj::TimePoint>());
  a_.timer = &time;
  start();
  const auto at = [&](kj::Duration since_start) {
    time.advanceTo(kj::origin<kj::TimePoint>() + since_start);
    let_pass(milliseconds(20));
    return b_.received.size();
  };
  a_.transport->send({beat(0)});
  EXPECT_EQ(at(900 * kj::MICROSECONDS), 0u);
  a_.transport->send({append(2, 10)});
  EXPECT_TRUE(eventually([&] { return b_.received.size() == 2; }));
  a_.transport->send({beat(0)});
  EXPECT_EQ(at(1800 * kj::MICROSECONDS), 2u) << "the time of the one before has nothing to say";
  EXPECT_EQ(at(1900 * kj::MICROSECONDS), 3u);
  a_.stop();
}

TEST_F(TransportTest, LargeAppends_ArriveWhole_AndAreCutIntoCalls) {
  // However slow the machine is.
  a_.silence = b_.silence = seconds(60);
  start();
  std::vector<Message> batch;
  for (std::uint64_t i = 1; i <= 3; ++i) batch.push_back(append(i + 1, limits::kEntryBytesMax));
  a_.transport->send(std::move(batch));
  ASSERT_TRUE(eventually([&] { return b_.received.size() == 3; }));
  for (std::uint64_t i = 0; i < 3; ++i) {
    const auto& entries = std::get<AppendRequest>(b_.received[i].body).entries;
    ASSERT_EQ(entries.size(), 1u);
    EXPECT_EQ(entries[0].payload.size(), limits::kEntryBytesMax);
    EXPECT_EQ(entries[0].payload.view().back(), 'p');
  }
}

TEST_F(TransportTest, PeerThatStops_IsToldAtOnce_AndReachedAgainWhenItIsBack) {
  start();
  EXPECT_TRUE(a_.closed.empty());
  b_.stop();
  ASSERT_TRUE(eventually([&] { return !a_.transport->connected(kB); }));
  // Both directions: the connection that A dialled, and the one that B had.
  ASSERT_TRUE(eventually([&] { return a_.closed == std::vector<MemberId>({kB, kB}); }));
  a_.transport->send({beat(1)});
  ASSERT_TRUE(eventually([&] { return !a_.unreachable.empty(); }));

  b_.restart();
  ASSERT_TRUE(eventually([&] { return connected(); }));
  a_.transport->send({beat(2)});
  ASSERT_TRUE(eventually([&] { return b_.received.size() == 1; }));
  EXPECT_EQ(std::get<Heartbeat>(b_.received[0].body).round, Round(2));
}

TEST_F(TransportTest, PeerThatGreets_IsDialledAtOnce) {
  a_.redial = seconds(3600);
  start();
  b_.stop();
  ASSERT_TRUE(eventually([&] { return !a_.transport->connected(kB); }));
  b_.restart();
  EXPECT_TRUE(eventually([&] { return connected(); }));
}

TEST_F(TransportTest, StoppingOurselves_IsNoHint) {
  start();
  b_.stop();
  let_pass(milliseconds(20));
  EXPECT_TRUE(b_.closed.empty());
}

TEST_F(TransportTest, OtherCluster_IsRefused_AndSaysSo) {
  Member stranger(loop_, kB, ClusterId(78));
  a_.start({{kB, stranger.port}});
  stranger.start({{kA, a_.port}});
  ASSERT_TRUE(eventually([&] { return !a_.refused.empty() && !stranger.refused.empty(); }));
  EXPECT_EQ(a_.refused[0].code, ErrorCode::kWrongCluster);
  EXPECT_EQ(stranger.refused[0].code, ErrorCode::kWrongCluster);
  EXPECT_FALSE(a_.transport->connected(kB));
  EXPECT_TRUE(a_.closed.empty());
}

TEST_F(TransportTest, WrongMember_IsRefused) {
  a_.start({{MemberId(9), b_.port}});  // B is not member 9
  b_.start({{kA, a_.port}});
  ASSERT_TRUE(eventually([&] { return !a_.refused.empty(); }));
  EXPECT_EQ(a_.refused[0].code, ErrorCode::kWrongMember);
  EXPECT_EQ(std::count(a_.greeted.begin(), a_.greeted.end(), MemberId(9)), 0);
}

TEST_F(TransportTest, WhoIsNotWanted_IsRefused_WhicheverSideGreets) {
  b_.refuses = true;
  a_.start({{kB, b_.port}});
  b_.start({{kA, a_.port}});
  // A greets B, and is refused; B greets A, is let in, and goes away again by itself.
  ASSERT_TRUE(eventually([&] { return !a_.refused.empty() && !b_.trouble.empty(); }));
  EXPECT_EQ(a_.refused[0].code, ErrorCode::kMemberRemoved);
  EXPECT_EQ(b_.trouble[0].code, ErrorCode::kMemberRemoved);
  EXPECT_FALSE(a_.transport->connected(kB));
  EXPECT_FALSE(b_.transport->connected(kA));
  EXPECT_TRUE(a_.greeted.empty());
  b_.refuses = false;
  ASSERT_TRUE(eventually([&] { return connected(); }));
  EXPECT_EQ(a_.greeted, std::vector<MemberId>{kB});
}

TEST_F(TransportTest, WhoIsStillBeingMet_IsNotGreetedYet_AndNotHeard) {
  a_.silence = b_.silence = seconds(60);
  b_.meeting_waits = true;
  a_.start({{kB, b_.port}});
  b_.start({{kA, a_.port}});
  ASSERT_TRUE(eventually([&] { return b_.meetings.size() == 2; })) << "as greeted, and as greeting";
  a_.transport->send({beat(1)});
  let_pass(milliseconds(50));
  EXPECT_TRUE(a_.greeted.empty());
  EXPECT_TRUE(b_.greeted.empty());
  EXPECT_TRUE(b_.received.empty());
  EXPECT_FALSE(b_.transport->connected(kA));
  for (auto& meeting : b_.meetings) meeting->fulfill(Status());
  ASSERT_TRUE(eventually([&] { return connected(); }));
  EXPECT_EQ(b_.met.size(), 2u) << "nobody had to ask again";
}

TEST_F(TransportTest, MeetingThatIsOverTooLate_LetsNobodyIn) {
  b_.meeting_waits = true;
  a_.start({{kB, b_.port}});
  b_.start({});
  ASSERT_TRUE(eventually([&] { return !b_.meetings.empty(); }));
  a_.stop();
  let_pass(milliseconds(50));
  for (auto& meeting : b_.meetings) meeting->fulfill(Status());
  let_pass(milliseconds(50));
  EXPECT_TRUE(b_.closed.empty()) << "nobody has entered who could have left";
  EXPECT_EQ(b_.met.size(), b_.meetings.size()) << "a guest that has gone is not dialled";
}

TEST_F(TransportTest, ThatEndsWhileItMeetsSomebody_LetsNobodyIn) {
  b_.meeting_waits = true;
  a_.start({{kB, b_.port}});
  b_.start({{kA, a_.port}});
  ASSERT_TRUE(eventually([&] { return b_.meetings.size() >= 2; }));
  b_.stop();
  for (auto& meeting : b_.meetings) meeting->fulfill(Status());
  let_pass(milliseconds(50));
  EXPECT_TRUE(a_.greeted.empty());
}

TEST_F(TransportTest, BothSides_TellTheirIncarnation) {
  a_.incarnation = Incarnation(7);
  b_.incarnation = Incarnation(8);
  start();
  const auto knows = [](const Member& member, MemberId id, Incarnation incarnation) {
    return member.met.size() == 2 &&
           std::all_of(member.met.begin(), member.met.end(), [&](const Introduction& other) {
             return other.member == id && other.incarnation == incarnation;
           });
  };
  EXPECT_TRUE(eventually([&] { return knows(a_, kB, Incarnation(8)); }));
  EXPECT_TRUE(eventually([&] { return knows(b_, kA, Incarnation(7)); }));
}

TEST_F(TransportTest, MemberThatNobodyToldOf_IsAnsweredAsAGuest_UntilItGoes) {
  b_.start({});
  a_.start({{kB, b_.port}});
  ASSERT_TRUE(eventually([&] { return connected(); }));
  a_.transport->send({beat(1)});
  ASSERT_TRUE(eventually([&] { return b_.received.size() == 1; }));
  let_pass(milliseconds(3) + a_.linger);
  EXPECT_TRUE(connected()) << "a guest stays while it is there";
  b_.transport->send({{.cluster = kCluster,
                       .from = kB,
                       .to = kA,
                       .term = Term(1),
                       .body = HeartbeatReply{.round = Round(1)}}});
  ASSERT_TRUE(eventually([&] { return a_.received.size() == 1; }));
  a_.stop();
  ASSERT_TRUE(eventually([&] { return !b_.transport->connected(kA); }));
  const auto met = b_.met.size();
  let_pass(2 * a_.linger);
  a_.start({});
  let_pass(milliseconds(100));
  EXPECT_EQ(b_.met.size(), met) << "a guest that has gone is not dialled for ever";
}

TEST_F(TransportTest, Refusal_CountsFromAMember_AndNotFromAGuest) {
  a_.refuses = true;
  b_.start({});
  a_.start({{kB, b_.port}});
  // B lets A in as a guest, dials it where A says, and is told that it was removed.
  ASSERT_TRUE(eventually([&] { return !b_.trouble.empty(); }));
  EXPECT_EQ(b_.trouble[0].code, ErrorCode::kMemberRemoved);
  EXPECT_TRUE(b_.refused.empty());
  b_.know({{kA, a_.port}});
  ASSERT_TRUE(eventually([&] { return !b_.refused.empty(); }));
  EXPECT_EQ(b_.refused[0].code, ErrorCode::kMemberRemoved);
  const auto told = b_.refused.size();
  b_.know({});
  let_pass(milliseconds(100));
  EXPECT_EQ(b_.refused.size(), told) << "nor from one that has left";
}

TEST_F(TransportTest, Guests_HaveABound_AndMakeRoomWhenTheyAreGone) {
  b_.start({});
  std::vector<std::unique_ptr<Member>> strangers;
  for (std::uint64_t id = 10; id < 13; ++id) {
    strangers.push_back(std::make_unique<Member>(loop_, MemberId(id)));
    strangers.back()->start({{kB, b_.port}});
    const auto& stranger = *strangers.back();
    ASSERT_TRUE(eventually([&] {
      return (stranger.transport->connected(kB) && b_.transport->connected(MemberId(id))) ||
             !stranger.refused.empty();
    }));
  }
  EXPECT_TRUE(strangers[1]->refused.empty());
  ASSERT_FALSE(strangers[2]->refused.empty());
  EXPECT_EQ(strangers[2]->refused[0].code, ErrorCode::kOverloaded);
  strangers[0]->stop();
  EXPECT_TRUE(eventually([&] { return strangers[2]->transport->connected(kB); }));
  for (const auto& stranger : strangers) stranger->stop();
}

TEST_F(TransportTest, MemberThatMoves_IsDialledAtItsNewAddress) {
  start();
  Member moved(loop_, kB);
  b_.stop();
  moved.start({{kA, a_.port}});
  a_.know({{kB, moved.port}});
  ASSERT_TRUE(eventually([&] { return a_.transport->connected(kB); }));
  a_.transport->send({beat(1)});
  ASSERT_TRUE(eventually([&] { return moved.received.size() == 1; }));
  moved.stop();
}

TEST_F(TransportTest, MemberThatLeft_IsServedForAWhile_AndThenDropped) {
  start();
  a_.know({});
  a_.transport->send({beat(1)});
  ASSERT_TRUE(eventually([&] { return b_.received.size() == 1; }));
  EXPECT_TRUE(connected());
  a_.refuses = true;
  ASSERT_TRUE(eventually([&] { return !a_.transport->connected(kB); }));
  // Its own connection as well, so that it comes again and learns why.
  ASSERT_TRUE(eventually([&] { return !b_.refused.empty(); }));
  EXPECT_EQ(b_.refused[0].code, ErrorCode::kMemberRemoved);
}

TEST_F(TransportTest, Identify_TellsWhoAnswers_OrThatNobodyDoes) {
  b_.start({});
  const auto ask = [&](std::uint16_t port) {
    return identify(loop_.network(), loop_.timer(), "127.0.0.1:" + std::to_string(port),
                    milliseconds(500))
        .promise()
        .wait(loop_.wait_scope());
  };
  const auto found = ask(b_.port);
  ASSERT_TRUE(found.ok()) << found.error().message;
  EXPECT_EQ(found->cluster, kCluster);
  EXPECT_EQ(found->member, kB);
  EXPECT_EQ(found->name, "n2");
  EXPECT_TRUE(found->empty);
  EXPECT_TRUE(b_.met.empty());
  const auto nobody = ask(1);
  ASSERT_FALSE(nobody.ok());
  EXPECT_EQ(nobody.error().code, ErrorCode::kUnreachable);
}

TEST_F(TransportTest, MessageThatNamesAnother_IsRefused_AndNotPassedOn) {
  start();
  Message forged = beat(1);
  forged.from = MemberId(3);
  a_.transport->send({std::move(forged)});
  ASSERT_TRUE(eventually([&] { return !b_.trouble.empty() && !a_.unreachable.empty(); }));
  EXPECT_TRUE(b_.received.empty());
  a_.transport->send({beat(2)});
  ASSERT_TRUE(eventually([&] { return b_.received.size() == 1; }));
}

// Accepts, greets as member B should, and then never answers anything.
class Mute final : public schema::Peer::Server {
 public:
  class Session final : public schema::PeerSession::Server {
   protected:
    kj::Promise<void> deliver(DeliverContext context) override {
      context.allowCancellation();
      return kj::NEVER_DONE;
    }
  };

 protected:
  kj::Promise<void> greet(GreetContext context) override {
    context.getResults().setSession(kj::heap<Session>());
    return kj::READY_NOW;
  }
};

class MuteMember {
 public:
  explicit MuteMember(rpc::Loop& loop)
      : server_(loop.timer(), [](rpc::Server::Peer) { return kj::heap<Mute>(); },
                {.greeting_timeout = Duration::zero()}) {
    auto listener = rpc::listen(loop, "127.0.0.1:0");
    port = listener->port;
    listening_ = server_.listen(kj::mv(listener->receiver)).eagerlyEvaluate(nullptr);
  }
  auto accepted() const { return server_.stats().accepted; }

  std::uint16_t port = 0;

 private:
  rpc::Server server_;
  kj::Promise<void> listening_ = nullptr;
};

TEST_F(TransportTest, PeerThatDoesNotAnswer_HoldsABoundedAmount_AndIsDialledAgain) {
  a_.silence = seconds(2);  // longer than it takes to send that much
  MuteMember mute(loop_);
  a_.start({{kB, mute.port}});
  ASSERT_TRUE(eventually([&] { return a_.transport->connected(kB); }));
  const auto accepted = mute.accepted();

  std::size_t sent = 0;
  while (a_.unreachable.empty() && sent < 4 * limits::kInflightBytesMax) {
    a_.transport->send({append(2, limits::kMiB)});
    sent += limits::kMiB;
    loop_.wait_scope().poll();
  }
  EXPECT_GT(sent, limits::kInflightBytesMax);
  EXPECT_LT(sent, 3 * limits::kInflightBytesMax) << "what is outstanding has no bound";
  ASSERT_TRUE(eventually([&] { return mute.accepted() > accepted; }));
  EXPECT_TRUE(a_.closed.empty()) << "we closed it ourselves";
}

// What goes to a leader is replies, which ride on its own calls, and calls of the service, which
// nobody else would ever find to be lost.
TEST_F(TransportTest, PeerThatDoesNotAnswer_IsDialledAgain_AlsoIfItIsSentNothing) {
  MuteMember mute(loop_);
  a_.start({{kB, mute.port}});
  ASSERT_TRUE(eventually([&] { return a_.transport->connected(kB); }));
  const auto accepted = mute.accepted();
  ASSERT_TRUE(eventually([&] { return mute.accepted() > accepted; }));
}

TEST_F(TransportTest, ReplyThatTakesItsTime_Arrives_AlsoWhereTheAskerCannotBeDialled) {
  constexpr std::uint16_t kNobodyListens = 1;
  a_.start({{kB, b_.port}});
  b_.start({{kA, kNobodyListens}});
  ASSERT_TRUE(eventually([&] { return a_.transport->connected(kB); }));
  ASSERT_FALSE(b_.transport->connected(kA));
  Message request = beat(1);
  request.body = VoteRequest{};
  a_.transport->send({request});
  ASSERT_TRUE(eventually([&] { return b_.received.size() == 1; }));
  let_pass(milliseconds(40));  // as long as a disk takes for a vote
  Message reply{.cluster = kCluster, .from = kB, .to = kA, .term = Term(1), .body = {}};
  reply.body = VoteReply{.pre_vote = false, .granted = true};
  b_.transport->send({reply});
  EXPECT_TRUE(eventually([&] { return a_.received.size() == 1; }));
}

TEST_F(TransportTest, IdleConnection_IsNotTakenForASilentOne) {
  start();
  let_pass(milliseconds(800));
  EXPECT_TRUE(connected());
  EXPECT_TRUE(a_.closed.empty());
}

class Ping final : public schema::Peer::Server {
 protected:
  kj::Promise<void> greet(GreetContext context) override {
    context.getResults().setFailure("pong");
    return kj::READY_NOW;
  }
};

TEST_F(TransportTest, Service_IsReachedThroughTheConnection_AndBreaksWithIt) {
  capnp::Capability::Client ping = schema::Peer::Client(kj::heap<Ping>());
  b_.service = &ping;
  start();
  KJ_IF_MAYBE (service, a_.transport->service_of(kB)) {
    auto peer = service->castAs<schema::Peer>();
    auto pong = peer.greetRequest().send().wait(loop_.wait_scope());
    EXPECT_EQ(pong.getFailure(), "pong");
    b_.stop();
    EXPECT_THROW(peer.greetRequest().send().wait(loop_.wait_scope()), kj::Exception);
  } else {
    FAIL() << "no service";
  }
  ASSERT_TRUE(eventually([&] { return a_.transport->service_of(kB) == nullptr; }));
  EXPECT_TRUE(a_.transport->service_of(MemberId(9)) == nullptr);
}

TEST_F(TransportTest, RandomBytes_LeaveThePortServing) {
  start();
  const char* wanted = ::getenv("COORD_JUNK_CONNECTIONS");
  const int count = wanted != nullptr ? atoi(wanted) : 20'000;
  auto address = loop_.network().parseAddress("127.0.0.1", b_.port).wait(loop_.wait_scope());
  Prng random(3);
  for (int i = 0; i < count; ++i) {
    std::string junk(random.below(100), '\0');
    for (char& c : junk) c = static_cast<char>(random.chance(1, 2) ? 0 : random.next());
    auto stream = address->connect().wait(loop_.wait_scope());
    stream->write(junk.data(), junk.size()).wait(loop_.wait_scope());
    if (i % 1000 == 0) a_.transport->send({beat(i + 1)});
  }
  const auto beats = static_cast<std::size_t>((count + 999) / 1000);
  ASSERT_TRUE(eventually([&] { return b_.received.size() == beats; }));
  EXPECT_TRUE(connected());
  EXPECT_TRUE(a_.closed.empty());
}

}  // namespace
}  // namespace coord::raft
