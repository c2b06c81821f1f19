#include "service/state/page.h"

#include <utility>

#include "service/state/encoding.h"
#include "service/state/keyspace.h"

namespace coord::service {

namespace {
constexpr std::uint8_t kCursorVersion = 1;
}  // namespace

std::string encode_cursor(const PagePosition& position) {
  std::string cursor;
  Encoder(cursor)
      .u8(kCursorVersion)
      .u64(position.revision.value())
      .u64(position.counted)
      .rest(position.key);
  return cursor;
}

Result<PagePosition> decode_cursor(std::string_view cursor) {
  Decoder in(cursor);
  const std::uint8_t version = in.u8();
  PagePosition position;
  position.revision = Revision(in.u64());
  position.counted = in.u64();
  position.key = in.rest();
  if (!in.ok() || version != kCursorVersion) {
    return make_error(ErrorCode::kInvalidArgument, "the cursor is not one that a read returned");
  }
  return position;
}

bool Page::offer(std::string_view key, const KeyRecord& record) {
  if (options_.count_only) {
    ++counted_;
    return true;
  }
  const std::size_t bytes = key.size() + (options_.keys_only ? 0 : record.value.size());
  if (!fits(bytes)) {
    stop_before(key);
    return false;
  }
  KeyRecord shown = record;
  if (options_.keys_only) shown.value = {};
  result_.items.push_back(to_key_value(key, shown));
  bytes_ += bytes;
  ++counted_;
  return true;
}

bool Page::fits(std::size_t bytes) const {
  if (options_.limit != 0 && result_.items.size() >= options_.limit) return false;
  if (result_.items.empty() && options_.at_least_one) return true;
  return bytes_ <= options_.bytes_max && bytes <= options_.bytes_max - bytes_;
}

void Page::stop_before(std::string_view key) {
  result_.more = true;
  next_ = key;
}

RangeResult Page::finish(Revision revision) && {
  result_.count = counted_;
  result_.revision = revision;
  if (result_.more) {
    result_.cursor = encode_cursor({revision, counted_, std::move(next_)});
  }
  return std::move(result_);
}

}  // namespace coord::service
