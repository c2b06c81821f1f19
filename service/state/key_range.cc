#include "service/state/key_range.h"

namespace coord::service {

Status validate(const KeyRange& range) {
  if (range.kind == KeyRange::Kind::kSingle && range.begin.empty()) {
    return make_error(ErrorCode::kEmptyKey, "a key must not be empty");
  }
  if (range.kind == KeyRange::Kind::kHalfOpen && range.end < range.begin) {
    return make_error(ErrorCode::kReversedRange, "the range ends before it begins");
  }
  return Status::success();
}

bool is_past(const KeyRange& range, std::string_view key) {
  switch (range.kind) {
    case KeyRange::Kind::kSingle:
      return key != range.begin;
    case KeyRange::Kind::kPrefix:
      return !key.starts_with(range.begin);
    case KeyRange::Kind::kHalfOpen:
      return key >= range.end;
    case KeyRange::Kind::kToEnd:
      return false;
  }
  return true;
}

bool KeyRange::contains(std::string_view key) const {
  return key >= begin && !is_past(*this, key);
}

}  // namespace coord::service
