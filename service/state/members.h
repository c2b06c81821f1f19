// Who takes part in the cluster, as the log has it so far: the configuration, what each member
// published of itself, and who was removed.
#pragma once

#include <optional>
#include <vector>

#include "raft/core/configuration.h"
#include "schema/coord.capnp.h"
#include "service/state/results.h"
#include "service/state/state.h"
#include "service/state/table_writer.h"

namespace coord::service {

class Members {
 public:
  Members(TableWriter& writer, StateObserver& observer);

  // The entry is of type kConfiguration. Whoever is in the configuration before it and not in it is
  // removed; a change of voters begins with a joint configuration, which has the old ones too, so
  // that this is true of the members that the cluster began with as well. What strangers have
  // published is forgotten.
  void configure(const raft::Entry& entry);
  void publish(Index at, schema::MemberInfo::Reader member);

  Index version() const { return version_; }
  std::vector<MemberRecord> published() const;
  bool was_removed(MemberId member) const;
  std::optional<AppliedConfiguration> configuration() const;

 private:
  void change_at(Index at);
  void forget(const std::vector<MemberId>& members);

  TableWriter& writer_;
  StateObserver& observer_;
  Index version_;
};

}  // namespace coord::service
