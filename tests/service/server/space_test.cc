// What compaction frees is used again.
#include <gtest/gtest.h>

#include "raft/base/limits.h"
#include "tests/service/server/kept_state.h"

namespace coord::service {
namespace {

using namespace commands;  // NOLINT: the language of these tests

// The same keys written over and over, with history going behind them: from some time on LMDB's
// file does not grow any more.
TEST(Space, OfOverwrittenKeys_IsUsedAgain) {
  constexpr int kKeys = 500;
  constexpr std::uint64_t kKept = 800;
  Kept kept;
  std::uint64_t after_warming_up = 0;
  for (int round = 0; round < 60; ++round) {
    for (int i = 0; i < kKeys; ++i) {
      kept.write(put("key" + std::to_string((i * 7919) % kKeys), std::string(300, 'x')));
    }
    const Revision newest = kept.state->revision();
    while (newest.value() > kKept) {
      const Revision line = kept.state->compaction_step(
          kept.state->compacted(), Revision(newest.value() - kKept), limits::kCompactChangesMax);
      if (line <= kept.state->compacted()) break;
      kept.apply(raft::EntryType::kCommand, encode(compact(line.value()), 1));
    }
    kept.flush();
    if (round == 20) after_warming_up = kept.f.store->stats().disk_bytes;
  }
  EXPECT_GT(after_warming_up, 0u);
  EXPECT_LE(kept.f.store->stats().disk_bytes, after_warming_up);
}

}  // namespace
}  // namespace coord::service
