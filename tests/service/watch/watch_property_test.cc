// Random histories, watches, delays and compactions, against what a list of all changes says.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "raft/base/prng.h"
#include "service/watch/range_index.h"
#include "service/watch/watcher.h"
#include "tests/service/watch/harness.h"

namespace coord::service {
namespace {

std::string random_key(Prng& random) {
  std::string key;
  for (std::uint64_t i = 0, n = random.between(1, 3); i < n; ++i) key += "abc"[random.below(3)];
  return key;
}

KeyInterval random_interval(Prng& random) {
  std::string begin = random_key(random);
  switch (random.below(4)) {
    case 0:
      return {begin, std::nullopt};
    case 1:
      return from_to(begin, begin + random_key(random));
    case 2: {
      std::string end = random_key(random);
      if (end < begin) std::swap(begin, end);
      return from_to(begin, end);
    }
    default:
      return single(begin);
  }
}

class Machine {
 public:
  explicit Machine(std::uint64_t seed)
      : random_(seed),
        h_({.progress_interval = seconds(1),
            .ring_bytes_max = 500 + random_.below(3000),
            .batch_bytes_max = 200 + random_.below(1000)}) {}

  void run(int steps) {
    for (int i = 0; i < steps; ++i) step();
    for (const auto& client : h_.clients) client->sink->set_slow(false);
    h_.run();
    h_.advance(seconds(3));
    for (const auto& client : h_.clients) check(*client, true);
  }

 private:
  void step() {
    const std::uint64_t what = random_.below(100);
    if (what < 60) {
      change();
    } else if (what < 75) {
      h_.run();
    } else if (what < 82) {
      watch();
    } else if (what < 92 && !h_.clients.empty()) {
      Client& client = *h_.clients[random_.below(h_.clients.size())];
      if (random_.chance(1, 2)) {
        client.sink->release();
      } else {
        client.sink->set_slow(random_.chance(2, 3));
      }
    } else if (what < 94 && !h_.clients.empty()) {
      Client& client = *h_.clients[random_.below(h_.clients.size())];
      if (client.answered) client.handle = nullptr;
    } else if (what < 97) {
      const Revision newest = h_.source.revision();
      const Revision line =
          Revision(random_.between(h_.source.compacted().value(), newest.value()));
      // Mostly near the line that there is, so that not every slow watch is lost.
      if (line > h_.source.compacted() && random_.chance(1, 3)) h_.source.compact(line);
    } else {
      h_.advance(milliseconds(random_.below(700)));
    }
    if (!random_.chance(1, 16)) return;
    for (const auto& client : h_.clients) check(*client, false);
  }

  void change() {
    std::vector<TwinSource::Edit> edits;
    std::set<std::string> keys;
    const std::uint64_t count =
        random_.chance(1, 12) ? random_.between(10, 30) : random_.between(1, 3);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::string key = random_key(random_);
      if (!keys.insert(key).second) continue;
      if (random_.chance(1, 3)) {
        edits.push_back({key, std::nullopt});
      } else {
        edits.push_back({key, std::string(random_.below(30), 'v')});
      }
    }
    h_.change(edits);
  }

  void watch() {
    WatchWish wish;
    for (std::uint64_t i = 0, n = random_.between(1, 3); i < n; ++i) {
      wish.intervals.push_back(random_interval(random_));
    }
    const std::uint64_t newest = h_.source.revision().value();
    const std::uint64_t oldest = std::max<std::uint64_t>(1, h_.source.compacted().value());
    if (random_.chance(2, 3)) wish.from = random_.between(oldest, newest + 1);
    wish.list = random_.chance(1, 3);
    wish.want_previous = random_.chance(1, 2);
    wish.no_put = random_.chance(1, 6);
    wish.no_delete = random_.chance(1, 6);
    wish.progress_ms = static_cast<std::uint32_t>(random_.between(100, 1500));
    Client& client = h_.watch(wish);
    client.sink->set_slow(random_.chance(1, 3));
  }

  static bool wants(const WatchWish& wish, const std::string& key) {
    for (const KeyInterval& interval : wish.intervals) {
      if (interval.contains(key)) return true;
    }
    return false;
  }

