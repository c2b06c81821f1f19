#include "client/coordctl/child.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>

extern char** environ;

namespace coord::ctl {

namespace {

using Clock = std::chrono::steady_clock;

// The variable's name: what stands before "=".
std::string_view name_of(std::string_view variable) {
  return variable.substr(0, variable.find('='));
}

// Strings as exec() wants them; everything is made before fork(), after which nothing may allocate.
class ExecStrings {
 public:
  explicit ExecStrings(std::vector<std::string> strings) : strings_(std::move(strings)) {
    for (std::string& each : strings_) pointers_.push_back(each.data());
    pointers_.push_back(nullptr);
  }
  ExecStrings(const ExecStrings&) = delete;
  ExecStrings& operator=(const ExecStrings&) = delete;
  char** get() { return pointers_.data(); }

 private:
  std::vector<std::string> strings_;
  std::vector<char*> pointers_;
};

std::vector<std::string> environment_with(
    const std::vector<std::pair<std::string, std::string>>& added) {
  std::vector<std::string> variables;
  for (char** each = environ; *each != nullptr; ++each) {
    bool replaced = false;
    for (const auto& [name, value] : added) replaced = replaced || name_of(*each) == name;
    if (!replaced) variables.emplace_back(*each);
  }
  for (const auto& [name, value] : added) variables.push_back(name + '=' + value);
  return variables;
}

struct Spawned {
  pid_t pid = -1;
  int exec_errno = 0;
};

// Runs in the child, between fork() and exec(): nothing here may allocate or lock.
[[noreturn]] void become(const sigset_t& mask, pid_t parent, int report, char** command,
                         char** environment) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(128 + SIGTERM);  // it died before the line above
  ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  ::execvpe(command[0], command, environment);
  const int error = errno;
  [[maybe_unused]] const auto size = ::write(report, &error, sizeof(error));
  ::_exit(error == ENOENT ? 127 : 126);
}

Result<Spawned> spawn(const Interrupts& interrupts, const ChildOptions& options) {
  ExecStrings command(options.command);
  ExecStrings environment(environment_with(options.environment));
  std::array<int, 2> report{};
  if (::pipe2(report.data(), O_CLOEXEC) != 0) {
    return make_error(ErrorCode::kInternal, "cannot make a pipe: {}", std::strerror(errno));
  }
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) {
    become(interrupts.mask_before(), parent, report[1], command.get(), environment.get());
  }
  ::close(report[1]);
  if (pid < 0) {
    ::close(report[0]);
    return make_error(ErrorCode::kInternal, "cannot start a process: {}", std::strerror(errno));
  }
  ::setpgid(pid, pid);  // whoever of the two comes first
  Spawned spawned{.pid = pid};
  // Ends at once when exec() closes the other end.
  while (::read(report[0], &spawned.exec_errno, sizeof(int)) < 0 && errno == EINTR) {
  }
  ::close(report[0]);
  return spawned;
}

// Lends the terminal to the command's group, if we have it, until it is taken back.
class TerminalLoan {
 public:
  explicit TerminalLoan(pid_t group) : group_(group) { lend(); }
  ~TerminalLoan() { take_back(); }
  TerminalLoan(const TerminalLoan&) = delete;
  TerminalLoan& operator=(const TerminalLoan&) = delete;

