// What comes from the network may lie in every field: it is refused, or believed as far as a member
// may be believed, but never trips a CHECK and never breaks what holds within a core.
#include "raft/core/describe.h"
#include "tests/raft/core/cluster.h"
#include "tests/raft/core/property.h"

namespace coord::raft {
namespace {

MessageRefused::Reason refused(Cluster& cluster, int member) {
  for (const Fact& fact : cluster.facts(member)) {
    if (const auto* refused = std::get_if<MessageRefused>(&fact)) return refused->reason;
  }
  ADD_FAILURE() << "nothing was refused";
  return MessageRefused::Reason::kMalformed;
}

TEST(Door, MessageOfAnotherCluster_IsRefused) {
  Cluster cluster({});
  Message message = cluster.message(1, 2, Term(5), HeartbeatReply{});
  message.cluster = ClusterId(8);
  cluster.receive(2, message);
  EXPECT_EQ(refused(cluster, 2), MessageRefused::Reason::kWrongCluster);
  EXPECT_EQ(cluster.core(2).term(), Term(0));
}

TEST(Door, MessageForAnotherMember_IsRefused) {
  Cluster cluster({});
  cluster.receive(2, cluster.message(1, 3, Term(5), HeartbeatReply{}));
  EXPECT_EQ(refused(cluster, 2), MessageRefused::Reason::kWrongMember);
}

TEST(Door, MessageOfAStranger_IsRefused) {
  Cluster cluster({});
  cluster.receive(2, cluster.message(9, 2, Term(5), HeartbeatReply{}));
  EXPECT_EQ(refused(cluster, 2), MessageRefused::Reason::kUnknownSender);
}

TEST(Door, AppendThatContradictsWhatIsCommitted_IsRefused_AndNothingIsTruncated) {
  Cluster cluster({});
  const std::vector<Entry> entries{{{Term(1), Index(1)}, EntryType::kNoop, {}},
                                   {{Term(1), Index(2)}, EntryType::kNoop, {}}};
  cluster.receive(
      2, cluster.message(1, 2, Term(1), AppendRequest{.commit = Index(2), .entries = entries}));
  ASSERT_EQ(cluster.core(2).commit(), Index(2));
  const std::vector<Entry> others{{{Term(2), Index(1)}, EntryType::kNoop, {}}};
  cluster.receive(2, cluster.message(3, 2, Term(2), AppendRequest{.entries = others}));
  EXPECT_EQ(refused(cluster, 2), MessageRefused::Reason::kMalformed);
  EXPECT_EQ(cluster.terms(2), "1 1");
}

TEST(Door, SecondLeaderOfATerm_IsRefused) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.receive(1, cluster.message(2, 1, cluster.core(1).term(), Heartbeat{}));
  EXPECT_EQ(refused(cluster, 1), MessageRefused::Reason::kMalformed);
  EXPECT_EQ(cluster.core(1).role(), RoleName::kLeader);
}

TEST(Door, AcknowledgementOfARoundThatWasNeverStarted_IsRefused) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.receive(1, cluster.message(2, 1, cluster.core(1).term(), HeartbeatReply{Round(1000)}));
  EXPECT_EQ(refused(cluster, 1), MessageRefused::Reason::kMalformed);
}

TEST(Door, AcknowledgementBeyondTheLog_IsRefused) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.receive(1, cluster.message(2, 1, cluster.core(1).term(),
                                     AppendReply{.accepted = true, .match = Index(1000)}));
  EXPECT_EQ(refused(cluster, 1), MessageRefused::Reason::kMalformed);
}

// --- Lies ---------------------------------------------------------------------------------------

std::uint64_t number() {
  return *rc::gen::weightedOneOf<std::uint64_t>(
      {{12, rc::gen::inRange<std::uint64_t>(0, 8)},
       {1, rc::gen::element<std::uint64_t>(UINT64_MAX, UINT64_MAX - 1, std::uint64_t{1} << 62,
                                           (std::uint64_t{1} << 62) - 1, 1000)}});
}
LogId log_id() {
  return {Term(number()), Index(number())};
}

