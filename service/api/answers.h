// What the answers of all calls have in common.
#pragma once

#include "raft/base/error.h"
#include "service/api/context.h"

namespace coord::service {

// Answers a call of any kind with a header and a failure.
template <class Call>
void refuse(const Context& api, Call& call, const Error& error) {
  auto out = call.getResults();
  api.fill(out.initHeader());
  api.fail(error, out.initFailure());
}

}  // namespace coord::service
