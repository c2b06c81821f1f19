#include "service/state/deletion.h"

#include <utility>

#include "service/state/reserved.h"

namespace coord::service {

Status Deletion::check(const KeyRange& range) {
  if (!is_reserved(range)) return Status::success();
  return make_error(ErrorCode::kReservedKey, "keys under {} are read-only", kReservedPrefix);
}

bool Deletion::offer(std::string_view key, const KeyRecord& record) {
  if (is_reserved(key)) return true;
  if (want_previous_) {
    status_ = budget_.spend(key.size() + record.value.size());
    if (!status_.ok()) return false;
    result_.previous.push_back(to_key_value(key, record));
  }
  keys_.emplace_back(key);
  return true;
}

DeleteResult Deletion::take_result() {
  result_.deleted = keys_.size();
  return std::move(result_);
}

}  // namespace coord::service
