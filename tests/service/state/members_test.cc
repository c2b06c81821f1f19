// Who takes part, as the log has it.
#include <gtest/gtest.h>

#include "tests/service/state/machine.h"

namespace coord::service {
namespace {

using namespace commands;  // NOLINT: the language of these tests

std::vector<std::string> published(Machine& m) {
  std::vector<std::string> names;
  for (const MemberRecord& record : m.state().members()) names.push_back(record.name);
  return names;
}

void configure(Machine& m, const raft::Configuration& configuration) {
  m.state().apply(m.next_configuration(configuration), nullptr);
}

raft::Configuration joint(std::vector<MemberId> voters, std::vector<MemberId> outgoing) {
  raft::Configuration configuration;
  configuration.voters = std::move(voters);
  configuration.outgoing = std::move(outgoing);
  return configuration;
}

TEST(AppliedConfiguration, IsTheNewestEntryOfItsKind) {
  Machine m;
  EXPECT_EQ(m.state().configuration(), std::nullopt);
  m.write(put("a", "1"));
  m.state().apply(m.next_configuration(members({1})), nullptr);
  m.state().apply(m.next_configuration(members({1, 2})), nullptr);
  m.write(put("a", "2"));
  const AppliedConfiguration expected{{Term(1), Index(3)}, encode(members({1, 2}))};
  EXPECT_EQ(m.state().configuration(), expected);
  m.restart();
  EXPECT_EQ(m.state().configuration(), expected);
}

TEST(AppliedConfiguration, IsPartOfTheDigest) {
  Machine a;
  Machine b;
  Machine c;
  a.state().apply(a.next_configuration(members({1})), nullptr);
  b.state().apply(b.next_configuration(members({2})), nullptr);
  c.state().apply(c.next_configuration(members({1})), nullptr);
  EXPECT_NE(a.state().position().digest, b.state().position().digest);
  EXPECT_EQ(a.state().position().digest, c.state().position().digest);
}

TEST(Members, AreRemoved_WhenAConfigurationLeavesThemOut) {
  Machine m;
  configure(m, joint({MemberId(1), MemberId(2)}, {MemberId(1), MemberId(2), MemberId(3)}));
  EXPECT_FALSE(m.state().was_removed(MemberId(3))) << "the old majority still counts";
  configure(m, members({1, 2}));
  EXPECT_TRUE(m.state().was_removed(MemberId(3)));
  EXPECT_FALSE(m.state().was_removed(MemberId(2)));
  EXPECT_FALSE(m.state().was_removed(MemberId(4))) << "nobody knows it";
  configure(m, members({1, 2, 4}));
  m.restart();
  EXPECT_TRUE(m.state().was_removed(MemberId(3))) << "for ever";
}

TEST(Members, WhatStrangersPublish_IsForgottenAtTheNextChange) {
  Machine m;
  m.apply(publish_member({MemberId(1), "n1", "p", "c"}));
  m.apply(publish_member({MemberId(4), "n4", "p", "c"}));
  EXPECT_EQ(published(m), (std::vector<std::string>{"n1", "n4"})) << "it may be about to be added";
  configure(m, members({1, 2}));
  EXPECT_EQ(published(m), std::vector<std::string>{"n1"});
  configure(m, members({1}));
  m.apply(publish_member({MemberId(2), "n2", "p", "c"}));
  EXPECT_EQ(published(m), std::vector<std::string>{"n1"}) << "it was removed";
}

TEST(Members, HaveAVersion_ThatGrowsWithWhatIsToldOfThem) {
  Machine m;
  EXPECT_EQ(m.state().members_version(), Index());
  m.apply(publish_member({MemberId(1), "n1", "p", "c"}));
  EXPECT_EQ(m.state().members_version(), Index(1));
  m.write(put("a", "1"));
  m.apply(publish_member({MemberId(1), "n1", "p", "c"}));
  EXPECT_EQ(m.state().members_version(), Index(1)) << "nothing new";
  m.apply(publish_member({MemberId(1), "n1", "p", "elsewhere"}));
  EXPECT_EQ(m.state().members_version(), Index(4));
  configure(m, members({1, 2}));
  EXPECT_EQ(m.state().members_version(), Index(5));
  m.restart();
  EXPECT_EQ(m.state().members_version(), Index(5));
}

}  // namespace
}  // namespace coord::service
