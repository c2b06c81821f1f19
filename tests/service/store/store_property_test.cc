// The store against a std::map, with flushes begun, finished and interrupted by reopening at
// random.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "raft/base/prng.h"
#include "tests/service/store/fixture.h"

namespace coord::service {
namespace {

// Keys that meet: short ones over two letters, and long ones that share their beginnings and end
// at, before and behind the places where LMDB's limit cuts them (510, then every 502).
std::string random_key(Prng& random) {
  if (random.chance(1, 2)) {
    std::string key;
    for (std::uint64_t i = 0, n = random.between(1, 5); i < n; ++i) {
      key += "ab\0\xff"[random.below(4)];
    }
    return key;
  }
  constexpr std::size_t kCuts[] = {510, 1012, 1514, 2016, 8192};
  const std::size_t length = kCuts[random.below(random.chance(1, 8) ? 5 : 3)] + random.below(5) - 2;
  std::string key(length, random.chance(3, 4) ? 'a' : '\0');
  for (int i = 0; i < 2; ++i) {
    // A difference near the end, or near a cut.
    const std::size_t back = random.below(6);
    const std::size_t place =
        random.chance(1, 2) ? length - 1 - back : kCuts[random.below(3)] + 2 - back;
    if (place < length) key[place] = "ab\0\xff"[random.below(4)];
  }
  return key;
}

constexpr Table kTables[] = {Table::kKeys, Table::kChanges, Table::kReplaced, Table::kLocks};

class Machine {
 public:
  explicit Machine(std::uint64_t seed) : random_(seed) { fixture_.open(); }

  void run(int steps) {
    for (int i = 0; i < steps; ++i) step();
    compare_all();
    reopen();
    compare_all();
  }

 private:
  void step() {
    const Table table = kTables[random_.below(std::size(kTables))];
    auto& twin = twin_[static_cast<std::size_t>(table)];
    const std::uint64_t what = random_.below(100);
    if (is_queue(table) && what < 65) {
      write_queue(table, twin);
    } else if (what < 40) {
      const std::string key = known_or_random(twin);
      const std::string value(random_.below(40), static_cast<char>('0' + random_.below(10)));
      fixture_.store->put(table, key, value);
      twin[key] = value;
    } else if (what < 65) {
      const std::string key = known_or_random(twin);
      fixture_.store->erase(table, key);
      twin.erase(key);
    } else if (what < 80) {
      compare_one(table, known_or_random(twin));
    } else if (what < 92) {
      compare_scan(table, known_or_random(twin), 1 + random_.below(30));
    } else if (what < 97) {
      begin_or_finish_flush();
    } else if (what < 98) {
      reopen();
    } else {
      compare_all();
    }
  }

  std::string known_or_random(const std::map<std::string, std::string>& twin) {
    if (twin.empty() || random_.chance(1, 2)) return random_key(random_);
    auto at = twin.lower_bound(random_.chance(1, 2) ? random_key(random_)
                                                    : fmt::format("{:08}", random_.below(next_)));
    return at == twin.end() ? twin.begin()->first : at->first;
  }

  // As the keys of queues are: numbers, each with those behind it. Some records fill a block, some
  // are larger than one.
  void write_queue(Table table, std::map<std::string, std::string>& twin) {
    constexpr std::size_t kSizes[] = {0, 20, 300, 1000, 1960, 3000, 9000};
    if (random_.chance(9, 10)) {
      for (std::uint64_t i = random_.below(20); i > 0; --i) {
        next_ += 1 + random_.below(3);
        const std::string key = fmt::format("{:08}", next_);
        const std::string value(
            kSizes[random_.below(random_.chance(1, 5) ? 7 : 3)] + random_.below(20),
            static_cast<char>('0' + random_.below(10)));
        fixture_.store->append(table, key, value);
        twin[key] = value;
      }
    } else {
      std::string key = fmt::format("{:08}", next_ + 1);  // all of it
      if (!random_.chance(1, 8)) key = std::min(key, known_or_random(twin));
      fixture_.store->erase_before(table, key);
      twin.erase(twin.begin(), twin.lower_bound(key));
    }
  }

