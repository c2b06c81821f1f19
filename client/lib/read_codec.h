// Each kind of read, to the wire and back. As write_codec.h.
#pragma once

#include "coord/operations.h"
#include "schema/coord.capnp.h"

namespace coord::internal {

void encode(schema::Read::Builder target, const op::Get& op);
void encode(schema::Read::Builder target, const op::Range& op);

std::size_t bytes_of(const op::Get& op);
std::size_t bytes_of(const op::Range& op);

struct Answer {
  schema::RangeResult::Reader result;
  schema::Header::Reader header;
  const Consistency& got;
};
GetResult decode(const Answer& answer, const op::Get&);
RangeResult decode(const Answer& answer, const op::Range&);

}  // namespace coord::internal
