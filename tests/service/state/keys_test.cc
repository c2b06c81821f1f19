#include <gtest/gtest.h>

#include "tests/service/state/machine.h"

namespace coord::service {
namespace {

using namespace commands;  // NOLINT: the language of these tests
using Lines = std::vector<std::string>;

TEST(Keys, Put_TakesTheNextRevision_AndCountsVersions) {
  Machine m;
  EXPECT_EQ(m.write(put("a", "1")).revision, Revision(1));
  EXPECT_EQ(m.write(put("a", "1")).revision, Revision(2)) << "an equal value is a change too";
  EXPECT_EQ(m.observer().take(), (Lines{"1: put a=1 v1 c1 prev0", "2: put a=1 v2 c1 prev1"}));
  EXPECT_EQ(m.get("a"), "a=1");
}

TEST(Keys, DeletedAndCreatedAgain_StartsAnew) {
  Machine m;
  m.write_all({put("a", "1"), put("a", "2"), erase(single("a")), put("a", "3")});
  EXPECT_EQ(m.observer().take(), (Lines{"1: put a=1 v1 c1 prev0", "2: put a=2 v2 c1 prev1",
                                        "3: delete a prev2", "4: put a=3 v1 c4 prev0"}));
}

TEST(Keys, DeleteOfNothing_TakesNoRevision) {
  Machine m;
  m.write(put("b", "1"));
  const WriteResult result = m.write(erase(single("a")));
  EXPECT_EQ(result.revision, Revision(1));
  EXPECT_EQ(expect<DeleteResult>(result).deleted, 0u);
  EXPECT_EQ(m.state().revision(), Revision(1));
}

TEST(Keys, OldRevisions_ReadAsTheyWere) {
  Machine m;
  m.write_all({put("a", "1"), put("b", "1"), put("a", "2"), erase(prefix("")), put("b", "3")});
  EXPECT_EQ(m.read(with_prefix(""), Revision(1)), "a=1");
  EXPECT_EQ(m.read(with_prefix(""), Revision(2)), "a=1 b=1");
  EXPECT_EQ(m.read(with_prefix(""), Revision(3)), "a=2 b=1");
  EXPECT_EQ(m.read(with_prefix(""), Revision(4)), "");
  EXPECT_EQ(m.read(with_prefix(""), Revision(5)), "b=3");
  EXPECT_EQ(m.read(with_prefix("")), "b=3");
  EXPECT_EQ(m.read(with_prefix(""), Revision(6)), "futureRevision");
}

}  // namespace
}  // namespace coord::service
