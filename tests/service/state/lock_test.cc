#include <gtest/gtest.h>

#include "raft/base/limits.h"
#include "tests/service/state/machine.h"

namespace coord::service {
namespace {

using namespace commands;  // NOLINT: the language of these tests
using Lines = std::vector<std::string>;

// Who holds and who waits: "1@3 2@4 | 5 6", or "free".
std::string who(Machine& m, const LockName& name) {
  const auto record = m.state().lock(name);
  if (!record) return "free";
  std::string text;
  for (const LockHolder& holder : record->holders) {
    text += fmt::format("{}@{} ", holder.lease, holder.token);
  }
  text += "|";
  for (const LockHolder& waiter : record->waiters) text += fmt::format(" {}", waiter.lease);
  return text;
}

std::string standing(const LockStanding& standing) {
  if (const auto* granted = std::get_if<Granted>(&standing)) {
    return fmt::format("granted {}", granted->token);
  }
  if (const auto* queued = std::get_if<Queued>(&standing)) {
    return fmt::format("queued {}", queued->ahead);
  }
  return "absent";
}
std::string acquired(const WriteResult& result) {
  return standing(expect<LockAcquireResult>(result).standing);
}

const LockName kLock = lock("l");
const LockName kElection = election("e");

// With leases 1 to 6.
class Locks : public ::testing::Test {
 protected:
  Locks() {
    for (std::uint64_t id = 1; id <= 6; ++id) m.write(grant(id));
    m.observer().take();
  }
  WriteResult take(std::uint64_t lease) { return m.write(acquire(kLock, lease)); }
  WriteResult share(std::uint64_t lease) {
    return m.write(acquire(kLock, lease, {.shared = true}));
  }
  void give(std::uint64_t lease) { EXPECT_FALSE(m.write(release(kLock, lease)).failed()); }

