// How much one write may answer with: what it reads, and the previous values that it asks for. The
// same on every member, because going over it fails the write.
#pragma once

#include <cstddef>

#include "raft/base/limits.h"
#include "raft/base/result.h"

namespace coord::service {

class AnswerBudget {
 public:
  std::size_t left() const { return left_; }

  // kRequestTooLarge.
  Status spend(std::size_t bytes) {
    if (bytes > left_) {
      return make_error(ErrorCode::kRequestTooLarge,
                        "the answer to this write would take more than {} bytes",
                        limits::kResponseBytesMax);
    }
    left_ -= bytes;
    return Status::success();
  }

 private:
  std::size_t left_ = limits::kResponseBytesMax;
};

}  // namespace coord::service
