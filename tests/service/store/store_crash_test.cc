// A process that is killed while it flushes leaves a directory that holds whole flushes only.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "tests/service/store/fixture.h"

namespace coord::service {
namespace {

constexpr int kKeys = 3000;
constexpr int kAppended = 500;
constexpr int kGenerationsInQueue = 2;

std::string queue_key(int generation, int number) {
  return fmt::format("{:04}/{:04}", generation, number);
}

// Flushes generation after generation, each of which writes every key, appends to a queue and takes
// off what was appended some generations ago, and tells when one begins.
[[noreturn]] void flush_until_killed(const std::filesystem::path& directory, int pipe) {
  PostQueue queue;
  auto store = Store::open({.directory = directory, .map_bytes = 1 << 28}, queue.post(),
                           {.failed = [](Error) { ::_exit(2); }});
  if (!store.ok()) ::_exit(3);
  for (int generation = 1;; ++generation) {
    for (int i = 0; i < kKeys; ++i) {
      store.value()->put(Table::kKeys, "key" + std::to_string(i), std::to_string(generation));
    }
    for (int i = 0; i < kAppended; ++i) {
      store.value()->append(Table::kChanges, queue_key(generation, i), std::to_string(generation));
    }
    if (const int first = generation - kGenerationsInQueue + 1; first > 1) {
      store.value()->erase_before(Table::kChanges, queue_key(first, 0));
    }
    store.value()->put(Table::kMeta, "generation", std::to_string(generation));
    if (::write(pipe, "x", 1) != 1) ::_exit(4);
    store.value()->flush([] {});
    queue.run_one();
  }
}

TEST(StoreCrash, KilledWhileFlushing_ReopensWithWholeFlushesOnly) {
  for (int round = 0; round < 8; ++round) {
    Fixture f;
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) flush_until_killed(f.directory.path(), pipe[1]);
    ::close(pipe[1]);
    char announced = 0;
    for (int i = 0; i < 2 + round; ++i) ASSERT_EQ(::read(pipe[0], &announced, 1), 1);
    // The kill falls somewhere into the flush that was announced last, or into one after it, at
    // another point in each round: not a wait for something, but the thing that is varied.
    std::this_thread::sleep_for(std::chrono::microseconds(300 * round));
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ::close(pipe[0]);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        << "the child ended by itself: " << status;

    f.open();
    const std::string generation = f.get("generation", Table::kMeta);
    ASSERT_GE(std::stoi(generation), 1 + round) << "a finished flush is there";
    for (int i = 0; i < kKeys; ++i) ASSERT_EQ(f.get("key" + std::to_string(i)), generation);
    const int last = std::stoi(generation);
    std::string queued;
    for (int g = std::max(1, last - kGenerationsInQueue + 1); g <= last; ++g) {
      for (int i = 0; i < kAppended; ++i) {
        queued += fmt::format("{}{}={}", queued.empty() ? "" : " ", queue_key(g, i), g);
      }
    }
    ASSERT_EQ(f.scan({}, Table::kChanges), queued);
  }
}

}  // namespace
}  // namespace coord::service
