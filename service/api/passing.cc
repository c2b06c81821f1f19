#include "service/api/passing.h"

namespace coord::service {

Error broken_call(const kj::Exception& exception) {
  Error error;
  switch (exception.getType()) {
    case kj::Exception::Type::DISCONNECTED:
      error = make_error(ErrorCode::kConnectionLost,
                         "the connection to the leader was lost while it had the request");
      break;
    case kj::Exception::Type::OVERLOADED:
      error = no_answer_in_time();
      break;
    case kj::Exception::Type::FAILED:
    case kj::Exception::Type::UNIMPLEMENTED:
      error = make_error(ErrorCode::kInternal, "the leader could not handle the request: {}",
                         exception.getDescription().cStr());
      break;
  }
  error.outcome = Outcome::kUnknown;
  return error;
}

Error no_answer_in_time() {
  Error error = make_error(ErrorCode::kDeadlineExceeded, "the leader did not answer in time");
  error.outcome = Outcome::kUnknown;
  return error;
}

}  // namespace coord::service
