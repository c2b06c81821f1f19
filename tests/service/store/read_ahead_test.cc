// What of a file the kernel holds, before and after.
#include "service/store/read_ahead.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <stop_token>
#include <string>
#include <thread>

#include "service/store/environment.h"
#include "service/store/sleep.h"
#include "tests/service/store/fixture.h"
#include "tests/service/store/page_cache.h"

namespace coord::service {
namespace {

constexpr std::size_t kPages = 16'384;
// That the kernel may keep, or have read, for reasons of its own.
constexpr std::size_t kFew = kPages / 50;
// That the kernel may have taken back since they were read: some machines are set up to do so with
// what was not touched for some tenths of a second (DAMON's "pageout").
constexpr std::size_t kTakenBack = kPages / 2;

// Pages that this thread had the disk read.
std::size_t read_from_disk() {
  rusage usage{};
  EXPECT_EQ(::getrusage(RUSAGE_THREAD, &usage), 0);
  return static_cast<std::size_t>(usage.ru_inblock) * 512 / page_bytes;
}

class ReadAheadTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::ofstream(path_, std::ios::binary) << std::string(kPages * page_bytes, 'x');
    if (is_in_memory(path_)) GTEST_SKIP() << "files here are in memory, and nowhere else";
    ASSERT_TRUE(forget(path_));
    // What a network or a user's program stores is read from no disk.
    const std::size_t before = read_from_disk();
    ASSERT_EQ(Map(path_).at(0), 'x');
    if (read_from_disk() == before) GTEST_SKIP() << "the kernel does not say what is read here";
    ASSERT_TRUE(forget(path_));
  }
  // Of what the kernel did not have before, and of all that it has now.
  template <typename Work>
  void expect_all_read(Work&& work) const {
    const std::size_t wanted = missing(path_);
    const std::size_t before = read_from_disk();
    work();
    EXPECT_GE(read_from_disk() - before, wanted);
    EXPECT_LE(missing(path_), kTakenBack);
  }
  template <typename Work>
  void expect_nothing_read(Work&& work) const {
    const std::size_t before = read_from_disk();
    work();
    EXPECT_LE(read_from_disk() - before, kFew);
    EXPECT_GE(missing(path_), kPages - kFew);
  }

  TemporaryDirectory directory_;
  const std::filesystem::path path_ = directory_.path() / "file";
  std::stop_source stop_;
};

TEST_F(ReadAheadTest, BringsInAllOfIt) {
  expect_all_read([&] { read_ahead(path_, stop_.get_token()); });
}

TEST_F(ReadAheadTest, WithPagesHereAndThere_BringsInTheRest) {
  const FileDescriptor file = open_to_read(path_);
  ASSERT_EQ(::posix_fadvise(file.get(), 0, 0, POSIX_FADV_RANDOM), 0);
  char byte = 0;
  for (std::size_t page = 0; page < kPages; page += 5) {
    ASSERT_EQ(::pread(file.get(), &byte, 1, static_cast<off_t>(page * page_bytes)), 1);
  }
  ASSERT_GT(missing(path_), kPages / 2);
  expect_all_read([&] { read_ahead(path_, stop_.get_token()); });
}

// What a touched page brings with it into the page tables counts as memory of the process.
TEST_F(ReadAheadTest, LetsAMapGrowByLittleAtATime) {
  read_ahead(path_, stop_.get_token());
  const Map map(path_);
  const FileDescriptor file = open_to_read(path_);
  const MapMemory memory(file.get(), kPages * page_bytes);
  const std::size_t before = memory.usage().mapped_bytes;
  for (std::size_t page = 0; page < kPages; page += kPages / 16) {
    ASSERT_EQ(map.at(page * page_bytes), 'x');
  }
  EXPECT_LT(memory.usage().mapped_bytes, before + kPages * page_bytes / 16);
}

TEST_F(ReadAheadTest, OfMoreThanHalfTheMemory_IsNotDone) {
  expect_nothing_read([&] { read_ahead(path_, stop_.get_token(), 2 * kPages * page_bytes - 1); });
  expect_all_read([&] { read_ahead(path_, stop_.get_token(), 2 * kPages * page_bytes); });
}

TEST_F(ReadAheadTest, ThatIsStopped_EndsAtOnce) {
  stop_.request_stop();
  expect_nothing_read([&] { read_ahead(path_, stop_.get_token()); });
}

TEST_F(ReadAheadTest, OfAFileThatIsNotThere_IsNoError) {
  read_ahead(directory_.path() / "nothing", stop_.get_token());
  const ReadAhead beside(directory_.path() / "nothing");
}

TEST(ReadAheadOfAStore, BeginsWhenItIsOpened) {
  Fixture f;
  f.open();
  for (int i = 0; i < 20'000; ++i) {
    f.store->put(kTable, fmt::format("key{:06}", i), std::string(200, 'x'));
  }
  f.flush();
  f.store.reset();
  const auto path = f.directory.path() / kDataFile;
  if (is_in_memory(path)) GTEST_SKIP() << "files here are in memory, and nowhere else";
  ASSERT_TRUE(forget(path));
  f.open();
  // Once is enough: what was read may be taken back.
  EXPECT_TRUE(eventually([&] { return missing(path) <= 20; }));
}

TEST(SleepUntil, EndsWhenItIsToStop_AlsoInTheMiddle) {
  for (int turn = 0; turn < 100; ++turn) {
    std::atomic<bool> begun = false;
    bool slept = true;
    std::jthread thread([&](const std::stop_token& stop) {
      begun = true;
      begun.notify_one();
      slept = sleep_until(stop, std::chrono::steady_clock::now() + std::chrono::hours(1));
    });
    begun.wait(false);
    // Earlier and later within its falling asleep.
    for (int i = 0; i < turn; ++i) std::this_thread::yield();
    thread.request_stop();
    thread.join();
    EXPECT_FALSE(slept);
  }
}

TEST(SleepUntil, ThenIsNotToStop) {
  const std::stop_source stop;
  const auto then = std::chrono::steady_clock::now() + milliseconds(2);
  EXPECT_TRUE(sleep_until(stop.get_token(), then));
  EXPECT_GE(std::chrono::steady_clock::now(), then);
}

}  // namespace
}  // namespace coord::service
