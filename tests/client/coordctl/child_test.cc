#include "client/coordctl/child.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <thread>

namespace coord::ctl {
namespace {

class Child : public ::testing::Test {
 protected:
  ChildResult run(const std::string& script, milliseconds grace = milliseconds(5000)) {
    const Result<ChildResult> result = run_child(
        interrupts_, {.command = {"/bin/sh", "-c", script},
                      .environment = {{"COORD_LOCK_TOKEN", "17"}, {"PATH", "/usr/bin:/bin"}},
                      .lost = lost_.get_token(),
                      .grace = grace});
    EXPECT_TRUE(result.ok());
    return result ? *result : ChildResult();
  }
  // Does something when the script has said (by writing to the pipe) that it is ready.
  template <class Then>
  ChildResult run_and_when_ready(const std::string& script, milliseconds grace, Then then) {
    int ready[2];
    EXPECT_EQ(::pipe(ready), 0);
    std::jthread helper([&] {
      char byte;
      if (::read(ready[0], &byte, 1) == 1) then();
    });
    ChildResult result =
        run("say_ready() { echo >&" + std::to_string(ready[1]) + "; }; " + script, grace);
    ::close(ready[1]);
    helper.join();
    ::close(ready[0]);
    return result;
  }

  Interrupts interrupts_;
  std::stop_source lost_;
};

TEST_F(Child, ExitCode_IsPassedOn) {
  EXPECT_EQ(run("exit 0").exit_code, 0);
  EXPECT_EQ(run("exit 42").exit_code, 42);
}

TEST_F(Child, EndedByASignal_Gives128PlusItsNumber) {
  EXPECT_EQ(run("kill -9 $$").exit_code, 128 + SIGKILL);
}

TEST_F(Child, Environment_IsAddedAndReplaced) {
  EXPECT_EQ(run("test \"$COORD_LOCK_TOKEN\" = 17 && test \"$PATH\" = /usr/bin:/bin").exit_code, 0);
}

TEST_F(Child, CommandThatIsNotThere_SaysSo) {
  const Result<ChildResult> result =
      run_child(interrupts_, {.command = {"/no/such/command"}, .environment = {}, .lost = {}});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->exit_code, 127);
  EXPECT_EQ(result->failure, "No such file or directory");
}

TEST_F(Child, Loss_EndsTheCommandAndWhateverItStarted) {
  const ChildResult result = run_and_when_ready("sleep 100 & say_ready; wait", milliseconds(5000),
                                                [&] { lost_.request_stop(); });
  EXPECT_TRUE(result.lost);
  EXPECT_EQ(result.exit_code, 128 + SIGTERM);
}

TEST_F(Child, Loss_KillsWhatDoesNotEndOnTerm) {
  const ChildResult result =
      run_and_when_ready("trap '' TERM; say_ready; while :; do sleep 100; done", milliseconds(50),
                         [&] { lost_.request_stop(); });
  EXPECT_TRUE(result.lost);
  EXPECT_EQ(result.exit_code, 128 + SIGKILL);
}

TEST_F(Child, LossBeforeTheStart_EndsItToo) {
  lost_.request_stop();
  EXPECT_TRUE(run("sleep 100").lost);
}

TEST_F(Child, SignalToUs_GoesToTheCommand) {
  const ChildResult result =
      run_and_when_ready("trap 'exit 7' INT; say_ready; while :; do sleep 0.01; done",
                         milliseconds(5000), [] { ::kill(::getpid(), SIGINT); });
  EXPECT_FALSE(result.lost);
  EXPECT_EQ(result.exit_code, 7);
}

TEST_F(Child, SignalToUs_EndsACommandThatIsStopped) {
  const ChildResult result =
      run_and_when_ready("(kill -STOP $$; say_ready) & wait; exit 7", milliseconds(5000),
                         [] { ::kill(::getpid(), SIGTERM); });
  EXPECT_FALSE(result.lost);
  EXPECT_EQ(result.exit_code, 128 + SIGTERM);
}

// As a job of a shell, which this test is.
TEST_F(Child, CommandThatTheTerminalStops_StopsUsToo_AndGoesOnWithUs) {
  const pid_t job = ::fork();
  if (job == 0) {
    ::setpgid(0, 0);
    ::_exit(run("kill -TSTP $$; exit 7").exit_code);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(job, &status, WUNTRACED), job);
  ASSERT_TRUE(WIFSTOPPED(status));
  ::kill(job, SIGCONT);
  ASSERT_EQ(::waitpid(job, &status, WUNTRACED), job);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

}  // namespace
}  // namespace coord::ctl
