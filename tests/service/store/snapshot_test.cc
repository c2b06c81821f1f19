// Snapshots: made, read in pieces, received and refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "raft/base/hash.h"
#include "raft/base/prng.h"
#include "service/store/paced_file.h"
#include "service/store/snapshot_reader.h"
#include "service/store/snapshot_receiver.h"
#include "service/store/store_file.h"
#include "tests/service/store/file_range.h"
#include "tests/service/store/fixture.h"
#include "tests/service/store/page_cache.h"

namespace coord::service {
namespace {

namespace fs = std::filesystem;

std::string contents(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void fill(Fixture& f, int keys, char value) {
  for (int i = 0; i < keys; ++i) {
    f.store->put(kTable, fmt::format("key{:06}", i), std::string(100, value));
  }
}

// Another store's directory that begins with that snapshot.
struct Opened {
  explicit Opened(const fs::path& snapshot) {
    fs::copy_file(snapshot, f.directory.path() / kDataFile);
    f.open();
  }
  Fixture f;
};

// A block of three records of which the front has passed one.
TEST(Snapshot, OfAQueue_BeginsAtItsFront) {
  Fixture f;
  f.open();
  for (const char* key : {"1", "2", "3"}) f.store->append(Table::kChanges, key, "x");
  f.flush();
  f.store->erase_before(Table::kChanges, "2");
  f.set_position(1, 1);
  f.flush();
  const auto snapshot = f.copy();
  ASSERT_TRUE(snapshot.ok()) << snapshot.error().message;
  const auto file = StoreFile::open(snapshot->file);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ((*file)->get(Table::kChanges, "1"), std::nullopt);
  EXPECT_EQ((*file)->get(Table::kChanges, "2"), "x");
  EXPECT_EQ((*file)->seek(Table::kChanges, "")->key(), "2");
  EXPECT_EQ(Opened(snapshot->file).f.scan("", Table::kChanges), "2=x 3=x");
}

// What LMDB hands over is not taken on trust: it has no checksums.
TEST(Snapshot, WithADamagedBlock_IsCorrupt) {
  constexpr std::string_view kNumbersOfFive{"\5\0\0\0\5\0\0\0", 8};
  for (const std::string& block :
       {std::string("x"), std::string(8, '\xff'), std::string(kNumbersOfFive) + "key",
        std::string(kNumbersOfFive) + "12345value" + "and",
        std::string(kNumbersOfFive) + "12345value" + std::string(kNumbersOfFive) + "12345again"}) {
    TemporaryDirectory directory;
    {
      auto environment = Environment::open(directory.path(), std::size_t{1} << 30);
      ASSERT_TRUE(environment.ok());
      MDB_txn* txn = nullptr;
      lmdb_must(mdb_txn_begin((*environment)->env(), nullptr, 0, &txn), "txn_begin");
      MDB_val key = val_of("1");
      MDB_val value = val_of(block);
      const MDB_dbi queue = (*environment)->databases().of(Table::kChanges);
      lmdb_must(mdb_put(txn, queue, &key, &value, 0), "put");
      lmdb_must(mdb_txn_commit(txn), "txn_commit");
    }
    const auto content = content_of(directory.path() / kDataFile, [](const Tables& tables) {
      for (auto at = tables.seek(Table::kChanges, ""); at->valid(); at->next()) {
      }
      return Result<SnapshotContent>(SnapshotContent());
    });
    ASSERT_FALSE(content.ok());
    EXPECT_EQ(content.error().code, ErrorCode::kCorrupt) << content.error().message;
  }
}

TEST(Snapshot, OfAStore_OpensAsTheSameStore) {
  Fixture f;
  f.open();
  fill(f, 2000, 'x');
  f.store->put(kTable, std::string(2000, 'l'), "long");
  f.set_position(3, 77);
  f.flush();
  f.store->put(kTable, "not flushed", "1");
  const auto snapshot = f.copy();
  ASSERT_TRUE(snapshot.ok()) << snapshot.error().message;
  EXPECT_EQ(snapshot->content.applied, (raft::LogId{Term(3), Index(77)}));
  const std::string bytes = contents(snapshot->file);
  EXPECT_EQ(snapshot->bytes, bytes.size());
  EXPECT_EQ(snapshot->checksum, hash64(bytes));
  EXPECT_FALSE(fs::exists(snapshot->file.string() + ".tmp"));

  const Opened copy(snapshot->file);
  f.open();  // without what was not flushed
  EXPECT_EQ(copy.f.scan(), f.scan());
  EXPECT_EQ(copy.f.scan("", Table::kMeta), f.scan("", Table::kMeta));
  EXPECT_EQ(copy.f.get(std::string(2000, 'l')), "long");
}

// One index, whatever is flushed meanwhile: not a mixture.
TEST(Snapshot, WhileFlushesGoOn_IsOfOneOfThem) {
  Fixture f;
  f.open();
  fs::create_directories(f.directory.path() / "copies");
  int position = 0;
  const auto flush_one_more = [&] {
    ++position;
    fill(f, 3000, static_cast<char>('a' + position % 26));
    f.set_position(1, static_cast<std::uint64_t>(position));
    f.flush();
  };
  flush_one_more();
  std::optional<Result<Snapshot>> copied;
  f.store->copy({.target = f.directory.path() / "copies" / "copy",
                 .bytes_per_second = 1 << 20,
                 .read_content = Fixture::read_content},
                [&](Result<Snapshot> snapshot) { copied = std::move(snapshot); });
  while (!copied) flush_one_more();
  ASSERT_TRUE(copied->ok());
  ASSERT_GT(position, 1) << "nothing was flushed meanwhile";
  const auto at = (*copied)->content.applied.index.value();
  const Opened copy((*copied)->file);
  for (int i = 0; i < 3000; i += 100) {
    EXPECT_EQ(copy.f.get(fmt::format("key{:06}", i)),
              std::string(100, static_cast<char>('a' + at % 26)));
  }
}

TEST(Snapshot, IsAsSmallAsWhatIsInIt) {
  Fixture f;
  f.open();
  f.set_position(1, 1);
  fill(f, 20'000, 'x');
  f.flush();
  for (int i = 0; i < 20'000; ++i) {
    if (i % 10 != 0) f.store->erase(kTable, fmt::format("key{:06}", i));
  }
  f.flush();
  const auto snapshot = f.copy();
  ASSERT_TRUE(snapshot.ok());
  EXPECT_LT(snapshot->bytes, f.store->stats().disk_bytes / 2);
}

TEST(Snapshot, Cancelled_LeavesNoFile_AndAnotherCanBeMade) {
  Fixture f;
  f.open();
  f.set_position(1, 1);
  fill(f, 50'000, 'x');
  f.flush();
  fs::create_directories(f.directory.path() / "copies");
  std::optional<Result<Snapshot>> copied;
  f.store->copy({.target = f.directory.path() / "copies" / "copy",
                 .bytes_per_second = 1 << 10,
                 .read_content = Fixture::read_content},
                [&](Result<Snapshot> snapshot) { copied = std::move(snapshot); });
  EXPECT_TRUE(f.store->copying());
  f.store->cancel_copy();
  while (!copied) f.queue.run_one();
  EXPECT_FALSE(f.store->copying());
  ASSERT_FALSE(copied->ok());
  EXPECT_EQ(copied->error().code, ErrorCode::kCancelled);
  EXPECT_TRUE(fs::is_empty(f.directory.path() / "copies"));
  EXPECT_TRUE(f.copy().ok());
}

TEST(Snapshot, StoreThatGoes_CancelsItsCopy) {
  Fixture f;
  f.open();
  f.set_position(1, 1);
  fill(f, 50'000, 'x');
  f.flush();
  bool told = false;
  f.store->copy({.target = f.directory.path() / "copy",
                 .bytes_per_second = 1 << 10,
                 .read_content = Fixture::read_content},
                [&](const Result<Snapshot>&) { told = true; });
  f.store.reset();
  while (!f.queue.empty()) f.queue.run_one();
  EXPECT_FALSE(told);
  EXPECT_FALSE(fs::exists(f.directory.path() / "copy"));
}

TEST(Snapshot, ThatCannotBeWritten_SaysWhy_AndTheStoreGoesOn) {
  Fixture f;
  f.open();
  f.set_position(1, 1);
  f.flush();
  std::optional<Result<Snapshot>> copied;
  f.store->copy(
      {.target = f.directory.path() / "no such" / "copy", .read_content = Fixture::read_content},
      [&](Result<Snapshot> snapshot) { copied = std::move(snapshot); });
  while (!copied) f.queue.run_one();
  EXPECT_EQ(copied->error().code, ErrorCode::kIo);
  EXPECT_TRUE(f.failures.empty());
  EXPECT_TRUE(f.copy().ok());
}

// /dev/full refuses every write as a full disk does.
TEST(Snapshot, OnAFullDisk_IsStorageFull) {
  Fixture f;
  f.open();
  f.set_position(1, 1);
  fill(f, 50'000, 'x');
  f.flush();
  fs::create_symlink("/dev/full", f.directory.path() / "copy.tmp");
  std::optional<Result<Snapshot>> copied;
  f.store->copy({.target = f.directory.path() / "copy", .read_content = Fixture::read_content},
                [&](Result<Snapshot> snapshot) { copied = std::move(snapshot); });
  while (!copied) f.queue.run_one();
  EXPECT_EQ(copied->error().code, ErrorCode::kStorageFull);
  EXPECT_FALSE(fs::exists(fs::symlink_status(f.directory.path() / "copy.tmp")));
}

TEST(Snapshot, OfSomethingWithoutContent_IsCorrupt) {
  Fixture f;
  f.open();
  fill(f, 10, 'x');
  f.flush();
  const auto snapshot = f.copy();
  EXPECT_EQ(snapshot.error().code, ErrorCode::kCorrupt);
  EXPECT_TRUE(fs::is_empty(f.directory.path() / "copies"));
}

TEST(Snapshot, WhatWasWritten_LeavesThePageCache) {
  Fixture f;
  f.open();
  f.set_position(2, 9);
  if (is_in_memory(f.directory.path())) GTEST_SKIP() << "files here are in memory";
  fill(f, 300'000, 'x');
  f.flush();
  std::atomic<std::uint64_t> most = 0;
  const FileRangeHook hook([&](int file, unsigned flags) {
    if (flags == 0) return 0;  // whether it can be asked for
    const fs::path path = fmt::format("/proc/self/fd/{}", file);
    most = std::max<std::uint64_t>(most, fs::file_size(path) - missing(path) * page_bytes);
    return 0;
  });
  const Snapshot made = *f.copy();
  ASSERT_GE(made.bytes, 8 * PacedFile::kSliceBytes);
  EXPECT_GE(missing(made.file) * page_bytes, made.bytes / 10 * 9);
  // One that is written, one that is on its way, and one that is waited for.
  EXPECT_LE(most, 4 * PacedFile::kSliceBytes) << "already while it is made";
}

TEST(SnapshotReader, GivesTheFileInPieces) {
  Fixture f;
  const fs::path file = f.directory.path() / "file";
  std::string text;
  Prng random(5);
  while (text.size() < 3'000'000) text += static_cast<char>(random.below(256));
  std::ofstream(file, std::ios::binary) << text;
  auto reader = SnapshotReader::open(file, f.queue.post());
  ASSERT_TRUE(reader.ok());
  const auto read = [&](std::uint64_t offset, std::size_t bytes_max) {
    std::optional<Result<Bytes>> piece;
    (*reader)->read(offset, bytes_max, [&](Result<Bytes> bytes) { piece = std::move(bytes); });
    while (!piece) f.queue.run_one();
    return std::string((*piece)->view());
  };
  EXPECT_EQ(read(0, 10), text.substr(0, 10));
  EXPECT_EQ(read(1000, 256 * 1024), text.substr(1000, 256 * 1024));
  EXPECT_EQ(read(2'999'990, 256 * 1024), text.substr(2'999'990));
  EXPECT_EQ(read(3'000'000, 10), "");
  EXPECT_EQ(read(0, 1 << 30).size(), SnapshotReader::kChunkBytesMax);
  EXPECT_EQ(SnapshotReader::open(f.directory.path() / "none", f.queue.post()).error().code,
            ErrorCode::kIo);
}

TEST(SnapshotReader, WhatWasRead_LeavesThePageCache) {
  Fixture f;
  const fs::path file = f.directory.path() / "file";
  constexpr std::size_t kBytes = std::size_t{20} << 20;
  std::ofstream(file, std::ios::binary) << std::string(kBytes, 'x');
  if (is_in_memory(file)) GTEST_SKIP() << "files here are in memory";
  // Only what is on disk can be dropped.
  ASSERT_EQ(::fsync(open_to_read(file).get()), 0);
  // Or there would be nothing to leave. (Some machines take back what is not used for a moment.)
  ASSERT_TRUE(eventually([&] { return contents(file).size() == kBytes && missing(file) == 0; }));
  auto reader = SnapshotReader::open(file, f.queue.post());
  ASSERT_TRUE(reader.ok());
  std::uint64_t read = 0;
  for (bool at_end = false; !at_end;) {
    std::optional<Result<Bytes>> piece;
    (*reader)->read(read, 300'000, [&](Result<Bytes> bytes) { piece = std::move(bytes); });
    while (!piece) f.queue.run_one();
    ASSERT_TRUE(piece->ok());
    EXPECT_EQ((*piece)->view().find_first_not_of('x'), std::string_view::npos);
    read += (*piece)->size();
    at_end = (*piece)->empty();
  }
  EXPECT_EQ(read, kBytes);
  EXPECT_GE(missing(file) * page_bytes, std::size_t{14} << 20);
  EXPECT_LT(missing(file) * page_bytes, kBytes) << "in strides";
}

class Receiving {
 public:
  explicit Receiving(std::size_t queued_bytes_max = std::size_t{8} << 20)
      : queued_bytes_max_(queued_bytes_max) {
    f.open();
    f.set_position(2, 9);
    fill(f, 5000, 'x');
    f.flush();
    snapshot = *f.copy();
    bytes = Bytes::copy_of(contents(snapshot.file));
    expected = {snapshot.content.applied, snapshot.bytes, snapshot.checksum};
    make_receiver();
  }
  void make_receiver() {
    receiver.emplace(ReceiverOptions{.directory = incoming(),
                                     .read_content = Fixture::read_content,
                                     .queued_bytes_max = queued_bytes_max_},
                     f.queue.post());
  }
  fs::path incoming() const { return f.directory.path() / "incoming"; }

  Status write(std::uint64_t offset, const Bytes& piece) {
    std::optional<Status> written;
    receiver->write(offset, piece, [&](Status status) { written = std::move(status); });
    while (!written) f.queue.run_one();
    return *written;
  }
  // From where it is, up to `end`.
  void send(std::uint64_t end) {
    while (receiver->received() < end) {
      const std::uint64_t from = receiver->received();
      ASSERT_TRUE(
          write(from, bytes.slice(from, std::min<std::uint64_t>(100'000, end - from))).ok());
    }
  }
  Result<StagedSnapshot> finish() {
    std::optional<Result<StagedSnapshot>> staged;
    receiver->finish([&](Result<StagedSnapshot> result) { staged = std::move(result); });
    while (!staged) f.queue.run_one();
    return *std::move(staged);
  }
  bool anything_staged() const { return fs::exists(incoming() / kDataFile); }

  Fixture f;
  Snapshot snapshot;
  Bytes bytes;
  ExpectedSnapshot expected;
  std::optional<SnapshotReceiver> receiver;

 private:
  std::size_t queued_bytes_max_;
};

TEST(SnapshotReceiver, WholeSnapshot_IsStagedAsItWas) {
  Receiving r;
  EXPECT_EQ(r.receiver->begin(r.expected), 0u);
  r.send(r.bytes.size());
  const auto staged = r.finish();
  ASSERT_TRUE(staged.ok()) << staged.error().message;
  EXPECT_EQ(staged->content, r.snapshot.content);
  EXPECT_EQ(contents(staged->directory / kDataFile), r.bytes.view());
}

TEST(SnapshotReceiver, BeginOfTheSame_GoesOn_OfAnother_BeginsAnew) {
  Receiving r;
  EXPECT_EQ(r.receiver->begin(r.expected), 0u);
  r.send(300'000);
  EXPECT_EQ(r.receiver->begin(r.expected), 300'000u);
  ExpectedSnapshot other = r.expected;
  other.applied.index = Index(10);
  EXPECT_EQ(r.receiver->begin(other), 0u);
  EXPECT_EQ(r.write(300'000, r.bytes.slice(300'000, 10)).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(r.receiver->begin(r.expected), 0u) << "of the first nothing is left";
  r.send(r.bytes.size());
  EXPECT_TRUE(r.finish().ok());
}

TEST(SnapshotReceiver, WrongPieces_AreRefused_AndHarmNothing) {
  Receiving r;
  const auto refused = [&](std::uint64_t offset, const Bytes& piece) {
    return r.write(offset, piece).error().code == ErrorCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused(0, r.bytes.slice(0, 10))) << "before begin()";
  r.receiver->begin(r.expected);
  r.send(1000);
  EXPECT_TRUE(refused(0, r.bytes.slice(0, 1000))) << "a piece that was there";
  EXPECT_TRUE(refused(2000, r.bytes.slice(2000, 1000))) << "a gap";
  EXPECT_EQ(r.finish().error().code, ErrorCode::kInvalidArgument) << "too early";
  r.send(r.bytes.size());
  EXPECT_TRUE(refused(r.bytes.size(), r.bytes.slice(0, 1))) << "beyond the end";
  EXPECT_TRUE(r.finish().ok());
}

TEST(SnapshotReceiver, DamagedSnapshot_IsRefused_AndRemoved) {
  Receiving r;
  const auto receive = [&](const ExpectedSnapshot& expected, const Bytes& bytes) {
    r.receiver->begin(expected);
    EXPECT_TRUE(r.write(0, bytes).ok());
    return r.finish().error().code;
  };
  std::string damaged(r.bytes.view());
  damaged[damaged.size() / 2] ^= 1;
  EXPECT_EQ(receive(r.expected, Bytes::copy_of(damaged)), ErrorCode::kCorrupt) << "one bit";
  EXPECT_FALSE(r.anything_staged());

  ExpectedSnapshot wrong = r.expected;
  wrong.applied.term = Term(3);
  EXPECT_EQ(receive(wrong, r.bytes), ErrorCode::kCorrupt) << "not that entry";
  EXPECT_FALSE(r.anything_staged());

  const std::string noise(100'000, 'n');
  const ExpectedSnapshot no_store{r.expected.applied, noise.size(), hash64(noise)};
  EXPECT_EQ(receive(no_store, Bytes::copy_of(noise)), ErrorCode::kCorrupt) << "no store";
  EXPECT_FALSE(r.anything_staged());

  EXPECT_EQ(r.receiver->begin(r.expected), 0u);
  r.send(r.bytes.size());
  EXPECT_TRUE(r.finish().ok());
}

// What is written in the file is what counts, not what came.
TEST(SnapshotReceiver, FileThatChangesUnderIt_IsRefused) {
  Receiving r;
  r.receiver->begin(r.expected);
  r.send(r.bytes.size());
  {
    std::fstream file(r.incoming() / kDataFile, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(r.bytes.size() / 3));
    file.put('?');
  }
  EXPECT_EQ(r.finish().error().code, ErrorCode::kCorrupt);
  EXPECT_FALSE(r.anything_staged());
}

TEST(SnapshotReceiver, PiecesOfAnEarlierProcess_AreRemovedAtTheStart) {
  Receiving r;
  r.receiver->begin(r.expected);
  r.send(300'000);
  EXPECT_TRUE(r.anything_staged());
  r.receiver.reset();
  EXPECT_TRUE(r.anything_staged());
  r.make_receiver();
  while (r.anything_staged()) std::this_thread::yield();  // it does so beside the loop
  EXPECT_EQ(r.receiver->begin(r.expected), 0u);
}

TEST(SnapshotReceiver, MoreThanItsQueueHolds_IsRefusedUntilSomeIsWritten) {
  Receiving r(150'000);
  r.receiver->begin(r.expected);
  std::vector<ErrorCode> refused;
  int written = 0;
  for (int i = 0; i < 3; ++i) {
    const std::uint64_t from = r.receiver->received();
    r.receiver->write(from, r.bytes.slice(from, 100'000), [&](const Status& status) {
      if (status.ok()) {
        ++written;
      } else {
        refused.push_back(status.error().code);
      }
    });
  }
  EXPECT_EQ(refused, (std::vector{ErrorCode::kOverloaded, ErrorCode::kOverloaded}));
  EXPECT_EQ(r.receiver->received(), 100'000u);
  while (written == 0) r.f.queue.run_one();
  r.send(r.bytes.size());
  EXPECT_TRUE(r.finish().ok());
}

TEST(SnapshotReceiver, WhatWaitsOfADroppedSnapshot_TakesRoomUntilItIsGone) {
  Receiving r(150'000);
  r.receiver->begin(r.expected);
  int settled = 0;
  const auto write = [&] {
    std::optional<ErrorCode> refused;
    r.receiver->write(0, r.bytes.slice(0, 100'000), [&](const Status& status) {
      ++settled;
      if (!status.ok()) refused = status.error().code;
    });
    return refused;
  };
  EXPECT_FALSE(write());
  r.receiver->discard();
  r.receiver->begin(r.expected);
  EXPECT_EQ(write(), ErrorCode::kOverloaded);
  while (settled < 2) r.f.queue.run_one();
  EXPECT_FALSE(write());
  while (settled < 3) r.f.queue.run_one();
}

TEST(SnapshotReceiver, DiscardedWhileItIsFinished_SaysSo) {
  Receiving r;
  r.receiver->begin(r.expected);
  r.send(r.bytes.size());
  std::optional<Result<StagedSnapshot>> staged;
  r.receiver->finish([&](Result<StagedSnapshot> result) { staged = std::move(result); });
  EXPECT_EQ(r.finish().error().code, ErrorCode::kInvalidArgument) << "it is being finished";
  r.receiver->discard();
  while (!staged) r.f.queue.run_one();
  EXPECT_EQ(staged->error().code, ErrorCode::kCancelled);
  while (r.anything_staged()) std::this_thread::yield();
}

TEST(SnapshotReceiver, DirectoryThatCannotBeMade_FailsTheFirstPiece) {
  Receiving r;
  r.receiver.reset();
  std::ofstream(r.f.directory.path() / "file") << "no directory";
  r.receiver.emplace(ReceiverOptions{.directory = r.f.directory.path() / "file" / "incoming",
                                     .read_content = Fixture::read_content},
                     r.f.queue.post());
  r.receiver->begin(r.expected);
  EXPECT_EQ(r.write(0, r.bytes.slice(0, 10)).error().code, ErrorCode::kIo);
  EXPECT_EQ(r.receiver->expected(), std::nullopt);
  EXPECT_EQ(r.receiver->begin(r.expected), 0u);
}

}  // namespace
}  // namespace coord::service
