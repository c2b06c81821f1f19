#include "tests/sim/wire.h"

#include <capnp/message.h>

#include <algorithm>

#include "raft/base/check.h"
#include "raft/base/hash.h"
#include "raft/transport/codec.h"

namespace coord::sim {

Wire::Parcel Wire::pack(const raft::Message& message) {
  Parcel parcel = static_cast<Parcel>(parcels_.size());
  if (free_.empty()) {
    parcels_.emplace_back();
  } else {
    parcel = free_.back();
    free_.pop_back();
  }
  const std::size_t words = raft::encoded_bytes(message) / sizeof(capnp::word) + 16;
  if (scratch_.size() < words) scratch_.resize(std::max<std::size_t>(words, 1024));
  capnp::MallocMessageBuilder builder(
      kj::arrayPtr(reinterpret_cast<capnp::word*>(scratch_.data()), words));
  raft::encode(message, builder.initRoot<schema::Message>());
  const auto segments = builder.getSegmentsForOutput();
  CHECK(segments.size() == 1, "a message of {} words in {} segments", words, segments.size());
  const auto* begin = reinterpret_cast<const std::uint64_t*>(segments[0].begin());
  parcels_[parcel].words.assign(begin, begin + segments[0].size());
  parcels_[parcel].copies = 0;
  return parcel;
}

raft::Message Wire::open(Parcel parcel) {
  const Slot& slot = parcels_[parcel];
  CHECK_GT(slot.copies, 0u);
  const kj::ArrayPtr<const capnp::word> segment(
      reinterpret_cast<const capnp::word*>(slot.words.data()), slot.words.size());
  capnp::SegmentArrayMessageReader reader(kj::arrayPtr(&segment, 1));
  raft::Message message = raft::decode(reader.getRoot<schema::Message>()).value();
  discard(parcel);
  return message;
}

void Wire::discard(Parcel parcel) {
  CHECK_GT(parcels_[parcel].copies, 0u);
  if (--parcels_[parcel].copies == 0) free_.push_back(parcel);
}

std::uint64_t Wire::hash(Parcel parcel) const {
  return hash64(std::as_bytes(std::span(parcels_[parcel].words)));
}

}  // namespace coord::sim
