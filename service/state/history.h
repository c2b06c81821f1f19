// Reading the past: what a key was at a revision, and what changed since one.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include "raft/base/result.h"
#include "service/state/keyspace.h"

namespace coord::service {

// What a key, whose newest record is `newest`, was at `revision`; nothing if it did not exist. From
// the newest record the changes lead down to what was in force. Not for revisions before the last
// one ahead of the compaction line.
std::optional<KeyRecord> record_as_of(const Keyspace& keys, const KeyRecord& newest,
                                      Revision revision);

// As above, whatever the newest record is.
std::optional<KeyRecord> find_as_of(const Keyspace& keys, std::string_view key, Revision revision);

// State::previous_of and State::changes_since.
std::optional<KeyValue> previous_of(const Keyspace& keys, const Change& change);
Result<Revision> changes_since(const Keyspace& keys, Revision from, std::size_t bytes_max,
                               const std::function<void(Revision, std::span<const Change>)>& visit);

Error compacted_error(Revision wanted, Revision oldest);

}  // namespace coord::service
