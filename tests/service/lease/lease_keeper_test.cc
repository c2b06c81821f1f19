#include "service/lease/lease_keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "service/lease/lease_book.h"
#include "tests/service/lease/harness.h"

namespace coord::service {
namespace {

// Expiry may be this late: the keeper looks at the time so often.
constexpr milliseconds kLate(60);

class LeaseKeeperTest : public testing::Test {
 protected:
  LeaseKeeperTest() : member(time.timer) { member.commit_at_once = true; }
  // KJ's destructors may throw, GoogleTest's must not.
  ~LeaseKeeperTest() noexcept override {}

  void grant(std::uint64_t lease, milliseconds ttl) { member.apply(Grant{LeaseId(lease), ttl}); }
  // Applied as if another member's leadership had committed it.
  void renewed(std::uint64_t lease) { member.apply(Bytes(encode({lease}))); }
  static Bytes encode(const std::vector<std::uint64_t>& leases) {
    capnp::MallocMessageBuilder message;
    auto command = message.initRoot<schema::Command>();
    command.setVersion(1);
    command.setStampMs(1234);
    auto renew = command.initRenew(static_cast<unsigned>(leases.size()));
    for (unsigned i = 0; i < leases.size(); ++i) renew.set(i, leases[i]);
    const auto words = capnp::messageToFlatArray(message);
    return Bytes::copy_of(
        std::string_view(reinterpret_cast<const char*>(words.begin()), words.asBytes().size()));
  }
  // Past the time that a new leadership leaves for what waits in the sockets.
  void lead() {
    member.confirm();
    time.advance(milliseconds(250));
  }

