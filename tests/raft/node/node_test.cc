#include <gtest/gtest.h>

#include <algorithm>

#include "tests/raft/node/fakes.h"
#include "tests/raft/node/no_snapshots.h"

namespace coord::raft::testing {
namespace {

// Member 1, alone with its fakes; the other members are played by the test.
class NodeTest : public ::testing::Test {
 protected:
  void start(Configuration configuration, std::vector<Entry> entries = {}) {
    CoreOptions options;
    options.cluster = kCluster;
    options.self = MemberId(1);
    options.seed = 1;
    Restored restored;
    restored.configuration = std::move(configuration);
    restored.first_index = Index(1);
    restored.hard_state.term = entries.empty() ? applied_before_.term : entries.back().id.term;
    restored.entries = std::move(entries);
    restored.applied = applied_before_;
    node_ = std::make_unique<Node>(NodeOptions{.core = options, .log_bytes_kept = log_bytes_kept_},
                                   std::move(restored),
                                   Node::Dependencies{.log = log_,
                                                      .peers = links_,
                                                      .state_machine = state_machine_,
                                                      .observer = observer_,
                                                      .snapshots = snapshots_,
                                                      .clock = clock_,
                                                      .logger = &silent()},
                                   now_);
    pump();
  }

  void pump() { node_->pump(now_); }
  void pass(Duration time) {
    now_ += time;
    pump();
  }
  void persist() {
    node_->persisted(log_.last());
    pump();
  }
  template <class Body>
  void receive(std::uint64_t from, std::uint64_t term, Body body) {
    node_->receive({.cluster = kCluster,
                    .from = MemberId(from),
                    .to = MemberId(1),
                    .term = Term(term),
                    .body = std::move(body)});
  }

  // A cluster of one leads as soon as its disk has its vote.
  void lead_alone() {
    start(voters({1}));
    for (int i = 0; i < 10 && !node_->confirmed_leader(); ++i) pass_and_persist();
    ASSERT_TRUE(node_->confirmed_leader());
    settle();
  }
  // Member 2 votes for this one, and both others store what they are sent.
  void lead_three() {
    start(voters({1, 2, 3}));
    pass(seconds(2));
    const std::uint64_t campaign = node_->term().value() + 1;
    receive(2, campaign, VoteReply{.pre_vote = true, .granted = true});
    pump();
    persist();
    receive(2, node_->term().value(), VoteReply{.pre_vote = false, .granted = true});
    pump();
    ASSERT_EQ(node_->role(), RoleName::kLeader);
    persist();
    acknowledge(2);
    acknowledge(3);
    ASSERT_TRUE(node_->confirmed_leader());
    settle();
  }
  // That member has stored everything it was sent, and has seen the newest round.
  void acknowledge(std::uint64_t member) {
    AppendReply reply{.accepted = true, .match = {}, .rejected = {}, .hint = {}, .round = {}};
    for (const Message& message : links_.sent) {
      if (message.to != MemberId(member)) continue;
      if (const auto* append = std::get_if<AppendRequest>(&message.body)) {
        reply.match = std::max(reply.match, append->previous.index + append->entries.size());
        reply.round = std::max(reply.round, append->round);
      } else if (const auto* heartbeat = std::get_if<Heartbeat>(&message.body)) {
        reply.round = std::max(reply.round, heartbeat->round);
      }
    }
    if (!reply.match.is_zero()) receive(member, node_->term().value(), reply);
    receive(member, node_->term().value(), HeartbeatReply{.round = reply.round});
    pump();
  }
  void pass_and_persist() {
    pass(milliseconds(1));
    if (!log_.last().is_zero()) persist();
  }
  void settle() {
    links_.sent.clear();
    links_.calls = 0;
    journal_.clear();
  }
  std::size_t position_of(const std::string& step) {
    return static_cast<std::size_t>(std::find(journal_.begin(), journal_.end(), step) -
                                    journal_.begin());
  }

