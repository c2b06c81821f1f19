#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "raft/base/error.h"
#include "raft/base/hash.h"
#include "raft/base/prng.h"
#include "raft/base/result.h"
#include "raft/base/types.h"

namespace coord {
namespace {

// --- Strong types
// ----------------------------------------------------------------------------------

TEST(Strong, CountsAndCompares) {
  EXPECT_EQ(Index(3).next(), Index(4));
  EXPECT_EQ(Index(3).prev(), Index(2));
  EXPECT_EQ(Index(3) + 4, Index(7));
  EXPECT_EQ(Index(7) - Index(3), 4u);
  EXPECT_LT(Index(3), Index(4));
  EXPECT_TRUE(Index().is_zero());
  EXPECT_EQ(fmt::format("{} {:x}", Term(12), ClusterId(255)), "12 ff");
  EXPECT_EQ((std::unordered_set<Index>{Index(1), Index(1), Index(2)}.size()), 2u);
}

TEST(Strong, MembersAreHexadecimalInText) {
  EXPECT_EQ(fmt::format("{}", MemberId(0x3eae7f5ee8f9a166)), "3eae7f5ee8f9a166");
  const std::vector<MemberId> members{MemberId(1), MemberId(255)};
  EXPECT_EQ(fmt::format("{}", fmt::join(members, " ")), "1 ff");
}

template <class A, class B>
concept Mixes = requires(A a, B b) {
  a == b;
}
|| requires(A a, B b) {
  a - b;
};
static_assert(!Mixes<Index, Term>);
static_assert(!Mixes<Index, Revision>);
static_assert(!std::is_convertible_v<std::uint64_t, Index>);
static_assert(!std::is_convertible_v<Index, std::uint64_t>);

TEST(StrongDeathTest, Wrapping_Aborts) {
  EXPECT_DEATH(static_cast<void>(Index::max().next()), "wraps");
  EXPECT_DEATH(static_cast<void>(Index().prev()), "wraps");
  EXPECT_DEATH(static_cast<void>(Index(1) - Index(2)), "wraps");
  EXPECT_DEATH(static_cast<void>(Index(5) + UINT64_MAX), "wraps");
}

// --- Result
// ----------------------------------------------------------------------------------------

Result<std::vector<int>> numbers(bool ok) {
  if (!ok) return make_error(ErrorCode::kKeyTooLarge, "the key has {} bytes", 5000);
  return std::vector<int>{1, 2, 3};
}

TEST(Result, HoldsAValueOrAnError) {
  EXPECT_TRUE(numbers(true).ok());
  EXPECT_EQ(numbers(true)->size(), 3u);
  const auto failed = numbers(false);
  EXPECT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::kKeyTooLarge);
  EXPECT_EQ(failed.error().message, "the key has 5000 bytes");
  EXPECT_EQ(failed.error().outcome, Outcome::kNotApplied);
}

TEST(Result, ValueOfATemporary_OutlivesIt) {
  int sum = 0;
  for (const int number : *numbers(true)) sum += number;
  EXPECT_EQ(sum, 6);
}

TEST(Result, MoveOnlyValues_CanBeTakenOut) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(7);
  const std::unique_ptr<int> taken = std::move(*result);
  EXPECT_EQ(*taken, 7);
}

TEST(ResultDeathTest, AskingForWhatIsNotThere_Aborts_AndSaysWhatIs) {
  EXPECT_DEATH(static_cast<void>(numbers(false).value()), "keyTooLarge: the key has 5000 bytes");
  EXPECT_DEATH(static_cast<void>(numbers(true).error()), "CHECK failed");
  EXPECT_DEATH(static_cast<void>(Status().error()), "CHECK failed");
}

TEST(Status, IsSuccessUnlessItHoldsAnError) {
  EXPECT_TRUE(Status().ok());
  EXPECT_FALSE(Status(make_error(ErrorCode::kIo, "gone")).ok());
}

TEST(CheckDeathTest, ShowsItsOperands) {
  EXPECT_DEATH(CHECK_EQ(Index(3), Index(4)), "3 vs 4");
  EXPECT_DEATH(CHECK(false, "the {} of things", "order"), "the order of things");
}

