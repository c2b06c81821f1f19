// State::Impl: what each kind of write does. All of a write's bytes are read and all that can be
// wrong with it is found before anything is changed.
#include <utility>

#include "service/state/deletion.h"
#include "service/state/from_schema.h"
#include "service/state/impl.h"
#include "service/state/put_check.h"
#include "service/state/txn.h"

namespace coord::service {

namespace {

using Value = decltype(WriteResult::value);

template <class T>
Result<Value> as_value(Result<T> result) {
  if (!result.ok()) return std::move(result).error();
  return Value(std::move(result).value());
}

// For results that have nothing to say but that it went well.
template <class T>
Result<T> if_ok(const Status& status) {
  if (!status.ok()) return status.error();
  return T();
}

}  // namespace

WriteResult State::Impl::apply_write(schema::Write::Reader write) {
  if (write.getSession() == 0) return execute(write);
  const RequestNumber request{LeaseId(write.getSession()), Sequence(write.getSequence()),
                              Sequence(write.getFirstOutstanding())};
  if (auto answer = sessions_.answered(request, keys_.revision())) return std::move(*answer);
  WriteResult result = execute(write);
  sessions_.remember(request, result);
  return result;
}

WriteResult State::Impl::execute(schema::Write::Reader write) {
  auto result = [&]() -> Result<Value> {
    try {
      return dispatch(write);
    } catch (const kj::Exception&) {
      return make_error(ErrorCode::kInvalidArgument, "the write cannot be decoded");
    }
  }();
  if (result.ok()) return {keys_.revision(), std::move(result).value()};
  return {keys_.revision(), std::move(result).error()};
}

Result<Value> State::Impl::dispatch(schema::Write::Reader write) {
  if (write.hasGuard()) {
    const auto guard = write.getGuard();
    const auto lock = to_lock_name(guard.getLock());
    if (!lock.ok()) return lock.error();
    const Status held = locks_.check_guard(*lock, LockToken(guard.getToken()));
    if (!held.ok()) return held.error();
  }
  switch (write.which()) {
    case schema::Write::PUT:
      return as_value(put(write.getPut()));
    case schema::Write::DELETE:
      return as_value(erase(write.getDelete()));
    case schema::Write::COMPARE_AND_SWAP:
      return as_value(compare_and_swap(write.getCompareAndSwap()));
    case schema::Write::TXN:
      return as_value(txn(write.getTxn()));
    case schema::Write::LEASE_GRANT:
      return as_value(leases_.grant(write.getLeaseGrant(), applied_.index, now_ms_));
    case schema::Write::LEASE_REVOKE:
      return as_value(
          if_ok<LeaseRevokeResult>(leases_.revoke(LeaseId(write.getLeaseRevoke()), now_ms_)));
    case schema::Write::LOCK_ACQUIRE:
      return as_value(lock_acquire(write.getLockAcquire()));
    case schema::Write::LOCK_RELEASE:
      return as_value(lock_release(write.getLockRelease()));
    case schema::Write::LOCK_CANCEL:
      return as_value(lock_cancel(write.getLockCancel()));
    case schema::Write::PROCLAIM:
      return as_value(proclaim(write.getProclaim()));
    case schema::Write::LOCK_BREAK:
      return as_value(lock_break(write.getLockBreak()));
  }
  return unsupported("kind of write");
}

Result<PutResult> State::Impl::put(schema::Put::Reader put) {
  const std::string_view key = to_view(put.getKey());
  const std::string_view value = to_view(put.getValue());
  const LeaseId lease(put.getLease());
  if (Status status = check_put(lease_table_, key, lease); !status.ok()) return status.error();
  PutResult result;
  if (put.getWantPrevious()) {
    if (const auto previous = keys_.find(key)) result.previous = to_key_value(key, *previous);
  }
  keys_.put(key, value, lease);
  keys_.finish();
  return result;
}

Result<DeleteResult> State::Impl::erase(schema::Delete::Reader erase) {
  const auto range = to_range(erase.getRange());
  if (!range.ok()) return range.error();
  if (Status status = Deletion::check(*range); !status.ok()) return status.error();
  AnswerBudget budget;
  Deletion deletion(erase.getWantPrevious(), budget);
  if (range->kind == KeyRange::Kind::kSingle) {
    if (const auto record = keys_.find(range->begin)) deletion.offer(range->begin, *record);
  } else {
    for (LiveKeys live(tables_, *range); live.valid(); live.next()) {
      if (!deletion.offer(live.key(), live.record())) break;
    }
  }
  if (!deletion.status().ok()) return deletion.status().error();
  for (const std::string& key : deletion.keys()) keys_.erase(key);
  keys_.finish();
  return deletion.take_result();
}

Result<CompareAndSwapResult> State::Impl::compare_and_swap(schema::CompareAndSwap::Reader swap) {
  const std::string_view key = to_view(swap.getKey());
  const std::string_view value = to_view(swap.getValue());
  const LeaseId lease(swap.getLease());
  if (Status status = check_put(lease_table_, key, lease); !status.ok()) return status.error();
  const auto current = keys_.find(key);
  CompareAndSwapResult result;
  bool known = false;
  switch (swap.which()) {
    case schema::CompareAndSwap::EXPECT_ABSENT:
      result.succeeded = !current;
      known = true;
      break;
    case schema::CompareAndSwap::EXPECT_VALUE:
      result.succeeded = current && current->value == to_view(swap.getExpectValue());
      known = true;
      break;
    case schema::CompareAndSwap::EXPECT_MOD_REVISION: {
      // As in a compare: the modify revision of a key that does not exist is 0.
      const Revision expected(swap.getExpectModRevision());
      result.succeeded = expected == (current ? current->modified.revision : Revision());
      known = true;
      break;
    }
  }
  if (!known) return unsupported("expectation of a compare-and-swap");
  if (!result.succeeded) {
    if (current) result.current = to_key_value(key, *current);
    return result;
  }
  keys_.put(key, value, lease);
  keys_.finish();
  return result;
}

Result<TxnResult> State::Impl::txn(schema::Txn::Reader request) {
  Txn txn(keys_, lease_table_, last_sequential_);
  auto result = txn.run(request);
  if (!result.ok()) return result;
  txn.draft().commit(keys_);
  keys_.finish();
  last_sequential_ = txn.last_sequential();
  return result;
}

Result<LockAcquireResult> State::Impl::lock_acquire(schema::LockAcquire::Reader acquire) {
  const auto name = to_lock_name(acquire.getLock());
  if (!name.ok()) return name.error();
  const auto mode = to_lock_mode(acquire.getMode());
  if (!mode.ok()) return mode.error();
  const auto standing = locks_.acquire({.name = *name,
                                        .lease = LeaseId(acquire.getLease()),
                                        .mode = *mode,
                                        .wait = acquire.getWait(),
                                        .value = to_view(acquire.getValue())},
                                       now_ms_);
  if (!standing.ok()) return standing.error();
  return LockAcquireResult{*standing};
}

Result<LockReleaseResult> State::Impl::lock_release(schema::LockRelease::Reader release) {
  const auto name = to_lock_name(release.getLock());
  if (!name.ok()) return name.error();
  return if_ok<LockReleaseResult>(
      locks_.release(*name, LeaseId(release.getLease()), LockToken(release.getToken()), now_ms_));
}

Result<LockCancelResult> State::Impl::lock_cancel(schema::LockCancel::Reader cancel) {
  const auto name = to_lock_name(cancel.getLock());
  if (!name.ok()) return name.error();
  return LockCancelResult{locks_.cancel(*name, LeaseId(cancel.getLease()), now_ms_)};
}

Result<LockBreakResult> State::Impl::lock_break(schema::LockBreak::Reader request) {
  const auto name = to_lock_name(request.getLock());
  if (!name.ok()) return name.error();
  return if_ok<LockBreakResult>(locks_.break_hold(*name, LockToken(request.getToken()), now_ms_));
}

Result<ProclaimResult> State::Impl::proclaim(schema::Proclaim::Reader proclaim) {
  const LockName election{true, std::string(to_view(proclaim.getElection()))};
  if (election.name.empty()) {
    return make_error(ErrorCode::kEmptyKey, "the name of an election must not be empty");
  }
  return if_ok<ProclaimResult>(locks_.proclaim(election.name, LeaseId(proclaim.getLease()),
                                               LockToken(proclaim.getToken()),
                                               to_view(proclaim.getValue())));
}

}  // namespace coord::service
