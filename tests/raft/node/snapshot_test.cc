#include <gtest/gtest.h>

#include <deque>

#include "raft/node/log_budget.h"
#include "raft/node/snapshot_receiver.h"
#include "raft/node/snapshot_sender.h"
#include "tests/raft/node/fakes.h"

namespace coord::raft::testing {
namespace {

constexpr MemberId kPeer{2};
constexpr LogId kLast{Term(3), Index(70)};

// Callbacks wait until the test lets them run.
class Later {
 public:
  void add(std::function<void()> work) { work_.push_back(std::move(work)); }
  void run() {
    while (!work_.empty()) run_one();
  }
  void run_one() {
    const auto work = std::move(work_.front());
    work_.pop_front();
    work();
  }

 private:
  std::deque<std::function<void()>> work_;
};

class FakeSnapshot final : public Snapshot {
 public:
  FakeSnapshot(Later& later, std::uint64_t size) : later_(later), size_(size) {}
  LogId last() const override { return kLast; }
  std::uint64_t size() const override { return size_; }
  std::uint64_t checksum() const override { return 99; }
  void read(std::uint64_t offset, std::size_t bytes_max,
            std::function<void(Result<Bytes>)> done) override {
    const auto size = std::min<std::uint64_t>(bytes_max, size_ - offset);
    later_.add([this, size, done = std::move(done)] {
      if (broken) return done(make_error(ErrorCode::kIo, "it cannot be read"));
      done(cut_off ? Bytes() : Bytes::copy_of(std::string(size, 's')));
    });
  }
  void spoil() override { spoilt = true; }
  bool broken = false;
  bool cut_off = false;  // shorter than it said
  bool spoilt = false;

 private:
  Later& later_;
  const std::uint64_t size_;
};

class FakeStore final : public SnapshotStore {
 public:
  explicit FakeStore(Later& later) : later_(later) {}
  void open(Index at_least, Opened done) override {
    wanted = at_least;
    later_.add([this, done = std::move(done)] {
      if (!snapshot) return done(make_error(ErrorCode::kStorageFull, "no room for a copy"));
      done(std::shared_ptr<Snapshot>(snapshot));
    });
  }
  void store(SnapshotChunk chunk, std::function<void(Result<std::uint64_t>)> done) override {
    if (chunk.offset == stored) stored += chunk.data.size();
    later_.add([this, done = std::move(done)] { done(stored); });
  }
  void finish(LogId last, std::function<void(Result<Received>)> done) override {
    ++finished;
    later_.add([this, last, done = std::move(done)] {
      if (damaged) {
        stored = 0;
        return done(make_error(ErrorCode::kCorrupt, "its checksum is wrong"));
      }
      done(Received{.last = last, .configuration = voters({1, 2, 3})});
    });
  }
  void install(LogId, std::function<void()>) override {}
  void discard() override {}

  std::shared_ptr<FakeSnapshot> snapshot;
  Index wanted;
  std::uint64_t stored = 0;
  int finished = 0;
  bool damaged = false;

 private:
  Later& later_;
};

class SnapshotSenderTest : public ::testing::Test {
 protected:
  void start(std::uint64_t size) {
    store_.snapshot = std::make_shared<FakeSnapshot>(later_, size);
    begin();
  }
  void begin() {
    sender_ = std::make_unique<SnapshotSender>(
        kPeer, Index(60), store_, options_,
        [this](SnapshotRead event) { sent_.push_back(std::move(event.chunk)); });
    later_.run();
  }
  // Turns of the loop, at one time, until there is nothing more to do then.
  bool run() {
    for (int i = 0; i < 1000; ++i) {
      if (!sender_->run(now_).ok()) return false;
      const std::size_t before = sent_.size();
      later_.run();
      if (sent_.size() == before) break;
    }
    return true;
  }
  void pass(Duration time) { now_ += time; }
  void peer_has(std::uint64_t bytes) { sender_->stored({kPeer, kLast, bytes}, now_); }
  std::vector<std::uint64_t> offsets() {
    std::vector<std::uint64_t> offsets;
    for (const SnapshotChunk& chunk : std::exchange(sent_, {})) offsets.push_back(chunk.offset);
    return offsets;
  }

