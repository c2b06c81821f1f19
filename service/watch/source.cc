#include "service/watch/source.h"

namespace coord::service {

std::optional<KeyValue> StateWatchSource::previous(const Change& change) const {
  const Revision revision = change.previous_mod_revision;
  if (revision.is_zero()) return std::nullopt;
  // The change before is looked up where it stands: going down from the newest record, as
  // record_at() does, would take ever longer the further a watch is behind on a busy key.
  std::optional<KeyValue> previous;
  const auto look = [&](Revision at, std::span<const Change> changes) {
    if (at != revision) return;
    for (const Change& earlier : changes) {
      if (earlier.key != change.key) continue;
      previous = KeyValue{.key = std::string(earlier.key),
                          .value = std::string(earlier.value),
                          .create_revision = earlier.create_revision,
                          .mod_revision = earlier.mod_revision,
                          .version = earlier.version,
                          .lease = earlier.lease};
    }
  };
  if (revision >= state_.compacted() && state_.changes_since(revision, 1, look).ok() && previous) {
    return previous;
  }
  return state_.record_at(change.key, change.mod_revision.prev());
}

}  // namespace coord::service
