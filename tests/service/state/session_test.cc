#include <gtest/gtest.h>

#include "raft/base/limits.h"
#include "tests/service/state/machine.h"

namespace coord::service {
namespace {

using namespace commands;  // NOLINT: the language of these tests

constexpr std::uint64_t kId = 7;

class Sessions : public ::testing::Test {
 protected:
  Sessions() { m.write(grant(kId, {.session = true})); }
  WriteResult numbered(std::uint64_t sequence, WriteFill write,
                       std::uint64_t first_outstanding = 1) {
    return m.write(in_session(kId, sequence, first_outstanding, std::move(write)));
  }

  Machine m;
};

TEST_F(Sessions, Retry_GetsTheFirstAnswerAndAppliesNothing) {
  const auto first = numbered(1, txn({.then = {op_increment("n", 1), op_get(prefix(""))}}));
  m.write(put("n", "100"));
  for (const bool restarted : {false, true}) {
    if (restarted) m.restart();
    const auto again = numbered(1, txn({.then = {op_increment("n", 1), op_get(prefix(""))}}));
    EXPECT_EQ(show(again), show(first));
    EXPECT_EQ(again.revision, Revision(1));
    EXPECT_EQ(m.get("n"), "n=100");
  }
}

TEST_F(Sessions, RetryOfAFailure_GetsTheSameFailure) {
  const auto first = numbered(1, cas_value("a", "x", "1"));
  const auto refused = numbered(2, put("a", "1", {.lease = 99}));
  m.write_all({put("a", "x"), grant(99)});
  EXPECT_EQ(show(numbered(1, cas_value("a", "x", "1"))), show(first));
  EXPECT_EQ(show(numbered(2, put("a", "1", {.lease = 99}))), show(refused));
  EXPECT_EQ(m.get("a"), "a=x");
}

TEST_F(Sessions, RetryOfAGuardedWrite_IsNotJudgedAgain) {
  m.write_all({acquire(lock("l"), kId)});
  EXPECT_FALSE(numbered(1, guarded(lock("l"), 1, put("a", "1"))).failed());
  m.write(release(lock("l"), kId));
  EXPECT_FALSE(numbered(1, guarded(lock("l"), 1, put("a", "1"))).failed());
  EXPECT_TRUE(numbered(2, guarded(lock("l"), 1, put("a", "1"))).failed());
}

TEST_F(Sessions, SequencesOutOfOrder_AllApply) {
  numbered(3, put("a", "3"));
  numbered(1, put("b", "1"));
  numbered(2, put("c", "2"));
  EXPECT_EQ(m.read(with_prefix("")), "a=3 b=1 c=2");
}

TEST_F(Sessions, AcknowledgedReply_IsGone) {
  numbered(1, put("a", "1"));
  numbered(2, put("b", "1"));
  numbered(3, put("c", "1"), 3);
  for (const bool restarted : {false, true}) {
    if (restarted) m.restart();
    const auto discarded = numbered(2, put("b", "2"), 2);
    EXPECT_EQ(error_of(discarded), ErrorCode::kReplyDiscarded);
    EXPECT_EQ(expect<Error>(discarded).outcome, Outcome::kUnknown);
    EXPECT_FALSE(numbered(3, put("c", "2"), 3).failed());
    EXPECT_EQ(m.read(with_prefix("")), "a=1 b=1 c=1");
  }
}

TEST_F(Sessions, NumbersThatMakeNoSense_AreRefused) {
  EXPECT_EQ(error_of(numbered(0, put("a", "1"))), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of(numbered(1, put("a", "1"), 2)), ErrorCode::kInvalidArgument);
  EXPECT_FALSE(numbered(1, put("a", "1"), 1).failed()) << "the floor was not raised by nonsense";
}

TEST_F(Sessions, UnknownOrEndedSession_IsExpired) {
  m.write(grant(8));
  const auto refused =
      m.write_all({in_session(9, 1, put("a", "1")), in_session(8, 1, put("a", "1"))});
  EXPECT_EQ(error_of(refused[0]), ErrorCode::kSessionExpired);
  EXPECT_EQ(expect<Error>(refused[0]).outcome, Outcome::kNotApplied);
  EXPECT_EQ(error_of(refused[1]), ErrorCode::kSessionExpired) << "a lease that is no session";
  numbered(1, put("a", "1"));
  m.restart();
  EXPECT_EQ(m.tables().size(Table::kSessions), 1u);
  m.apply(expire({m.expiry(kId)}));
  EXPECT_EQ(error_of(numbered(1, put("a", "1"))), ErrorCode::kSessionExpired);
  m.restart();
  EXPECT_EQ(m.tables().size(Table::kSessions), 0u);
  EXPECT_EQ(error_of(numbered(1, put("a", "1"))), ErrorCode::kSessionExpired);
}

TEST_F(Sessions, SessionThatEndsItself_LeavesNoReply) {
  EXPECT_FALSE(numbered(1, revoke(kId)).failed());
  EXPECT_EQ(error_of(numbered(1, revoke(kId))), ErrorCode::kSessionExpired);
  m.restart();
  EXPECT_EQ(m.tables().size(Table::kSessions), 0u);
}

TEST_F(Sessions, NewSessionUnderAnOldId_RemembersNothing) {
  numbered(1, put("a", "1"));
  m.write_all({revoke(kId), grant(kId, {.session = true})});
  EXPECT_EQ(numbered(1, put("a", "2")).revision, Revision(2));
  m.restart();
  EXPECT_EQ(numbered(1, put("a", "3")).revision, Revision(2));
}

TEST_F(Sessions, TooManyUnacknowledged_AreRefusedUntilSomeAre) {
  std::vector<WriteFill> all;
  for (std::uint64_t i = 1; i <= limits::kSessionRepliesMax + 1; ++i) {
    all.push_back(in_session(kId, i, put("a", "1")));
  }
  const auto results = m.write_all(all);
  EXPECT_FALSE(results[limits::kSessionRepliesMax - 1].failed());
  EXPECT_EQ(error_of(results.back()), ErrorCode::kOverloaded);
  EXPECT_EQ(m.state().revision(), Revision(limits::kSessionRepliesMax));
  EXPECT_FALSE(numbered(limits::kSessionRepliesMax + 1, put("a", "1"), 2).failed());
}

TEST_F(Sessions, TooLargeUnacknowledged_AreRefusedUntilSomeAre) {
  m.write(put("big", std::string(1 << 20, 'x')));
  std::uint64_t sequence = 1;
  while (!numbered(sequence, txn({.then = {op_get(single("big"))}})).failed()) {
    if (sequence == 8) m.restart();
    ++sequence;
  }
  EXPECT_EQ(sequence, 17u);
  EXPECT_FALSE(numbered(sequence, txn({.then = {op_get(single("big"))}}), 2).failed());
}

TEST_F(Sessions, RetryWithinOneCommand_AppliesOnce) {
  const auto results =
      m.write_all({in_session(kId, 1, put("a", "1")), in_session(kId, 1, put("a", "1"))});
  EXPECT_EQ(show(results[0]), show(results[1]));
  EXPECT_EQ(m.state().revision(), Revision(1));
}

}  // namespace
}  // namespace coord::service
