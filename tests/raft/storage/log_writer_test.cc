// The writer's thread, over a log that the test can hold up, and over real files.
#include "raft/storage/log_writer.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "raft/storage/posix_file_system.h"
#include "tests/raft/storage/log_fixture.h"
#include "tests/raft/storage/posted_loop.h"
#include "tests/temporary_directory.h"

namespace coord::raft::testing {
namespace {

// Stops every write at a gate that the test opens, and writes down what it is asked.
struct Gate {
  std::mutex mutex;
  std::condition_variable changed;
  int writes_begun = 0;
  int writes_allowed = 0;
  bool fail = false;
  std::vector<std::string> calls;

  void allow(int writes) {
    const std::lock_guard lock(mutex);
    writes_allowed += writes;
    changed.notify_all();
  }
  void await_begun(int writes) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return writes_begun >= writes; });
  }
  std::vector<std::string> called() {
    const std::lock_guard lock(mutex);
    return calls;
  }
};

class GatedLog final : public Log {
 public:
  explicit GatedLog(Gate& gate) : gate_(gate) {}
  RecoveredLog recovered() const override { return {}; }
  Status write(std::span<const Durable> batches) override {
    std::unique_lock lock(gate_.mutex);
    const int number = ++gate_.writes_begun;
    gate_.changed.notify_all();
    gate_.changed.wait(lock, [&] { return gate_.writes_allowed >= number; });
    gate_.calls.push_back("write " + std::to_string(batches.size()));
    if (gate_.fail) return make_error(ErrorCode::kIo, "broken");
    return {};
  }
  Result<Slice> read(Index from, Index, std::size_t) override {
    const std::lock_guard lock(gate_.mutex);
    gate_.calls.push_back("read " + std::to_string(from.value()));
    return Slice{};
  }
  Result<Index> cut(Index through) override {
    const std::lock_guard lock(gate_.mutex);
    gate_.calls.push_back("cut " + std::to_string(through.value()));
    return through.next();
  }
  std::uint64_t disk_bytes() const override { return 0; }

 private:
  Gate& gate_;
};

Durable batch(std::uint64_t ticket) {
  Durable durable;
  durable.ticket = Ticket(ticket);
  return durable;
}

class LogWriterTest : public ::testing::Test {
 protected:
  void start() {
    writer_ = std::make_unique<LogWriter>(
        std::make_unique<GatedLog>(gate_), loop_.post(),
        LogWriter::Handlers{.persisted = [this](Ticket ticket) { persisted_.push_back(ticket); },
                            .failed = [this](Error error) { failures_.push_back(error.message); }});
  }

  Gate gate_;
  PostedLoop loop_;
  std::vector<Ticket> persisted_;
  std::vector<std::string> failures_;
  std::unique_ptr<LogWriter> writer_;
};

TEST_F(LogWriterTest, BatchesThatComeDuringASync_AreWrittenTogether_AndReportedOnce) {
  start();
  writer_->submit(batch(1));
  gate_.await_begun(1);
  for (std::uint64_t ticket = 2; ticket <= 10; ++ticket) writer_->submit(batch(ticket));
  gate_.allow(2);
  ASSERT_TRUE(loop_.run_until([&] { return persisted_.size() == 2; }));
  EXPECT_EQ(persisted_, (std::vector<Ticket>{Ticket(1), Ticket(10)}));
  EXPECT_EQ(gate_.called(), (std::vector<std::string>{"write 1", "write 9"}));
  EXPECT_EQ(writer_->stats().syncs, 2u);
  EXPECT_EQ(writer_->stats().batches, 10u);
}

