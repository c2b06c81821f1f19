// Child processes of a test: started, watched, and ended by their own pid and no other's.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/eventually.h"
#include "tests/temporary_directory.h"

namespace coord::test {

using Milliseconds = std::chrono::milliseconds;

struct ProcessOptions {
  std::map<std::string, std::string> environment = {};  // added to the test's own
  std::string output_file = {};  // standard output and error go there, appended; empty: discarded
};

// Ends the process with SIGKILL when it goes away.
class Process {
 public:
  Process() = default;
  Process(std::vector<std::string> arguments, const ProcessOptions& options);
  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;
  ~Process();

  pid_t pid() const { return pid_; }
  bool running();
  void signal(int number);
  // SIGKILL, and waits until it is gone.
  void kill_now();
  // The exit code (128 + signal if a signal ended it); nothing if it is still running by then.
  std::optional<int> wait(Milliseconds timeout);
  // Resident memory.
  std::size_t resident_bytes() const;

 private:
  pid_t pid_ = -1;
  std::optional<int> exit_code_;
};

struct RunResult {
  int exit_code = -1;
  std::string out;
  std::string err;
};
// Runs a program to its end. One that takes longer than `timeout` is killed, and gives exit code
// -1.
RunResult run(const std::vector<std::string>& arguments, const std::string& input = {},
              Milliseconds timeout = Milliseconds(30000),
              const std::map<std::string, std::string>& environment = {});

// The path of a program of this build.
std::string program(const std::string& name);

// A loopback port that nobody listens on, below the range that outgoing connections take theirs
// from; no two calls in one process give the same.
int free_port();

}  // namespace coord::test
