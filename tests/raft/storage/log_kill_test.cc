// A real process that writes a log on real files and is killed in the middle, again and again: what
// it had been told is durable is there, and what is there is what it wrote.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "raft/storage/posix_file_system.h"
#include "tests/raft/storage/log_fixture.h"
#include "tests/temporary_directory.h"

namespace coord::raft::testing {
namespace {

constexpr std::uint64_t kCutBehind = 300;

std::size_t bytes_of(std::uint64_t index) {
  return 20 + index * 7919 % 3000;
}

// Writes until it is killed; tells the last index that is durable through the pipe.
[[noreturn]] void write_for_ever(const LogOptions& options, int told) {
  PosixFileSystem files;
  auto opened = Log::open(files, options);
  if (!opened.ok()) ::_exit(1);
  Log& log = **opened;
  for (std::uint64_t index = log.recovered().last.index.value();;) {
    std::vector<Entry> list;
    for (std::uint64_t n = 1 + index % 5; n > 0; --n) {
      ++index;
      list.push_back(entry(1, index, bytes_of(index)));
    }
    const std::vector<Durable> batch = {append(std::move(list))};
    if (!log.write(batch).ok()) ::_exit(2);
    if (::write(told, &index, sizeof(index)) != sizeof(index)) ::_exit(3);
    if (index > kCutBehind && !log.cut(Index(index - kCutBehind)).ok()) ::_exit(4);
  }
}

TEST(LogKill, KilledAgainAndAgain_LosesNothingThatItWasToldIsDurable) {
  const test::TemporaryDirectory directory;
  LogOptions options = small_segments(directory.path() / "log", 128 * limits::kKiB);
  options.prepare_in_background = true;
  Prng prng(7);
  std::uint64_t durable = 0;
  for (int life = 0; life < 15; ++life) {
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) write_for_ever(options, pipe[1]);
    ::close(pipe[1]);
    // Not before it has done something, and then at a random moment.
    std::uint64_t index = 0;
    for (std::uint64_t n = prng.below(100) + 1; n > 0; --n) {
      ASSERT_EQ(::read(pipe[0], &index, sizeof(index)), ssize_t{sizeof(index)});
    }
    // Not a wait for something, but the thing that is varied.
    std::this_thread::sleep_for(std::chrono::microseconds(prng.below(3000)));
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "it ended by itself: " << WEXITSTATUS(status);
    while (::read(pipe[0], &index, sizeof(index)) == ssize_t{sizeof(index)}) {
    }
    ::close(pipe[0]);
    durable = std::max(durable, index);

    PosixFileSystem files;
    auto opened = Log::open(files, options);
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    const RecoveredLog recovered = (*opened)->recovered();
    ASSERT_GE(recovered.last.index.value(), durable);
    for (const Entry& found : read_all(**opened, recovered.first_index, recovered.last.index)) {
      const std::uint64_t i = found.id.index.value();
      ASSERT_EQ(found, entry(1, i, bytes_of(i)));
    }
    durable = recovered.last.index.value();
  }
  EXPECT_GT(durable, 500u);
}

}  // namespace
}  // namespace coord::raft::testing
