#include "service/store/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lmdb.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <thread>

#include "service/store/environment.h"
#include "service/store/merge_cursor.h"
#include "tests/service/store/file_range.h"
#include "tests/service/store/fixture.h"

namespace coord::service {
namespace {

TEST(Store, Write_IsRead_BeforeDuringAndAfterItsFlush) {
  Fixture f;
  f.open();
  f.store->put(kTable, "a", "1");
  EXPECT_EQ(f.get("a"), "1");
  bool done = false;
  f.store->flush([&] { done = true; });
  EXPECT_TRUE(f.store->flushing());
  EXPECT_EQ(f.get("a"), "1");
  f.queue.run_one();
  EXPECT_TRUE(done);
  EXPECT_FALSE(f.store->flushing());
  EXPECT_EQ(f.get("a"), "1");
  EXPECT_EQ(f.store->overlay_bytes(), 0u);
}

TEST(Store, Tables_AreApart) {
  Fixture f;
  f.open();
  f.store->put(Table::kKeys, "a", "1");
  f.store->put(Table::kMeta, "a", "2");
  f.flush();
  f.store->erase(Table::kMeta, "a");
  EXPECT_EQ(f.get("a", Table::kKeys), "1");
  EXPECT_EQ(f.get("a", Table::kMeta), "(none)");
  EXPECT_EQ(f.get("a", Table::kReplaced), "(none)");
}

TEST(Store, Erase_HidesWhatEachLayerHolds) {
  Fixture f;
  f.open();
  for (const char* key : {"a", "b", "c", "d"}) f.store->put(kTable, key, "disk");
  f.flush();
  f.store->put(kTable, "b", "frozen");
  f.store->put(kTable, "e", "frozen");
  f.store->erase(kTable, "c");
  f.store->flush([] {});
  f.store->erase(kTable, "a");
  f.store->erase(kTable, "b");
  f.store->erase(kTable, "e");
  EXPECT_EQ(f.scan(), "d=disk");
  f.store->put(kTable, "c", "active");
  EXPECT_EQ(f.scan(), "c=active d=disk");
  f.queue.run_one();
  EXPECT_EQ(f.scan(), "c=active d=disk");
  f.flush();
  EXPECT_EQ(f.scan(), "c=active d=disk");
}

TEST(Store, Reopen_FindsWhatWasFlushed_AndNothingElse) {
  Fixture f;
  f.open();
  f.store->put(kTable, "flushed", "1");
  f.flush();
  f.store->put(kTable, "not flushed", "2");
  f.open();
  EXPECT_EQ(f.scan(), "flushed=1");
}

TEST(Store, Destruction_FinishesTheFlushUnderWay_AndDoesNotReport) {
  Fixture f;
  f.open();
  bool done = false;
  for (int i = 0; i < 10'000; ++i) f.store->put(kTable, "key" + std::to_string(i), "value");
  f.store->flush([&] { done = true; });
  f.store.reset();
  while (!f.queue.empty()) f.queue.run_one();
  EXPECT_FALSE(done);
  f.open();
  EXPECT_EQ(f.get("key0"), "value");
  EXPECT_EQ(f.get("key9999"), "value");
}

TEST(Store, FlushOfNothing_IsDoneAtOnce) {
  Fixture f;
  f.open();
  bool done = false;
  f.store->flush([&] { done = true; });
  EXPECT_TRUE(done);
  EXPECT_FALSE(f.store->flushing());
}

TEST(Store, Flush_CanBeginWithinTheDoneOfAnother) {
  Fixture f;
  f.open();
  bool second = false;
  f.store->put(kTable, "a", "1");
  f.store->flush([&] {
    f.store->put(kTable, "b", "2");
    f.store->flush([&] { second = true; });
  });
  f.queue.run_one();
  EXPECT_FALSE(second);
  f.queue.run_one();
  EXPECT_TRUE(second);
  EXPECT_EQ(f.scan(), "a=1 b=2");
}

TEST(Store, Flush_TellsHowFarItHasCome) {
  Fixture f;
  std::vector<double> progress;
  std::unique_ptr<Store> store;
  std::vector<double> told;  // on the flusher's thread, until it is done
  const auto post = [&, queue = f.queue.post()](std::function<void()> work) {
    told.push_back(store->flush_progress());
    queue(std::move(work));
  };
  store = *Store::open({.directory = f.directory.path(), .map_bytes = std::size_t{1} << 30}, post,
                       {.failed = [](const Error& error) { FAIL() << error.message; },
                        .flush_advanced = [&] { progress.push_back(store->flush_progress()); }});
  EXPECT_EQ(store->flush_progress(), 1);
  for (int i = 0; i < 5000; ++i) {
    store->put(kTable, fmt::format("{:05}", i), std::string(1000, 'x'));
    store->append(Table::kChanges, fmt::format("{:05}", i), std::string(100, 'x'));
  }
  bool done = false;
  store->flush([&done] { done = true; });
  while (!done) f.queue.run_one();
  EXPECT_EQ(store->flush_progress(), 1);
  EXPECT_GE(progress.size(), 10u);
  const auto while_between = [&](double from, double to) {
    return std::count_if(told.begin(), told.end(),
                         [&](double at) { return at > from + 0.01 && at < to - 0.01; });
  };
  EXPECT_GE(while_between(0, 0.2), 3) << "while its tables are changed";
  EXPECT_GE(while_between(0.2, 0.45), 3) << "while LMDB gives its pages to the kernel";
  EXPECT_GE(while_between(0.45, 1), 1) << "while the disk writes them";
  EXPECT_LE(progress.size(), 200u);
  EXPECT_TRUE(std::is_sorted(progress.begin(), progress.end()));
  store.reset();
}

TEST(Store, Flush_IsExpectedToBeLikeThoseBefore) {
  Fixture f;
  f.open();
  std::atomic<double> before_its_parts = 0;
  // A disk that takes nearly all of a flush's time. It is time that flushes are measured in, so
  // that it has to pass: enough of it for what the rest of a flush takes not to matter.
  const FileRangeHook hook([&](int, unsigned flags) {
    if (flags != 0 && before_its_parts == 0) {
      before_its_parts = f.store->flush_progress();
      std::this_thread::sleep_for(milliseconds(300));
    }
    return 0;
  });
  const auto flush = [&] {
    before_its_parts = 0;
    const std::string value(1000, 'x');
    for (int i = 0; i < 3000; ++i) f.store->put(kTable, fmt::format("{:05}", i), value);
    f.flush();
    return before_its_parts.load();
  };
  const double at_first = flush();
  EXPECT_GT(at_first, 0.4);
  for (int i = 0; i < 5; ++i) flush();
  EXPECT_LT(flush(), 0.8 * at_first);
}

TEST(Store, ReadsThatAreExpected_AreMadeBeforehand) {
  Fixture f;
  f.open();
  for (int i = 0; i < 1000; ++i) {
    f.store->append(Table::kChanges, fmt::format("{:05}", i), std::string(1500, 'x'));
  }
  for (int i = 0; i < 7; ++i) {
    f.store->append(Table::kReplaced, std::to_string(i), std::string(5000, 'x'));
  }
  f.flush();
  EXPECT_EQ(f.store->stats().blocks_read_ahead, 0u);
  f.store->expect_reads(Table::kReplaced, "");
  f.store->expect_reads(Table::kChanges, "00900");
  eventually([&] { return f.store->stats().blocks_read_ahead >= 107; });
  EXPECT_EQ(f.store->stats().blocks_read_ahead, 107u);
}

// What a queue has in memory, on its way to the disk and on the disk goes from the front alike.
TEST(Store, Queue_GoesFromItsFront_WhereverItsRecordsAre) {
  Fixture f;
  f.open();
  const auto append = [&](int first, int last) {
    for (int i = first; i <= last; ++i) {
      f.store->append(Table::kChanges, fmt::format("{:02}", i), fmt::format("{}", i));
    }
  };
  const auto scan = [&](std::string_view from = {}) { return f.scan(from, Table::kChanges); };
  append(1, 3);
  f.flush();
  append(4, 5);
  f.store->flush([] {});
  append(6, 7);
  EXPECT_EQ(scan(), "01=1 02=2 03=3 04=4 05=5 06=6 07=7");
  f.store->erase_before(Table::kChanges, "03");
  EXPECT_EQ(scan(), "03=3 04=4 05=5 06=6 07=7");
  EXPECT_EQ(scan("01"), scan());
  EXPECT_EQ(f.get("02", Table::kChanges), "(none)");
  EXPECT_EQ(f.get("03", Table::kChanges), "3");
  f.store->erase_before(Table::kChanges, "05");
  EXPECT_EQ(scan(), "05=5 06=6 07=7");
  f.store->erase_before(Table::kChanges, "07");
  f.store->erase_before(Table::kChanges, "02");
  EXPECT_EQ(scan(), "07=7") << "the front does not go back";
  f.queue.run_one();
  EXPECT_EQ(scan(), "07=7");
  f.flush();
  f.open();
  EXPECT_EQ(scan(), "07=7") << "of a block of which some has gone";
  EXPECT_EQ(f.get("06", Table::kChanges), "(none)");
  f.store->erase_before(Table::kChanges, "08");
  EXPECT_EQ(scan(), "");
  append(8, 8);
  f.flush();
  f.open();
  EXPECT_EQ(scan(), "08=8");
  EXPECT_EQ(f.scan("", Table::kReplaced), "") << "each queue has its own front";
}

TEST(Store, Queue_ThatOnlyShrinks_IsFlushed) {
  Fixture f;
  f.open();
  f.store->append(Table::kChanges, "1", "x");
  f.flush();
  f.store->erase_before(Table::kChanges, "2");
  EXPECT_GT(f.store->overlay_bytes(), 0u) << "which is when a flush becomes due";
  bool done = false;
  f.store->flush([&] { done = true; });
  EXPECT_FALSE(done);
  f.queue.run_one();
  f.open();
  EXPECT_EQ(f.scan("", Table::kChanges), "");
}

// LMDB puts what is too large for half a page into pages of its own, which go in runs.
constexpr std::size_t kRecords = 3000;

// Flushes them and ends the store.
MDB_stat stat_on_disk(Fixture& f, Table table) {
  f.flush();
  f.store.reset();
  const auto environment = Environment::open(f.directory.path(), std::size_t{1} << 30);
  CHECK(environment.ok());
  MDB_txn* txn = nullptr;
  lmdb_must(mdb_txn_begin((*environment)->env(), nullptr, MDB_RDONLY, &txn), "txn_begin");
  const TxnGuard guard(txn);
  MDB_stat stat;
  lmdb_must(mdb_stat(txn, (*environment)->databases().of(table), &stat), "stat");
  return stat;
}

void append_records(Fixture& f) {
  for (std::size_t i = 0; i < kRecords; ++i) {
    f.store->append(Table::kChanges, fmt::format("{:012}", i), std::string(i % 1500, 'x'));
  }
}

TEST(Store, Queue_OfSmallRecords_TakesNoPagesOfTheirOwn) {
  Fixture f;
  f.open();
  append_records(f);
  const MDB_stat stat = stat_on_disk(f, Table::kChanges);
  EXPECT_EQ(stat.ms_overflow_pages, 0u);
  EXPECT_LT(stat.ms_entries, kRecords * 3 / 4) << "several to a block";
}

TEST(Store, Queue_ThatGoesAtOnce_IsOffTheDiskWithTheNextFlush) {
  Fixture f;
  f.open();
  append_records(f);
  f.flush();
  f.store->erase_before(Table::kChanges, fmt::format("{:012}", kRecords - 1));
  EXPECT_LE(stat_on_disk(f, Table::kChanges).ms_entries, 2u);
}

// Around what fits a block, and a page.
TEST(Store, Queue_TakesRecordsOfAnySize) {
  Fixture f;
  f.open();
  std::string expected;
  int number = 0;
  for (const std::size_t size :
       {0, 1, 900, 1979, 1980, 1981, 1990, 2100, 4096, 5, 100'000, 0, 30}) {
    const std::string key = fmt::format("{:012}", ++number);
    const std::string value(size, static_cast<char>('a' + number));
    f.store->append(Table::kReplaced, key, value);
    expected += (expected.empty() ? "" : " ") + key + "=" + value;
  }
  f.flush();
  f.open();
  EXPECT_EQ(f.scan("", Table::kReplaced), expected);
  for (int i = 1; i <= number; ++i) {
    EXPECT_NE(f.get(fmt::format("{:012}", i), Table::kReplaced), "(none)") << i;
    EXPECT_EQ(f.get(fmt::format("{:012}x", i), Table::kReplaced), "(none)") << i;
    EXPECT_TRUE(expected.ends_with(f.scan(fmt::format("{:012}", i), Table::kReplaced))) << i;
  }
}

TEST(Store, OverwritingOneKey_DoesNotGrowTheOverlay) {
  Fixture f;
  f.open();
  f.store->put(kTable, "counter", "00000000");
  const std::size_t before = f.store->overlay_bytes();
  for (int i = 0; i < 1000; ++i) f.store->put(kTable, "counter", fmt::format("{:08}", i));
  EXPECT_EQ(f.store->overlay_bytes(), before);
  EXPECT_EQ(f.get("counter"), "00000999");
}

TEST(Store, Put_MayTakeItsValueFromTheRecordItReplaces) {
  Fixture f;
  f.open();
  f.store->put(kTable, "a", "0123456789");
  f.store->put(kTable, "a", f.store->get(kTable, "a")->substr(3));
  EXPECT_EQ(f.get("a"), "3456789");
}

TEST(Store, LargeValues_SurviveAFlush) {
  Fixture f;
  f.open();
  const std::string large(3 << 20, 'v');
  f.store->put(kTable, "large", large);
  f.store->put(kTable, "empty", "");
  f.flush();
  EXPECT_EQ(f.get("large"), large);
  EXPECT_EQ(f.get("empty"), "");
}

TEST(Store, SecondProcess_IsToldThatTheDirectoryIsInUse) {
  Fixture f;
  f.open();
  const auto second = f.try_open();
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, ErrorCode::kInUse);
  EXPECT_THAT(second.error().message, testing::HasSubstr(f.directory.path().string()));
}

TEST(Store, AnotherFormatVersion_IsRefused) {
  Fixture f;
  f.open();
  f.store.reset();
  MDB_env* env = nullptr;
  MDB_txn* txn = nullptr;
  MDB_dbi dbi;
  ASSERT_EQ(mdb_env_create(&env), 0);
  ASSERT_EQ(mdb_env_set_maxdbs(env, 20), 0);
  ASSERT_EQ(mdb_env_open(env, f.directory.path().c_str(), 0, 0600), 0);
  ASSERT_EQ(mdb_txn_begin(env, nullptr, 0, &txn), 0);
  ASSERT_EQ(mdb_dbi_open(txn, "store", 0, &dbi), 0);
  std::string name = "version", other = "coord store 999";
  MDB_val k{name.size(), name.data()}, v{other.size(), other.data()};
  ASSERT_EQ(mdb_put(txn, dbi, &k, &v, 0), 0);
  ASSERT_EQ(mdb_txn_commit(txn), 0);
  mdb_env_close(env);

  const auto opened = f.try_open();
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(opened.error().message, testing::HasSubstr("coord store 999"));
}

TEST(Store, AFileThatIsNotLmdb_IsRefused) {
  Fixture f;
  std::ofstream(f.directory.path() / "data.mdb") << std::string(16384, 'x');
  const auto opened = f.try_open();
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt);
}

TEST(Store, ADirectoryThatCannotBeMade_IsAnError) {
  Fixture f;
  std::ofstream(f.directory.path() / "file") << "x";
  const auto opened = Store::open({.directory = f.directory.path() / "file" / "below"},
                                  f.queue.post(), {.failed = [](Error) {}});
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, ErrorCode::kIo);
}

TEST(Store, FullMap_IsReported_AndTheWholeFlushIsUndone) {
  Fixture f;
  f.open(1 << 20);
  f.store->put(kTable, "generation", "1");
  f.flush();
  ASSERT_TRUE(f.failures.empty());
  f.store->put(kTable, "generation", "2");
  for (int i = 0; i < 2000; ++i) {
    f.store->put(kTable, "x" + std::to_string(i), std::string(1000, 'x'));
  }
  f.flush();
  ASSERT_EQ(f.failures.size(), 1u);
  EXPECT_EQ(f.failures[0].code, ErrorCode::kStorageFull);
  EXPECT_THAT(f.failures[0].message, testing::HasSubstr("size limit"));
  EXPECT_EQ(f.get("generation"), "2") << "until the process ends, reads stay right";
  f.open(1 << 20);
  EXPECT_EQ(f.scan(), "generation=1");
}

// Without a store around it: the process that dies would leave a directory behind.
TEST(MergeCursor, Use_AfterAWrite_IsCaught) {
  Overlay overlay;
  overlay.put(kTable, "a", "1", true);
  std::uint64_t writes = 0;
  const Databases databases;
  const std::function<void(const LmdbFailure&)> failed = [](const LmdbFailure&) {};
  const MergeCursor cursor({overlay, nullptr, nullptr, databases, writes, failed}, kTable, "");
  EXPECT_EQ(cursor.key(), "a");
  ++writes;
  EXPECT_DEATH((void)cursor.key(), "does not outlive");
}

TEST(Store, Stats_CountFlushes) {
  Fixture f;
  f.open();
  f.store->put(kTable, "a", "1");
  f.store->put(Table::kMeta, "a", "1");
  f.flush();
  EXPECT_EQ(f.store->stats().flushes, 1u);
  EXPECT_EQ(f.store->stats().flushed_operations, 2u);
  EXPECT_GT(f.store->stats().disk_bytes, 0u);
  EXPECT_GT(f.store->stats().flush_time_total.count(), 0);
}

}  // namespace
}  // namespace coord::service
