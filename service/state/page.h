// One page of a range: keys are offered in order until it is full.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "raft/base/result.h"
#include "service/state/records.h"
#include "service/state/results.h"

namespace coord::service {

// What a cursor says. To its holder it is opaque.
struct PagePosition {
  Revision revision;          // all pages of a range are read at the first one's
  std::uint64_t counted = 0;  // keys on the pages before
  std::string key;            // the first one of the next page
};

std::string encode_cursor(const PagePosition& position);
// kInvalidArgument if it is not one of ours.
Result<PagePosition> decode_cursor(std::string_view cursor);

struct PageOptions {
  std::size_t limit = 0;                                            // items; zero: any number
  std::size_t bytes_max = std::numeric_limits<std::size_t>::max();  // of keys and values
  // One item goes on the page whatever its size, so that a reader always gets on.
  bool at_least_one = true;
  bool keys_only = false;
  bool count_only = false;  // counts everything, and needs no limits
};

class Page {
 public:
  explicit Page(PageOptions options, std::uint64_t counted = 0)
      : options_(options), counted_(counted) {}

  // False: it is full, and `key` begins the next one.
  bool offer(std::string_view key, const KeyRecord& record);
  // The next page begins with `key`, or with the first that exists after it.
  void stop_before(std::string_view key);

  std::size_t bytes() const { return bytes_; }
  RangeResult finish(Revision revision) &&;

 private:
  bool fits(std::size_t bytes) const;

  PageOptions options_;
  std::uint64_t counted_;
  std::size_t bytes_ = 0;
  std::string next_;
  RangeResult result_;
};

}  // namespace coord::service