  bool lend() {
    if (::tcgetpgrp(STDIN_FILENO) != ::getpgrp()) return false;
    lent_ = ::tcsetpgrp(STDIN_FILENO, group_) == 0;
    // It may have been stopped by reading from a terminal that was not its own yet.
    if (lent_) ::kill(-group_, SIGCONT);
    return lent_;
  }
  void take_back() {
    if (!std::exchange(lent_, false)) return;
    // Taking it back from the background would stop us.
    sigset_t ttou;
    sigset_t before;
    sigemptyset(&ttou);
    sigaddset(&ttou, SIGTTOU);
    ::pthread_sigmask(SIG_BLOCK, &ttou, &before);
    ::tcsetpgrp(STDIN_FILENO, ::getpgrp());
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

 private:
  const pid_t group_;
  bool lent_ = false;
};

struct Reaped {
  std::optional<int> exit_code;
  int stopped_by = 0;  // a signal, if one has stopped the command since
};

// Reaps whatever has ended: the command (then its exit code), and what it left behind.
Reaped reap(pid_t command) {
  Reaped reaped;
  int status = 0;
  while (const pid_t pid = ::waitpid(-1, &status, WNOHANG | WUNTRACED)) {
    if (pid < 0) break;
    if (pid != command) continue;
    if (WIFSTOPPED(status)) {
      reaped.stopped_by = WSTOPSIG(status);
    } else {
      reaped.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
  }
  return reaped;
}

// SIGSTOP is somebody's own, who wants the command to stop and not what holds the lock for it.
bool is_of_the_terminal(int stop_signal) {
  return stop_signal == SIGTSTP || stop_signal == SIGTTIN || stop_signal == SIGTTOU;
}

// The terminal has stopped the command: a shell knows us alone, and waits until we stop. Then it
// has us go on, and so does the command.
void stop_with_it(TerminalLoan& terminal, pid_t pid, int signal) {
  terminal.take_back();
  // Without effect where no shell would have us go on (in an orphaned process group).
  ::raise(SIGTSTP);
  // What reads from the terminal in the background would only be stopped again.
  if (!terminal.lend() && signal == SIGTSTP) ::kill(-pid, SIGCONT);
}

void pass_on(pid_t group, int signal) {
  ::kill(-group, signal);
  ::kill(-group, SIGCONT);  // a stopped process cannot end on TERM
}

// Ends the group: TERM, then KILL for whoever is left after the grace. Returns the exit code of the
// command; no member of the group is left running.
int end_group(Interrupts& interrupts, pid_t pid, milliseconds grace) {
  // The end of a process of the group that is not our child (it may never become ours) is no
  // signal.
  constexpr milliseconds kPoll{20};
  const Clock::time_point deadline = Clock::now() + grace;
  std::optional<int> exit_code;
  pass_on(pid, SIGTERM);
  while (true) {
    if (const std::optional<int> ended = reap(pid).exit_code) exit_code = ended;
    if (exit_code && ::kill(-pid, 0) != 0) return *exit_code;
    if (Clock::now() >= deadline) break;
    interrupts.wait(kPoll);
  }
  ::kill(-pid, SIGKILL);
  while (!exit_code) {
    exit_code = reap(pid).exit_code;
    if (!exit_code) interrupts.wait(kPoll);
  }
  return *exit_code;
}

}  // namespace

Result<ChildResult> run_child(Interrupts& interrupts, const ChildOptions& options) {
  // Orphans of the command become our children: only so can it be known that its group is empty.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  const Result<Spawned> spawned = spawn(interrupts, options);
  if (!spawned) return spawned.error();
  const pid_t pid = spawned->pid;
  ChildResult result;
  if (spawned->exec_errno != 0) {
    result.failure = std::string(std::strerror(spawned->exec_errno));
  }
  TerminalLoan terminal(pid);
  const std::stop_callback on_loss(options.lost, [&interrupts] { interrupts.wake(); });
  while (true) {
    const Reaped reaped = reap(pid);
    if (reaped.exit_code) {
      result.exit_code = *reaped.exit_code;
      result.lost = options.lost.stop_requested();
      return result;
    }
    if (options.lost.stop_requested()) {
      result.lost = true;
      result.exit_code = end_group(interrupts, pid, options.grace);
      return result;
    }
    if (is_of_the_terminal(reaped.stopped_by)) {
      stop_with_it(terminal, pid, reaped.stopped_by);
      continue;
    }
    const int signal = interrupts.wait();
    if (signal != 0 && signal != SIGCHLD) pass_on(pid, signal);
  }
}

}  // namespace coord::ctl
