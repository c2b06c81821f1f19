#include "service/api/decode.h"

#include <string>

namespace coord::service {

KeyRange decode(schema::KeyRange::Reader range) {
  KeyRange result;
  result.begin = view(range.getBegin());
  switch (range.which()) {
    case schema::KeyRange::SINGLE:
      result.kind = KeyRange::Kind::kSingle;
      break;
    case schema::KeyRange::PREFIX:
      result.kind = KeyRange::Kind::kPrefix;
      break;
    case schema::KeyRange::END:
      result.kind = KeyRange::Kind::kHalfOpen;
      result.end = view(range.getEnd());
      break;
    case schema::KeyRange::TO_END:
      result.kind = KeyRange::Kind::kToEnd;
      break;
  }
  return result;
}

LockName decode(schema::LockName::Reader lock) {
  return {.election = lock.getElection(), .name = std::string(view(lock.getName()))};
}

MemberRecord decode(schema::MemberInfo::Reader member) {
  MemberRecord record;
  record.id = MemberId(member.getId());
  record.name = std::string(view(member.getName()));
  record.peer_address = std::string(view(member.getPeerAddress()));
  record.client_address = std::string(view(member.getClientAddress()));
  return record;
}

Error decode(schema::Failure::Reader failure) {
  Error error;
  error.code = static_cast<ErrorCode>(failure.getCode());
  // The spelling of a number outside of the enumeration is that of kInternal.
  if (to_string(error.code) == to_string(ErrorCode::kInternal)) error.code = ErrorCode::kInternal;
  error.message = std::string(view(failure.getMessage()));
  switch (failure.getOutcome()) {
    case schema::Outcome::NOT_APPLIED:
      error.outcome = Outcome::kNotApplied;
      break;
    case schema::Outcome::APPLIED:
      error.outcome = Outcome::kApplied;
      break;
    case schema::Outcome::UNKNOWN:
      error.outcome = Outcome::kUnknown;
      break;
    default:
      error.outcome = Outcome::kUnknown;
      break;  // a number of a later version
  }
  error.leader_hint = std::string(view(failure.getLeader()));
  error.retry_after = milliseconds(failure.getRetryAfterMs());
  error.revision = Revision(failure.getRevision());
  return error;
}

}  // namespace coord::service
