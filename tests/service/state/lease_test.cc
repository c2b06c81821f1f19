#include <gtest/gtest.h>

#include "raft/base/limits.h"
#include "tests/service/state/machine.h"

namespace coord::service {
namespace {

using namespace commands;  // NOLINT: the language of these tests
using Lines = std::vector<std::string>;

TEST(Lease, Grant_ByChosenIdOrByTheState) {
  Machine m;
  m.set_now(1234);
  const auto results = m.write_all(
      {grant(2, {.ttl_ms = 500, .session = true, .name = "n", .host = "h", .pid = 3}), grant(0),
       grant(0), grant(7, {.ttl_ms = 0}), grant(7, {.ttl_ms = UINT64_MAX}), grant(2)});
  EXPECT_EQ(expect<LeaseGrantResult>(results[0]).ttl, milliseconds(500));
  EXPECT_EQ(expect<LeaseGrantResult>(results[1]).id, LeaseId(1));
  EXPECT_EQ(expect<LeaseGrantResult>(results[2]).id, LeaseId(3)) << "2 is taken";
  EXPECT_EQ(error_of(results[3]), ErrorCode::kZeroTtl);
  EXPECT_EQ(error_of(results[4]), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of(results[5]), ErrorCode::kLeaseExists);
  const auto lease = m.state().lease(LeaseId(2));
  EXPECT_EQ(lease->name, "n");
  EXPECT_EQ(lease->host, "h");
  EXPECT_EQ(lease->pid, 3u);
  EXPECT_TRUE(lease->session);
  EXPECT_EQ(lease->granted_at_ms, 1234u);
  EXPECT_EQ(m.state().lease_count(), 3u);
  EXPECT_EQ(m.state().leases().size(), 3u);
  EXPECT_EQ(m.state().revision(), Revision(0));
  EXPECT_EQ(m.observer().take(),
            (Lines{"lease 2 granted 500", "lease 1 granted 1000", "lease 3 granted 1000"}));
}

TEST(Lease, IdOnceChosen_IsNotChosenAgain) {
  Machine m;
  m.write_all({grant(0), revoke(1)});
  m.restart();
  EXPECT_EQ(expect<LeaseGrantResult>(m.write(grant(0))).id, LeaseId(2));
}

TEST(Lease, GrantAgain_SucceedsWithTheSameNonceOnly) {
  Machine m;
  m.write(grant(5, {.ttl_ms = 100, .nonce = 9}));
  const auto expiry = m.expiry(5);
  const auto again = m.write(grant(5, {.ttl_ms = 200, .nonce = 9}));
  EXPECT_EQ(expect<LeaseGrantResult>(again).ttl, milliseconds(100));
  EXPECT_EQ(error_of(m.write(grant(5, {.nonce = 8}))), ErrorCode::kLeaseExists);
  EXPECT_EQ(m.observer().take(),
            (std::vector<std::string>{"lease 5 granted 100", "lease 5 renewed"}));
  m.apply(expire({expiry}));  // decided before it was acknowledged again
  EXPECT_TRUE(m.state().lease(LeaseId(5)));
  m.write(grant(6));
  EXPECT_EQ(error_of(m.write(grant(6))), ErrorCode::kLeaseExists) << "no nonce is like no other";
}

TEST(Lease, End_DeletesItsKeysInOneRevision) {
  Machine m;
  m.write_all({grant(7), put("c", "1"), put("b", "1", {.lease = 7}), put("a", "1", {.lease = 7})});
  m.observer().take();
  const auto result = m.write(revoke(7));
  EXPECT_EQ(result.revision, Revision(4));
  EXPECT_EQ(m.observer().take(),
            (Lines{"4: delete a prev3", "4: delete b prev2", "lease 7 ended"}));
  EXPECT_EQ(m.read(with_prefix("")), "c=1");
  EXPECT_EQ(error_of(m.write(revoke(7))), ErrorCode::kLeaseNotFound);
  EXPECT_EQ(m.tables().size(Table::kLeaseKeys), 0u);
  EXPECT_EQ(m.state().lease_count(), 0u);
}

TEST(Lease, LastPut_DecidesTheAttachment) {
  Machine m;
  m.write_all({grant(1), grant(2), put("a", "1", {.lease = 1}), put("b", "1", {.lease = 1}),
               put("c", "1", {.lease = 1}), put("d", "1", {.lease = 1})});
  m.write_all({put("a", "2", {.lease = 2}), put("b", "2"), erase(single("c")),
               txn({.then = {op_put("d", "2"), op_put("d", "3", {.lease = 1}),
                             op_put("e", "1", {.lease = 2})}})});
  EXPECT_EQ(m.state().lease_keys(LeaseId(1)), std::vector<std::string>{"d"});
  EXPECT_EQ(m.state().lease_keys(LeaseId(2)), (std::vector<std::string>{"a", "e"}));
  EXPECT_EQ(m.state().lease(LeaseId(1))->attached_keys, 1u);
  EXPECT_EQ(m.state().lease(LeaseId(2))->attached_keys, 2u);
  m.write(revoke(1));
  EXPECT_EQ(m.read(with_prefix("")), "a=2 b=2 e=1");
}

TEST(Lease, RenewedMeanwhile_DoesNotExpire) {
  Machine m;
  m.write_all({grant(1, {.ttl_ms = 50}), grant(2)});
  const auto first = m.expiry(1);
  const auto second = m.expiry(2);
  const CommandResults renewed = m.apply(renew({1, 9}));
  ASSERT_EQ(renewed.renewed.size(), 2u);
  EXPECT_EQ(renewed.renewed[0], milliseconds(50));
  EXPECT_EQ(renewed.renewed[1], std::nullopt);
  m.observer().take();
  m.apply(expire({first, second, {9, 1}}));
  EXPECT_EQ(m.observer().take(), Lines{"lease 2 ended"});
  m.apply(expire({m.expiry(1)}));
  EXPECT_EQ(m.observer().take(), Lines{"lease 1 ended"});
}

TEST(Lease, GrantedAgainAfterItsEnd_BeginsAnew) {
  Machine m;
  m.write_all({grant(1, {.nonce = 3}), put("a", "1", {.lease = 1})});
  const auto expiry = m.expiry(1);
  m.write_all({revoke(1), grant(1, {.nonce = 3})});
  EXPECT_EQ(m.state().lease(LeaseId(1))->attached_keys, 0u);
  m.apply(expire({expiry}));
  EXPECT_TRUE(m.state().lease(LeaseId(1)))
      << "what was decided of the one before is not of this one";
}

TEST(Lease, VeryManyKeys_GoInOneEntry) {
  Machine m;
  m.write(grant(1));
  constexpr int kKeys = 20000;
  std::vector<WriteFill> puts;
  for (int i = 0; i < kKeys; ++i) puts.push_back(put(fmt::format("k{}", i), "v", {.lease = 1}));
  m.write_all(std::move(puts));
  EXPECT_EQ(m.state().lease(LeaseId(1))->attached_keys, std::uint64_t{kKeys});
  m.apply(expire({m.expiry(1)}));
  EXPECT_EQ(m.state().revision(), Revision(kKeys + 1));
  EXPECT_EQ(m.read(with_prefix("")), "");
}

}  // namespace
}  // namespace coord::service
