// What of LMDB's map counts as memory of this process.
//
// Every page that was read stays in the process's page tables, and so among what it is said to use,
// although the kernel could take it back at any time: a store that is larger than the memory that a
// member may have would push it over its limit. Past a limit the page tables are emptied here; the
// pages stay in the page cache, and come back for about a microsecond for sixteen of them.
//
// Any thread, and several at once.
#pragma once

#include <cstddef>
#include <cstdint>

#include "service/store/files.h"

namespace coord::service {

class MapMemory {
 public:
  // The one map of that file that is `bytes` long. Where it cannot be found, nothing is ever done.
  MapMemory(int file, std::size_t bytes);

  // A look costs one or two microseconds; emptying, a few milliseconds. True if it was emptied.
  bool look(std::size_t limit_bytes) const;
  // Of all files that this process has mapped.
  std::size_t resident_bytes() const;

 private:
  std::byte* begin_ = nullptr;
  std::size_t bytes_ = 0;
  FileDescriptor statm_;
};

}  // namespace coord::service