  Journal journal_;
  std::uint64_t log_bytes_kept_ = limits::kLogBytesKept;
  LogId applied_before_{};
  FakeLog log_{journal_};
  FakeLinks links_{journal_};
  FakeStateMachine state_machine_{journal_};
  FakeObserver observer_;
  NoSnapshots snapshots_;
  std::function<Instant()> clock_;
  Instant now_ = kStart;
  std::unique_ptr<Node> node_;
};

Entry entry(std::uint64_t term, std::uint64_t index) {
  return {.id = at(term, index), .type = EntryType::kCommand, .payload = command(index)};
}

// --- What may be sent when
// -------------------------------------------------------------------------

TEST_F(NodeTest, AppendedEntries_AreAcknowledged_OnlyWhenTheyAreDurable) {
  start(voters({1, 2, 3}));
  receive(
      2, 1,
      AppendRequest{
          .previous = {}, .commit = {}, .round = Round(1), .entries = {entry(1, 1), entry(1, 2)}});
  pump();
  ASSERT_EQ(log_.batches.size(), 1u);
  EXPECT_TRUE(links_.take<AppendReply>().empty());
  pass(milliseconds(1));
  EXPECT_TRUE(links_.take<AppendReply>().empty());
  persist();
  const auto replies = links_.take<AppendReply>();
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_EQ(std::get<AppendReply>(replies[0].body).match, Index(2));
}

TEST_F(NodeTest, Vote_IsGiven_OnlyWhenItIsDurable) {
  start(voters({1, 2, 3}));
  receive(2, 1, VoteRequest{.pre_vote = false, .transfer = false, .last = {}});
  pump();
  EXPECT_TRUE(links_.take<VoteReply>().empty());
  ASSERT_EQ(log_.batches.size(), 1u);
  EXPECT_EQ(log_.batches[0].hard_state, (HardState{.term = Term(1), .vote = MemberId(2)}));
  persist();
  EXPECT_EQ(links_.take<VoteReply>().size(), 1u);
}

TEST_F(NodeTest, HeldMessages_LeaveInOrder_EachWithItsOwnTicket) {
  start(voters({1, 2, 3}));
  for (std::uint64_t i = 1; i <= 3; ++i) {
    receive(2, 1,
            AppendRequest{.previous = at(i == 1 ? 0 : 1, i - 1),
                          .commit = {},
                          .round = Round(1),
                          .entries = {entry(1, i)}});
    pump();
  }
  ASSERT_EQ(log_.batches.size(), 3u);
  node_->persisted(log_.batches[1].ticket);
  pump();
  auto replies = links_.take<AppendReply>();
  ASSERT_EQ(replies.size(), 2u);
  EXPECT_EQ(std::get<AppendReply>(replies[0].body).match, Index(1));
  EXPECT_EQ(std::get<AppendReply>(replies[1].body).match, Index(2));
  persist();
  EXPECT_EQ(links_.take<AppendReply>().size(), 1u);
}

TEST_F(NodeTest, ProposalsOfOneTurn_MakeOneBatch_AndOneAppendForEachPeer) {
  lead_three();
  const std::size_t batches = log_.batches.size();
  std::vector<LogId> places;
  for (std::uint64_t i = 0; i < 10; ++i) places.push_back(*node_->propose(command(i)));
  EXPECT_EQ(log_.batches.size(), batches);
  pump();
  ASSERT_EQ(log_.batches.size(), batches + 1);
  EXPECT_EQ(log_.batches.back().append.size(), 10u);
  EXPECT_EQ(log_.batches.back().append.back().id, places.back());
  EXPECT_EQ(links_.calls, 1);
  // Not only before our disk has them (Raft §10.2.1), but first of all: theirs is the longer way.
  const auto appends = links_.take<AppendRequest>();
  ASSERT_EQ(appends.size(), 2u);
  EXPECT_EQ(std::get<AppendRequest>(appends[0].body).entries.size(), 10u);
  EXPECT_LT(position_of("send"), position_of("submit " + std::to_string(log_.last().value())));
}

TEST_F(NodeTest, Entries_AreAppliedOnlyWhenDurableHere_HoweverManyOthersHaveThem) {
  lead_three();
  const LogId place = *node_->propose(command(1));
  pump();
  acknowledge(2);
  acknowledge(3);
  EXPECT_LT(node_->applied(), place.index);
  persist();
  EXPECT_EQ(node_->applied(), place.index);
  EXPECT_EQ(state_machine_.applied.back().id, place);
}

// --- Proposals
// -------------------------------------------------------------------------------------

TEST_F(NodeTest, Proposal_OnAFollower_IsRefusedAtOnce_AndLeavesNoTrace) {
  start(voters({1, 2, 3}));
  const auto refused = node_->propose(command(1));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kNotLeader);
  EXPECT_EQ(refused.error().outcome, Outcome::kNotApplied);
  pump();
  EXPECT_TRUE(log_.batches.empty());
  EXPECT_EQ(node_->counters().proposals_refused, 1u);
}

TEST_F(NodeTest, ProposalFromWithinApply_GoesOutInTheSamePump) {
  lead_alone();
  bool again = true;
  state_machine_.hook = [&] {
    if (std::exchange(again, false)) {
      EXPECT_TRUE(node_->propose(command(2)).ok());
    }
  };
  ASSERT_TRUE(node_->propose(command(1)).ok());
  pump();
  const std::size_t batches = log_.batches.size();
  persist();
  EXPECT_EQ(log_.batches.size(), batches + 1);
  persist();
  EXPECT_EQ(text(state_machine_.applied.back()), "2");
}

TEST_F(NodeTest, ProposalFromWithinTheObserver_IsAllowed) {
  observer_.hook = [&](const Fact& fact) {
    if (std::holds_alternative<LeadershipConfirmed>(fact)) {
      EXPECT_TRUE(node_->propose(command(7)).ok());
    }
  };
  lead_alone();
  persist();
  EXPECT_EQ(text(state_machine_.applied.back()), "7");
}

// --- Reads
// -----------------------------------------------------------------------------------------

TEST_F(NodeTest, Read_OnALeader_WaitsForARoundOfItsOwn) {
  lead_three();
  int open = 0;
  node_->read_gate([&](Status status) {
    EXPECT_TRUE(status.ok());
    ++open;
  });
  EXPECT_EQ(open, 0);
  pump();
  EXPECT_EQ(open, 0);
  acknowledge(2);
  EXPECT_EQ(open, 1);
  pass(milliseconds(100));
  acknowledge(2);
  EXPECT_EQ(open, 1);
}

TEST_F(NodeTest, Read_SeesWhatWasCommittedWhenItCame_AndWaitsUntilThatIsApplied) {
  lead_three();
  ASSERT_TRUE(node_->propose(command(1)).ok());
  pump();
  acknowledge(2);
  acknowledge(3);  // committed, but not durable here and so not applied
  bool open = false;
  node_->read_gate([&](Status status) { open = status.ok(); });
  pump();
  acknowledge(2);
  EXPECT_FALSE(open);
  persist();
  EXPECT_TRUE(open);
}

TEST_F(NodeTest, ReadsOfOneTurn_ShareOneRequest) {
  lead_three();
  int open = 0;
  const auto before = node_->counters().read_requests;
  for (int i = 0; i < 100; ++i) node_->read_gate([&](Status status) { open += status.ok(); });
  pump();
  acknowledge(2);
  EXPECT_EQ(open, 100);
  EXPECT_EQ(node_->counters().read_requests, before + 1);
}

TEST_F(NodeTest, Reads_OfALeaderThatLosesItsQuorum_AreRefusedOnce) {
  lead_three();
  int answers = 0;
  node_->read_gate([&](Status status) {
    ++answers;
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, ErrorCode::kNotLeader);
  });
  for (int i = 0; i < 100; ++i) pass(milliseconds(50));
  EXPECT_EQ(answers, 1);
  EXPECT_NE(node_->role(), RoleName::kLeader);
}

