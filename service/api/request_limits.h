// What one request may ask for. Checked at the door, where a request arrives and where a write is
// proposed; never where it is applied, because members may be configured differently.
#pragma once

#include <cstddef>

#include "raft/base/limits.h"
#include "raft/base/types.h"

namespace coord::service {

struct RequestLimits {
  std::size_t key_bytes_max = limits::kKeyBytesMax;
  std::size_t value_bytes_max = limits::kValueBytesMax;
  // Of all writes of a call together: they become one entry of the log.
  std::size_t request_bytes_max = limits::kRequestBytesMax;
  std::size_t transaction_operations_max = limits::kTransactionOperationsMax;
  std::size_t transaction_depth_max = limits::kTransactionDepthMax;
  std::size_t call_operations_max = limits::kCallOperationsMax;
  std::size_t response_bytes_max = limits::kResponseBytesMax;
  std::size_t name_bytes_max = limits::kNameBytesMax;
  milliseconds lease_ttl_max = std::chrono::hours(24 * 366);
  // Calls of one kind that may wait in this member at a time.
  std::size_t waiting_calls_max = 64 * 1024;
  // Keys that one slice of a scan looks at before the loop gets its turn again.
  std::size_t scan_keys_per_slice = 2000;
};

}  // namespace coord::service