// --- Errors
// ----------------------------------------------------------------------------------------

TEST(ErrorCode, EveryCode_HasANameOfItsOwn) {
  // The numbers are on the wire: they and the names stay.
  EXPECT_EQ(static_cast<int>(ErrorCode::kNotLeader), 40);
  EXPECT_EQ(static_cast<int>(ErrorCode::kCorrupt), 81);
  EXPECT_EQ(to_string(ErrorCode::kReversedRange), "reversedRange");
  std::set<std::string_view> names;
  int named = 0;
  for (int code = 1; code < 100; ++code) {
    const auto name = to_string(static_cast<ErrorCode>(code));
    if (name == "internal") continue;
    ++named;
    names.insert(name);
  }
  EXPECT_EQ(static_cast<int>(names.size()), named);
  EXPECT_GT(named, 35);
}

// --- Random numbers
// --------------------------------------------------------------------------------

TEST(Prng, SameSeed_SameNumbers_OnEveryMachine) {
  Prng prng(42);
  EXPECT_EQ(prng.next(), 0xbdd732262feb6e95u);
  EXPECT_EQ(prng.next(), 0x28efe333b266f103u);
  Prng again(42);
  Prng split = again.split();
  EXPECT_NE(split.next(), again.next());
}

TEST(Prng, StaysWithinItsBounds_AndReachesThem) {
  Prng prng(1);
  std::set<std::uint64_t> below;
  std::set<std::uint64_t> between;
  for (int i = 0; i < 1000; ++i) {
    below.insert(prng.below(5));
    between.insert(prng.between(3, 6));
  }
  EXPECT_EQ(below, (std::set<std::uint64_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(between, (std::set<std::uint64_t>{3, 4, 5, 6}));
  EXPECT_EQ(prng.between(9, 9), 9u);
  static_cast<void>(prng.between(0, UINT64_MAX));
  EXPECT_TRUE(prng.chance(1, 1));
  EXPECT_FALSE(prng.chance(0, 1));
}

TEST(PrngDeathTest, ImpossibleBounds_Abort) {
  EXPECT_DEATH(static_cast<void>(Prng(1).below(0)), "CHECK failed");
  EXPECT_DEATH(static_cast<void>(Prng(1).between(2, 1)), "CHECK failed");
}

// --- Hash
// ------------------------------------------------------------------------------------------

// These values are in every log and in every digest: if one of them changes, old data is
// unreadable.
TEST(Hash, GoldenValues_NeverChange) {
  EXPECT_EQ(hash64(""), 0x2d06800538d394c2u);
  EXPECT_EQ(hash64("a"), 0xe6c632b61e964e1fu);
  EXPECT_EQ(hash64("coord", 7), 0x890b7116eb652a0du);
  EXPECT_EQ(hash64(std::string(1000, 'x')), 0xc0a4877b962cba82u);
  EXPECT_EQ(hash64(std::string(1000, 'x'), 7), 0xa6b046c257309584u);
}

TEST(Hash, OfPieces_IsThatOfTheWhole) {
  std::string whole;
  for (int i = 0; i < 3000; ++i) whole += static_cast<char>(i * i);
  const auto bytes = std::as_bytes(std::span(whole));
  for (const std::size_t size : {1, 7, 64, 240, 241, 1024, 3000}) {
    Hasher64 hasher;
    for (std::size_t from = 0; from < bytes.size(); from += size) {
      hasher.update(bytes.subspan(from, std::min(size, bytes.size() - from)));
    }
    EXPECT_EQ(hasher.value(), hash64(whole)) << size;
  }
  EXPECT_EQ(Hasher64().value(), hash64(""));
}

TEST(Hash, DependsOnEveryByte_AndOnTheSeed) {
  std::set<std::uint64_t> seen = {hash64(std::string(100, 'x')), hash64(std::string(100, 'x'), 1)};
  for (std::size_t i = 0; i < 100; ++i) {
    std::string changed(100, 'x');
    changed[i] = 'y';
    seen.insert(hash64(changed));
  }
  EXPECT_EQ(seen.size(), 102u);
}

}  // namespace
}  // namespace coord