std::vector<Entry> lying_entries(LogId previous) {
  std::vector<Entry> entries;
  const std::size_t count = *rc::gen::inRange<std::size_t>(0, 4);
  for (std::size_t i = 0; i < count; ++i) {
    // Mostly in order, as the codec would have it.
    const bool gap = *rc::gen::inRange(0, 20) == 0 || previous.index == Index::max();
    const Index index = gap ? Index(number()) : previous.index.next();
    const Term term = Term(std::max(previous.term.value(), number()));
    switch (*rc::gen::inRange(0, 6)) {
      case 0:  // no configuration
        entries.push_back({{term, index}, EntryType::kConfiguration, text("x")});
        break;
      case 1:
        entries.push_back({{term, index},
                           EntryType::kConfiguration,
                           encode(voters({1, *rc::gen::element(2, 3)}, {4}))});
        break;
      default:
        entries.push_back({{term, index}, EntryType::kCommand, text("x")});
    }
    previous = entries.back().id;
  }
  return entries;
}

MessageBody lying_body() {
  const bool yes = *rc::gen::arbitrary<bool>();
  const bool also = *rc::gen::arbitrary<bool>();
  switch (*rc::gen::inRange(0, 11)) {
    case 9: {
      const std::uint64_t size = number();
      return SnapshotChunk{.last = log_id(),
                           .size = size,
                           .checksum = number(),
                           .offset = std::min(size, number()),
                           .data = text(std::string(*rc::gen::inRange<std::size_t>(0, 9), 'x'))};
    }
    case 10:
      return SnapshotReply{.last = log_id(), .received = number()};
    case 0:
      return VoteRequest{.pre_vote = yes, .transfer = also, .last = log_id()};
    case 1:
      return VoteReply{.pre_vote = yes, .granted = also};
    case 2: {
      const LogId previous = log_id();
      return AppendRequest{.previous = previous,
                           .commit = Index(number()),
                           .round = Round(number()),
                           .entries = lying_entries(previous)};
    }
    case 3:
      return AppendReply{.accepted = yes,
                         .match = Index(number()),
                         .rejected = Index(number()),
                         .hint = log_id(),
                         .round = Round(number())};
    case 4:
      return Heartbeat{
          .commit = Index(number()), .round = Round(number()), .held_by_all = Index(number())};
    case 5:
      return HeartbeatReply{Round(number())};
    case 6:
      return TimeoutNow{};
    case 7:
      return ReadIndexRequest{ReadId(number())};
    default:
      return ReadIndexReply{ReadId(number()), yes, Index(number())};
  }
}

COORD_PROPERTY(DoorProperty, Lies_NeverBreakACore, kCases) {
  Cluster::Options options;
  options.fast_disk = *rc::gen::arbitrary<bool>();
  options.core.cached_log_bytes_max = *rc::gen::element<std::size_t>(0, 1000);
  options.core.lease_reads = *rc::gen::arbitrary<bool>();
  options.fail_test = false;
  Cluster cluster(options);
  if (options.fast_disk && *rc::gen::arbitrary<bool>()) cluster.elect(2);
  const int steps = *rc::gen::inRange(1, 150);
  for (int i = 0; i < steps; ++i) {
    switch (*rc::gen::inRange(0, 16)) {
      case 0:
        cluster.pass(milliseconds(*rc::gen::inRange(1, 900)));
        break;
      case 1:
        cluster.step(2, Tick{});
        break;
      case 2:
        cluster.propose(2, "p");
        break;
      case 3:
        cluster.step(2, Read{ReadId(static_cast<std::uint64_t>(i))});
        break;
      case 4:
        cluster.persist(2);
        break;
      case 5:
        cluster.step(2, PeerClosed{Cluster::id(*rc::gen::inRange(1, 5))});
        break;
      case 6:
        cluster.change(2, voters({1, 2}, {3}));
        break;
      case 7:
        cluster.transfer(2, *rc::gen::inRange(0, 4));
        break;
      case 8:
        cluster.compact(2);
        break;
      default: {
        // Terms near the member's own are the interesting ones.
        const std::uint64_t term =
            *rc::gen::inRange(0, 3) == 0
                ? number()
                : cluster.core(2).term().value() + *rc::gen::inRange<std::uint64_t>(0, 2);
        cluster.receive(2, cluster.message(*rc::gen::element(1, 3), 2, Term(term), lying_body()));
        break;
      }
    }
    for (int other : {1, 3}) cluster.drop(2, other);
    if (!cluster.broken().empty()) RC_FAIL(cluster.broken().front());
  }
}

}  // namespace
}  // namespace coord::raft
