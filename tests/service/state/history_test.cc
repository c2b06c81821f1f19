#include <gtest/gtest.h>

#include <array>

#include "service/state/records.h"
#include "tests/service/state/machine.h"

namespace coord::service {
namespace {

using namespace commands;  // NOLINT: the language of these tests
using Lines = std::vector<std::string>;

Lines changes_from(Machine& m, std::uint64_t from, std::size_t bytes_max, Revision* next) {
  Lines lines;
  const auto result = m.state().changes_since(
      Revision(from), bytes_max, [&](Revision revision, std::span<const Change> changes) {
        for (const Change& change : changes) {
          EXPECT_EQ(change.mod_revision, revision);
          lines.push_back(to_line(change));
        }
      });
  if (!result.ok()) return {std::string(to_string(result.error().code))};
  if (next != nullptr) *next = *result;
  return lines;
}

Lines changes_from(Machine& m, std::uint64_t from) {
  return changes_from(m, from, 1 << 20, nullptr);
}

// What each change from `from` on replaced.
Lines previous_from(Machine& m, std::uint64_t from) {
  Lines lines;
  const auto look = [&](Revision, std::span<const Change> changes) {
    for (const Change& change : changes) {
      const auto previous = m.state().previous_of(change);
      lines.push_back(fmt::format("{}: {}", change.key, previous ? previous->value : "-"));
      if (!previous) continue;
      EXPECT_EQ(previous->key, change.key);
      lines.back() += fmt::format(" v{} c{} m{}", previous->version, previous->create_revision,
                                  previous->mod_revision);
    }
  };
  EXPECT_TRUE(m.state().changes_since(Revision(from), 1 << 20, look).ok());
  return lines;
}

void make_history(Machine& m) {
  m.write_all({put("a", "1"), put("b", "1"), put("a", "2"),
               txn({.then = {op_put("c", "1"), op_erase(single("a")), op_put("b", "2")}}),
               put("a", "3")});
}

TEST(History, ChangesSince_TellWhatTheObserverWasTold) {
  Machine m;
  make_history(m);
  const Lines told = m.observer().take();
  EXPECT_EQ(changes_from(m, 0), told);
  EXPECT_EQ(changes_from(m, 1), told);
  EXPECT_EQ(changes_from(m, 4), Lines(told.begin() + 3, told.end()));
  EXPECT_EQ(told.size(), 7u);
  EXPECT_EQ(told[3], "4: put c=1 v1 c4 prev0");
  EXPECT_EQ(told[4], "4: delete a prev3");
  EXPECT_EQ(told[5], "4: put b=2 v2 c2 prev2");
}

TEST(History, ChangesSince_HandsOverWholeRevisions_AtLeastOne) {
  Machine m;
  make_history(m);
  Revision next;
  EXPECT_EQ(changes_from(m, 4, 1, &next).size(), 3u);
  EXPECT_EQ(next, Revision(5));
  EXPECT_EQ(changes_from(m, 3, 100, &next).size(), 1u) << "the next one has three changes";
  EXPECT_EQ(next, Revision(4));
  EXPECT_EQ(changes_from(m, 5, 1, &next).size(), 1u);
  EXPECT_EQ(next, Revision(6));
  EXPECT_EQ(changes_from(m, 6, 1, &next).size(), 0u);
  EXPECT_EQ(next, Revision(6));
  EXPECT_EQ(changes_from(m, 100, 1, &next).size(), 0u);
  EXPECT_EQ(next, Revision(100));
}

TEST(History, PreviousOf_IsWhatAChangeReplaced) {
  Machine m;
  make_history(m);
  EXPECT_EQ(previous_from(m, 1), (Lines{"a: -", "b: -", "a: 1 v1 c1 m1", "c: -", "a: 2 v2 c1 m3",
                                        "b: 1 v1 c2 m2", "a: -"}));
}

// With everything near, and with nothing.
class CompactionNearAndFar : public testing::TestWithParam<HistoryOptions> {};
INSTANTIATE_TEST_SUITE_P(, CompactionNearAndFar,
                         testing::Values(HistoryOptions{}, HistoryOptions{.near_bytes = 0}),
                         [](const auto& history) {
                           return history.param.near_bytes == 0 ? "Far" : "Near";
                         });

TEST_P(CompactionNearAndFar, ReadsFromTheLineOn_AreAsBefore) {
  for (std::uint64_t line = 1; line <= 5; ++line) {
    Machine m(GetParam());
    make_history(m);
    std::vector<std::string> before;
    for (std::uint64_t r = line; r <= 5; ++r)
      before.push_back(m.read(with_prefix(""), Revision(r)));
    const Lines changes = changes_from(m, line);
    m.apply(compact(line));
    for (std::uint64_t r = line; r <= 5; ++r) {
      EXPECT_EQ(m.read(with_prefix(""), Revision(r)), before[r - line]) << line << " " << r;
    }
    EXPECT_EQ(changes_from(m, line), changes);
    if (line > 1) {
      EXPECT_EQ(m.read(with_prefix(""), Revision(line - 1)), "compacted");
      EXPECT_EQ(changes_from(m, line - 1), Lines{"compacted"});
      EXPECT_EQ(m.state()
                    .range({.range = with_prefix(""), .revision = Revision(line - 1)})
                    .error()
                    .revision,
                Revision(line));
    }
    EXPECT_EQ(m.state().compacted(), Revision(line));
    EXPECT_EQ(m.read(with_prefix("")), "a=3 b=2 c=1");
  }
}

TEST_P(CompactionNearAndFar, PreviousValueOfTheFirstKeptChange_IsThere) {
  Machine m(GetParam());
  make_history(m);
  const Change second{
      .key = "a", .mod_revision = Revision(3), .previous_mod_revision = Revision(1)};
  EXPECT_EQ(m.state().previous_of(second)->value, "1");
  m.apply(compact(4));
  EXPECT_EQ(previous_from(m, 4), (Lines{"c: -", "a: 2 v2 c1 m3", "b: 1 v1 c2 m2", "a: -"}));
  EXPECT_EQ(m.state().previous_of(second), std::nullopt) << "nobody is told of it any more";
  m.apply(compact(5));
  m.write(put("b", "3"));
  EXPECT_EQ(previous_from(m, 6), Lines{"b: 2 v2 c2 m4"}) << "which the line has passed";
}

// The numbers of the records in the tables of the keyspace: keys, changes, replaced.
using Sizes = std::array<std::size_t, 3>;
Sizes sizes(Machine& m) {
  return {m.tables().size(Table::kKeys), m.tables().size(Table::kChanges),
          m.tables().size(Table::kReplaced)};
}

// Exactly what the tables' description says is there, and nothing else.
TEST(Compaction, LeavesNothingBehind) {
  Machine m({.near_bytes = 0});
  make_history(m);
  EXPECT_EQ(sizes(m), (Sizes{3, 7, 3}));
  m.write(erase(single("c")));  // 6
  m.apply(compact(6));
  EXPECT_EQ(sizes(m), (Sizes{3, 1, 1})) << "a, b, and the tombstone of c";
  m.write(put("a", "4"));  // 7
  m.apply(compact(7));
  EXPECT_EQ(sizes(m), (Sizes{2, 1, 1}));
  m.write_all({put("d", "1"), erase(single("d"))});  // 8, 9
  m.write(put("b", "9"));                            // 10
  m.apply(compact(10));
  EXPECT_EQ(sizes(m), (Sizes{2, 1, 1}));
}

// Of a change with a short key and a short value.
constexpr std::uint64_t kChangeBytes = limits::kChangeBytesMin;

TEST(Compaction, WhatIsNear_IsKeptOnce_AndOutlivesTheLine) {
  Machine m({.near_bytes = 2 * kChangeBytes});
  m.write_all({put("a", "1"), put("b", "1"), put("a", "2"), put("b", "2")});  // 1 to 4
  EXPECT_EQ(sizes(m), (Sizes{2, 4, 0})) << "from each to the one before there are two changes";
  m.write_all({put("c", "1"), put("a", "3")});  // 5, 6
  EXPECT_EQ(sizes(m), (Sizes{3, 6, 1})) << "three changes";
  const Lines previous = previous_from(m, 4);
  EXPECT_EQ(previous, (Lines{"b: 1 v1 c2 m2", "c: -", "a: 2 v2 c1 m3"}));
  m.apply(compact(4));
  EXPECT_EQ(sizes(m), (Sizes{3, 5, 1})) << "2 is near to 4";
  EXPECT_EQ(previous_from(m, 4), previous);
  m.apply(compact(6));
  EXPECT_EQ(sizes(m), (Sizes{3, 3, 1})) << "4 is near to 6";
  m.write(erase(single("a")));  // 7, one change after what it deletes
  m.write(erase(single("b")));  // 8, four after
  EXPECT_EQ(sizes(m), (Sizes{3, 5, 2}));
  EXPECT_EQ(previous_from(m, 7), (Lines{"a: 3 v3 c1 m6", "b: 2 v2 c2 m4"}));
  m.apply(compact(8));
  EXPECT_EQ(sizes(m), (Sizes{2, 3, 1})) << "b's tombstone";
  EXPECT_EQ(previous_from(m, 8), Lines{"b: 2 v2 c2 m4"});
  EXPECT_EQ(m.read(with_prefix(""), Revision(8)), "c=1");
  m.write(put("a", "4"));  // 9
  m.write(put("b", "3"));  // 10
  EXPECT_EQ(previous_from(m, 9), (Lines{"a: -", "b: -"})) << "a tombstone is no record";
}

TEST(Compaction, LargeValues_AreNotNear) {
  Machine m({.near_bytes = 2 * kChangeBytes});
  m.write_all({put("a", "1"), put("b", std::string(2000, 'x')), put("a", "2"), put("b", "2")});
  EXPECT_EQ(sizes(m), (Sizes{2, 4, 2}));
  EXPECT_EQ(previous_from(m, 3),
            (Lines{"a: 1 v1 c1 m1", "b: " + std::string(2000, 'x') + " v1 c2 m2"}));
  m.apply(compact(3));
  EXPECT_EQ(sizes(m), (Sizes{2, 2, 2}));
  m.write(put("b", "3"));
  EXPECT_EQ(previous_from(m, 5), Lines{"b: 2 v2 c2 m4"});
  EXPECT_EQ(sizes(m), (Sizes{2, 3, 2}));
}

// What is before the line and near to what comes after it: not more, whatever is large and small.
TEST(Compaction, KeepsNoMoreBeforeTheLine_ThanIsNear) {
  constexpr std::uint64_t kSmall = 3000;
  Machine m({.near_bytes = kSmall * kChangeBytes});
  for (std::uint64_t i = 0; i < kSmall; ++i) m.write(put("a", "1"));
  m.write(put("b", std::string(1000 * kChangeBytes - 50, 'x')));
  EXPECT_EQ(sizes(m), (Sizes{2, kSmall + 1, 0}));
  for (std::uint64_t i = 0; i < kSmall; ++i) m.write(put("c", "1"));
  EXPECT_EQ(sizes(m), (Sizes{3, 2 * kSmall + 1, 0}));
  m.apply(compact(kSmall + 1));
  EXPECT_EQ(sizes(m), (Sizes{3, 2 * kSmall + 1, 0})) << "the line is before the large one";
  m.apply(compact(kSmall + 2));
  EXPECT_EQ(sizes(m), (Sizes{3, 2 * kSmall + 1 - 1001, 0})) << "and now behind it";
  m.write(put("a", "2"));
  EXPECT_EQ(sizes(m), (Sizes{3, 2 * kSmall + 2 - 1001, 1}));
  EXPECT_EQ(m.read(key("a"), Revision(2 * kSmall + 1)), "a=1");
  // Also what starts again finds the first that is left.
  m.restart();
  m.apply(compact(2 * kSmall + 2));
  EXPECT_EQ(sizes(m), (Sizes{3, kSmall + 1, 1}));
}

TEST(Compaction, OfTheFutureOrThePast_DoesNothing) {
  Machine m;
  make_history(m);
  m.observer().take();
  m.apply(compact(6));
  m.apply(compact(0));
  EXPECT_EQ(m.state().compacted(), Revision(0));
  m.apply(compact(3));
  m.apply(compact(3));
  m.apply(compact(2));
  EXPECT_EQ(m.state().compacted(), Revision(3));
  EXPECT_EQ(m.observer().take(), Lines{"compacted 3"});
}

// The next command goes on where this one ended, in both queues.
TEST(Compaction, SaysWhatWillBeReadNext) {
  Machine m;
  make_history(m);
  m.apply(compact(3));
  const std::string next(ChangeKey({Revision(3), 0}));
  EXPECT_EQ(m.tables().expected(Table::kChanges), next);
  EXPECT_EQ(m.tables().expected(Table::kReplaced), next);
}

TEST(Compaction, DeletedKeyThatComesBack_HasNoPast) {
  Machine m;
  m.write_all({put("a", "1"), erase(single("a")), put("b", "1")});
  m.apply(compact(3));
  EXPECT_EQ(sizes(m), (Sizes{1, 3, 0}));
  m.write_all({put("a", "2"), put("a", "3")});
  EXPECT_EQ(m.read(with_prefix(""), Revision(3)), "b=1");
  EXPECT_EQ(m.read(with_prefix(""), Revision(4)), "a=2 b=1");
}

TEST(Compaction, Step_TakesSoManyChanges_ButWholeRevisions) {
  Machine m;
  make_history(m);  // 1, 1, 1, 3 and 1 changes
  std::size_t taken = 0;
  const auto step = [&](std::uint64_t from, std::uint64_t target, std::size_t changes,
                        std::uint64_t bytes = UINT64_MAX) {
    const auto step = m.state().compaction_step(Revision(from), Revision(target), changes, bytes);
    taken = step.changes;
    return step.line.value();
  };
  EXPECT_EQ(step(0, 5, 2), 3u);
  EXPECT_EQ(taken, 2u);
  EXPECT_EQ(step(0, 5, 3), 4u);
  EXPECT_EQ(step(0, 5, 5), 4u) << "a revision is not cut";
  EXPECT_EQ(taken, 3u);
  EXPECT_EQ(step(0, 5, 6), 5u);
  EXPECT_EQ(taken, 6u);
  EXPECT_EQ(step(0, 5, 100, 0), 2u);
  EXPECT_EQ(taken, 1u);
  EXPECT_EQ(step(0, 5, 100, 2 * kChangeBytes), 4u) << "what is before a change is counted";
  EXPECT_EQ(step(4, 5, 100, 0), 5u);
  EXPECT_EQ(taken, 3u);
  EXPECT_EQ(step(4, 5, 1), 5u);
  EXPECT_EQ(step(0, 5, 100), 5u);
  EXPECT_EQ(step(0, 2, 100), 2u);
  EXPECT_EQ(step(3, 3, 1), 3u);
  m.apply(compact(4));
  EXPECT_EQ(step(0, 5, 1), 5u) << "from the line on";
  EXPECT_EQ(step(0, 3, 1), 3u);
}

TEST(Compaction, OfManyChanges_GoesThroughInOneEntry) {
  Machine m({.near_bytes = 0});
  for (int i = 0; i < 2000; ++i) m.write(put(fmt::format("k{}", i % 7), std::string(2000, 'x')));
  EXPECT_EQ(sizes(m), (Sizes{7, 2000, 1993}));
  m.apply(compact(2000));
  EXPECT_EQ(sizes(m), (Sizes{7, 1, 1}));
}

}  // namespace
}  // namespace coord::service
