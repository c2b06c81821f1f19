// Changes of the members and transfers of leadership that are repeated, and what is then said of
// them.
#include "tests/client/simulated_client.h"

namespace coord::fake {
namespace {

constexpr MemberId kNew{4};

class ClientMembershipTest : public SimulatedClientTest {
 protected:
  ClientMembershipTest() { cluster.membership.waiting.emplace("new:1", 4); }

  Result<MemberChanged> change(decltype(op::ChangeMembers::change) wanted) {
    return perform(op::ChangeMembers{std::move(wanted), milliseconds(2000)});
  }
  Result<MemberChanged> add() { return change(op::AddLearner{"n4", "new:1"}); }
  Result<MemberChanged> remove() { return change(op::RemoveMember{kNew}); }
  Result<MemberChanged> promote() { return change(op::PromoteMember{kNew}); }
  Result<MemberId> transfer(MemberId target) {
    return perform(op::TransferLeadership{target, milliseconds(2000)});
  }
  template <class T>
  void expect_outcome(const Result<T>& result, Outcome outcome) {
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().outcome, outcome) << result.error().message;
  }

  Membership& members = cluster.membership;
};

TEST_F(ClientMembershipTest, Change_TellsWhetherItWasSoAlready) {
  const auto first = add();
  ASSERT_TRUE(first.ok()) << first.error().message;
  EXPECT_EQ(first->member, kNew);
  EXPECT_TRUE(first->made);
  const auto second = add();
  ASSERT_TRUE(second.ok()) << second.error().message;
  EXPECT_FALSE(second->made);
}

TEST_F(ClientMembershipTest, LostAnswer_IsAskedForAgain_AndMayHaveMadeIt) {
  members.faults = {Fault::kApplyThenDrop};
  const auto added = add();
  ASSERT_TRUE(added.ok()) << added.error().message;
  EXPECT_TRUE(added->made);
  EXPECT_EQ(members.made, std::vector<std::string>{"add 4"});
  members.faults = {Fault::kApplyThenDrop};
  const auto removed = remove();
  ASSERT_TRUE(removed.ok()) << removed.error().message;
  EXPECT_TRUE(removed->made);
}

TEST_F(ClientMembershipTest, RefusalAfterALostAnswer_LeavesTheOutcomeUnknown) {
  members.learners = {4};
  members.faults = {Fault::kApplyThenDrop, Fault::kChangeInFlight};
  const auto promoted = promote();
  ASSERT_FALSE(promoted.ok());
  expect_outcome(promoted, Outcome::kUnknown);
  EXPECT_EQ(promoted.error().code, ErrorCode::kChangeInFlight);
  EXPECT_TRUE(members.voters.contains(4));
}

TEST_F(ClientMembershipTest, ChangeThatIsNeverAnswered_HasAnUnknownOutcome) {
  members.faults = {Fault::kApplyThenStall};
  expect_outcome(add(), Outcome::kUnknown);
  members.faults = std::deque<Fault>(1000, Fault::kNoQuorum);
  members.faults.front() = Fault::kApplyThenDrop;
  expect_outcome(promote(), Outcome::kUnknown);
  EXPECT_TRUE(members.voters.contains(4));
}

TEST_F(ClientMembershipTest, RefusalsAlone_AreNotApplied) {
  members.learners = {4};
  members.faults = {Fault::kNotLeader, Fault::kChangeInFlight};
  expect_outcome(promote(), Outcome::kNotApplied);
  members.faults = std::deque<Fault>(1000, Fault::kNoQuorum);
  expect_outcome(promote(), Outcome::kNotApplied);
  EXPECT_TRUE(members.made.empty());
}

TEST_F(ClientMembershipTest, MemberThatNobodyRemoved_IsNotFound_AlsoAfterARefusal) {
  members.faults = {Fault::kNotLeader};
  const auto removed = remove();
  ASSERT_FALSE(removed.ok());
  expect_outcome(removed, Outcome::kNotApplied);
  EXPECT_EQ(removed.error().code, ErrorCode::kMemberNotFound);
}

TEST_F(ClientMembershipTest, TransferWithoutATarget_IsMadeOnce_ThoughItsAnswerIsLost) {
  members.faults = {Fault::kApplyThenDrop};
  const auto leader = transfer(MemberId());
  ASSERT_TRUE(leader.ok()) << leader.error().message;
  EXPECT_EQ(*leader, MemberId(2));
  EXPECT_EQ(members.made, std::vector<std::string>{"transfer 2"});
  const auto next = transfer(MemberId());
  ASSERT_TRUE(next.ok()) << next.error().message;
  EXPECT_EQ(*next, MemberId(3));
}

TEST_F(ClientMembershipTest, TransferThatIsNeverAnswered_HasAnUnknownOutcome) {
  members.faults = {Fault::kApplyThenStall};
  expect_outcome(transfer(MemberId(2)), Outcome::kUnknown);
  members.faults = std::deque<Fault>(1000, Fault::kNotLeader);
  expect_outcome(transfer(MemberId(3)), Outcome::kNotApplied);
}

}  // namespace
}  // namespace coord::fake
