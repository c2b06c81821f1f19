// Calls that are repeated until they are answered: what is said of one that failed, and what its
// attempts are given.
#include "tests/client/simulated_client.h"

namespace coord::fake {
namespace {

class CallsTest : public SimulatedClientTest {
 protected:
  Result<Revision> compact() {
    return perform(op::Compact{.revision = Revision(1), .timeout = milliseconds(2000)});
  }
  Result<milliseconds> renew() {
    return perform(op::LeaseRenew{.id = LeaseId(7), .timeout = milliseconds(2000)});
  }
  template <class T>
  void expect_failure(const Result<T>& result, ErrorCode code, Outcome outcome) {
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, code) << result.error().message;
    EXPECT_EQ(result.error().outcome, outcome) << result.error().message;
  }

  Compaction& compaction = cluster.compaction;
};

TEST_F(CallsTest, CompactionThatTheLeaderGoesOnWith_IsUnknown_InTheLeadersWords) {
  compaction.faults = {Fault::kApplyThenUnknown, Fault::kStall};
  const auto compacted = compact();
  expect_failure(compacted, ErrorCode::kDeadlineExceeded, Outcome::kUnknown);
  EXPECT_EQ(compacted.error().message, "not committed in time");
}

TEST_F(CallsTest, ChangeThatIsNeverAnswered_IsUnknown) {
  compaction.faults = {Fault::kStall};
  expect_failure(compact(), ErrorCode::kDeadlineExceeded, Outcome::kUnknown);
  compaction.faults = std::deque<Fault>(1000, Fault::kDropBefore);
  EXPECT_EQ(compact().error().outcome, Outcome::kUnknown);
  for (std::size_t i = 0; i < cluster.size(); ++i) member(i).renews = false;
  EXPECT_EQ(renew().error().outcome, Outcome::kUnknown);
}

TEST_F(CallsTest, RefusalAfterALostAnswer_LeavesTheOutcomeUnknown) {
  compaction.faults = std::deque<Fault>(1000, Fault::kNoQuorum);
  compaction.faults.front() = Fault::kApplyThenDrop;
  expect_failure(compact(), ErrorCode::kNoQuorum, Outcome::kUnknown);
}

TEST_F(CallsTest, RefusalsAlone_AreNotApplied) {
  cluster.elect(nullptr);
  expect_failure(compact(), ErrorCode::kNoQuorum, Outcome::kNotApplied);
  expect_failure(renew(), ErrorCode::kNoQuorum, Outcome::kNotApplied);
}

TEST_F(CallsTest, QuestionThatIsNeverAnswered_ChangesNothing) {
  for (std::size_t i = 0; i < cluster.size(); ++i) member(i).stopped = true;
  const auto members = perform(op::Members{.timeout = milliseconds(2000)});
  ASSERT_FALSE(members.ok());
  EXPECT_EQ(members.error().outcome, Outcome::kNotApplied);
}

TEST_F(CallsTest, RepeatedAttempt_IsGivenLessThanWhatIsLeft) {
  cluster.elect(nullptr);
  std::optional<Result<Revision>> compacted;
  client().async_compact(Revision(1), milliseconds(2000), into(compacted));
  pass(milliseconds(1000));
  cluster.elect(&member(0));
  ASSERT_TRUE(wait(compacted).ok());
  ASSERT_GT(compaction.deadlines_ms.size(), 1u);
  EXPECT_LE(compaction.deadlines_ms.front(), 1500u);
  EXPECT_LE(compaction.deadlines_ms.back(), 750u);
}

}  // namespace
}  // namespace coord::fake
