// The node over the real log, its thread and real files.
#include <gtest/gtest.h>

#include "raft/node/durable_log.h"
#include "raft/storage/posix_file_system.h"
#include "tests/raft/node/fakes.h"
#include "tests/raft/node/no_snapshots.h"
#include "tests/raft/storage/posted_loop.h"
#include "tests/temporary_directory.h"

namespace coord::raft::testing {
namespace {

// A cluster of one. The state machine keeps nothing: a restart replays the whole log.
class WriterLogTest : public ::testing::Test {
 protected:
  void start() {
    auto log = Log::open(files_, {.directory = directory_.path() / "log",
                                  .cluster = kCluster,
                                  .member = MemberId(1),
                                  .segment_bytes = 64 * limits::kKiB,
                                  .first_segment_bytes = 64 * limits::kKiB});
    ASSERT_TRUE(log.ok()) << log.error().message;
    auto restored = restore(**log, {}, voters({1}));
    ASSERT_TRUE(restored.ok()) << restored.error().message;
    state_ = std::make_unique<FakeStateMachine>(journal_);
    log_ = std::make_unique<WriterLog>(std::move(*log), loop_.post(),
                                       [](Error error) { ADD_FAILURE() << error.message; });
    CoreOptions options;
    options.cluster = kCluster;
    options.self = MemberId(1);
    node_ = std::make_unique<Node>(NodeOptions{.core = options}, std::move(*restored),
                                   Node::Dependencies{.log = *log_,
                                                      .peers = links_,
                                                      .state_machine = *state_,
                                                      .observer = observer_,
                                                      .snapshots = snapshots_,
                                                      .logger = &silent()},
                                   now_);
    log_->attach(*node_);
  }
  void stop() {
    log_->stop();
    loop_.run_all();  // nothing reaches the node any more
    node_.reset();
    log_.reset();
  }
  bool read() {
    bool open = false;
    node_->read_gate([&](Status status) { open = status.ok(); });
    return run_until([&] { return open; });
  }
  template <class Condition>
  bool run_until(Condition condition) {
    for (int turns = 0; !condition(); ++turns) {
      node_->pump(now_ += microseconds(100));
      if (condition()) break;
      const bool waits =
          log_->stats().batches < node_->counters().log_batches || loop_.waiting() > 0;
      if (waits && !loop_.run_one()) return false;
      if (turns > 100'000) return false;
    }
    return true;
  }

  const test::TemporaryDirectory directory_;
  PosixFileSystem files_;
  PostedLoop loop_;
  Journal journal_;
  FakeLinks links_{journal_};
  FakeObserver observer_;
  NoSnapshots snapshots_;
  std::unique_ptr<FakeStateMachine> state_;
  std::unique_ptr<WriterLog> log_;
  std::unique_ptr<Node> node_;
  Instant now_ = kStart;
};

TEST_F(WriterLogTest, EverythingApplied_IsAppliedAgainAfterARestart) {
  constexpr std::uint64_t kPerLife = 500;
  std::uint64_t number = 0;
  for (int life = 0; life < 3; ++life) {
    start();
    ASSERT_TRUE(run_until([&] { return node_->confirmed_leader(); }));
    // To lead is not yet to have applied everything; a read waits for that.
    ASSERT_TRUE(read());
    std::vector<std::string> before;
    for (const Entry& entry : state_->applied) {
      if (entry.type == EntryType::kCommand) before.push_back(text(entry));
    }
    ASSERT_EQ(before.size(), number);
    for (std::uint64_t i = 0; i < number; ++i) ASSERT_EQ(before[i], std::to_string(i));
    for (std::uint64_t i = 0; i < kPerLife; ++i) {
      const auto place = node_->propose(command(number++));
      ASSERT_TRUE(place.ok());
      if (i % 10 == 0) {
        ASSERT_TRUE(run_until([&] { return node_->applied() >= place->index; }));
      }
    }
    const Index last = node_->status().last.index;
    ASSERT_TRUE(run_until([&] { return node_->applied() >= last; }));
    stop();
  }
}

}  // namespace
}  // namespace coord::raft::testing
