// The overlay against a std::map, with keys of which most begin alike.
#include "service/store/overlay.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "raft/base/prng.h"

namespace coord::service {
namespace {

constexpr Table kOverlayTable = Table::kKeys;

class AlikeKeys {
 public:
  explicit AlikeKeys(Prng& random) : random_(random) {
    common_ = std::string(random_.below(20), "a\0\xff"[random_.below(3)]);
    outsiders_of_hundred_ = random_.chance(1, 2) ? 0 : random_.below(30);
    distinct_ = random_.chance(1, 2) ? 100 : 20'000;
  }

  std::string draw() {
    if (random_.below(100) < outsiders_of_hundred_) return outsider();
    const std::uint64_t number = random_.below(distinct_);
    std::string key = common_;
    // As text, as bytes, or with much in common behind what differs.
    switch (random_.below(3)) {
      case 0:
        return key + std::to_string(number);
      case 1:
        for (int shift = 16; shift >= 0; shift -= 8) key += static_cast<char>(number >> shift);
        return key;
      default:
        return key + std::to_string(number % 10) + std::string(12, 'x') + std::to_string(number);
    }
  }

 private:
  // Before, behind, or a beginning of what the others have in common.
  std::string outsider() {
    if (common_.empty() || random_.chance(1, 3)) return std::string(1 + random_.below(3), '\0');
    if (random_.chance(1, 2)) return std::string(1 + random_.below(30), '\xff');
    return common_.substr(0, 1 + random_.below(common_.size()));
  }

  Prng& random_;
  std::string common_;
  std::uint64_t outsiders_of_hundred_;
  std::uint64_t distinct_;
};

using OverlayTwin = std::map<std::string, std::optional<std::string>>;

void compare_overlay(const Overlay& overlay, const OverlayTwin& twin) {
  auto expected = twin.begin();
  for (const Overlay::Slot& slot : overlay.records(kOverlayTable)) {
    RC_ASSERT(expected != twin.end());
    RC_ASSERT(slot.key() == expected->first);
    RC_ASSERT(slot.record->erased == !expected->second.has_value());
    if (expected->second) RC_ASSERT(slot.record->value() == *expected->second);
    ++expected;
  }
  RC_ASSERT(expected == twin.end());
}

void compare_overlay_at(const Overlay& overlay, const OverlayTwin& twin, const std::string& key) {
  RC_ASSERT((overlay.find(kOverlayTable, key) != nullptr) == twin.contains(key));
  const auto place = overlay.seek(kOverlayTable, key);
  const auto expected = twin.lower_bound(key);
  RC_ASSERT((place == overlay.end(kOverlayTable)) == (expected == twin.end()));
  if (expected != twin.end()) RC_ASSERT(place->key() == expected->first);
}

RC_GTEST_PROP(OverlayProperty, HoldsWhatAMapHolds_InItsOrder, (std::uint64_t seed)) {
  Prng random(seed);
  Overlay overlay;
  for (int round = 0; round < 2; ++round) {
    AlikeKeys keys(random);
    OverlayTwin twin;
    std::set<std::string> fresh;  // no layer below has these: no tombstone hides them
    const std::uint64_t steps = random.chance(1, 10) ? 8'000 : random.below(700);
    for (std::uint64_t i = 0; i < steps; ++i) {
      const std::string key = keys.draw();
      const std::uint64_t what = random.below(10);
      if (what < 6) {
        const std::string value(random.below(9), 'v');
        overlay.put(kOverlayTable, key, value, false);
        twin[key] = value;
      } else if (what < 7) {
        overlay.erase(kOverlayTable, key, false);
        if (fresh.erase(key) > 0) {
          twin.erase(key);
        } else {
          twin[key] = std::nullopt;
        }
      } else if (what < 8 && !twin.contains(key)) {
        overlay.put(kOverlayTable, key, "fresh", true);
        twin[key] = "fresh";
        fresh.insert(key);
      } else {
        compare_overlay_at(overlay, twin, key);
      }
    }
    compare_overlay(overlay, twin);
    overlay.clear(0);
  }
}

// Of memory that nobody may touch meanwhile, which the address sanitizer sees to.
#ifdef __SANITIZE_ADDRESS__
TEST(Arena, WhatIsNotGivenOut_IsPoisoned) {
  Arena arena;
  std::byte* const first = arena.allocate(100);  // takes 104
  EXPECT_EQ(__asan_region_is_poisoned(first, 104), nullptr);
  EXPECT_TRUE(__asan_address_is_poisoned(first + 104)) << "the rest of its block";
  std::byte* const large = arena.allocate(std::size_t{3} << 20);
  EXPECT_EQ(__asan_region_is_poisoned(large, std::size_t{3} << 20), nullptr);
  std::byte* last = nullptr;
  for (int i = 0; i < 50; ++i) last = arena.allocate(std::size_t{100} << 10);
  EXPECT_EQ(__asan_region_is_poisoned(last, std::size_t{100} << 10), nullptr);
  arena.reset(std::size_t{16} << 20);
  EXPECT_TRUE(__asan_address_is_poisoned(last)) << "kept for the next round";
  EXPECT_EQ(__asan_region_is_poisoned(arena.allocate(8), 8), nullptr);
}
#endif

TEST(Overlay, ClearedOnes_TakeRecordsOfOtherSizes) {
  Overlay overlay;
  for (const std::size_t bytes : {10, 1000, 3, 500'000, 100}) {
    const std::string value(bytes, 'x');
    const std::size_t count = std::min<std::size_t>(3000, 5'000'000 / bytes);
    for (std::size_t i = 0; i < count; ++i) {
      overlay.put(kOverlayTable, std::to_string(i), value, true);
    }
    for (std::size_t i = 0; i < count; ++i) {
      ASSERT_EQ(overlay.find(kOverlayTable, std::to_string(i))->value(), value);
    }
    overlay.clear(std::size_t{2} << 20);
  }
}

}  // namespace
}  // namespace coord::service
