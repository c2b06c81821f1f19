#include "service/state/reserved.h"

namespace coord::service {

namespace {
constexpr std::string_view kBehindReserved = "_coord0";  // the first key after the reserved ones
}  // namespace

bool is_reserved(const KeyRange& range) {
  switch (range.kind) {
    case KeyRange::Kind::kSingle:
    case KeyRange::Kind::kPrefix:
      return is_reserved(range.begin);
    case KeyRange::Kind::kHalfOpen:
      return is_reserved(range.begin) && range.end <= kBehindReserved;
    case KeyRange::Kind::kToEnd:
      return false;
  }
  return false;
}

std::string mirror_key(const LockName& name) {
  std::string key(kReservedPrefix);
  key += name.election ? "election/" : "lock/";
  key += name.name;
  return key;
}

}  // namespace coord::service
