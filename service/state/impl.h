// The parts of the state machine, and how an entry goes through them.
#pragma once

#include <cstdint>
#include <optional>

#include "schema/coord.capnp.h"
#include "schema/log.capnp.h"
#include "service/state/digest.h"
#include "service/state/keyspace.h"
#include "service/state/lease_table.h"
#include "service/state/leases.h"
#include "service/state/locks.h"
#include "service/state/members.h"
#include "service/state/records.h"
#include "service/state/sessions.h"
#include "service/state/state.h"
#include "service/state/table_writer.h"

namespace coord::service {

class State::Impl {
 public:
  Impl(Tables& tables, StateObserver& observer, HistoryOptions history);

  void apply(const raft::Entry& entry, CommandResults* results);
  void save();

  Tables& tables() const { return tables_; }
  StateObserver& observer() const { return observer_; }
  StatePosition position() const { return {applied_, digest_.value()}; }
  std::uint64_t epoch() const { return epoch_; }
  const Keyspace& keys() const { return keys_; }
  const LeaseTable& leases() const { return lease_table_; }
  const Locks& locks() const { return locks_; }
  const Members& members() const { return members_; }
  // Its held locks, too.
  std::optional<LeaseRecord> lease(LeaseId id) const;
  LeaseRecord with_held(LeaseRecord record) const;

 private:
  Impl(Tables& tables, StateObserver& observer, HistoryOptions history, const Meta& meta);

  void apply_command(schema::Command::Reader command, CommandResults* results);
  // Answers a command that is not applied.
  void refuse(schema::Command::Reader command, Error error, CommandResults* results) const;

  // One write, with its place in its session.
  WriteResult apply_write(schema::Write::Reader write);
  // Its guard, and what it wants.
  WriteResult execute(schema::Write::Reader write);
  Result<decltype(WriteResult::value)> dispatch(schema::Write::Reader write);
  Result<PutResult> put(schema::Put::Reader put);
  Result<DeleteResult> erase(schema::Delete::Reader erase);
  Result<CompareAndSwapResult> compare_and_swap(schema::CompareAndSwap::Reader swap);
  Result<TxnResult> txn(schema::Txn::Reader txn);
  Result<LockAcquireResult> lock_acquire(schema::LockAcquire::Reader acquire);
  Result<LockReleaseResult> lock_release(schema::LockRelease::Reader release);
  Result<LockCancelResult> lock_cancel(schema::LockCancel::Reader cancel);
  Result<LockBreakResult> lock_break(schema::LockBreak::Reader request);
  Result<ProclaimResult> proclaim(schema::Proclaim::Reader proclaim);

  Tables& tables_;
  StateObserver& observer_;
  raft::LogId applied_;
  std::uint64_t epoch_;
  std::uint64_t last_sequential_;
  std::uint64_t now_ms_ = 0;  // the stamp of the command that is being applied
  Digest digest_;
  TableWriter writer_;
  LeaseTable lease_table_;
  Keyspace keys_;
  Locks locks_;
  Sessions sessions_;
  Leases leases_;
  Members members_;
};

}  // namespace coord::service
