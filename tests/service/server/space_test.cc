// What compaction frees is used again.
#include <gtest/gtest.h>

#include "raft/base/limits.h"
#include "tests/service/server/kept_state.h"

namespace coord::service {
namespace {

using namespace commands;  // NOLINT: the language of these tests

// Of LMDB's file, after 20 rounds and after 60, in each of which every key is written once and the
// history goes behind them: from some time on it does not grow any more.
struct Sizes {
  std::uint64_t after_warming_up = 0;
  std::uint64_t in_the_end = 0;
};
Sizes overwrite(HistoryOptions history) {
  constexpr int kKeys = 500;
  constexpr std::uint64_t kKept = 800;
  Kept kept(history);
  Sizes sizes;
  for (int round = 0; round < 60; ++round) {
    for (int i = 0; i < kKeys; ++i) {
      kept.write(put("key" + std::to_string((i * 7919) % kKeys), std::string(300, 'x')));
    }
    const Revision newest = kept.state->revision();
    while (newest.value() > kKept) {
      const Revision line =
          kept.state
              ->compaction_step(kept.state->compacted(), Revision(newest.value() - kKept),
                                limits::kCompactChangesMax, limits::kCompactBytesMax)
              .line;
      if (line <= kept.state->compacted()) break;
      kept.apply(raft::EntryType::kCommand, encode(compact(line.value()), 1));
    }
    kept.flush();
    if (round == 20) sizes.after_warming_up = kept.f.store->stats().disk_bytes;
  }
  sizes.in_the_end = kept.f.store->stats().disk_bytes;
  return sizes;
}

// A round's changes count for 256,000 bytes.
TEST(Space, OfOverwrittenKeys_IsUsedAgain) {
  for (const std::uint64_t near_bytes : {100'000, 300'000}) {
    const Sizes sizes = overwrite({.near_bytes = near_bytes});
    EXPECT_GT(sizes.after_warming_up, 0u);
    EXPECT_LE(sizes.in_the_end, sizes.after_warming_up) << near_bytes;
  }
}

}  // namespace
}  // namespace coord::service