  void begin_or_finish_flush() {
    if (fixture_.store->flushing()) {
      fixture_.queue.run_one();
      flushed_ = frozen_;
    } else {
      frozen_ = twin_;
      fixture_.store->flush([this] { flushed_ = frozen_; });
    }
  }

  // The overlay is lost, a flush that was begun is not: destruction finishes it.
  void reopen() {
    if (fixture_.store->flushing()) flushed_ = frozen_;
    fixture_.open();
    while (!fixture_.queue.empty()) fixture_.queue.run_one();
    twin_ = flushed_;
  }

  void compare_one(Table table, const std::string& key) {
    const auto& twin = twin_[static_cast<std::size_t>(table)];
    const auto expected = twin.find(key);
    const auto found = fixture_.store->get(table, key);
    RC_ASSERT(found.has_value() == (expected != twin.end()));
    if (found) RC_ASSERT(*found == expected->second);
  }

  void compare_scan(Table table, const std::string& from, std::uint64_t count) {
    const auto& twin = twin_[static_cast<std::size_t>(table)];
    auto expected = twin.lower_bound(from);
    auto cursor = fixture_.store->seek(table, from);
    for (std::uint64_t i = 0; i < count && expected != twin.end(); ++i) {
      RC_ASSERT(cursor->valid());
      RC_ASSERT(cursor->key() == expected->first);
      RC_ASSERT(cursor->value() == expected->second);
      cursor->next();
      ++expected;
    }
    if (expected == twin.end()) RC_ASSERT(!cursor->valid());
  }

  void compare_all() {
    for (const Table table : kTables) compare_scan(table, "", UINT64_MAX);
  }

  Prng random_;
  std::uint64_t next_ = 1;  // the number in the greatest key of any queue
  Fixture fixture_;
  Twin twin_;     // what reads have to give
  Twin frozen_;   // as of the last flush that was begun
  Twin flushed_;  // as of the last flush that was finished
};

RC_GTEST_PROP(StoreProperty, Store_BehavesAsAMap_AcrossFlushesAndReopens, (std::uint64_t seed)) {
  Machine(seed).run(400);
}

// Long keys alone, in numbers: the trie of layers grows, is walked, and is gone without a rest.
TEST(StoreProperty, LongKeys_KeepTheirOrder_AndLeaveNothingBehind) {
  Fixture f;
  f.open();
  Prng random(7);
  std::map<std::string, std::string> twin;
  for (int i = 0; i < 2000; ++i) {
    std::string key(500 + random.below(40), 'p');
    for (int j = 0; j < 3; ++j) key[498 + random.below(key.size() - 498)] = "op"[random.below(2)];
    if (random.chance(1, 3)) key += std::string(random.below(1100), 'q');
    twin[key] = std::to_string(i);
    f.store->put(Table::kKeys, key, std::to_string(i));
    if (i % 500 == 499) f.flush();
  }
  auto expected = twin.begin();
  for (auto cursor = f.store->seek(Table::kKeys, ""); cursor->valid(); cursor->next(), ++expected) {
    ASSERT_NE(expected, twin.end());
    ASSERT_EQ(cursor->key(), expected->first);
    ASSERT_EQ(cursor->value(), expected->second);
  }
  ASSERT_EQ(expected, twin.end());
  for (const auto& [key, value] : twin) f.store->erase(Table::kKeys, key);
  f.flush();
  EXPECT_EQ(f.scan(), "");
  // Nothing on disk says: an erase would otherwise have to leave a tombstone.
  f.store->erase(Table::kKeys, twin.begin()->first);
  EXPECT_EQ(f.store->overlay_bytes(), 0u);
}

}  // namespace
}  // namespace coord::service