  VirtualTime time;
  LeaseMember member;
};

// --- When a lease ends
// ----------------------------------------------------------------------------

TEST_F(LeaseKeeperTest, Lease_EndsItsTtlAfterTheGrant_AndNotBefore) {
  lead();
  grant(1, milliseconds(1000));
  time.advance(milliseconds(999));
  EXPECT_TRUE(member.leases.has(1));
  time.advance(kLate);
  EXPECT_FALSE(member.leases.has(1));
  EXPECT_EQ(member.keeper->stats().expired, 1u);
}

TEST_F(LeaseKeeperTest, Renewal_MovesTheEnd_ByAFullTtlFromWhenItWasApplied) {
  lead();
  grant(1, milliseconds(1000));
  time.advance(milliseconds(900));
  renewed(1);
  time.advance(milliseconds(999));
  EXPECT_TRUE(member.leases.has(1));
  time.advance(kLate);
  EXPECT_FALSE(member.leases.has(1));
}

TEST_F(LeaseKeeperTest, Follower_ProposesNothing) {
  grant(1, milliseconds(100));
  time.advance(seconds(100));
  EXPECT_TRUE(member.leases.has(1));
}

TEST_F(LeaseKeeperTest, Leader_ProposesNothing_BeforeItsLeadershipIsConfirmed) {
  grant(1, milliseconds(100));
  member.keeper->on_fact(raft::BecameLeader{Term(2)});
  time.advance(seconds(10));
  EXPECT_TRUE(member.leases.has(1));
  member.confirm();
  time.advance(milliseconds(249));
  EXPECT_TRUE(member.leases.has(1)) << "what waits in the sockets is read first";
  time.advance(kLate);
  EXPECT_FALSE(member.leases.has(1));
}

TEST_F(LeaseKeeperTest, NewLeader_CountsFromWhatItNotedAsAFollower) {
  grant(1, milliseconds(2000));
  time.advance(milliseconds(1000));
  renewed(1);
  time.advance(milliseconds(1500));
  member.confirm();
  time.advance(milliseconds(499));
  EXPECT_TRUE(member.leases.has(1));
  time.advance(kLate);
  EXPECT_FALSE(member.leases.has(1));
}

TEST_F(LeaseKeeperTest, NewLeader_GivesAFullTtl_WhereItHasNoNote) {
  grant(1, milliseconds(2000));
  time.advance(milliseconds(1900));
  member.restart();
  time.advance(seconds(10));
  member.confirm();
  time.advance(milliseconds(1999));
  EXPECT_TRUE(member.leases.has(1));
  time.advance(kLate);
  EXPECT_FALSE(member.leases.has(1));
}

TEST_F(LeaseKeeperTest, LeaderThatWasReplaced_ProposesNothingMore) {
  lead();
  grant(1, milliseconds(1000));
  time.advance(milliseconds(500));
  member.step_down();
  time.advance(seconds(10));
  EXPECT_TRUE(member.leases.has(1));
  member.confirm();
  time.advance(milliseconds(310));
  EXPECT_FALSE(member.leases.has(1));
}

TEST_F(LeaseKeeperTest, RenewalAheadInTheLog_KeepsALeaseWhoseEndIsProposedAlready) {
  lead();
  member.commit_at_once = false;
  grant(1, milliseconds(1000));
  time.advance(milliseconds(1050));
  ASSERT_EQ(member.proposals.size(), 1u);
  renewed(1);
  member.commit_one();
  time.advance(milliseconds(999));
  EXPECT_TRUE(member.leases.has(1));
  EXPECT_TRUE(member.proposals.empty()) << "not before a TTL after that renewal";
  time.advance(kLate);
  ASSERT_EQ(member.proposals.size(), 1u);
  member.commit_one();
  EXPECT_FALSE(member.leases.has(1));
}

TEST_F(LeaseKeeperTest, EndOfALease_IsProposedOnce_WhileItsFateIsOpen) {
  lead();
  member.commit_at_once = false;
  grant(1, milliseconds(100));
  time.advance(seconds(4));
  ASSERT_EQ(member.proposals.size(), 1u);
  member.commit_one();
  time.advance(milliseconds(100));
  EXPECT_EQ(member.keeper->stats().stalls, 0u) << "waiting for a commit is no stall";
}

TEST_F(LeaseKeeperTest, RefusedExpiry_IsProposedAgain) {
  lead();
  member.commit_at_once = false;
  grant(1, milliseconds(100));
  time.advance(milliseconds(200));
  member.refuse_one(ErrorCode::kOverloaded);
  time.advance(milliseconds(20));
  EXPECT_TRUE(member.proposals.empty()) << "not at once";
  time.advance(milliseconds(200));
  member.commit_one();
  EXPECT_FALSE(member.leases.has(1));
}

TEST_F(LeaseKeeperTest, RevokedLease_IsForgotten_AndItsIdMayComeAgain) {
  lead();
  grant(1, milliseconds(1000));
  time.advance(milliseconds(900));
  member.keeper->on_lease_ended(LeaseId(1));
  grant(1, milliseconds(1000));
  time.advance(milliseconds(999));
  EXPECT_TRUE(member.leases.has(1));
  time.advance(kLate);
  EXPECT_FALSE(member.leases.has(1));
}

TEST(LeaseBook, LeasesThatComeAndGo_LeaveNoMemoryBehind) {
  LeaseBook book;
  book.begin(Instant());
  book.add(LeaseId(1), seconds(3600), Instant());
  for (int i = 0; i < 100'000; ++i) {
    book.add(LeaseId(2), seconds(3600), Instant(milliseconds(i)));
    book.remove(LeaseId(2));
  }
  EXPECT_LT(book.queued(), 2000u);
  EXPECT_EQ(book.take_due(Instant(seconds(3600)), Instant()), LeaseId(1));
  EXPECT_EQ(book.take_due(Instant(seconds(9000)), Instant()), std::nullopt);
}

TEST_F(LeaseKeeperTest, MassExpiry_ComesInBoundedBatches_OneAtATime) {
  lead();
  for (std::uint64_t i = 1; i <= 1000; ++i) grant(i, milliseconds(500));
  member.apply(Grant{LeaseId(2000), milliseconds(500), 10'000});
  member.commit_at_once = false;
  time.advance(milliseconds(600));
  std::size_t ended = 0;
  while (member.leases.size() > 0) {
    ASSERT_EQ(member.proposals.size(), 1u);
    CommandReader reader(member.proposals.front().command);
    ASSERT_LE(reader.get().getExpire().size(), limits::kExpireBatchMax);
    ended += reader.get().getExpire().size();
    member.commit_one();
    time.scope.poll();
    EXPECT_TRUE(member.proposals.empty()) << "others have their turn first";
    time.advance(milliseconds(3));
  }
  EXPECT_EQ(ended, 1001u);
}

TEST_F(LeaseKeeperTest, AttachedKeys_CountInABatch) {
  lead();
  for (std::uint64_t i = 1; i <= 10; ++i) {
    member.apply(Grant{LeaseId(i), milliseconds(500), 100});
  }
  member.commit_at_once = false;
  time.advance(milliseconds(600));
  ASSERT_EQ(member.proposals.size(), 1u);
  CommandReader reader(member.proposals.front().command);
  EXPECT_EQ(reader.get().getExpire().size(), 3u);
}

// --- Stalls
// ---------------------------------------------------------------------------------------

TEST_F(LeaseKeeperTest, ProcessThatWasStopped_EndsNothingWhenItWakes) {
  lead();
  grant(1, milliseconds(1000));
  time.advance(milliseconds(300));
  time.stall(seconds(60));
  EXPECT_TRUE(member.leases.has(1));
  // The renewal that had waited in the socket all the time.
  RenewCall call(member, {1});
  time.advance(milliseconds(900));
  EXPECT_TRUE(call.answered());
  EXPECT_TRUE(member.leases.has(1));
  EXPECT_EQ(member.keeper->stats().stalls, 1u);
}

TEST_F(LeaseKeeperTest, LeaseThatWasNearlyOver_SurvivesAStall_ForTheGrace) {
  lead();
  grant(1, milliseconds(1000));
  time.advance(milliseconds(999));
  time.stall(seconds(5));
  time.advance(milliseconds(249));
  EXPECT_TRUE(member.leases.has(1));
  time.advance(kLate);
  EXPECT_FALSE(member.leases.has(1)) << "a stall does not keep a lease for ever";
}

TEST_F(LeaseKeeperTest, StalledTime_DoesNotCount_AndTheRestDoes) {
  lead();
  grant(1, milliseconds(1000));
  time.advance(milliseconds(400));
  time.stall(seconds(2));
  // Of the stall as much has counted as may lie between two looks at the time: 150 ms.
  time.advance(milliseconds(449));
  EXPECT_TRUE(member.leases.has(1));
  time.advance(kLate);
  EXPECT_FALSE(member.leases.has(1));
}

TEST_F(LeaseKeeperTest, ProcessThatIsStarvedAllTheTime_EndsLeasesAllTheSame) {
  lead();
  grant(1, milliseconds(1000));
  for (int i = 0; i < 6; ++i) time.stall(milliseconds(200));
  EXPECT_TRUE(member.leases.has(1));
  for (int i = 0; i < 8; ++i) time.stall(milliseconds(200));
  EXPECT_FALSE(member.leases.has(1));
}

// --- Renewals
// -------------------------------------------------------------------------------------

TEST_F(LeaseKeeperTest, Renewals_AreGatheredIntoOneCommand_ForATenthOfTheSmallestTtl) {
  lead();
  member.commit_at_once = false;
  grant(1, milliseconds(10'000));
  grant(2, milliseconds(500));
  RenewCall a(member, {1});
  time.advance(milliseconds(30));
  RenewCall b(member, {2, 1});
  time.advance(milliseconds(49));
  EXPECT_TRUE(member.proposals.empty());
  time.advance(milliseconds(1));
  ASSERT_EQ(member.proposals.size(), 1u);
  EXPECT_FALSE(a.answered()) << "not before it has committed";
  member.commit_one();
  time.scope.poll();
  ASSERT_TRUE(a.answered() && b.answered());
  ASSERT_EQ((*b.answer)->size(), 2u);
  EXPECT_EQ(*(**a.answer)[0], milliseconds(10'000));
  EXPECT_EQ(*(**b.answer)[0], milliseconds(500));
  EXPECT_EQ(*(**b.answer)[1], milliseconds(10'000));
  EXPECT_EQ(member.leases.terms(LeaseId(1))->renewed_at,
            member.leases.terms(LeaseId(2))->renewed_at)
      << "one command for both calls";
}

TEST_F(LeaseKeeperTest, Renewals_WaitForAHundredMillisecondsAtMost) {
  lead();
  grant(1, seconds(60));
  RenewCall call(member, {1});
  time.advance(milliseconds(99));
  EXPECT_FALSE(call.answered());
  time.advance(milliseconds(1));
  EXPECT_TRUE(call.answered());
}

TEST_F(LeaseKeeperTest, UnknownLease_GetsItsOwnError_WhichTheLogDecides) {
  lead();
  grant(1, milliseconds(1000));
  RenewCall call(member, {7, 1});
  time.advance(milliseconds(100));
  ASSERT_TRUE(call.answered());
  ASSERT_EQ(member.committed.size(), 1u);
  EXPECT_EQ((**call.answer)[0].error().code, ErrorCode::kLeaseNotFound);
  EXPECT_TRUE((**call.answer)[1].ok());
}

TEST_F(LeaseKeeperTest, RefusedRenewals_FailAsTheCommitDid) {
  lead();
  member.commit_at_once = false;
  grant(1, milliseconds(1000));
  RenewCall a(member, {1});
  RenewCall b(member, {1});
  time.advance(milliseconds(100));
  member.refuse_one(ErrorCode::kNotLeader);
  time.scope.poll();
  EXPECT_EQ(a.answer->error().code, ErrorCode::kNotLeader);
  EXPECT_EQ(b.answer->error().code, ErrorCode::kNotLeader);
}

TEST_F(LeaseKeeperTest, LeaseWhoseRenewalIsOnItsWay_IsNotEnded) {
  lead();
  member.commit_at_once = false;
  grant(1, milliseconds(1000));
  time.advance(milliseconds(990));
  RenewCall call(member, {1});
  time.advance(milliseconds(500));
  ASSERT_EQ(member.proposals.size(), 1u) << "the renewal alone";
  member.refuse_one(ErrorCode::kOverloaded);
  time.advance(kLate);
  ASSERT_EQ(member.proposals.size(), 1u) << "now its end";
  member.commit_one();
  EXPECT_FALSE(member.leases.has(1));
}

TEST_F(LeaseKeeperTest, MoreRenewalsThanACommandTakes_MakeSeveral) {
  lead();
  std::vector<std::uint64_t> ids;
  for (std::uint64_t i = 1; i <= limits::kRenewalsMax; ++i) ids.push_back(i);
  RenewCall a(member, ids);
  RenewCall b(member, {5000});
  time.advance(milliseconds(100));
  EXPECT_TRUE(a.answered() && b.answered());
  EXPECT_EQ(member.committed.size(), 2u);
  ids.push_back(6000);
  RenewCall c(member, ids);
  time.scope.poll();
  EXPECT_EQ(c.answer->error().code, ErrorCode::kTooManyOperations);
}

TEST_F(LeaseKeeperTest, Remaining_IsWhatTheLeaderWouldLeaveIt) {
  grant(1, milliseconds(1000));
  EXPECT_EQ(member.keeper->remaining(LeaseId(1)), std::nullopt) << "this is not the leader";
  lead();
  EXPECT_EQ(member.keeper->remaining(LeaseId(1)), milliseconds(750));
  renewed(1);
  time.advance(milliseconds(100));
  EXPECT_EQ(member.keeper->remaining(LeaseId(1)), milliseconds(900));
  EXPECT_EQ(member.keeper->remaining(LeaseId(2)), std::nullopt);
}

TEST_F(LeaseKeeperTest, ShutDown_AnswersWhatWaits_AndProposesNothing) {
  lead();
  grant(1, milliseconds(1000));
  RenewCall waiting(member, {1});
  member.keeper->shut_down();
  RenewCall late(member, {1});
  time.advance(seconds(10));
  EXPECT_EQ(waiting.answer->error().code, ErrorCode::kShuttingDown);
  EXPECT_EQ(late.answer->error().code, ErrorCode::kShuttingDown);
  EXPECT_TRUE(member.leases.has(1));
}

// --- A state that was received as a snapshot
// ------------------------------------------------------

TEST_F(LeaseKeeperTest, Reloaded_GivesEveryLeaseAFullTtlFromTheNextLeadershipOn) {
  grant(1, milliseconds(1000));
  time.advance(milliseconds(900));
  // Of the renewals in the part of the log that was passed over nothing is known here.
  member.keeper->on_reloaded();
  time.advance(milliseconds(5000));
  member.confirm();
  time.advance(milliseconds(990));
  EXPECT_TRUE(member.leases.has(1));
  time.advance(kLate);
  EXPECT_FALSE(member.leases.has(1));
}

TEST_F(LeaseKeeperTest, Reloaded_KnowsTheLeasesOfTheNewState_AndNoOthers) {
  grant(1, milliseconds(1000));
  grant(2, milliseconds(1000));
  LeaseTwin received;
  received.apply(Grant{LeaseId(2), milliseconds(500)}, nullptr);
  received.apply(Grant{LeaseId(3), milliseconds(1000)}, nullptr);
  member.leases = received;
  member.keeper->on_reloaded();
  EXPECT_EQ(member.keeper->stats().leases, 2u);
  member.confirm();
  time.advance(milliseconds(490));
  EXPECT_EQ(member.keeper->remaining(LeaseId(1)), std::nullopt);
  EXPECT_TRUE(member.leases.has(2));
  time.advance(kLate);
  EXPECT_FALSE(member.leases.has(2));
  EXPECT_TRUE(member.leases.has(3));
}

TEST_F(LeaseKeeperTest, Reloaded_RenewalThatIsBeingGathered_KeepsItsLease) {
  grant(1, milliseconds(1000));
  member.commit_at_once = false;
  RenewCall call(member, {1});
  member.keeper->on_reloaded();
  member.confirm();
  time.advance(milliseconds(1500));
  ASSERT_EQ(member.proposals.size(), 1u) << "the renewal, and no expiry";
  member.commit_one();
  time.advance(milliseconds(10));
  ASSERT_TRUE(call.answered());
  EXPECT_TRUE(call.answer->ok());
}

}  // namespace
}  // namespace coord::service