TEST_F(NodeTest, Read_WithoutALeader_IsRefused) {
  start(voters({1, 2, 3}));
  std::optional<ErrorCode> code;
  node_->read_gate([&](Status status) { code = status.error().code; });
  for (int i = 0; i < 60 && !code; ++i) pass(milliseconds(50));
  EXPECT_EQ(code, ErrorCode::kNoQuorum);
}

TEST_F(NodeTest, Reads_ThatWaitAtTheEnd_AreCancelled_AndMayEvenAskAgain) {
  lead_three();
  std::vector<ErrorCode> codes;
  const auto note = [&](Status status) { codes.push_back(status.error().code); };
  node_->read_gate(note);
  pump();
  node_->read_gate([&, node = node_.get()](Status status) {
    note(status);
    node->read_gate(note);
  });
  node_.reset();
  EXPECT_EQ(codes, std::vector<ErrorCode>(3, ErrorCode::kCancelled));
}

TEST_F(NodeTest, ReadFromWithinARead_IsServed) {
  lead_alone();
  int open = 0;
  node_->read_gate([&](Status) {
    ++open;
    node_->read_gate([&](Status) { ++open; });
  });
  pump();
  pump();
  EXPECT_EQ(open, 2);
}

// --- Applying in slices
// ----------------------------------------------------------------------------

