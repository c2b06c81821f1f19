#include <gtest/gtest.h>

#include "raft/base/limits.h"
#include "tests/service/state/machine.h"

namespace coord::service {
namespace {

using namespace commands;  // NOLINT: the language of these tests
using Lines = std::vector<std::string>;

TEST(Keys, Put_TakesTheNextRevision_AndCountsVersions) {
  Machine m;
  EXPECT_EQ(m.write(put("a", "1")).revision, Revision(1));
  EXPECT_EQ(m.write(put("a", "1")).revision, Revision(2)) << "an equal value is a change too";
  EXPECT_EQ(m.observer().take(), (Lines{"1: put a=1 v1 c1 prev0", "2: put a=1 v2 c1 prev1"}));
  EXPECT_EQ(m.get("a"), "a=1");
}

TEST(Keys, DeletedAndCreatedAgain_StartsAnew) {
  Machine m;
  m.write_all({put("a", "1"), put("a", "2"), erase(single("a")), put("a", "3")});
  EXPECT_EQ(m.observer().take(), (Lines{"1: put a=1 v1 c1 prev0", "2: put a=2 v2 c1 prev1",
                                        "3: delete a prev2", "4: put a=3 v1 c4 prev0"}));
}

TEST(Keys, DeleteOfNothing_TakesNoRevision) {
  Machine m;
  m.write(put("b", "1"));
  const WriteResult result = m.write(erase(single("a")));
  EXPECT_EQ(result.revision, Revision(1));
  EXPECT_EQ(expect<DeleteResult>(result).deleted, 0u);
  EXPECT_EQ(m.state().revision(), Revision(1));
}

TEST(Keys, OldRevisions_ReadAsTheyWere) {
  Machine m;
  m.write_all({put("a", "1"), put("b", "1"), put("a", "2"), erase(prefix("")), put("b", "3")});
  EXPECT_EQ(m.read(with_prefix(""), Revision(1)), "a=1");
  EXPECT_EQ(m.read(with_prefix(""), Revision(2)), "a=1 b=1");
  EXPECT_EQ(m.read(with_prefix(""), Revision(3)), "a=2 b=1");
  EXPECT_EQ(m.read(with_prefix(""), Revision(4)), "");
  EXPECT_EQ(m.read(with_prefix(""), Revision(5)), "b=3");
  EXPECT_EQ(m.read(with_prefix("")), "b=3");
  EXPECT_EQ(m.read(with_prefix(""), Revision(6)), "futureRevision");
}

TEST(Keys, AbsurdPuts_HaveErrorsOfTheirOwn) {
  Machine m;
  const auto results = m.write_all(
      {put("", "1"), put("a", "1", {.lease = 9}), put("_coord/a", "1"), put("_coord", "fine"),
       erase(single("")), erase(half_open("b", "a")), erase(half_open("a", "a")),
       erase(single("_coord/x")), erase(prefix("_coord/lock")),
       erase(half_open("_coord/a", "_coord/z")), erase(to_end("_coord/"))});
  EXPECT_EQ(error_of(results[0]), ErrorCode::kEmptyKey);
  EXPECT_EQ(error_of(results[1]), ErrorCode::kLeaseNotFound);
  EXPECT_EQ(error_of(results[2]), ErrorCode::kReservedKey);
  EXPECT_FALSE(results[3].failed());
  EXPECT_EQ(error_of(results[4]), ErrorCode::kEmptyKey);
  EXPECT_EQ(error_of(results[5]), ErrorCode::kReversedRange);
  EXPECT_FALSE(results[6].failed());
  EXPECT_EQ(error_of(results[7]), ErrorCode::kReservedKey);
  EXPECT_EQ(error_of(results[8]), ErrorCode::kReservedKey);
  EXPECT_EQ(error_of(results[9]), ErrorCode::kReservedKey);
  EXPECT_FALSE(results[10].failed());
  EXPECT_EQ(m.state().revision(), Revision(1));
}

TEST(Keys, DeleteOfEverything_PassesOverReservedKeys) {
  Machine m;
  m.write_all({grant(1), acquire(lock("l"), 1), put("a", "1"), put("z", "2")});
  const auto result = m.write(erase(prefix(""), true));
  EXPECT_EQ(expect<DeleteResult>(result).deleted, 2u);
  EXPECT_EQ(expect<DeleteResult>(result).previous.size(), 2u);
  EXPECT_EQ(m.read(with_prefix("")), "_coord/lock/l=1 1\n");
}

TEST(Keys, PreviousValuesBeyondAnAnswer_FailTheDelete) {
  Machine m;
  for (const char* name : {"a", "b", "c"}) m.write(put(name, std::string(1 << 20, 'x')));
  EXPECT_EQ(error_of(m.write(erase(prefix(""), true))), ErrorCode::kRequestTooLarge);
  EXPECT_EQ(m.state().revision(), Revision(3));
  EXPECT_EQ(expect<DeleteResult>(m.write(erase(prefix("")))).deleted, 3u);
}

TEST(Keys, OnePreviousValue_IsAnsweredWhateverItsSize) {
  Machine m;
  const std::string large(limits::kConfigurableRequestBytesMax, 'x');
  m.write(put("a", large));
  m.write(put("b", "1"));
  EXPECT_EQ(expect<CompareAndSwapResult>(m.write(cas_value("a", "0", "1"))).current->value, large);
  EXPECT_EQ(error_of(m.write(erase(prefix(""), true))), ErrorCode::kRequestTooLarge);
  EXPECT_EQ(expect<DeleteResult>(m.write(erase(prefix("a"), true))).previous.size(), 1u);
}

TEST(CompareAndSwap, EachExpectation_SeesTheKeyAsItIs) {
  Machine m;
  auto result = m.write(cas_value("a", "0", "1"));
  EXPECT_FALSE(expect<CompareAndSwapResult>(result).succeeded);
  EXPECT_FALSE(expect<CompareAndSwapResult>(result).current);
  EXPECT_TRUE(expect<CompareAndSwapResult>(m.write(cas_absent("a", "1"))).succeeded);
  result = m.write(cas_absent("a", "2"));
  EXPECT_FALSE(expect<CompareAndSwapResult>(result).succeeded);
  EXPECT_EQ(expect<CompareAndSwapResult>(result).current->value, "1");
  EXPECT_EQ(result.revision, Revision(1));
  EXPECT_TRUE(expect<CompareAndSwapResult>(m.write(cas_value("a", "1", "2"))).succeeded);
  EXPECT_FALSE(expect<CompareAndSwapResult>(m.write(cas_revision("a", 1, "3"))).succeeded);
  EXPECT_TRUE(expect<CompareAndSwapResult>(m.write(cas_revision("a", 2, "3"))).succeeded);
  EXPECT_TRUE(expect<CompareAndSwapResult>(m.write(cas_revision("b", 0, "1"))).succeeded)
      << "revision 0 is that of a key that does not exist";
  EXPECT_EQ(m.read(with_prefix("")), "a=3 b=1");
}

RangeResult page(Machine& m, RangeQuery query) {
  auto result = m.state().range(query);
  CHECK(result.ok(), "{}", to_string(result.error().code));
  return std::move(result).value();
}

std::string keys_of(const RangeResult& result) {
  std::string text;
  for (const KeyValue& item : result.items) text += item.key;
  return text;
}

TEST(Range, PagesAtOneRevision_AreExactWhateverIsWrittenBetween) {
  Machine m;
  m.write_all({put("a", "1"), put("b", "1"), put("c", "1"), put("d", "1"), put("e", "1")});
  const RangeResult first = page(m, {.range = with_prefix(""), .limit = 2});
  EXPECT_EQ(keys_of(first), "ab");
  EXPECT_TRUE(first.more);
  EXPECT_EQ(first.count, 2u);
  m.write_all({erase(single("c")), put("bb", "2"), put("d", "2"), put("f", "2")});
  const RangeResult second =
      page(m, {.range = with_prefix(""), .limit = 2, .cursor = first.cursor});
  EXPECT_EQ(keys_of(second), "cd");
  EXPECT_EQ(second.items[1].value, "1");
  EXPECT_EQ(second.revision, Revision(5));
  const RangeResult third =
      page(m, {.range = with_prefix(""), .limit = 2, .cursor = second.cursor});
  EXPECT_EQ(keys_of(third), "e");
  EXPECT_FALSE(third.more);
  EXPECT_EQ(third.count, 5u);
}

TEST(Range, ExactlyFullPage_SaysThatNothingFollows) {
  Machine m;
  m.write_all({put("a", "1"), put("b", "1"), put("c", "1"), erase(single("c"))});
  const RangeResult result = page(m, {.range = with_prefix(""), .limit = 2});
  EXPECT_EQ(keys_of(result), "ab");
  EXPECT_FALSE(result.more);
  EXPECT_EQ(result.count, 2u);
}

TEST(Range, BytesAndScanBounds_EndAPage) {
  Machine m;
  m.write_all({put("a", "1234"), put("b", "1234"), put("c", "1234")});
  EXPECT_EQ(keys_of(page(m, {.range = with_prefix(""), .bytes_max = 10})), "ab");
  EXPECT_EQ(keys_of(page(m, {.range = with_prefix(""), .bytes_max = 1})), "a");
  EXPECT_EQ(keys_of(page(m, {.range = with_prefix(""), .keys_only = true, .bytes_max = 3})), "abc");
  m.write(erase(prefix("")));
  const RangeResult scanned = page(m, {.range = with_prefix(""), .scan_max = 2});
  EXPECT_EQ(keys_of(scanned), "");
  EXPECT_TRUE(scanned.more);
  EXPECT_EQ(scanned.scanned, 2u) << "deleted keys are looked at, too";
  EXPECT_FALSE(page(m, {.range = with_prefix(""), .cursor = scanned.cursor, .scan_max = 2}).more);
}

TEST(Range, CountOnly_CountsAcrossScanBounds) {
  Machine m;
  m.write_all({put("a", "1"), put("b", "1"), put("c", "1")});
  RangeQuery query{.range = with_prefix(""), .limit = 1, .count_only = true};
  EXPECT_EQ(page(m, query).count, 3u);
  query.scan_max = 2;
  const RangeResult first = page(m, query);
  EXPECT_EQ(first.count, 2u);
  query.cursor = first.cursor;
  EXPECT_EQ(page(m, query).count, 3u);
}

TEST(Range, EveryKind_HoldsItsKeys) {
  Machine m;
  m.write_all({put("a", "1"), put("ab", "1"), put("b", "1"), put(std::string("\xff", 1), "1")});
  EXPECT_EQ(m.read({.begin = "a"}), "a=1");
  EXPECT_EQ(m.read({.kind = KeyRange::Kind::kHalfOpen, .begin = "a", .end = "b"}), "a=1 ab=1");
  EXPECT_EQ(m.read({.kind = KeyRange::Kind::kHalfOpen, .begin = "b", .end = "b"}), "");
  EXPECT_EQ(m.read({.kind = KeyRange::Kind::kToEnd, .begin = "b"}), "b=1 \xff=1");
  EXPECT_EQ(m.read({.kind = KeyRange::Kind::kPrefix, .begin = "\xff"}), "\xff=1");
  EXPECT_EQ(m.read({.kind = KeyRange::Kind::kHalfOpen, .begin = "b", .end = "a"}), "reversedRange");
  EXPECT_EQ(m.read({.begin = ""}), "emptyKey");
}

TEST(Range, ForeignCursors_AreRefused) {
  Machine m;
  m.write_all({put("a", "1"), put("b", "1"), put("c", "1")});
  const std::string cursor = page(m, {.range = with_prefix(""), .limit = 1}).cursor;
  const auto code = [&](const RangeQuery& query) {
    const auto result = m.state().range(query);
    return result.ok() ? "ok" : std::string(to_string(result.error().code));
  };
  EXPECT_EQ(code({.range = with_prefix(""), .cursor = cursor}), "ok");
  EXPECT_EQ(code({.range = with_prefix(""), .revision = Revision(3), .cursor = cursor}), "ok");
  EXPECT_EQ(code({.range = with_prefix(""), .revision = Revision(2), .cursor = cursor}),
            "invalidArgument");
  EXPECT_EQ(code({.range = with_prefix("c"), .cursor = cursor}), "invalidArgument");
  EXPECT_EQ(code({.range = with_prefix(""), .cursor = "x"}), "invalidArgument");
  EXPECT_EQ(code({.range = with_prefix(""), .cursor = std::string(40, '\xff')}), "invalidArgument");
  for (std::size_t size = 1; size < cursor.size(); ++size) {
    // Cut at any byte: refused, or (with its key cut off) outside of the range.
    EXPECT_NE(code({.range = with_prefix("b"), .cursor = cursor.substr(0, size)}), "ok") << size;
  }
  m.apply(compact(3));
  m.write(put("a", "2"));
  m.apply(compact(4));
  EXPECT_EQ(code({.range = with_prefix(""), .cursor = cursor}), "compacted");
}

}  // namespace
}  // namespace coord::service
