#include "service/api/encode.h"

#include <algorithm>
#include <limits>
#include <variant>

namespace coord::service {

namespace {

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

schema::Outcome encode(Outcome outcome) {
  switch (outcome) {
    case Outcome::kNotApplied:
      return schema::Outcome::NOT_APPLIED;
    case Outcome::kApplied:
      return schema::Outcome::APPLIED;
    case Outcome::kUnknown:
      return schema::Outcome::UNKNOWN;
  }
  return schema::Outcome::UNKNOWN;
}

// List sizes are 32 bits on the wire; whatever is answered was bounded long before that.
unsigned list_size(std::size_t size) {
  CHECK_LE(size, std::numeric_limits<std::uint32_t>::max());
  return static_cast<unsigned>(size);
}

void encode_records(const std::vector<KeyValue>& records,
                    capnp::List<schema::KeyValue>::Builder out) {
  for (unsigned i = 0; i < records.size(); ++i) encode(records[i], out[i]);
}

void encode(const PutResult& put, schema::PutResult::Builder out) {
  if (put.previous) encode(*put.previous, out.initPrevious());
}

void encode(const DeleteResult& remove, schema::DeleteResult::Builder out) {
  out.setDeleted(remove.deleted);
  if (!remove.previous.empty()) {
    encode_records(remove.previous, out.initPrevious(list_size(remove.previous.size())));
  }
}

void encode(const CompareAndSwapResult& swap, schema::CompareAndSwapResult::Builder out) {
  out.setSucceeded(swap.succeeded);
  if (swap.current) encode(*swap.current, out.initCurrent());
}

void encode(const TxnResult& txn, schema::TxnResult::Builder out);

void encode(const OperationResult& operation, schema::OperationResult::Builder out) {
  std::visit(Overloaded{
                 [&](const RangeResult& range) { coord::service::encode(range, out.initGet()); },
                 [&](const PutResult& put) { encode(put, out.initPut()); },
                 [&](const DeleteResult& remove) { encode(remove, out.initDelete()); },
                 [&](std::int64_t number) { out.setIncrement(number); },
                 [&](const std::string& key) { out.setSequentialPut(to_data(key)); },
                 [&](const std::vector<TxnResult>& txn) {
                   CHECK_EQ(txn.size(), 1u);
                   encode(txn.front(), out.initTxn());
                 },
             },
             operation.value);
}

void encode(const TxnResult& txn, schema::TxnResult::Builder out) {
  out.setSucceeded(txn.succeeded);
  out.setFailedCompare(txn.failed_compare);
  if (txn.met) coord::service::encode(*txn.met, out.initMet());
  out.setMetCount(txn.met_count);
  auto results = out.initResults(list_size(txn.results.size()));
  for (unsigned i = 0; i < txn.results.size(); ++i) encode(txn.results[i], results[i]);
}

void encode_holders(const std::vector<LockHolder>& holders, const State& state,
                    capnp::List<schema::LockHolder>::Builder out) {
  for (unsigned i = 0; i < holders.size(); ++i) {
    out[i].setLease(holders[i].lease.value());
    out[i].setToken(holders[i].token.value());
    out[i].setSinceMs(holders[i].since_ms);
    const auto lease = state.lease(holders[i].lease);
    if (!lease) continue;
    out[i].setName(to_text(lease->name));
    out[i].setHost(to_text(lease->host));
    out[i].setPid(lease->pid);
  }
}

}  // namespace

void encode(const Error& error, schema::Failure::Builder out) {
  out.setCode(static_cast<std::uint16_t>(error.code));
  out.setOutcome(encode(error.outcome));
  out.setMessage(to_text(error.message));
  if (!error.leader_hint.empty()) out.setLeader(to_text(error.leader_hint));
  const auto longest = static_cast<std::int64_t>(std::numeric_limits<std::uint32_t>::max());
  out.setRetryAfterMs(
      static_cast<std::uint32_t>(std::clamp<std::int64_t>(error.retry_after.count(), 0, longest)));
  out.setRevision(error.revision.value());
}

void encode(const KeyValue& record, schema::KeyValue::Builder out) {
  out.setKey(to_data(record.key));
  out.setValue(to_data(record.value));
  out.setCreateRevision(record.create_revision.value());
  out.setModRevision(record.mod_revision.value());
  out.setVersion(record.version);
  out.setLease(record.lease.value());
}

void encode(const RangeResult& range, schema::RangeResult::Builder out) {
  encode_records(range.items, out.initItems(list_size(range.items.size())));
  out.setCount(range.count);
  out.setMore(range.more);
  if (range.more) out.setCursor(to_data(range.cursor));
  out.setRevision(range.revision.value());
}

void encode(const LockStanding& standing, schema::LockAcquireResult::Builder out) {
  std::visit(Overloaded{
                 [&](const Granted& granted) { out.setGranted(granted.token.value()); },
                 [&](const Queued& queued) { out.setQueued(queued.ahead); },
                 [&](const NotQueued&) { out.setAbsent(); },
             },
             standing);
}

void encode(const WriteResult& result, schema::WriteResult::Builder out) {
  out.setRevision(result.revision.value());
  std::visit(
      Overloaded{
          [&](const Error& error) { encode(error, out.initFailure()); },
          [&](const PutResult& put) { encode(put, out.initPut()); },
          [&](const DeleteResult& remove) { encode(remove, out.initDelete()); },
          [&](const CompareAndSwapResult& swap) { encode(swap, out.initCompareAndSwap()); },
          [&](const TxnResult& txn) { encode(txn, out.initTxn()); },
          [&](const LeaseGrantResult& grant) {
            auto lease = out.initLeaseGrant();
            lease.setId(grant.id.value());
            lease.setTtlMs(static_cast<std::uint64_t>(grant.ttl.count()));
          },
          [&](const LeaseRevokeResult&) { out.setLeaseRevoke(); },
          [&](const LockAcquireResult& lock) { encode(lock.standing, out.initLockAcquire()); },
          [&](const LockReleaseResult&) { out.setLockRelease(); },
          [&](const LockCancelResult& lock) { encode(lock.standing, out.initLockCancel()); },
          [&](const ProclaimResult&) { out.setProclaim(); },
          [&](const LockBreakResult&) { out.setLockBreak(); },
      },
      result.value);
}

void encode(const LockName& name, schema::LockName::Builder out) {
  out.setName(to_data(name.name));
  out.setElection(name.election);
}

void encode(const MemberRecord& member, schema::MemberInfo::Builder out) {
  out.setId(member.id.value());
  out.setName(to_text(member.name));
  out.setPeerAddress(to_text(member.peer_address));
  out.setClientAddress(to_text(member.client_address));
}

void encode(const LeaseRecord& lease, milliseconds remaining, schema::LeaseInfo::Builder out) {
  out.setId(lease.id.value());
  out.setTtlMs(static_cast<std::uint64_t>(lease.ttl.count()));
  out.setRemainingMs(static_cast<std::uint64_t>(std::max<std::int64_t>(remaining.count(), 0)));
  out.setSession(lease.session);
  out.setName(to_text(lease.name));
  out.setHost(to_text(lease.host));
  out.setPid(lease.pid);
  out.setKeys(lease.attached_keys);
  auto locks = out.initLocks(list_size(lease.held.size()));
  for (unsigned i = 0; i < lease.held.size(); ++i) encode(lease.held[i], locks[i]);
  out.setGrantedAtMs(lease.granted_at_ms);
}

void encode(const LockRecord& lock, const State& state, schema::LockInfo::Builder out) {
  encode(lock.name, out.initLock());
  switch (lock.mode) {
    case LockMode::kExclusive:
      out.setMode(schema::LockAcquire::Mode::EXCLUSIVE);
      break;
    case LockMode::kShared:
      out.setMode(schema::LockAcquire::Mode::SHARED);
      break;
  }
  encode_holders(lock.holders, state, out.initHolders(list_size(lock.holders.size())));
  encode_holders(lock.waiters, state, out.initWaiters(list_size(lock.waiters.size())));
  out.setValue(to_data(lock.value));
  out.setRevision(lock.revision.value());
}

}  // namespace coord::service
