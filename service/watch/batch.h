// One message to a watching client, as a value, and on its way into a message.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "raft/base/error.h"
#include "schema/coord.capnp.h"
#include "service/state/state.h"

namespace coord::service {

struct WatchListed {
  std::vector<KeyValue> items;
};
struct WatchListEnd {
  Revision revision;
};
struct WatchEvents {
  struct Event {
    Change change;  // views into the ring, or into `kept`
    std::optional<KeyValue> previous;
  };
  std::vector<Event> events;
  std::deque<std::string> kept;
  std::size_t bytes = 0;
  // The rest of the last revision follows.
  bool partial = false;
};
struct WatchProgress {
  Revision through;
};

// To be sent before anything else happens: events may point into the ring.
using WatchBatch = std::variant<WatchListed, WatchListEnd, WatchEvents, WatchProgress, Error>;

void encode_batch(const WatchBatch& batch, schema::WatchBatch::Builder out);
void encode_failure(const Error& error, schema::Failure::Builder out);
// About how large the message will be.
std::size_t words_of(const WatchBatch& batch);

}  // namespace coord::service
