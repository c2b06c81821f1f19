#include "service/api/member_plan.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

namespace coord::service {
namespace {

using raft::Configuration;

constexpr MemberId kA{1};
constexpr MemberId kB{2};
constexpr MemberId kC{3};
constexpr MemberId kD{4};

std::string name(MemberId id) {
  return fmt::format("n{}", id);
}

Configuration three_and_a_learner() {
  return {.voters = {kA, kB, kC},
          .outgoing = {},
          .learners = {kD},
          .addresses = {{kA, "a:1"}, {kB, "b:1"}, {kC, "c:1"}, {kD, "d:1"}}};
}

void expect_target(const Result<MemberPlan>& plan, const Configuration& target) {
  ASSERT_TRUE(plan.ok()) << plan.error().message;
  ASSERT_TRUE(plan->target.has_value());
  EXPECT_EQ(*plan->target, target);
  EXPECT_TRUE(raft::is_sound(*plan->target));
}
void expect_done_already(const Result<MemberPlan>& plan) {
  ASSERT_TRUE(plan.ok()) << plan.error().message;
  EXPECT_FALSE(plan->target.has_value());
}
void expect_refused(const Result<MemberPlan>& plan, ErrorCode code) {
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.error().code, code) << plan.error().message;
}

TEST(MemberPlan, OfALearner) {
  Configuration target = three_and_a_learner();
  target.learners = {kD, MemberId(9)};
  target.addresses.emplace(MemberId(9), "e:1");
  expect_target(plan_learner(three_and_a_learner(), MemberId(9), "e:1", name), target);
  expect_done_already(plan_learner(three_and_a_learner(), kD, "d:1", name));
  expect_refused(plan_learner(three_and_a_learner(), kD, "e:1", name), ErrorCode::kMemberExists);
  expect_refused(plan_learner(three_and_a_learner(), kA, "a:1", name), ErrorCode::kMemberExists);
  expect_refused(plan_learner(three_and_a_learner(), MemberId(9), "b:1", name),
                 ErrorCode::kMemberExists);
}

TEST(MemberPlan, OfAPromotion) {
  Configuration target = three_and_a_learner();
  target.voters.push_back(kD);
  target.learners.clear();
  expect_target(plan_promotion(three_and_a_learner(), kD, name), target);
  expect_done_already(plan_promotion(three_and_a_learner(), kA, name));
  expect_refused(plan_promotion(three_and_a_learner(), MemberId(9), name),
                 ErrorCode::kMemberNotFound);
}

TEST(MemberPlan, OfARemoval) {
  Configuration target = three_and_a_learner();
  target.voters = {kA, kC};
  target.addresses.erase(kB);
  expect_target(plan_removal(three_and_a_learner(), kB, name), target);
  expect_refused(plan_removal(three_and_a_learner(), MemberId(9), name),
                 ErrorCode::kMemberNotFound);
  const Configuration one{.voters = {kA}, .outgoing = {}, .learners = {kD}, .addresses = {}};
  expect_refused(plan_removal(one, kA, name), ErrorCode::kWouldLoseQuorum);
}

TEST(MemberPlan, OfAReplacement) {
  Configuration target = three_and_a_learner();
  target.voters = {kA, kC, kD};
  target.learners.clear();
  target.addresses.erase(kB);
  expect_target(plan_replacement(three_and_a_learner(), {kB, kD}, name), target);
  expect_done_already(plan_replacement(target, {kB, kD}, name));
  expect_refused(plan_replacement(three_and_a_learner(), {kB, MemberId(9)}, name),
                 ErrorCode::kMemberNotFound);
  expect_refused(plan_replacement(three_and_a_learner(), {MemberId(9), kD}, name),
                 ErrorCode::kMemberNotFound);
  expect_refused(plan_replacement(three_and_a_learner(), {kD, kD}, name),
                 ErrorCode::kInvalidArgument);
}

TEST(MemberPlan, OfAReplacedLearner_DoesNotMakeAVoter) {
  Configuration two = three_and_a_learner();
  two.learners.push_back(MemberId(5));
  Configuration target = two;
  target.learners = {MemberId(5)};
  target.addresses.erase(kD);
  expect_target(plan_replacement(two, {kD, MemberId(5)}, name), target);
}

TEST(MemberPlan, OfAnAddress) {
  Configuration target = three_and_a_learner();
  target.addresses[kB] = "b:2";
  expect_target(plan_address(three_and_a_learner(), kB, "b:2", name), target);
  expect_done_already(plan_address(three_and_a_learner(), kB, "b:1", name));
  expect_refused(plan_address(three_and_a_learner(), kB, "c:1", name), ErrorCode::kMemberExists);
  expect_refused(plan_address(three_and_a_learner(), MemberId(9), "x:1", name),
                 ErrorCode::kMemberNotFound);
}

}  // namespace
}  // namespace coord::service
