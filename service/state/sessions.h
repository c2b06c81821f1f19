// Exactly once: the replies that sessions have been given and not acknowledged, kept so that a
// retry gets the first answer and applies nothing.
//
// In memory, because every numbered write touches its session; save() writes those that have
// changed into the tables. Which sessions exist is for the leases to say: one without replies need
// not be here.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <vector>

#include "service/state/digest.h"
#include "service/state/lease_table.h"
#include "service/state/results.h"
#include "service/state/table_writer.h"

namespace coord::service {

// A write's place in its session.
struct RequestNumber {
  LeaseId session;
  Sequence sequence;
  Sequence first_outstanding;
};

class Sessions {
 public:
  Sessions(Tables& tables, TableWriter& writer, Digest& digest, const LeaseTable& leases);

  // What to answer without applying anything: the reply that the request was given before, or an
  // error. Nothing: apply it, then remember() its result. Everything before the first outstanding
  // request is forgotten.
  //
  // kSessionExpired says that this attempt was not applied; of an earlier attempt it knows nothing.
  // kReplyDiscarded: the request was acknowledged, so its first attempt may well have been applied.
  // kOverloaded: the session has too much outstanding.
  std::optional<WriteResult> answered(const RequestNumber& request, Revision now);
  // Without effect if the write has ended its own session.
  void remember(const RequestNumber& request, const WriteResult& result);

  // The session's lease has ended.
  void forget(LeaseId session);

  void save();

 private:
  struct Reply {
    WriteResult result;
    std::size_t bytes = 0;
  };
  struct Session {
    Sequence floor;  // every lower sequence has been acknowledged
    std::map<Sequence, Reply> replies;
    std::size_t bytes = 0;  // of all replies
    bool dirty = false;
  };

  Session* find(LeaseId id);
  std::optional<Error> admit(Session& session, const RequestNumber& request) const;
  void raise_floor(LeaseId id, Session& session, Sequence floor);
  void mark_dirty(LeaseId id, Session& session);
  void load();

  Tables& tables_;
  TableWriter& writer_;
  Digest& digest_;
  const LeaseTable& leases_;
  std::map<LeaseId, Session> sessions_;
  std::vector<LeaseId> dirty_;
};

}  // namespace coord::service