std::vector<Entry> many(std::uint64_t count) {
  std::vector<Entry> entries;
  for (std::uint64_t i = 1; i <= count; ++i) entries.push_back(entry(1, i));
  return entries;
}

TEST_F(NodeTest, ManyCommittedEntries_AreAppliedOverSeveralTurns_EachOnceAndInOrder) {
  constexpr std::uint64_t kCount = 5000;
  start(voters({1, 2, 3}), many(kCount));
  receive(
      2, 2,
      AppendRequest{
          .previous = at(1, kCount), .commit = Index(kCount), .round = Round(1), .entries = {}});
  pump();
  EXPECT_LE(state_machine_.applied.size(), limits::kApplyEntriesMax);
  EXPECT_GT(state_machine_.applied.size(), 0u);
  int turns = 1;
  for (; node_->deadline() <= now_ && turns < 100; ++turns) pump();
  EXPECT_GT(turns, 3);
  ASSERT_EQ(state_machine_.applied.size(), kCount);
  for (std::uint64_t i = 0; i < kCount; ++i) {
    ASSERT_EQ(state_machine_.applied[i].id.index, Index(i + 1));
  }
  EXPECT_EQ(node_->applied(), Index(kCount));
}

TEST_F(NodeTest, BusyStateMachine_IsGivenNothingMore_UntilItIsNot) {
  constexpr std::uint64_t kCount = 1000;
  start(voters({1, 2, 3}), many(kCount));
  state_machine_.hook = [this] { state_machine_.is_busy = state_machine_.applied.size() >= 100; };
  receive(
      2, 2,
      AppendRequest{
          .previous = at(1, kCount), .commit = Index(kCount), .round = Round(1), .entries = {}});
  pump();
  const std::size_t before = state_machine_.applied.size();
  EXPECT_GE(before, 100u);
  EXPECT_LE(before, 150u) << "in the middle of what it may take in a turn";
  EXPECT_EQ(node_->applied(), Index(before));
  EXPECT_GT(node_->deadline(), now_) << "there is nothing to be done now";
  pump();
  EXPECT_EQ(state_machine_.applied.size(), before);
  state_machine_.is_busy = false;
  state_machine_.hook = nullptr;
  EXPECT_LE(node_->deadline(), now_);
  for (int turns = 0; node_->deadline() <= now_ && turns < 100; ++turns) pump();
  ASSERT_EQ(state_machine_.applied.size(), kCount);
  for (std::uint64_t i = 0; i < kCount; ++i) {
    ASSERT_EQ(state_machine_.applied[i].id.index, Index(i + 1));
  }
}

TEST_F(NodeTest, SlowApplying_EndsTheTurn_AfterAboutAMillisecond) {
  clock_ = [this] { return now_; };
  start(voters({1, 2, 3}), many(1000));
  state_machine_.hook = [this] { now_ += microseconds(600); };
  receive(2, 2,
          AppendRequest{
              .previous = at(1, 1000), .commit = Index(1000), .round = Round(1), .entries = {}});
  const auto applying = std::count_if(journal_.begin(), journal_.end(),
                                      [](const auto& step) { return step.starts_with("apply"); });
  EXPECT_EQ(applying, 0);
  pump();
  EXPECT_EQ(std::count_if(journal_.begin(), journal_.end(),
                          [](const auto& step) { return step.starts_with("apply"); }),
            2);
}

