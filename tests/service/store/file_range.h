// What the kernel is asked to write of a file: to hold it up, or to have it fail.
//
// Programs that use this have sync_file_range() from here. Any thread; a hook stays as long as its
// object, and there is one at a time.
#pragma once

#include <functional>

namespace coord::service {

class FileRangeHook {
 public:
  // Called on whatever thread asks, with what it asks of: zero if it may, an errno if it fails.
  explicit FileRangeHook(std::function<int(int file, unsigned flags)> hook);
  ~FileRangeHook();
  FileRangeHook(const FileRangeHook&) = delete;
  FileRangeHook& operator=(const FileRangeHook&) = delete;
};

}  // namespace coord::service
