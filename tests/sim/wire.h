// Messages under way, as the bytes that the real codec makes of them: what a member sends is
// encoded once, and decoded, through the door for strangers, each time that a copy of it arrives.
#pragma once

#include <cstdint>
#include <vector>

#include "raft/core/message.h"

namespace coord::sim {

class Wire {
 public:
  using Parcel = std::uint32_t;

  // The parcel is to be opened `copies` times.
  Parcel pack(const raft::Message& message);
  void expect(Parcel parcel, std::uint32_t copies) { parcels_[parcel].copies += copies; }
  raft::Message open(Parcel parcel);
  // For a copy that does not arrive.
  void discard(Parcel parcel);

  std::uint64_t bytes(Parcel parcel) const { return parcels_[parcel].words.size() * 8; }
  // Of its content.
  std::uint64_t hash(Parcel parcel) const;

 private:
  struct Slot {
    std::vector<std::uint64_t> words;
    std::uint32_t copies = 0;
  };

  std::vector<Slot> parcels_;
  std::vector<Parcel> free_;
  std::vector<std::uint64_t> scratch_;  // zeroes between uses, as a builder demands
};

}  // namespace coord::sim
