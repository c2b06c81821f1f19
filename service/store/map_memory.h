// What of LMDB's map counts as memory of this process.
//
// Every page that was read stays in the process's page tables, and so among what it is said to use,
// although the kernel could take it back at any time: a store that is larger than the memory that a
// member may have would push it over its limit. Past a limit pages are taken out of the page tables
// here; they stay in the page cache, and come back for about a microsecond for sixteen of them.
//
// Any thread, and several at once.
#pragma once

#include <atomic>
#include <cstddef>

#include "service/store/files.h"

namespace coord::service {

class MapMemory {
 public:
  struct Usage {
    std::size_t resident_bytes = 0;  // of the whole process
    std::size_t mapped_bytes = 0;    // of these, what is of files
  };
  struct Limit {
    std::size_t resident_bytes;
    // So much may be mapped even if the rest alone takes more than that. Of it the process needs
    // some megabytes for its program.
    std::size_t mapped_bytes_min;
  };

  // The one map of that file that is `bytes` long; the file stays open as long as this lives. Where
  // it cannot be found, nothing is ever done.
  MapMemory(int file, std::size_t bytes);

  // A look costs one or two microseconds.
  bool is_past(const Limit& limit) const { return excess_of(usage(), limit) > 0; }
  // Takes out as much as is needed, 16 MiB of the file after the other, each in half a millisecond
  // at most, and no more than eight of them: what is left then is for the next look. True if there
  // was too much.
  bool look(const Limit& limit);
  Usage usage() const;

  // How much of what is mapped has to go.
  static std::size_t excess_of(const Usage& usage, const Limit& limit);

 private:
  std::size_t file_bytes() const;

  const int file_;
  std::byte* begin_ = nullptr;
  std::size_t bytes_ = 0;
  FileDescriptor statm_;
  std::atomic<std::size_t> next_part_ = 0;
};

}  // namespace coord::service
