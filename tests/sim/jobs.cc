#include "tests/sim/jobs.h"

#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "raft/base/check.h"

namespace coord::sim {

namespace {

// --- A result as bytes; both ends are this program. ---------------------------------------------

class Writer {
 public:
  template <class T>
  void number(T value) {
    static_assert(std::is_trivially_copyable_v<T>);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  void text(const std::string& value) {
    number(value.size());
    bytes_ += value;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

class Reader {
 public:
  explicit Reader(const std::string& bytes) : bytes_(bytes) {}
  template <class T>
  T number() {
    T value;
    CHECK_LE(at_ + sizeof(value), bytes_.size());
    std::memcpy(&value, bytes_.data() + at_, sizeof(value));
    at_ += sizeof(value);
    return value;
  }
  std::string text() {
    const auto size = number<std::size_t>();
    CHECK_LE(at_ + size, bytes_.size());
    at_ += size;
    return bytes_.substr(at_ - size, size);
  }

 private:
  const std::string& bytes_;
  std::size_t at_ = 0;
};

std::string pack(const RunResult& result) {
  Writer writer;
  writer.number(result.trace_hash);
  writer.number(result.events);
  writer.number(result.coverage);
  writer.number(result.troubles);
  writer.number(result.operations);
  writer.number(result.ended_at);
  writer.number(result.violation.has_value());
  writer.text(result.violation.value_or(""));
  writer.number(result.trace.size());
  for (const std::string& line : result.trace) writer.text(line);
  return writer.bytes();
}

RunResult unpack(const std::string& bytes) {
  Reader reader(bytes);
  RunResult result;
  result.trace_hash = reader.number<std::uint64_t>();
  result.events = reader.number<std::uint64_t>();
  result.coverage = reader.number<Coverage>();
  result.troubles = reader.number<std::uint32_t>();
  result.operations = reader.number<std::uint32_t>();
  result.ended_at = reader.number<Duration>();
  const bool violated = reader.number<bool>();
  std::string violation = reader.text();
  if (violated) result.violation = std::move(violation);
  result.trace.resize(reader.number<std::size_t>());
  for (std::string& line : result.trace) line = reader.text();
  return result;
}

bool write_all(int descriptor, const std::string& bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = ::write(descriptor, bytes.data() + done, bytes.size() - done);
    if (count <= 0) return false;
    done += static_cast<std::size_t>(count);
  }
  return true;
}

bool read_exactly(int descriptor, char* target, std::size_t size) {
  while (size > 0) {
    const ssize_t count = ::read(descriptor, target, size);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    target += count;
    size -= static_cast<std::size_t>(count);
  }
  return true;
}

// No run takes a hundredth of that, unless it does not end.
constexpr long kProcessorSecondsMax = 100;

void limit_time() {
  itimerval limit{};
  limit.it_value.tv_sec = kProcessorSecondsMax;
  ::setitimer(ITIMER_VIRTUAL, &limit, nullptr);
}

// --- A child that works through every jobs-th plan, and what it says on the way. ----------------

using PlanOf = std::function<Plan(std::uint64_t)>;

class Worker {
 public:
  Worker(std::uint64_t first, std::uint64_t step, std::uint64_t count, const PlanOf& plan_of,
         std::size_t trace_lines)
      : next_(first), step_(step), count_(count), plan_of_(plan_of), trace_lines_(trace_lines) {}
  ~Worker() { end(); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Of its next plan.
  RunResult next() {
    if (child_ == 0) begin();
    RunResult result;
    std::size_t size = 0;
    if (read_exactly(results_, reinterpret_cast<char*>(&size), sizeof(size))) {
      std::string bytes(size, '\0');
      CHECK(read_exactly(results_, bytes.data(), size), "a result that was cut short");
      result = unpack(bytes);
    } else {
      // It has ended in the middle of a run: what it has said last is why.
      result.violation = last_words();
      end();
    }
    next_ += step_;
    return result;
  }

 private:
  void begin() {
    std::array<int, 2> results{};
    // Not a pipe: last words may be many, and nobody reads them before they are over.
    words_ = ::memfd_create("last words", MFD_CLOEXEC);
    CHECK(::pipe(results.data()) == 0 && words_ >= 0, "no pipe");
    std::fflush(nullptr);
    child_ = ::fork();
    CHECK_GE(child_, 0);
    if (child_ == 0) {
      ::close(results[0]);
      ::dup2(words_, STDERR_FILENO);
      work(results[1]);
    }
    ::close(results[1]);
    results_ = results[0];
  }

  [[noreturn]] void work(int results) {
    // The parent may have ended.
    std::signal(SIGPIPE, SIG_DFL);
    std::signal(SIGABRT, [](int) {
      print_current_trace();
      std::signal(SIGABRT, SIG_DFL);
    });
    std::signal(SIGVTALRM, [](int) {
      constexpr std::string_view kWhy = "the run does not end\n";
      (void)!::write(STDERR_FILENO, kWhy.data(), kWhy.size());
      ::_exit(1);
    });
    for (std::uint64_t i = next_; i < count_; i += step_) {
      limit_time();
      const std::string bytes = pack(run(plan_of_(i), trace_lines_));
      const std::size_t size = bytes.size();
      const std::string head(reinterpret_cast<const char*>(&size), sizeof(size));
      if (!write_all(results, head + bytes)) break;
    }
    ::_exit(0);
  }

  std::string last_words() {
    std::string text;
    std::array<char, 4096> buffer;
    ::lseek(words_, 0, SEEK_SET);
    for (ssize_t count; (count = ::read(words_, buffer.data(), buffer.size())) > 0;) {
      text.append(buffer.data(), static_cast<std::size_t>(count));
    }
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text.empty() ? "the process ended without a word" : text;
  }

  void end() {
    if (child_ == 0) return;
    ::close(results_);
    ::close(words_);
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
    child_ = 0;
  }

  std::uint64_t next_;
  const std::uint64_t step_;
  const std::uint64_t count_;
  const PlanOf& plan_of_;
  const std::size_t trace_lines_;
  pid_t child_ = 0;
  int results_ = -1;
  int words_ = -1;
};

}  // namespace

RunResult run_apart(const Plan& plan, std::size_t trace_lines) {
  const PlanOf plan_of = [&](std::uint64_t) { return plan; };
  return Worker(0, 1, 1, plan_of, trace_lines).next();
}

void run_many(std::uint64_t count, std::uint64_t jobs, const PlanOf& plan_of,
              const std::function<bool(const Plan&, const RunResult&)>& tell) {
  std::vector<std::unique_ptr<Worker>> workers;
  for (std::uint64_t i = 0; i < jobs; ++i) {
    workers.push_back(std::make_unique<Worker>(i, jobs, count, plan_of, 0));
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    if (!tell(plan_of(i), workers[i % jobs]->next())) return;
  }
}

}  // namespace coord::sim