  // All that the client should be told of revisions `start` to `end`.
  std::vector<Told::Event> expected(const Client& client, std::uint64_t end) const {
    std::vector<Told::Event> events;
    for (std::uint64_t at = client.start; at <= end; ++at) {
      for (const TwinSource::Stored& stored : h_.source.stored(Revision(at))) {
        if (!wants(client.wish, stored.key)) continue;
        if (stored.deleted ? client.wish.no_delete : client.wish.no_put) continue;
        Told::Event event{
            stored.deleted, stored.key,  stored.value, at, stored.create_revision.value(),
            stored.version, std::nullopt};
        if (client.wish.want_previous && stored.previous) event.previous = stored.previous->value;
        events.push_back(std::move(event));
      }
    }
    return events;
  }

  void check(const Client& client, bool at_rest) const {
    const Told& told = client.told;
    if (!client.answered || client.refused) {
      // A list of the revision before the compaction line cannot be had.
      if (client.refused) RC_ASSERT(*client.refused == ErrorCode::kCompacted);
      return;
    }
    const std::uint64_t newest = h_.source.revision().value();
    const auto all = expected(client, newest);
    // Everything once, in order: what was told is the beginning of what there is.
    RC_ASSERT(told.events.size() <= all.size());
    RC_ASSERT(std::equal(told.events.begin(), told.events.end(), all.begin()));
    if (!told.progress.empty()) {
      RC_ASSERT(std::is_sorted(told.progress.begin(), told.progress.end()));
      RC_ASSERT(expected(client, told.progress.back()).size() <= told.events.size());
    }
    RC_ASSERT(client.sink->outstanding() <= 1u);
    if (told.list_end) check_list(client);
    if (!told.events.empty() && client.wish.list) RC_ASSERT(told.list_end.has_value());
    if (told.failure) {
      RC_ASSERT(*told.failure == ErrorCode::kCompacted);
      RC_ASSERT(h_.source.compacted().value() > client.start - 1);
      return;
    }
    if (!at_rest || client.handle == nullptr) return;
    RC_ASSERT(told.events.size() == all.size());
    RC_ASSERT(!told.partial);
    RC_ASSERT(told.progress.back() == newest);
  }

  void check_list(const Client& client) const {
    RC_ASSERT(*client.told.list_end + 1 == client.start);
    std::vector<std::pair<std::string, std::string>> listed;
    for (const auto& [key, record] : h_.source.state_at(Revision(*client.told.list_end))) {
      if (wants(client.wish, key)) listed.emplace_back(key, record.value);
    }
    RC_ASSERT(client.told.listed == listed);
  }

  Prng random_;
  Harness h_;
};

RC_GTEST_PROP(WatchProperty, EveryEvent_ExactlyOnce_InOrder, (std::uint64_t seed)) {
  Machine(seed).run(150);
}

RC_GTEST_PROP(WatchProperty, RangeIndex_FindsWhatAScanFinds, (std::uint64_t seed)) {
  Prng random(seed);
  TwinSource source;
  WatchShared shared{source, ChangeRing(Revision(1)), Revision(), 1000};
  RangeIndex index;
  std::map<WatchId, std::pair<KeyInterval, std::unique_ptr<Watcher>>> twin;
  for (std::uint64_t i = 1; i < 200; ++i) {
    if (!twin.empty() && random.chance(1, 3)) {
      auto victim = std::next(twin.begin(), static_cast<long>(random.below(twin.size())));
      index.remove(victim->second.first, victim->first);
      twin.erase(victim);
    } else {
      KeyInterval interval = random_interval(random);
      auto watcher = std::make_unique<Watcher>(
          WatchId(i), WatchSpec{.keys = KeyIntervals({interval}), .from = Revision(1)}, shared,
          Revision());
      index.add(interval, WatchId(i), *watcher);
      twin.emplace(WatchId(i), std::pair(std::move(interval), std::move(watcher)));
    }
    const std::string key = random_key(random);
    std::vector<WatchId> found;
    index.visit(key, [&](Watcher& watcher) { found.push_back(watcher.id()); });
    std::sort(found.begin(), found.end());
    std::vector<WatchId> expected;
    for (const auto& [id, entry] : twin) {
      if (entry.first.contains(key)) expected.push_back(id);
    }
    RC_ASSERT(found == expected);
    RC_ASSERT(index.concerns_any(key) == !expected.empty());
  }
}

}  // namespace
}  // namespace coord::service