  Machine m;
};

TEST_F(Locks, FirstComeFirstServed) {
  EXPECT_EQ(acquired(take(1)), "granted 1");
  EXPECT_EQ(acquired(take(2)), "queued 0");
  EXPECT_EQ(acquired(take(3)), "queued 1");
  EXPECT_EQ(who(m, kLock), "1@1 | 2 3");
  give(1);
  EXPECT_EQ(who(m, kLock), "2@2 | 3");
  give(2);
  give(3);
  EXPECT_EQ(who(m, kLock), "free");
  EXPECT_EQ(m.tables().size(Table::kLocks), 0u);
  EXPECT_EQ(m.tables().size(Table::kLeaseKeys), 0u);
}

TEST_F(Locks, Mirror_IsThereWhileSomebodyHolds) {
  take(1);
  take(2);
  EXPECT_EQ(m.get("_coord/lock/l"), "_coord/lock/l=1 1\n");
  give(1);
  give(2);
  EXPECT_EQ(m.get("_coord/lock/l"), "");
  EXPECT_EQ(m.observer().take(),
            (Lines{"1: put _coord/lock/l=1 1\n v1 c1 prev0 l1", "lock l changed", "lock l changed",
                   "2: put _coord/lock/l=2 2\n v1 c2 prev1 l2", "lock l changed",
                   "3: delete _coord/lock/l prev2", "lock l changed"}));
}

TEST_F(Locks, SharedBehindAWaitingExclusive_Waits) {
  EXPECT_EQ(acquired(share(1)), "granted 1");
  EXPECT_EQ(acquired(share(2)), "granted 2");
  EXPECT_EQ(acquired(take(3)), "queued 0");
  EXPECT_EQ(acquired(share(4)), "queued 1");
  EXPECT_EQ(acquired(share(5)), "queued 2");
  EXPECT_EQ(m.get("_coord/lock/l"), "_coord/lock/l=1 1\n2 2\n");
  give(1);
  EXPECT_EQ(m.get("_coord/lock/l"), "_coord/lock/l=2 2\n");
  give(2);
  EXPECT_EQ(who(m, kLock), "3@4 | 4 5");
  const auto result = m.write(release(kLock, 3));
  EXPECT_EQ(who(m, kLock), "4@5 5@6 |") << "together, each with a token of its own";
  EXPECT_EQ(result.revision, Revision(6));
  EXPECT_EQ(m.get("_coord/lock/l"), "_coord/lock/l=5 4\n6 5\n");
  EXPECT_EQ(m.get("_coord/lock/l", Revision(5)), "_coord/lock/l=5 4\n");
}

TEST_F(Locks, CancelledRequestThatWasInTheWay_LetsOthersIn) {
  share(1);
  take(2);
  share(3);
  EXPECT_EQ(standing(expect<LockCancelResult>(m.write(cancel(kLock, 2))).standing), "absent");
  EXPECT_EQ(who(m, kLock), "1@1 3@2 |");
}

TEST_F(Locks, Try_NeverQueues) {
  take(1);
  EXPECT_EQ(error_of(m.write(acquire(kLock, 2, {.wait = false}))), ErrorCode::kLockBusy);
  EXPECT_EQ(who(m, kLock), "1@1 |");
  share(2);
  EXPECT_EQ(error_of(m.write(acquire(kLock, 3, {.shared = true, .wait = false}))),
            ErrorCode::kLockBusy);
  EXPECT_EQ(acquired(m.write(acquire(lock("other"), 3, {.wait = false}))), "granted 2");
}

TEST_F(Locks, AcquiringAgain_AnswersWhatThereIs) {
  take(1);
  take(2);
  take(3);
  m.observer().take();
  EXPECT_EQ(acquired(take(1)), "granted 1");
  EXPECT_EQ(acquired(take(3)), "queued 1");
  EXPECT_EQ(acquired(m.write(acquire(kLock, 3, {.wait = false}))), "queued 1");
  EXPECT_EQ(error_of(share(1)), ErrorCode::kLockModeMismatch);
  EXPECT_EQ(error_of(share(3)), ErrorCode::kLockModeMismatch);
  EXPECT_EQ(m.observer().take(), Lines{});
}

TEST_F(Locks, Release_WantsTheHolderAndItsToken) {
  take(1);
  take(2);
  EXPECT_EQ(error_of(m.write(release(kLock, 1, 7))), ErrorCode::kStaleToken);
  EXPECT_EQ(error_of(m.write(release(kLock, 2))), ErrorCode::kLockNotHeld);
  EXPECT_EQ(error_of(m.write(release(kLock, 9))), ErrorCode::kLockNotHeld);
  EXPECT_EQ(error_of(m.write(release(lock("none"), 1))), ErrorCode::kLockNotHeld);
  EXPECT_EQ(who(m, kLock), "1@1 | 2");
  EXPECT_FALSE(m.write(release(kLock, 1, 1)).failed());
  EXPECT_EQ(who(m, kLock), "2@2 |");
}

TEST_F(Locks, Cancel_LeavesAGrantAlone) {
  take(1);
  EXPECT_EQ(standing(expect<LockCancelResult>(m.write(cancel(kLock, 1))).standing), "granted 1");
  EXPECT_EQ(standing(expect<LockCancelResult>(m.write(cancel(kLock, 2))).standing), "absent");
  EXPECT_EQ(who(m, kLock), "1@1 |");
}

TEST_F(Locks, Break_TakesAwayByToken) {
  take(1);
  take(2);
  EXPECT_EQ(error_of(m.write(break_hold(kLock, 2))), ErrorCode::kStaleToken);
  EXPECT_EQ(error_of(m.write(break_hold(kLock, 0))), ErrorCode::kStaleToken);
  EXPECT_EQ(error_of(m.write(break_hold(lock("none"), 1))), ErrorCode::kLockNotFound);
  EXPECT_FALSE(m.write(break_hold(kLock, 1)).failed());
  EXPECT_EQ(who(m, kLock), "2@2 |");
}

TEST_F(Locks, EndOfALease_TakesHoldsAndPlacesInOneEntry) {
  take(1);
  take(2);
  take(3);
  m.write_all({acquire(lock("m"), 2), acquire(kElection, 2, {.value = "two"})});
  m.write(revoke(2));
  EXPECT_EQ(who(m, kLock), "1@1 | 3");
  EXPECT_EQ(who(m, lock("m")), "free");
  EXPECT_EQ(who(m, kElection), "free");
  m.apply(expire({m.expiry(1)}));
  EXPECT_EQ(who(m, kLock), "3@6 |");
  EXPECT_EQ(m.read(with_prefix("_coord/")), "_coord/lock/l=6 3\n");
}

TEST_F(Locks, UnknownLease_GetsNothing) {
  EXPECT_EQ(error_of(take(99)), ErrorCode::kLeaseNotFound);
  EXPECT_EQ(error_of(take(0)), ErrorCode::kLeaseNotFound);
  EXPECT_EQ(error_of(m.write(acquire(lock(""), 1))), ErrorCode::kEmptyKey);
}

TEST_F(Locks, Guard_LetsOnlyTheHolderWrite) {
  EXPECT_EQ(error_of(m.write(guarded(kLock, 1, put("a", "x")))), ErrorCode::kStaleToken);
  EXPECT_EQ(error_of(m.write(guarded(kLock, 0, put("a", "x")))), ErrorCode::kStaleToken);
  take(1);
  EXPECT_FALSE(m.write(guarded(kLock, 1, put("a", "1"))).failed());
  take(2);
  EXPECT_EQ(error_of(m.write(guarded(kLock, 0, put("a", "x")))), ErrorCode::kStaleToken)
      << "a waiter has no token";
  give(1);
  const auto stale = m.write(guarded(kLock, 1, put("a", "x")));
  EXPECT_EQ(error_of(stale), ErrorCode::kStaleToken);
  EXPECT_EQ(expect<Error>(stale).outcome, Outcome::kNotApplied);
  EXPECT_EQ(m.get("a"), "a=1");
  EXPECT_FALSE(m.write(guarded(kLock, 3, txn({.then = {op_put("a", "2")}}))).failed());
  EXPECT_EQ(error_of(m.write(guarded(election("l"), 3, put("a", "x")))), ErrorCode::kStaleToken)
      << "elections have names of their own";
}

TEST_F(Locks, Tokens_GrowOverAllLocksAndRestarts) {
  LockToken last;
  for (int i = 0; i < 5; ++i) {
    const LockToken token = token_of(take(1));
    EXPECT_GT(token, last);
    last = token;
    give(1);
    m.restart();
  }
}

TEST_F(Locks, Elections_PublishAValue) {
  EXPECT_EQ(acquired(m.write(acquire(kElection, 1, {.value = "one"}))), "granted 1");
  EXPECT_EQ(acquired(m.write(acquire(kElection, 2, {.value = "two"}))), "queued 0");
  EXPECT_EQ(m.get("_coord/election/e"), "_coord/election/e=one");
  EXPECT_EQ(error_of(m.write(acquire(kElection, 3, {.shared = true}))),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of(m.write(proclaim("e", 1, 2, "x"))), ErrorCode::kStaleToken);
  EXPECT_EQ(error_of(m.write(proclaim("e", 1, 0, "x"))), ErrorCode::kStaleToken);
  EXPECT_EQ(error_of(m.write(proclaim("e", 2, 1, "x"))), ErrorCode::kLockNotHeld);
  EXPECT_EQ(error_of(m.write(proclaim("", 1, 1, "x"))), ErrorCode::kEmptyKey);
  EXPECT_FALSE(m.write(proclaim("e", 1, 1, "uno")).failed());
  EXPECT_EQ(m.get("_coord/election/e"), "_coord/election/e=uno");
  EXPECT_EQ(m.state().lock(kElection)->value, "uno");
  EXPECT_EQ(m.state().lock(kElection)->revision, Revision(2));
  m.write(release(kElection, 1, 1));
  EXPECT_EQ(m.get("_coord/election/e"), "_coord/election/e=two");
  EXPECT_EQ(who(m, kElection), "2@3 |");
  // A leader's token and session can be told from the mirror.
  const auto mirror = m.state().range({.range = {.begin = "_coord/election/e"}});
  EXPECT_EQ(mirror->items.at(0).create_revision, Revision(3));
  EXPECT_EQ(mirror->items.at(0).lease, LeaseId(2));
}

TEST_F(Locks, HoldsShowAtTheLease) {
  m.write_all(
      {acquire(kLock, 1), acquire(kElection, 1), acquire(lock("m"), 2), acquire(lock("m"), 1)});
  EXPECT_EQ(m.state().lease(LeaseId(1))->held, (std::vector<LockName>{kLock, kElection}));
  EXPECT_EQ(m.state().lease(LeaseId(1))->attached_keys, 0u);
  EXPECT_EQ(m.state().leases().at(1).held, std::vector<LockName>{lock("m")});
}

TEST_F(Locks, List_GoesOnAfterItsCursor) {
  m.write_all({acquire(lock("a"), 1), acquire(lock("b1"), 1), acquire(lock("b2"), 1),
               acquire(lock("c"), 1), acquire(election("b"), 1)});
  const auto names = [&](bool elections, std::string prefix, std::string cursor,
                         std::size_t limit) {
    std::string text;
    for (const auto& record : m.state().locks(elections, prefix, cursor, limit)) {
      text += record.name.name + " ";
    }
    return text;
  };
  EXPECT_EQ(names(false, "", "", 10), "a b1 b2 c ");
  EXPECT_EQ(names(false, "", "", 2), "a b1 ");
  EXPECT_EQ(names(false, "", "b1", 10), "b2 c ");
  EXPECT_EQ(names(false, "b", "", 10), "b1 b2 ");
  EXPECT_EQ(names(false, "b", "a", 10), "b1 b2 ");
  EXPECT_EQ(names(false, "b", "b2", 10), "");
  EXPECT_EQ(names(true, "", "", 10), "b ");
}

TEST_F(Locks, Since_IsTheStampOfTheGrant) {
  m.set_now(100);
  take(1);
  take(2);
  EXPECT_EQ(m.state().lock(kLock)->waiters[0].since_ms, 100u);
  m.set_now(200);
  give(1);
  EXPECT_EQ(m.state().lock(kLock)->holders[0].since_ms, 200u);
}

TEST(LockBounds, MoreSharedHoldersThanAllowed_Wait) {
  Machine m;
  std::vector<WriteFill> all;
  for (std::uint64_t id = 1; id <= limits::kLockHoldersMax + 1; ++id) {
    all.push_back(grant(id));
    all.push_back(acquire(kLock, id, {.shared = true}));
  }
  const auto results = m.write_all(all);
  EXPECT_EQ(acquired(results.back()), "queued 0");
  m.write(release(kLock, 5));
  EXPECT_EQ(m.state().lock(kLock)->holders.size(), limits::kLockHoldersMax);
  EXPECT_EQ(m.state().lock(kLock)->waiters.size(), 0u);
}

}  // namespace
}  // namespace coord::service
