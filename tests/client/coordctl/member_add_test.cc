// coordctl member add and replace against members that lose answers: what is undone, and what is
// left alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <sstream>

#include "tests/client/loopback_cluster.h"
#include "tests/integration/process.h"
#include "tests/temporary_directory.h"

namespace coord::fake {
namespace {

using test::Milliseconds;
using test::Process;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CoordctlMemberAdd : public ::testing::Test {
 protected:
  CoordctlMemberAdd() {
    with([](Membership& members) { members.waiting.emplace("new:1", 4); });
  }

  void with(const std::function<void(Membership&)>& work) {
    cluster_.with([&](Cluster& cluster) { work(cluster.membership); });
  }
  std::vector<std::string> made() {
    std::vector<std::string> all;
    with([&](Membership& members) { all = members.made; });
    return all;
  }
  bool eventually_made(const std::string& change) {
    return test::eventually([&] {
      const auto all = made();
      return std::find(all.begin(), all.end(), change) != all.end();
    });
  }
  // Until it has looked that many times how far the new one has come.
  bool eventually_asked_for_progress(std::size_t times) {
    return test::eventually([&] {
      std::size_t asked = 0;
      with([&](Membership& members) { asked = members.asked_for_progress; });
      return asked >= times;
    });
  }

  Process start(std::vector<std::string> arguments) {
    std::vector<std::string> all = {test::program("coordctl"), "--timeout", "400ms", "member"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return Process(std::move(all),
                   {.environment = {{"COORDCTL_ENDPOINTS", endpoints()}}, .output_file = output_});
  }
  // Until it ends: a signal may come before the one before has been heeded.
  void keep_interrupting(Process& process) {
    test::eventually([&] {
      if (process.running()) process.signal(SIGINT);
      return process.wait(Milliseconds(300)).has_value();
    });
  }
  void elect(std::optional<std::size_t> member) {
    cluster_.with([&](Cluster& cluster) {
      cluster.elect(member.has_value() ? &cluster.member(*member) : nullptr);
    });
  }
  bool eventually_used_up_faults() {
    return test::eventually([&] {
      bool none = false;
      with([&](Membership& members) { none = members.faults.empty(); });
      return none;
    });
  }
  Process start_add() { return start({"add", "n4", "--peer", "new:1"}); }
  std::string endpoints() const {
    std::string all;
    for (const std::string& each : cluster_.endpoints()) all += (all.empty() ? "" : ",") + each;
    return all;
  }
  static int end_of(Process& process) { return process.wait(Milliseconds(20'000)).value_or(-1); }
  std::string said() const {
    std::ifstream file(output_);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }

  LoopbackCluster cluster_;
  test::TemporaryDirectory directory_;
  const std::string output_ = directory_.path() / "output";
};

TEST_F(CoordctlMemberAdd, Interrupted_RemovesTheLearnerAgain_ThoughItTakesMoreThanOneTry) {
  with([](Membership& members) { members.caught_up = false; });
  Process add = start_add();
  ASSERT_TRUE(eventually_asked_for_progress(3));
  with([](Membership& members) { members.faults = {Fault::kChangeInFlight, Fault::kDropBefore}; });
  add.signal(SIGINT);
  EXPECT_EQ(end_of(add), 1);
  EXPECT_THAT(said(), HasSubstr("interrupted; n4 was removed again"));
  EXPECT_THAT(made(), ElementsAre("add 4", "remove 4"));
}

TEST_F(CoordctlMemberAdd, LearnerThatWasThereBefore_IsLeftAlone) {
  with([](Membership& members) {
    members.learners = {4};
    members.caught_up = false;
    // Asked again, the leader could not tell whether an earlier attempt has added it.
    members.faults = {Fault::kApplyThenDrop};
  });
  Process add = start_add();
  ASSERT_TRUE(eventually_asked_for_progress(3));
  add.signal(SIGINT);
  EXPECT_EQ(end_of(add), 1);
  EXPECT_THAT(said(), HasSubstr("n4 stays the learner that it was before"));
  EXPECT_THAT(made(), ElementsAre());
}

TEST_F(CoordctlMemberAdd, AddWithoutAnAnswer_IsAskedForAgain_AndItsLearnerUndone) {
  with([](Membership& members) {
    members.caught_up = false;
    members.faults = {Fault::kApplyThenStall, Fault::kStall};
  });
  Process add = start_add();
  ASSERT_TRUE(eventually_asked_for_progress(4));
  add.signal(SIGTERM);
  EXPECT_EQ(end_of(add), 1);
  EXPECT_THAT(said(), HasSubstr("interrupted; n4 was removed again"));
  EXPECT_THAT(made(), ElementsAre("add 4", "remove 4"));
}

TEST_F(CoordctlMemberAdd, ReplacementThatWasMadeWithoutAnAnswer_IsDone_ThoughInterrupted) {
  with([](Membership& members) {
    // The learner is added, and all that follows is not answered.
    members.faults = std::deque<Fault>(100, Fault::kStall);
    members.faults[0] = Fault::kServe;
    members.faults[1] = Fault::kApplyThenStall;
  });
  Process replace = start({"replace", "2", "n4", "--peer", "new:1"});
  ASSERT_TRUE(eventually_made("replace 2 4"));
  replace.signal(SIGINT);
  EXPECT_EQ(end_of(replace), 0);
  EXPECT_THAT(said(), HasSubstr("has taken the place of"));
  EXPECT_THAT(made(), ElementsAre("add 4", "replace 2 4"));
}

TEST_F(CoordctlMemberAdd, LearnerAlone_HasNotTakenThePlaceOfOneThatSomebodyElseRemoved) {
  with([](Membership& members) { members.caught_up = false; });
  Process replace = start({"replace", "2", "n4", "--peer", "new:1"});
  ASSERT_TRUE(eventually_asked_for_progress(3));
  with([](Membership& members) { members.voters.erase(2); });
  replace.signal(SIGINT);
  EXPECT_EQ(end_of(replace), 1);
  EXPECT_THAT(said(), HasSubstr("interrupted; n4 was removed again"));
  EXPECT_THAT(made(), ElementsAre("add 4", "remove 4"));
}

TEST_F(CoordctlMemberAdd, ReplacementThatNobodyMade_IsUndone_ThoughTheOldOneIsGone) {
  with([](Membership& members) { members.faults = {Fault::kServe, Fault::kStall}; });
  Process replace = start({"replace", "2", "n4", "--peer", "new:1"});
  ASSERT_TRUE(eventually_used_up_faults());
  with([](Membership& members) { members.voters.erase(2); });
  EXPECT_EQ(end_of(replace), 3);
  EXPECT_THAT(said(), HasSubstr("n4 was removed again"));
  EXPECT_THAT(made(), ElementsAre("add 4", "remove 4"));
}

TEST_F(CoordctlMemberAdd, PromotionThatWasMadeWithoutAnAnswer_IsDone_ThoughInterrupted) {
  with([](Membership& members) {
    members.learners = {4};
    members.faults = std::deque<Fault>(100, Fault::kStall);
    members.faults[0] = Fault::kServe;
    members.faults[1] = Fault::kApplyThenStall;
  });
  Process add = start_add();
  ASSERT_TRUE(eventually_made("promote 4"));
  add.signal(SIGINT);
  EXPECT_EQ(end_of(add), 0);
  EXPECT_THAT(said(), HasSubstr("n4 is a member and votes"));
}

TEST_F(CoordctlMemberAdd, PromotionThatNobodyCanTellOf_HasAnUnknownOutcome) {
  with([](Membership& members) {
    members.learners = {4};
    members.faults = std::deque<Fault>(1000, Fault::kStall);
    members.faults[0] = Fault::kServe;
    members.faults[1] = Fault::kApplyThenStall;
  });
  Process add = start_add();
  ASSERT_TRUE(eventually_made("promote 4"));
  elect(std::nullopt);
  keep_interrupting(add);
  EXPECT_EQ(end_of(add), 6);
  EXPECT_THAT(said(), HasSubstr("whether n4 votes now is not known"));
  EXPECT_THAT(said(), HasSubstr("outcome: unknown"));
}

TEST_F(CoordctlMemberAdd, PromotionThatWasNotMade_LeavesTheLearnerThatWasThereBefore) {
  with([](Membership& members) {
    members.learners = {4};
    members.faults = std::deque<Fault>(1000, Fault::kStall);
    members.faults[0] = Fault::kServe;
  });
  Process add = start_add();
  ASSERT_TRUE(eventually_asked_for_progress(2));
  add.signal(SIGINT);
  EXPECT_EQ(end_of(add), 1);
  EXPECT_THAT(said(), HasSubstr("n4 stays the learner that it was before"));
  EXPECT_THAT(made(), ElementsAre());
}

TEST_F(CoordctlMemberAdd, LearnerThatIsLeftBehind_MakesTheOutcomeUnknown) {
  with([](Membership& members) { members.caught_up = false; });
  Process add = start_add();
  ASSERT_TRUE(eventually_asked_for_progress(3));
  elect(std::nullopt);
  keep_interrupting(add);
  EXPECT_EQ(end_of(add), 6);
  EXPECT_THAT(said(), HasSubstr("n4 could not be removed again"));
}

TEST_F(CoordctlMemberAdd, InterruptedWhileALeaderIsWaitedFor_AddsNobody) {
  elect(std::nullopt);
  Process add = start_add();
  ASSERT_TRUE(eventually_asked_for_progress(1));
  add.signal(SIGINT);
  elect(0);
  EXPECT_EQ(end_of(add), 1);
  EXPECT_THAT(said(), HasSubstr("interrupted"));
  EXPECT_THAT(made(), ElementsAre());
}

TEST_F(CoordctlMemberAdd, InterruptedWhileALearnerIsAdded_RemovesItAgain) {
  with([](Membership& members) { members.faults = {Fault::kServeLate}; });
  Process add = start({"add", "n4", "--peer", "new:1", "--learner"});
  ASSERT_TRUE(eventually_made("add 4"));
  add.signal(SIGINT);
  EXPECT_EQ(end_of(add), 1);
  EXPECT_THAT(said(), HasSubstr("interrupted; n4 was removed again"));
  EXPECT_THAT(made(), ElementsAre("add 4", "remove 4"));
}

TEST_F(CoordctlMemberAdd, InterruptedWhileItsLastStepSucceeds_IsDone) {
  with([](Membership& members) { members.faults = {Fault::kServe, Fault::kServeLate}; });
  Process add = start_add();
  ASSERT_TRUE(eventually_made("promote 4"));
  add.signal(SIGINT);
  EXPECT_EQ(end_of(add), 0);
  EXPECT_THAT(said(), HasSubstr("n4 is a member and votes"));
  EXPECT_THAT(made(), ElementsAre("add 4", "promote 4"));
}

TEST_F(CoordctlMemberAdd, MemberThatWasNeverAdded_IsNotSaidToHaveBeenRemoved) {
  with([](Membership& members) { members.faults = {Fault::kStall}; });
  Process add = start_add();
  ASSERT_TRUE(eventually_asked_for_progress(1));
  ASSERT_TRUE(eventually_used_up_faults());
  with([](Membership& members) { members.waiting.clear(); });
  add.signal(SIGINT);
  EXPECT_EQ(end_of(add), 1);
  EXPECT_THAT(said(), HasSubstr("n4 was not added"));
  EXPECT_THAT(made(), ElementsAre());
}

TEST_F(CoordctlMemberAdd, ReaderThatGoesAway_DoesNotEndIt) {
  with([](Membership& members) { members.caught_up = false; });
  Process pipe(
      {"/bin/sh", "-c", test::program("coordctl") + " member add n4 --peer new:1 | head -n 1"},
      {.environment = {{"COORDCTL_ENDPOINTS", endpoints()}}, .output_file = output_});
  // A line comes with every fifth look.
  EXPECT_TRUE(eventually_asked_for_progress(17));
  with([](Membership& members) { members.caught_up = true; });
  EXPECT_TRUE(eventually_made("promote 4"));
  EXPECT_THAT(said(), HasSubstr("n4 has 10 of 1000 entries"));
}

}  // namespace
}  // namespace coord::fake
