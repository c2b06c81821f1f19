// How often trouble with other members is told.
#include "service/server/peer_trouble.h"

#include <gtest/gtest.h>

namespace coord::service {
namespace {

constexpr Instant kStart{seconds(1000)};

TEST(PeerTrouble, OfOneMember_IsToldAtOnce_AndAgainAfterAWhile) {
  PeerTrouble trouble;
  EXPECT_TRUE(trouble.is_due(kStart, MemberId(2)));
  EXPECT_FALSE(trouble.is_due(kStart + seconds(9), MemberId(2)));
  EXPECT_TRUE(trouble.is_due(kStart + seconds(9), MemberId(3)));
  EXPECT_TRUE(trouble.is_due(kStart + seconds(10), MemberId(2)));
}

TEST(PeerTrouble, OfEverNewMembers_IsBounded) {
  PeerTrouble trouble;
  std::size_t told = 0;
  for (std::uint64_t id = 1; id <= 1000; ++id) {
    if (trouble.is_due(kStart + microseconds(id), MemberId(id))) ++told;
  }
  EXPECT_EQ(told, PeerTrouble::kPeersMax);
  EXPECT_TRUE(trouble.is_due(kStart + seconds(11), MemberId(1001)));
}

}  // namespace
}  // namespace coord::service
