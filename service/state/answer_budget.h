// How much one write may answer with: what it reads, and the previous values that it asks for. One
// record it may answer with whatever its size, as a server may be configured for large values. The
// same on every member, because going over it fails the write.
#pragma once

#include <algorithm>
#include <cstddef>

#include "raft/base/limits.h"
#include "raft/base/result.h"

namespace coord::service {

class AnswerBudget {
 public:
  std::size_t left() const { return left_; }

  // kRequestTooLarge.
  Status spend(std::size_t bytes) {
    const bool first = left_ == limits::kResponseBytesMax;
    if (bytes > left_ && !first) {
      return make_error(ErrorCode::kRequestTooLarge,
                        "the answer to this write would take more than {} bytes",
                        limits::kResponseBytesMax);
    }
    left_ -= std::min(left_, bytes);
    return Status::success();
  }

 private:
  std::size_t left_ = limits::kResponseBytesMax;
};

}  // namespace coord::service