TEST_F(NodeTest, Clock_IsAskedWhenAMessageArrives_SoThatAPauseIsNotTakenForSilence) {
  clock_ = [this] { return now_; };
  start(voters({1, 2, 3}));
  receive(2, 1, Heartbeat{.commit = {}, .round = Round(1), .held_by_all = {}});
  pump();
  now_ += seconds(10);  // stopped, while heartbeats pile up
  receive(2, 1, Heartbeat{.commit = {}, .round = Round(2), .held_by_all = {}});
  pump();
  EXPECT_EQ(node_->leader(), MemberId(2));
  EXPECT_TRUE(links_.take<VoteRequest>().empty());
}

// The core's timers run in whatever step comes when they are due: what they want done must not wait
// for the next one.
TEST_F(NodeTest, RefusedProposal_ThatRunsTheTimers_HasTheirOutputCarriedOut) {
  clock_ = [this] { return now_; };
  lead_three();
  ASSERT_TRUE(node_->transfer_leadership(MemberId(2)).ok());
  pump();
  settle();
  now_ = node_->deadline();
  ASSERT_EQ(node_->propose(command(1)).error().code, ErrorCode::kNotLeader);
  pump();
  EXPECT_EQ(links_.take<Heartbeat>().size(), 2u);
}

TEST_F(NodeTest, Applying_ThatRunsTheTimers_HasTheirOutputCarriedOut) {
  clock_ = [this] { return now_; };
  lead_three();
  const auto place = node_->propose(command(1));
  ASSERT_TRUE(place.ok());
  pump();
  persist();
  ASSERT_TRUE(links_.take<Heartbeat>().empty());
  state_machine_.hook = [this] { now_ += CoreOptions{}.heartbeat_interval; };
  acknowledge(2);
  ASSERT_EQ(node_->applied(), place->index);
  const std::vector<Message> heartbeats = links_.take<Heartbeat>();
  EXPECT_TRUE(std::any_of(heartbeats.begin(), heartbeats.end(), [](const Message& message) {
    return message.to == MemberId(3);  // which has no commit to be told of
  }));
}

// --- The log behind the state
// ----------------------------------------------------------------------

TEST_F(NodeTest, Log_IsCutBehindTheFlush_AsFarAsEveryMemberHasIt) {
  const std::uint64_t count = limits::kLogEntriesKept + 1000;
  start(voters({1, 2, 3}), many(count));
  receive(2, 2,
          AppendRequest{
              .previous = at(1, count), .commit = Index(count), .round = Round(1), .entries = {}});
  pump();
  persist();
  while (node_->deadline() <= now_) pump();
  ASSERT_EQ(node_->applied(), Index(count));

  node_->flushed(at(1, count));
  EXPECT_TRUE(log_.cuts.empty());  // who knows what member 3 has
  receive(2, 2, Heartbeat{.commit = Index(count), .round = Round(2), .held_by_all = Index(count)});
  pump();
  node_->flushed(at(1, count - 500));  // an old one changes nothing
  ASSERT_EQ(log_.cuts.size(), 1u);
  EXPECT_EQ(log_.cuts[0], Index(1000));
  node_->flushed(at(1, count));
  EXPECT_EQ(log_.cuts.size(), 1u);  // one at a time
  node_->log_cut(Index(900));
  node_->flushed(at(1, count));
  EXPECT_EQ(log_.cuts.size(), 1u);  // and not the same again
}

TEST_F(NodeTest, LogThatIsKeptForEver_IsNotCut) {
  log_bytes_kept_ = std::uint64_t{1} << 62;
  applied_before_ = at(1, 100);
  start(voters({1, 2, 3}), {});
  node_->flushed(at(1, 100));
  EXPECT_TRUE(log_.cuts.empty());
}

}  // namespace
}  // namespace coord::raft::testing
