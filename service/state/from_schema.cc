#include "service/state/from_schema.h"

#include <string>

#include "service/state/key_range.h"

namespace coord::service {

Result<KeyRange> to_range(schema::KeyRange::Reader range) {
  KeyRange result;
  result.begin = to_view(range.getBegin());
  bool known = false;
  switch (range.which()) {
    case schema::KeyRange::SINGLE:
      result.kind = KeyRange::Kind::kSingle;
      known = true;
      break;
    case schema::KeyRange::PREFIX:
      result.kind = KeyRange::Kind::kPrefix;
      known = true;
      break;
    case schema::KeyRange::END:
      result.kind = KeyRange::Kind::kHalfOpen;
      result.end = to_view(range.getEnd());
      known = true;
      break;
    case schema::KeyRange::TO_END:
      result.kind = KeyRange::Kind::kToEnd;
      known = true;
      break;
  }
  if (!known) return unsupported("kind of range");
  if (Status status = validate(result); !status.ok()) return status.error();
  return result;
}

Result<LockName> to_lock_name(schema::LockName::Reader name) {
  LockName result{name.getElection(), std::string(to_view(name.getName()))};
  if (result.name.empty()) {
    return make_error(ErrorCode::kEmptyKey, "the name of a lock must not be empty");
  }
  return result;
}

Result<LockMode> to_lock_mode(schema::LockAcquire::Mode mode) {
  switch (mode) {
    case schema::LockAcquire::Mode::EXCLUSIVE:
      return LockMode::kExclusive;
    case schema::LockAcquire::Mode::SHARED:
      return LockMode::kShared;
  }
  return unsupported("lock mode");
}

Error unsupported(std::string_view what) {
  return make_error(ErrorCode::kUnsupported, "this version does not know that {}", what);
}

}  // namespace coord::service
