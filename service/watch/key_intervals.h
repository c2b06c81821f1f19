// Which keys a watch is about: its ranges, made disjoint and brought in order.
#pragma once

#include <capnp/list.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "raft/base/result.h"
#include "schema/coord.capnp.h"
#include "service/state/state.h"

namespace coord::service {

// begin <= key < end
struct KeyInterval {
  std::string begin;
  std::optional<std::string> end;  // nothing: to the end of all keys

  bool contains(std::string_view key) const { return begin <= key && (!end || key < *end); }
  // Exactly one key is in it.
  bool is_single() const;
  // Views into this.
  KeyRange range() const;

  friend bool operator==(const KeyInterval&, const KeyInterval&) = default;
};

class KeyIntervals {
 public:
  // kInvalidArgument (no range, or too many), kEmptyKey, kReversedRange.
  static Result<KeyIntervals> parse(capnp::List<schema::KeyRange>::Reader ranges,
                                    std::size_t key_bytes_max);
  // Overlapping and touching ones become one; empty ones go.
  explicit KeyIntervals(std::vector<KeyInterval> intervals);

  bool contains(std::string_view key) const;
  const std::vector<KeyInterval>& list() const { return intervals_; }

 private:
  std::vector<KeyInterval> intervals_;
};

}  // namespace coord::service
