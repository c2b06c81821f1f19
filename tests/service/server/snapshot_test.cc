// A state from one store to another: copied, sent in pieces, received, put in place, reloaded.
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "service/server/snapshot_content.h"
#include "service/server/state_snapshots.h"
#include "service/store/snapshot_reader.h"
#include "service/store/snapshot_receiver.h"
#include "tests/service/server/kept_state.h"

namespace coord::service {
namespace {

using namespace commands;  // NOLINT: the language of these tests

Result<StagedSnapshot> send(const Snapshot& snapshot, SnapshotReader& reader,
                            SnapshotReceiver& receiver, PostQueue& from, PostQueue& to) {
  const ExpectedSnapshot expected{snapshot.content.applied, snapshot.bytes, snapshot.checksum};
  for (std::uint64_t offset = receiver.begin(expected); offset < snapshot.bytes;) {
    std::optional<Result<Bytes>> piece;
    reader.read(offset, 64 * 1024, [&](Result<Bytes> bytes) { piece = std::move(bytes); });
    while (!piece) from.run_one();
    if (!piece->ok()) return piece->error();
    std::optional<Status> written;
    receiver.write(offset, **piece, [&](Status status) { written = std::move(status); });
    while (!written) to.run_one();
    if (!written->ok()) return written->error();
    offset = receiver.received();
  }
  std::optional<Result<StagedSnapshot>> staged;
  receiver.finish([&](Result<StagedSnapshot> result) { staged = std::move(result); });
  while (!staged) to.run_one();
  return *std::move(staged);
}

TEST(SnapshotOfAState, ArrivesAsTheSameState) {
  Kept ahead;
  ahead.write(grant(1, {.ttl_ms = 60'000, .session = true}));
  ahead.apply(raft::EntryType::kConfiguration, raft::encode(members({1, 2})));
  for (int i = 0; i < 500; ++i) {
    ahead.write(in_session(1, static_cast<std::uint64_t>(i) + 1,
                           put("key" + std::to_string(i % 200), std::string(300, 'v'))));
  }
  ahead.write(acquire(lock("l"), 1));
  ahead.apply(raft::EntryType::kCommand, encode(compact(100), 1));
  ahead.flush();
  const StatePosition flushed = ahead.state->position();
  const auto snapshot = ahead.copy();
  ASSERT_TRUE(snapshot.ok()) << snapshot.error().message;
  EXPECT_EQ(snapshot->content.applied, flushed.applied);
  EXPECT_EQ(snapshot->content.digest, flushed.digest);
  EXPECT_EQ(snapshot->content.configuration_at, ahead.state->configuration()->at);
  EXPECT_EQ(snapshot->content.configuration, raft::encode(members({1, 2})));

  Kept behind;
  for (int i = 0; i < 20; ++i) behind.write(put("key" + std::to_string(i), "of before"));
  SnapshotReceiver receiver(
      {.directory = behind.f.directory.path() / "incoming", .read_content = read_snapshot_content},
      behind.f.queue.post());
  const auto reader = SnapshotReader::open(snapshot->file, ahead.f.queue.post());
  const auto staged = send(*snapshot, **reader, receiver, ahead.f.queue, behind.f.queue);
  ASSERT_TRUE(staged.ok()) << staged.error().message;
  EXPECT_EQ(staged->content, snapshot->content);
  bool replaced = false;
  behind.f.store->replace(*staged, [&](const Status& status) {
    ASSERT_TRUE(status.ok()) << status.error().message;
    behind.state->reload();
    replaced = true;
  });
  while (!replaced) behind.f.queue.run_one();
  EXPECT_EQ(behind.f.store->installed_at(), behind.state->position().applied);
  EXPECT_EQ(behind.observer.take().back(), "reloaded");
  EXPECT_EQ(behind.everything(), ahead.everything());

  for (Kept* kept : {&ahead, &behind}) {
    kept->write(in_session(1, 500, put("again", "a retry")));
    kept->write(put("key7", "more"));
    kept->flush();
  }
  EXPECT_EQ(behind.state->position().digest, ahead.state->position().digest);
  EXPECT_EQ(behind.everything(), ahead.everything());
}

TEST(StateSnapshots, CopyThatIsDamaged_IsGivenToNobodyElse) {
  Kept kept;
  kept.write(put("k", "v"));
  kept.flush();
  StateSnapshots snapshots(*kept.f.store, *kept.state, kept.f.queue.post(),
                           {.directory = kept.f.directory.path() / "snapshot", .initial = {}});
  const auto open = [&] {
    std::shared_ptr<raft::Snapshot> snapshot;
    snapshots.open(Index(1), [&](auto opened) { snapshot = opened.value(); });
    while (snapshot == nullptr) kept.f.queue.run_one();
    return snapshot;
  };
  const auto first = open();
  EXPECT_EQ(open(), first) << "while somebody is sent it, others are too";
  first->spoil();
  const auto second = open();
  EXPECT_NE(second, first);
  EXPECT_EQ(open(), second);
}

// A thread that posts while nobody listens any more must not get so far.
TEST(StateSnapshots, WhenTheyGo_NoReadIsUnderWay) {
  Kept kept;
  kept.write(put("k", "v"));
  kept.flush();
  std::mutex mutex;
  std::condition_variable changed;
  bool reading = false;
  bool gone = false;
  bool posted_late = false;
  const auto loop = std::this_thread::get_id();
  const auto post = [&, queue = kept.f.queue.post()](std::function<void()> work) {
    if (std::this_thread::get_id() != loop) {
      // The end of the read: it takes its time.
      std::unique_lock lock(mutex);
      reading = true;
      changed.notify_all();
      changed.wait_for(lock, milliseconds(200), [&] { return gone; });
      posted_late = gone;
    }
    queue(std::move(work));
  };
  std::shared_ptr<raft::Snapshot> snapshot;
  {
    StateSnapshots snapshots(*kept.f.store, *kept.state, post,
                             {.directory = kept.f.directory.path() / "snapshot", .initial = {}});
    snapshots.open(Index(1), [&](auto opened) { snapshot = opened.value(); });
    while (snapshot == nullptr) kept.f.queue.run_one();
    snapshot->read(0, 100, [](const Result<Bytes>&) { ADD_FAILURE() << "nobody is told"; });
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return reading; });
  }
  {
    const std::lock_guard lock(mutex);
    gone = true;
    changed.notify_all();
  }
  EXPECT_FALSE(posted_late);
  // Nor does one begin: it is dropped, with what it holds.
  const auto held = std::make_shared<int>();
  snapshot->read(0, 100, [held](const Result<Bytes>&) {});
  EXPECT_EQ(held.use_count(), 1);
}

}  // namespace
}  // namespace coord::service
