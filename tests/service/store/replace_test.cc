// A snapshot in the place of what a store had.
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "service/store/environment.h"
#include "tests/service/store/fixture.h"

namespace coord::service {
namespace {

namespace fs = std::filesystem;

// Another member's snapshot, staged for this one.
class Replacing {
 public:
  Replacing() {
    theirs.open();
    f.open();
  }

  StagedSnapshot stage(std::uint64_t index) {
    theirs.store->put(kTable, "whose", "theirs " + std::to_string(index));
    theirs.set_position(4, index);
    theirs.flush();
    const Snapshot snapshot = *theirs.copy();
    fs::create_directories(incoming());
    fs::copy_file(snapshot.file, incoming() / kDataFile, fs::copy_options::overwrite_existing);
    return {incoming(), snapshot.content};
  }
  Status replace(const StagedSnapshot& staged) {
    std::optional<Status> replaced;
    f.store->replace(staged, [&](Status status) { replaced = std::move(status); });
    while (!replaced && f.failures.empty()) f.queue.run_one();
    return *replaced;
  }
  fs::path incoming() const { return f.directory.path() / "incoming"; }

  Fixture theirs;
  Fixture f;
};

TEST(Replace, TakesThePlaceOfAll_AlsoOfWhatIsInMemory) {
  Replacing r;
  r.f.store->put(kTable, "whose", "ours");
  r.f.store->put(kTable, "flushed", "1");
  r.f.flush();
  r.f.store->put(kTable, "in memory", "1");
  ASSERT_TRUE(r.replace(r.stage(7)).ok());
  EXPECT_EQ(r.f.scan(), "whose=theirs 7");
  EXPECT_EQ(r.f.store->overlay_bytes(), 0u);
  r.f.store->put(kTable, "more", "2");
  r.f.flush();
  EXPECT_EQ(r.f.scan(), "more=2 whose=theirs 7");
  r.f.open();
  EXPECT_EQ(r.f.scan(), "more=2 whose=theirs 7");
}

// Their front counts then, whether it is before ours or behind it.
TEST(Replace, BringsTheFrontOfAQueue) {
  for (const char* ours : {"2", "6"}) {
    Replacing r;
    for (const char* key : {"1", "2", "3", "4", "5", "6"}) {
      r.f.store->append(Table::kChanges, key, "ours");
      r.theirs.store->append(Table::kChanges, key, "theirs");
    }
    r.f.flush();
    r.theirs.flush();
    r.f.store->erase_before(Table::kChanges, ours);
    r.theirs.store->erase_before(Table::kChanges, "4");
    const std::string expected = "4=theirs 5=theirs 6=theirs";
    r.f.store->expect_reads(Table::kChanges, ours);
    ASSERT_TRUE(r.replace(r.stage(7)).ok());
    r.f.store->expect_reads(Table::kChanges, "4");
    EXPECT_EQ(r.f.scan("", Table::kChanges), expected);
    EXPECT_EQ(r.f.get("4", Table::kChanges), "theirs");
    EXPECT_EQ(r.f.get("3", Table::kChanges), "(none)");
    r.f.store->append(Table::kChanges, "7", "ours");
    r.f.flush();
    r.f.open();
    EXPECT_EQ(r.f.scan("", Table::kChanges), expected + " 7=ours");
  }
}

// Its space is given back, whoever was reading it ahead.
TEST(Replace, TheOldFile_IsLetGo) {
  Replacing r;
  r.f.store->append(Table::kChanges, "1", "ours");
  r.f.flush();
  r.f.store->expect_reads(Table::kChanges, "1");
  ASSERT_TRUE(eventually([&] { return r.f.store->stats().blocks_read_ahead > 0; }));
  ASSERT_TRUE(r.replace(r.stage(7)).ok());
  EXPECT_EQ(r.f.store->stats().blocks_read_ahead, 1u) << "numbers do not go back";
  const auto is_mapped = [] {
    std::ifstream maps("/proc/self/maps");
    for (std::string map; std::getline(maps, map);) {
      if (map.ends_with("data.mdb (deleted)")) return true;
    }
    return false;
  };
  EXPECT_TRUE(eventually([&] { return !is_mapped(); }));
}

TEST(Replace, IsRemembered_WithItsLastEntry) {
  Replacing r;
  EXPECT_EQ(r.f.store->installed_at(), raft::LogId());
  ASSERT_TRUE(r.replace(r.stage(7)).ok());
  EXPECT_EQ(r.f.store->installed_at(), (raft::LogId{Term(4), Index(7)}));
  r.f.open();
  EXPECT_EQ(r.f.store->installed_at(), (raft::LogId{Term(4), Index(7)}));
  ASSERT_TRUE(r.replace(r.stage(9)).ok());
  r.f.open();
  EXPECT_EQ(r.f.store->installed_at(), (raft::LogId{Term(4), Index(9)}));
  EXPECT_EQ(r.f.scan(), "whose=theirs 9");
}

TEST(Replace, UntilItIsDone_TheOldStateIsReadAndWritten) {
  Replacing r;
  r.f.store->put(kTable, "whose", "ours");
  r.f.flush();
  bool done = false;
  r.f.store->replace(r.stage(7), [&](const Status& status) { done = status.ok(); });
  EXPECT_TRUE(r.f.store->flushing()) << "no flush may begin now";
  r.f.queue.await_one();
  EXPECT_EQ(r.f.scan(), "whose=ours");
  r.f.store->put(kTable, "late", "1");
  EXPECT_EQ(r.f.scan(), "late=1 whose=ours");
  r.f.queue.run_one();
  EXPECT_TRUE(done);
  EXPECT_FALSE(r.f.store->flushing());
  EXPECT_EQ(r.f.scan(), "whose=theirs 7");
}

TEST(Replace, DuringAFlush_ComesAfterIt) {
  Replacing r;
  std::vector<std::string> order;
  for (int i = 0; i < 10'000; ++i) r.f.store->put(kTable, "k" + std::to_string(i), "ours");
  r.f.store->flush([&] { order.push_back("flushed"); });
  r.f.store->replace(r.stage(7), [&](const Status&) { order.push_back("replaced"); });
  while (order.size() < 2) r.f.queue.run_one();
  EXPECT_EQ(order, (std::vector<std::string>{"flushed", "replaced"}));
  EXPECT_EQ(r.f.scan(), "whose=theirs 7");
  r.f.flush();
  r.f.open();
  EXPECT_EQ(r.f.scan(), "whose=theirs 7");
}

TEST(Replace, DuringACopy_CancelsIt) {
  Replacing r;
  for (int i = 0; i < 50'000; ++i) {
    r.f.store->put(kTable, "k" + std::to_string(i), std::string(50, 'x'));
  }
  r.f.set_position(1, 1);
  r.f.flush();
  std::optional<Result<Snapshot>> copied;
  r.f.store->copy({.target = r.f.directory.path() / "copy",
                   .bytes_per_second = 1 << 10,
                   .read_content = Fixture::read_content},
                  [&](Result<Snapshot> snapshot) { copied = std::move(snapshot); });
  ASSERT_TRUE(r.replace(r.stage(7)).ok());
  while (!copied) r.f.queue.run_one();
  EXPECT_EQ(copied->error().code, ErrorCode::kCancelled);
  EXPECT_EQ(r.f.scan(), "whose=theirs 7");
  EXPECT_TRUE(r.f.copy().ok());
}

TEST(Replace, BySomethingThatIsNoStore_ChangesNothing) {
  Replacing r;
  r.f.store->put(kTable, "whose", "ours");
  r.f.flush();
  r.f.store->put(kTable, "in memory", "1");
  const StagedSnapshot staged = r.stage(7);
  std::ofstream(r.incoming() / kDataFile, std::ios::binary) << std::string(20'000, 'n');
  EXPECT_EQ(r.replace(staged).error().code, ErrorCode::kCorrupt);
  EXPECT_TRUE(r.f.failures.empty());
  EXPECT_FALSE(r.f.store->flushing());
  EXPECT_EQ(r.f.scan(), "in memory=1 whose=ours");
  r.f.flush();
  r.f.open();
  EXPECT_EQ(r.f.scan(), "in memory=1 whose=ours");
  EXPECT_EQ(r.f.store->installed_at(), raft::LogId());
}

TEST(Replace, CursorFromBefore_CannotBeUsed) {
  Replacing r;
  r.f.store->put(kTable, "a", "1");
  r.f.flush();
  const auto cursor = r.f.store->seek(kTable, "");
  ASSERT_TRUE(r.replace(r.stage(7)).ok());
  EXPECT_DEATH(static_cast<void>(cursor->key()), "does not outlive");
}

// Opens the store, says so, replaces its state, and says so.
[[noreturn]] void replace_until_killed(const fs::path& directory, const StagedSnapshot& staged,
                                       int pipe) {
  PostQueue queue;
  auto store = Store::open({.directory = directory, .map_bytes = 1 << 30}, queue.post(),
                           {.failed = [](Error) { ::_exit(2); }});
  if (!store.ok() || ::write(pipe, "o", 1) != 1) ::_exit(3);
  store.value()->replace(staged, [pipe](const Status& status) {
    if (!status.ok() || ::write(pipe, "r", 1) != 1) ::_exit(4);
  });
  while (true) queue.run_one();
}

// Whoever is killed at any time while it replaces its state finds the old one or the new one.
TEST(Replace, Killed_LeavesTheOldStateOrTheNewOne) {
  constexpr int kRounds = 16;
  std::string seen;
  for (int round = 0; round <= kRounds; ++round) {
    Replacing r;
    for (int i = 0; i < 5000; ++i) r.f.store->put(kTable, "ours" + std::to_string(i), "1");
    r.f.flush();
    const std::string old_state = r.f.scan();
    const StagedSnapshot staged = r.stage(7);
    r.f.store.reset();
    r.theirs.store.reset();  // no thread is there when the process forks
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) replace_until_killed(r.f.directory.path(), staged, pipe[1]);
    ::close(pipe[1]);
    char told = 0;
    ASSERT_EQ(::read(pipe[0], &told, 1), 1);
    // The kill falls somewhere into what takes about ten milliseconds; the last one behind it.
    pollfd replaced{.fd = pipe[0], .events = POLLIN, .revents = 0};
    ASSERT_GE(::poll(&replaced, 1, round < kRounds ? round : -1), 0);
    const bool done = (replaced.revents & POLLIN) != 0;
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ::close(pipe[0]);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself: " << status;

    r.f.open();
    const bool is_new = r.f.scan() == "whose=theirs 7";
    seen += is_new ? 'n' : 'o';
    EXPECT_TRUE(is_new || r.f.scan() == old_state);
    EXPECT_TRUE(is_new || !done) << "what was said to be done is lost";
    EXPECT_EQ(r.f.store->installed_at(), is_new ? (raft::LogId{Term(4), Index(7)}) : raft::LogId());
  }
  RecordProperty("seen", seen);
}

}  // namespace
}  // namespace coord::service
