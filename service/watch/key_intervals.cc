#include "service/watch/key_intervals.h"

#include <algorithm>
#include <utility>

#include "raft/base/limits.h"

namespace coord::service {

namespace {

std::string string_of(capnp::Data::Reader data) {
  return {reinterpret_cast<const char*>(data.begin()), data.size()};
}

// The first key after `key`.
std::string successor(std::string key) {
  key.push_back('\0');
  return key;
}

// The first key behind all that start with `prefix`; nothing if there is none.
std::optional<std::string> end_of_prefix(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.pop_back();
  if (prefix.empty()) return std::nullopt;
  prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return prefix;
}

Result<KeyInterval> parse_one(schema::KeyRange::Reader range) {
  std::string begin = string_of(range.getBegin());
  switch (range.which()) {
    case schema::KeyRange::SINGLE: {
      if (begin.empty()) return make_error(ErrorCode::kEmptyKey, "the key to watch is empty");
      std::string end = successor(begin);
      return KeyInterval{std::move(begin), std::move(end)};
    }
    case schema::KeyRange::PREFIX: {
      auto end = end_of_prefix(begin);
      return KeyInterval{std::move(begin), std::move(end)};
    }
    case schema::KeyRange::END: {
      std::string end = string_of(range.getEnd());
      if (end < begin) {
        return make_error(ErrorCode::kReversedRange, "the range ends before it begins");
      }
      return KeyInterval{std::move(begin), std::move(end)};
    }
    case schema::KeyRange::TO_END:
      return KeyInterval{std::move(begin), std::nullopt};
  }
  return make_error(ErrorCode::kUnsupported, "a kind of range that this member does not know");
}

}  // namespace

bool KeyInterval::is_single() const {
  return end && end->size() == begin.size() + 1 && end->back() == '\0' && end->starts_with(begin);
}

KeyRange KeyInterval::range() const {
  if (is_single() && !begin.empty()) return {KeyRange::Kind::kSingle, begin, {}};
  if (!end) return {KeyRange::Kind::kToEnd, begin, {}};
  return {KeyRange::Kind::kHalfOpen, begin, *end};
}

Result<KeyIntervals> KeyIntervals::parse(capnp::List<schema::KeyRange>::Reader ranges,
                                         std::size_t key_bytes_max) {
  if (ranges.size() == 0) return make_error(ErrorCode::kInvalidArgument, "nothing to watch");
  if (ranges.size() > limits::kWatchRangesMax) {
    return make_error(ErrorCode::kInvalidArgument, "a watch of {} ranges, {} are allowed",
                      ranges.size(), limits::kWatchRangesMax);
  }
  std::vector<KeyInterval> intervals;
  intervals.reserve(ranges.size());
  for (const auto range : ranges) {
    const std::size_t bytes =
        std::max<std::size_t>(range.getBegin().size(), range.isEnd() ? range.getEnd().size() : 0);
    if (bytes > key_bytes_max) {
      return make_error(ErrorCode::kKeyTooLarge, "the key has {} bytes, {} are allowed", bytes,
                        key_bytes_max);
    }
    auto interval = parse_one(range);
    if (!interval.ok()) return interval.error();
    intervals.push_back(*std::move(interval));
  }
  return KeyIntervals(std::move(intervals));
}

KeyIntervals::KeyIntervals(std::vector<KeyInterval> intervals) {
  std::erase_if(intervals, [](const KeyInterval& i) { return i.end && *i.end <= i.begin; });
  std::sort(intervals.begin(), intervals.end(),
            [](const KeyInterval& a, const KeyInterval& b) { return a.begin < b.begin; });
  for (KeyInterval& interval : intervals) {
    if (intervals_.empty() || (intervals_.back().end && *intervals_.back().end < interval.begin)) {
      intervals_.push_back(std::move(interval));
      continue;
    }
    KeyInterval& last = intervals_.back();
    if (!last.end) break;
    if (!interval.end || *last.end < *interval.end) last.end = std::move(interval.end);
  }
}

bool KeyIntervals::contains(std::string_view key) const {
  // The last one that begins at or before the key.
  auto after = std::upper_bound(
      intervals_.begin(), intervals_.end(), key,
      [](std::string_view sought, const KeyInterval& i) { return sought < i.begin; });
  return after != intervals_.begin() && std::prev(after)->contains(key);
}

}  // namespace coord::service
