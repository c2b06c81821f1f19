#include "tests/integration/process.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <stdexcept>
#include <utility>

extern char** environ;

namespace coord::test {

namespace {

using Clock = std::chrono::steady_clock;

int exit_code_of(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::vector<std::string> environment_with(const std::map<std::string, std::string>& added) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (!added.contains(text.substr(0, text.find('=')))) all.push_back(text);
  }
  for (const auto& [name, value] : added) all.push_back(name + "=" + value);
  return all;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (std::string& text : strings) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

// Everything that the child needs is made before fork(): between fork and exec only calls that are
// safe there are made, because the test may have other threads.
pid_t spawn(std::vector<std::string> arguments, const std::map<std::string, std::string>& added,
            int in, int out, int err) {
  std::vector<std::string> environment = environment_with(added);
  std::vector<char*> argv = pointers(arguments);
  std::vector<char*> envp = pointers(environment);
  const pid_t pid = ::fork();
  if (pid < 0) throw std::runtime_error("fork failed");
  if (pid > 0) return pid;
  ::dup2(in, 0);
  ::dup2(out, 1);
  ::dup2(err, 2);
  ::signal(SIGPIPE, SIG_DFL);
  ::execve(argv[0], argv.data(), envp.data());
  ::_exit(127);
}

struct Pipe {
  Pipe() {
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe failed");
  }
  ~Pipe() {
    close_end(0);
    close_end(1);
  }
  void close_end(int end) {
    if (ends[end] >= 0) ::close(ends[end]);
    ends[end] = -1;
  }
  int ends[2];
};

}  // namespace

Process::Process(std::vector<std::string> arguments, const ProcessOptions& options) {
  const std::string target = options.output_file.empty() ? "/dev/null" : options.output_file;
  const int in = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int out = ::open(target.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  pid_ = spawn(std::move(arguments), options.environment, in, out, out);
  ::close(in);
  ::close(out);
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), exit_code_(other.exit_code_) {}

Process& Process::operator=(Process&& other) noexcept {
  if (this != &other) {
    kill_now();
    pid_ = std::exchange(other.pid_, -1);
    exit_code_ = other.exit_code_;
  }
  return *this;
}

Process::~Process() {
  kill_now();
}

bool Process::running() {
  return pid_ > 0 && !wait(Milliseconds(0)).has_value();
}

void Process::signal(int number) {
  if (pid_ > 0 && !exit_code_) ::kill(pid_, number);
}

void Process::kill_now() {
  if (pid_ <= 0 || exit_code_) return;
  ::kill(pid_, SIGKILL);
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  exit_code_ = exit_code_of(status);
}

std::optional<int> Process::wait(Milliseconds timeout) {
  eventually(
      [this] {
        int status = 0;
        if (!exit_code_ && pid_ > 0 && ::waitpid(pid_, &status, WNOHANG) == pid_) {
          exit_code_ = exit_code_of(status);
        }
        return exit_code_ || pid_ <= 0;
      },
      timeout);
  return exit_code_;
}

std::size_t Process::resident_bytes() const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  file >> total >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

RunResult run(const std::vector<std::string>& arguments, const std::string& input,
              Milliseconds timeout, const std::map<std::string, std::string>& environment) {
  Pipe in;
  Pipe out;
  Pipe err;
  const pid_t pid = spawn(arguments, environment, in.ends[0], out.ends[1], err.ends[1]);
  in.close_end(0);
  out.close_end(1);
  err.close_end(1);
  ::fcntl(in.ends[1], F_SETFL, O_NONBLOCK);
  ::signal(SIGPIPE, SIG_IGN);  // the child may end before it has read everything

  RunResult result;
  std::size_t written = 0;
  const auto deadline = Clock::now() + timeout;
  bool timed_out = false;
  while (out.ends[0] >= 0 || err.ends[0] >= 0) {
    if (in.ends[1] >= 0 && written == input.size()) in.close_end(1);
    pollfd fds[3] = {{in.ends[1], POLLOUT, 0}, {out.ends[0], POLLIN, 0}, {err.ends[0], POLLIN, 0}};
    const auto left = std::chrono::duration_cast<Milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) {
      timed_out = true;
      ::kill(pid, SIGKILL);
      break;
    }
    ::poll(fds, 3, static_cast<int>(left));
    if (fds[0].revents != 0) {
      const ssize_t n = ::write(in.ends[1], input.data() + written, input.size() - written);
      if (n > 0) written += static_cast<std::size_t>(n);
      if (n < 0 && errno != EAGAIN) in.close_end(1);
    }
    const auto drain = [](Pipe& pipe, const pollfd& state, std::string& text) {
      if (state.revents == 0) return;
      char buffer[65536];
      const ssize_t n = ::read(pipe.ends[0], buffer, sizeof buffer);
      if (n > 0) text.append(buffer, static_cast<std::size_t>(n));
      if (n <= 0) pipe.close_end(0);
    };
    drain(out, fds[1], result.out);
    drain(err, fds[2], result.err);
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  result.exit_code = timed_out ? -1 : exit_code_of(status);
  return result;
}

std::string program(const std::string& name) {
  return std::string(COORD_BINARY_DIR) + "/" + name;
}

int free_port() {
  static std::set<int> given;
  std::random_device random;
  for (;;) {
    const int port = 20000 + static_cast<int>(random() % 12000);
    if (given.contains(port)) continue;
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool free = ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    ::close(fd);
    if (free) {
      given.insert(port);
      return port;
    }
  }
}

}  // namespace coord::test