TEST_F(LogWriterTest, ReadsAndCuts_KeepTheirPlaceAmongTheWrites) {
  start();
  int answers = 0;
  writer_->submit(batch(1));
  gate_.await_begun(1);
  writer_->submit(batch(2));
  writer_->read(Index(7), Index(9), 100, [&](Result<Log::Slice> slice) {
    EXPECT_TRUE(slice.ok());
    EXPECT_EQ(persisted_.back(), Ticket(2));
    ++answers;
  });
  writer_->submit(batch(3));
  writer_->cut(Index(5), [&](Index first) {
    EXPECT_EQ(first, Index(6));
    EXPECT_EQ(persisted_.back(), Ticket(3));
    ++answers;
  });
  gate_.allow(3);
  ASSERT_TRUE(loop_.run_until([&] { return answers == 2; }));
  EXPECT_EQ(gate_.called(),
            (std::vector<std::string>{"write 1", "write 1", "read 7", "write 1", "cut 5"}));
}

TEST_F(LogWriterTest, FailedWrite_IsReportedOnce_AndNothingIsPersistedAfterIt) {
  start();
  gate_.fail = true;
  gate_.allow(10);
  writer_->submit(batch(1));
  ASSERT_TRUE(loop_.run_until([&] { return !failures_.empty(); }));
  writer_->submit(batch(2));
  bool refused = false;
  writer_->read(Index(1), Index(1), 1, [&](Result<Log::Slice> slice) { refused = !slice.ok(); });
  ASSERT_TRUE(loop_.run_until([&] { return refused; }));
  EXPECT_EQ(failures_, std::vector<std::string>{"broken"});
  EXPECT_TRUE(persisted_.empty());
  EXPECT_EQ(gate_.called().size(), 1u);
}

TEST_F(LogWriterTest, Destruction_FinishesTheWriteUnderWay_AndCallsNobodyAfterwards) {
  start();
  writer_->submit(batch(1));
  gate_.await_begun(1);
  // Nobody can tell when a destructor has begun to wait. So the write ends a moment later; were
  // that too early, the test would pass as well, and try less.
  const std::jthread disk([this] {
    std::this_thread::sleep_for(milliseconds(20));
    gate_.allow(1);
  });
  writer_.reset();
  EXPECT_EQ(gate_.called(), std::vector<std::string>{"write 1"});
  EXPECT_EQ(loop_.waiting(), 1u);
  loop_.run_all();
  EXPECT_TRUE(persisted_.empty());
}

TEST_F(LogWriterTest, RealFiles_TakeEverything_ThroughManySegments) {
  const test::TemporaryDirectory directory;
  PosixFileSystem files;
  LogOptions options = small_segments(directory.path() / "log", 256 * limits::kKiB);
  options.prepare_in_background = true;
  options.first_segment_bytes = 64 * limits::kKiB;
  constexpr std::uint64_t kCount = 3000;
  constexpr std::size_t kBytes = 700;
  {
    LogWriter writer(*Log::open(files, options), loop_.post(),
                     {.persisted = [this](Ticket ticket) { persisted_.push_back(ticket); },
                      .failed = [](Error error) { ADD_FAILURE() << error.message; }});
    std::uint64_t index = 0;
    for (std::uint64_t ticket = 1; ticket <= kCount / 10; ++ticket) {
      Durable next = append(entries(1, index + 1, index + 10, kBytes));
      next.ticket = Ticket(ticket);
      index += 10;
      writer.submit(std::move(next));
      if (ticket % 7 == 0) loop_.run_all();
    }
    ASSERT_TRUE(loop_.run_until(
        [&] { return !persisted_.empty() && persisted_.back() == Ticket(kCount / 10); }));
    EXPECT_TRUE(std::is_sorted(persisted_.begin(), persisted_.end()));
    std::optional<Index> first;
    writer.cut(Index(kCount / 2), [&](Index kept) { first = kept; });
    ASSERT_TRUE(loop_.run_until([&] { return first.has_value(); }));
    EXPECT_GT(*first, Index(1));
  }
  auto log = *Log::open(files, options);
  EXPECT_EQ(log->recovered().last, at(1, kCount));
  EXPECT_EQ(read_all(*log, log->recovered().first_index, Index(kCount), 100'000),
            entries(1, log->recovered().first_index.value(), kCount, kBytes));
}

}  // namespace
}  // namespace coord::raft::testing