  using Offsets = std::vector<std::uint64_t>;
  Later later_;
  FakeStore store_{later_};
  SnapshotSendOptions options_{.chunk_bytes = 100,
                               .window_bytes = 300,
                               .bytes_per_second = 1'000'000'000'000,
                               .patience = seconds(1),
                               .give_up = seconds(10)};
  Instant now_ = kStart;
  std::vector<SnapshotChunk> sent_;
  std::unique_ptr<SnapshotSender> sender_;
};

TEST_F(SnapshotSenderTest, PiecesGoAsFarAsTheWindow_AndOnAsThePeerStoresThem) {
  start(650);
  EXPECT_EQ(store_.wanted, Index(60));
  ASSERT_TRUE(run());
  EXPECT_EQ(sent_[0].last, kLast);
  EXPECT_EQ(sent_[0].size, 650u);
  EXPECT_EQ(sent_[0].checksum, 99u);
  EXPECT_EQ(offsets(), (Offsets{0, 100, 200}));
  pass(milliseconds(1));
  peer_has(100);
  ASSERT_TRUE(run());
  EXPECT_EQ(offsets(), (Offsets{300}));
  peer_has(400);
  ASSERT_TRUE(run());
  ASSERT_EQ(sent_.size(), 3u);
  EXPECT_EQ(sent_.back().data.size(), 50u);
  EXPECT_EQ(offsets(), (Offsets{400, 500, 600}));
}

TEST_F(SnapshotSenderTest, RateIsKept) {
  options_.bytes_per_second = 1000;  // a piece in 100 ms
  start(600);
  ASSERT_TRUE(run());
  EXPECT_EQ(offsets(), (Offsets{0}));
  EXPECT_EQ(sender_->deadline(), now_ + milliseconds(100));
  pass(milliseconds(99));
  ASSERT_TRUE(run());
  EXPECT_EQ(offsets(), (Offsets{}));
  pass(milliseconds(1));
  ASSERT_TRUE(run());
  EXPECT_EQ(offsets(), (Offsets{100}));
}

TEST_F(SnapshotSenderTest, WhatIsNotStoredInTime_IsSentAgain_FromWhereThePeerStands) {
  start(1000);
  ASSERT_TRUE(run());
  peer_has(100);
  ASSERT_TRUE(run());
  EXPECT_EQ(offsets(), (Offsets{0, 100, 200, 300}));
  EXPECT_EQ(sender_->deadline(), now_ + seconds(1));
  pass(milliseconds(999));
  ASSERT_TRUE(run());
  EXPECT_EQ(offsets(), (Offsets{}));
  pass(milliseconds(1));
  ASSERT_TRUE(run());
  EXPECT_EQ(offsets(), (Offsets{100, 200, 300}));
}

TEST_F(SnapshotSenderTest, PeerThatLostWhatItHad_IsSentIt) {
  start(1000);
  ASSERT_TRUE(run());
  peer_has(300);
  ASSERT_TRUE(run());
  offsets();
  peer_has(0);
  ASSERT_TRUE(run());
  EXPECT_EQ(offsets(), (Offsets{0, 100, 200}));
}

TEST_F(SnapshotSenderTest, ReportsOfAnotherSnapshot_OrBeyondThisOne_DoNotCount) {
  start(1000);
  ASSERT_TRUE(run());
  offsets();
  sender_->stored({kPeer, {Term(3), Index(71)}, 100}, now_);
  sender_->stored({kPeer, kLast, 1001}, now_);
  ASSERT_TRUE(run());
  EXPECT_EQ(offsets(), (Offsets{}));
}

TEST_F(SnapshotSenderTest, WithoutProgress_ItIsGivenUp) {
  start(1000);
  ASSERT_TRUE(run());
  for (int second = 1; second < 10; ++second) {
    pass(seconds(1));
    ASSERT_TRUE(run()) << second;
    EXPECT_EQ(offsets().size(), second == 1 ? 6u : 3u);
  }
  pass(seconds(1));
  EXPECT_EQ(sender_->run(now_).error().code, ErrorCode::kDeadlineExceeded);
  EXPECT_FALSE(store_.snapshot->spoilt) << "others may be sent it all the same";
}

// To check and to install a large one may take long.
TEST_F(SnapshotSenderTest, PeerThatHasAllOfIt_IsAskedWhetherItStillDoes_AndNotGivenUp) {
  start(250);
  ASSERT_TRUE(run());
  peer_has(250);
  offsets();
  for (int second = 1; second < 60; ++second) {
    pass(seconds(1));
    ASSERT_TRUE(run()) << second;
    ASSERT_EQ(offsets(), (Offsets{150})) << second;
    peer_has(250);
    ASSERT_TRUE(run());
    ASSERT_EQ(offsets(), (Offsets{}));
  }
  peer_has(0);  // it was started again, and has lost it
  ASSERT_TRUE(run());
  EXPECT_EQ(offsets(), (Offsets{0, 100, 200}));
}

// Not the way to it but the copy itself is damaged, then.
TEST_F(SnapshotSenderTest, PeerThatHasHadAllOfItTwice_AndStillHasNoUseForIt_NeedsAnotherOne) {
  start(250);
  for (const bool may_go_on : {true, false}) {
    ASSERT_TRUE(run());
    EXPECT_EQ(offsets(), (Offsets{0, 100, 200}));
    peer_has(250);
    ASSERT_TRUE(run());
    peer_has(0);
    EXPECT_EQ(sender_->run(now_).ok(), may_go_on);
    EXPECT_EQ(store_.snapshot->spoilt, !may_go_on);
  }
}

TEST_F(SnapshotSenderTest, PeerThatHasAllOfIt_AndIsNotHeardAnyMore_IsGivenUp) {
  start(250);
  ASSERT_TRUE(run());
  peer_has(250);
  for (int second = 1; second < 10; ++second) {
    pass(seconds(1));
    ASSERT_TRUE(run()) << second;
  }
  pass(seconds(1));
  EXPECT_FALSE(run());
}

TEST_F(SnapshotSenderTest, LogIsNeeded_FromWhereTheSnapshotHasToReachTo_UntilItIsThere) {
  store_.snapshot = std::make_shared<FakeSnapshot>(later_, 250);
  sender_ =
      std::make_unique<SnapshotSender>(kPeer, Index(60), store_, options_, [](SnapshotRead) {});
  EXPECT_EQ(sender_->needs_log_after(), Index(60));
  later_.run();
  EXPECT_EQ(sender_->needs_log_after(), kLast.index);
}

TEST_F(SnapshotSenderTest, SnapshotThatCannotBeHad_IsAFailure_AndToldWhy) {
  begin();
  EXPECT_EQ(sender_->run(now_).error().code, ErrorCode::kStorageFull);
}

// Whoever begins anew, and whoever else is to be sent one, must not be given it again.
TEST_F(SnapshotSenderTest, SnapshotThatCannotBeRead_IsAFailure_AndSpoilt) {
  const auto failure = [&](auto damage) {
    start(1000);
    damage(*store_.snapshot);
    EXPECT_TRUE(sender_->run(now_).ok());
    EXPECT_FALSE(store_.snapshot->spoilt);
    later_.run();
    EXPECT_TRUE(store_.snapshot->spoilt);
    return sender_->run(now_).error().code;
  };
  EXPECT_EQ(failure([](FakeSnapshot& snapshot) { snapshot.broken = true; }), ErrorCode::kIo);
  EXPECT_EQ(failure([](FakeSnapshot& snapshot) { snapshot.cut_off = true; }), ErrorCode::kCorrupt);
}

TEST_F(SnapshotSenderTest, ReadsThatEndAfterTheSender_DoNothing) {
  start(1000);
  ASSERT_TRUE(sender_->run(now_).ok());
  sender_.reset();
  later_.run();
  EXPECT_EQ(offsets(), (Offsets{}));
}

class SnapshotReceiverTest : public ::testing::Test {
 protected:
  static ArrivedChunk piece(std::uint64_t offset, std::uint64_t bytes) {
    return {kPeer,
            {.last = kLast,
             .size = 300,
             .checksum = 99,
             .offset = offset,
             .data = Bytes::copy_of(std::string(bytes, 's'))}};
  }
  void arrive(std::uint64_t offset, std::uint64_t bytes) {
    receiver_.arrived(piece(offset, bytes));
    later_.run();
  }
  std::vector<std::uint64_t> stored() { return std::exchange(stored_, {}); }

