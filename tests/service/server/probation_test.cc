#include "service/server/probation.h"

#include <gtest/gtest.h>

#include <bit>

namespace coord::service {
namespace {

Identity member_one_of(std::uint64_t members) {
  Identity identity{
      .cluster = ClusterId(1), .member = MemberId(1), .name = "n1", .incarnation = Incarnation(1)};
  for (std::uint64_t id = 1; id <= members; ++id) {
    identity.initial.emplace(MemberId(id), InitialMember{"n" + std::to_string(id), "h:1"});
  }
  return identity;
}

// How many of the others have to accept it.
std::uint64_t needed(std::uint64_t members) {
  Probation probation(member_one_of(members), {}, false);
  std::uint64_t accepted = 0;
  for (std::uint64_t id = 2; !probation.over() && id <= members; ++id) {
    const bool last = probation.accepted_by(MemberId(id));
    EXPECT_EQ(last, probation.over());
    EXPECT_FALSE(probation.accepted_by(MemberId(id))) << "one counts once";
    ++accepted;
  }
  EXPECT_TRUE(probation.over());
  return accepted;
}

TEST(Probation, EndsWithTheLeastNumber_OfWhichAnyTwoSetsHaveAMemberInCommon) {
  EXPECT_EQ(needed(2), 1u);
  EXPECT_EQ(needed(3), 2u);
  EXPECT_EQ(needed(4), 2u);
  EXPECT_EQ(needed(5), 3u);
  EXPECT_EQ(needed(7), 4u);
  for (std::uint64_t members = 2; members <= 9; ++members) {
    const std::uint64_t others = members - 1;
    const int g = static_cast<int>(needed(members));
    bool always = true;
    bool with_one_less = true;
    for (unsigned a = 0; a < (1u << others); ++a) {
      for (unsigned b = 0; b < (1u << others); ++b) {
        if ((a & b) != 0) continue;
        if (std::popcount(a) == g && std::popcount(b) == g) always = false;
        if (std::popcount(a) == g - 1 && std::popcount(b) == g - 1) with_one_less = false;
      }
    }
    EXPECT_TRUE(always) << members;
    EXPECT_FALSE(with_one_less) << members;
  }
}

TEST(Probation, DoesNotConcern_WhoHasPromisedNothingUnderItsName) {
  EXPECT_TRUE(Probation(member_one_of(1), {}, false).over());
  EXPECT_TRUE(Probation(member_one_of(0), {}, false).over()) << "it joins later";
}

TEST(Probation, DoesNotConcern_WhoStillHasItsDisk) {
  raft::Restored voted;
  voted.hard_state.term = Term(1);
  EXPECT_TRUE(Probation(member_one_of(3), voted, false).over());
  raft::Restored flushed;
  flushed.applied = {.term = Term(1), .index = Index(5)};
  EXPECT_TRUE(Probation(member_one_of(3), flushed, false).over());
  EXPECT_FALSE(Probation(member_one_of(3), {}, false).over());
  EXPECT_TRUE(Probation(member_one_of(3), {}, true).over()) << "it was over before";
}

TEST(Probation, IsNotEnded_ByStrangers) {
  Probation probation(member_one_of(3), {}, false);
  EXPECT_FALSE(probation.accepted_by(MemberId(1)));
  EXPECT_FALSE(probation.accepted_by(MemberId(8)));
  EXPECT_FALSE(probation.accepted_by(MemberId(9)));
  EXPECT_FALSE(probation.over());
  EXPECT_NE(probation.text().find("2 of the other 2"), std::string::npos);
}

}  // namespace
}  // namespace coord::service
