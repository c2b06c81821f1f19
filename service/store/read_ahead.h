// Brings a file into the kernel's page cache: in order and in large pieces, as disks like it. LMDB
// reads it a page here and a page there, and waits for the disk for each, so that a store of which
// the kernel holds nothing, as after a machine's start, is read a hundred times more slowly.
//
// Nothing here is an error: what cannot be read is found by whoever needs it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <thread>

namespace coord::service {

// Does it on the calling thread, with pauses for others while the disk is read; what the kernel has
// already takes hardly any time. Without effect if the file would take more than half of the memory
// that is available, or that the process may have: then it would push out what is in use.
void read_ahead(const std::filesystem::path& file, const std::stop_token& stop);
// The same, where so much is available.
void read_ahead(const std::filesystem::path& file, const std::stop_token& stop,
                std::uint64_t available_bytes);

// Does it on a thread of its own, which ends when it is done or this is destroyed.
class ReadAhead {
 public:
  explicit ReadAhead(std::filesystem::path file);

 private:
  std::jthread thread_;
};

}  // namespace coord::service