  Later later_;
  FakeStore store_{later_};
  std::vector<std::uint64_t> stored_;
  std::vector<SnapshotReceived> received_;
  std::vector<ErrorCode> failed_;
  SnapshotReceiver receiver_{
      store_,
      {.stored =
           [this](SnapshotStored event) {
             EXPECT_EQ(event.from, kPeer);
             EXPECT_EQ(event.last, kLast);
             stored_.push_back(event.received);
           },
       .received = [this](SnapshotReceived event) { received_.push_back(std::move(event)); },
       .failed = [this](const Error& error) { failed_.push_back(error.code); }}};
};

TEST_F(SnapshotReceiverTest, TellsHowFarItHasGot_AndWhenItIsWhole) {
  arrive(0, 100);
  arrive(200, 100);  // one is missing
  EXPECT_EQ(stored(), (std::vector<std::uint64_t>{100, 100}));
  arrive(100, 100);
  EXPECT_TRUE(received_.empty());
  arrive(200, 100);
  EXPECT_EQ(stored(), (std::vector<std::uint64_t>{200, 300}));
  ASSERT_EQ(received_.size(), 1u);
  EXPECT_EQ(received_[0].last, kLast);
  EXPECT_EQ(received_[0].configuration, voters({1, 2, 3}));
}

TEST_F(SnapshotReceiverTest, DamagedSnapshot_IsAskedForAgainFromTheStart) {
  store_.damaged = true;
  arrive(0, 300);
  EXPECT_EQ(failed_, (std::vector<ErrorCode>{ErrorCode::kCorrupt}));
  EXPECT_EQ(stored(), (std::vector<std::uint64_t>{300, 0}));
  EXPECT_TRUE(received_.empty());
  store_.damaged = false;
  arrive(0, 300);
  EXPECT_EQ(received_.size(), 1u);
}

TEST_F(SnapshotReceiverTest, WhatComesAgainWhileItIsVerified_IsNotVerifiedTwice) {
  receiver_.arrived(piece(0, 300));
  receiver_.arrived(piece(0, 300));
  later_.run();
  EXPECT_EQ(store_.finished, 1);
  EXPECT_EQ(received_.size(), 1u);
}

TEST_F(SnapshotReceiverTest, WhileItIsVerified_TheLeaderIsToldThatItIsAllThere) {
  receiver_.arrived(piece(0, 300));
  later_.run_one();
  EXPECT_EQ(stored(), (std::vector<std::uint64_t>{300}));
  receiver_.arrived(piece(0, 300));
  EXPECT_EQ(stored(), (std::vector<std::uint64_t>{300}));
  later_.run();
  EXPECT_EQ(store_.finished, 1);
}

TEST(LogBudgetTest, WhatLiesFurtherBackThanTheBytesKept_MayGo) {
  LogBudget budget(Index(100), limits::kMiB);
  for (std::uint64_t i = 101; i <= 110; ++i) budget.add(Index(i), limits::kMiB);
  EXPECT_EQ(budget.beyond(11 * limits::kMiB), Index(0));
  EXPECT_EQ(budget.beyond(10 * limits::kMiB), Index(100));  // all of it, and it is just as much
  EXPECT_EQ(budget.beyond(3 * limits::kMiB), Index(107));
  budget.cut(Index(105));
  EXPECT_EQ(budget.beyond(3 * limits::kMiB), Index(107));
  EXPECT_EQ(budget.beyond(limits::kMiB), Index(109));
}

TEST(LogBudgetTest, SmallEntries_AreCountedInSteps_NeverTooFar) {
  LogBudget budget(Index(0), limits::kMiB);
  for (std::uint64_t i = 1; i <= 100'000; ++i) budget.add(Index(i), 100);
  // The newest 50,000 entries take 5,000,000 bytes; at least those are kept.
  EXPECT_LE(budget.beyond(5'000'000), Index(50'000));
  EXPECT_GE(budget.beyond(5'000'000), Index(50'000 - 2 * limits::kMiB / 100));
}

}  // namespace
}  // namespace coord::raft::testing
