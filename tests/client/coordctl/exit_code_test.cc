#include "client/coordctl/exit_code.h"

#include <gtest/gtest.h>

namespace coord::ctl {
namespace {

ExitCode code_of(ErrorCode code, Outcome outcome = Outcome::kNotApplied) {
  Error error;
  error.code = code;
  error.outcome = outcome;
  return exit_code_of(error);
}

TEST(ExitCode, EachKindOfFailure_HasItsOwn) {
  EXPECT_EQ(code_of(ErrorCode::kLeaseNotFound), ExitCode::kNotFound);
  EXPECT_EQ(code_of(ErrorCode::kNoLeaderElected), ExitCode::kNotFound);
  EXPECT_EQ(code_of(ErrorCode::kLockBusy), ExitCode::kNotHeld);
  EXPECT_EQ(code_of(ErrorCode::kNoQuorum), ExitCode::kUnavailable);
  EXPECT_EQ(code_of(ErrorCode::kUnreachable), ExitCode::kUnavailable);
  EXPECT_EQ(code_of(ErrorCode::kValueTooLarge), ExitCode::kRefused);
  EXPECT_EQ(code_of(ErrorCode::kCompacted), ExitCode::kOther);
}

TEST(ExitCode, UnknownOutcome_GoesBeforeItsCause) {
  EXPECT_EQ(code_of(ErrorCode::kDeadlineExceeded, Outcome::kUnknown), ExitCode::kOutcomeUnknown);
  EXPECT_EQ(code_of(ErrorCode::kConnectionLost, Outcome::kUnknown), ExitCode::kOutcomeUnknown);
}

}  // namespace
}  // namespace coord::ctl
