// Who gets how many connections.
#include "service/server/descriptors.h"

#include <gtest/gtest.h>

namespace coord::service {
namespace {

TEST(ConnectionShares, LeaveAReserve_WhateverTheLimit) {
  for (const std::uint64_t limit : {0u, 1u, 64u, 256u, 1024u, 4096u, 20'000u, 1'048'576u}) {
    const ConnectionShares shares = share_out(limit);
    const std::uint64_t left = limit - shares.clients - shares.members;
    EXPECT_GE(left, std::min(kDescriptorReserve, limit / 2)) << limit;
    EXPECT_LE(left, limit) << limit;
  }
}

TEST(ConnectionShares, OfTheUsualLimit_AreUsable_AndOfALargeOneBounded) {
  EXPECT_EQ(share_out(1024).clients, 576u);
  EXPECT_EQ(share_out(1024).members, 192u);
  EXPECT_EQ(share_out(1'048'576).clients, kClientConnectionsMax);
  EXPECT_EQ(share_out(UINT64_MAX).members, kMemberConnectionsMax);
}

}  // namespace
}  // namespace coord::service
