#include "client/lib/write_codec.h"

#include <algorithm>
#include <cstdint>

#include "client/lib/convert.h"

namespace coord::internal {
namespace {

// Words of structure around the bytes of one write; generous, as bytes_of() is a bound.
constexpr std::size_t kWriteOverhead = 200;

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

Error mismatch() {
  Error error = make_error(ErrorCode::kInternal, "the server answered another request");
  error.outcome = Outcome::kUnknown;
  return error;
}

Status done(schema::WriteResult::Reader result, schema::WriteResult::Which expected) {
  return result.which() == expected ? Status() : Status(mismatch());
}

std::optional<KeyValue> optional_record(bool present, schema::KeyValue::Reader record) {
  if (!present) return std::nullopt;
  return to_key_value(record);
}

schema::Compare::Operator to_wire(Compare::Operator op) {
  switch (op) {
    case Compare::Operator::kEqual:
      return schema::Compare::Operator::EQUAL;
    case Compare::Operator::kNotEqual:
      return schema::Compare::Operator::NOT_EQUAL;
    case Compare::Operator::kLess:
      return schema::Compare::Operator::LESS;
    case Compare::Operator::kLessOrEqual:
      return schema::Compare::Operator::LESS_OR_EQUAL;
    case Compare::Operator::kGreater:
      return schema::Compare::Operator::GREATER;
    case Compare::Operator::kGreaterOrEqual:
      return schema::Compare::Operator::GREATER_OR_EQUAL;
  }
  return schema::Compare::Operator::EQUAL;
}

void encode_compare(schema::Compare::Builder target, const Compare& compare) {
  target.setKey(to_data(compare.key));
  target.setOperator(to_wire(compare.op));
  std::visit(
      Overloaded{
          [&](const Compare::Value& what) { target.setValue(to_data(what.value)); },
          [&](const Compare::Version& what) { target.setVersion(what.version); },
          [&](const Compare::CreateRevision& what) {
            target.setCreateRevision(what.revision.value());
          },
          [&](const Compare::ModRevision& what) { target.setModRevision(what.revision.value()); },
          [&](const Compare::Lease& what) { target.setLease(what.lease.value()); },
          [&](const Compare::Exists& what) { target.setExists(what.exists); },
          [&](const Compare::Count& what) {
            auto count = target.initCount();
            encode(count.initRange(), what.range);
            count.setCount(what.count);
          },
      },
      compare.what);
}

void encode_txn(schema::Txn::Builder target, const Txn& txn);

std::uint32_t to_limit(std::size_t limit) {
  return static_cast<std::uint32_t>(std::min<std::size_t>(limit, UINT32_MAX));
}

void encode_operation(schema::Operation::Builder target, const TxnOperation& operation) {
  std::visit(Overloaded{
                 [&](const TxnOperation::Get& what) {
                   auto get = target.initGet();
                   encode(get.initRange(), what.range);
                   get.setLimit(to_limit(what.limit));
                   get.setKeysOnly(what.keys_only);
                   get.setCountOnly(what.count_only);
                 },
                 [&](const TxnOperation::Put& what) {
                   auto put = target.initPut();
                   put.setKey(to_data(what.key));
                   put.setValue(to_data(what.value));
                   put.setLease(what.lease.value());
                   put.setWantPrevious(what.want_previous);
                 },
                 [&](const TxnOperation::Delete& what) {
                   auto del = target.initDelete();
                   encode(del.initRange(), what.range);
                   del.setWantPrevious(what.want_previous);
                 },
                 [&](const TxnOperation::Increment& what) {
                   auto increment = target.initIncrement();
                   increment.setKey(to_data(what.key));
                   increment.setBy(what.by);
                   increment.setLease(what.lease.value());
                 },
                 [&](const TxnOperation::SequentialPut& what) {
                   auto put = target.initSequentialPut();
                   put.setPrefix(to_data(what.prefix));
                   put.setValue(to_data(what.value));
                   put.setLease(what.lease.value());
                 },
                 [&](const TxnOperation::Nested& what) {
                   if (!what.txn.empty()) encode_txn(target.initTxn(), what.txn.front());
                 },
             },
             operation.what);
}

void encode_txn(schema::Txn::Builder target, const Txn& txn) {
  const auto count = [](const auto& list) { return static_cast<unsigned>(list.size()); };
  auto compares = target.initCompares(count(txn.compares()));
  for (unsigned i = 0; i < compares.size(); ++i) encode_compare(compares[i], txn.compares()[i]);
  auto then = target.initThen(count(txn.then_operations()));
  for (unsigned i = 0; i < then.size(); ++i) encode_operation(then[i], txn.then_operations()[i]);
  auto other = target.initElse(count(txn.else_operations()));
  for (unsigned i = 0; i < other.size(); ++i) encode_operation(other[i], txn.else_operations()[i]);
}

std::size_t bytes_of(const Txn& txn);

std::size_t bytes_of(const TxnOperation& operation) {
  const auto range = [](const KeyRange& r) { return r.begin().size() + r.end().size(); };
  return kWriteOverhead +
         std::visit(
             Overloaded{
                 [&](const TxnOperation::Get& what) { return range(what.range); },
                 [](const TxnOperation::Put& what) { return what.key.size() + what.value.size(); },
                 [&](const TxnOperation::Delete& what) { return range(what.range); },
                 [](const TxnOperation::Increment& what) { return what.key.size(); },
                 [](const TxnOperation::SequentialPut& what) {
                   return what.prefix.size() + what.value.size();
                 },
                 [](const TxnOperation::Nested& what) {
                   return what.txn.empty() ? 0 : bytes_of(what.txn.front());
                 },
             },
             operation.what);
}

std::size_t bytes_of(const Txn& txn) {
  std::size_t bytes = kWriteOverhead;
  for (const Compare& compare : txn.compares()) {
    bytes += kWriteOverhead + compare.key.size();
    if (const auto* value = std::get_if<Compare::Value>(&compare.what)) {
      bytes += value->value.size();
    }
  }
  for (const TxnOperation& operation : txn.then_operations()) bytes += bytes_of(operation);
  for (const TxnOperation& operation : txn.else_operations()) bytes += bytes_of(operation);
  return bytes;
}

std::vector<KeyValue> records(capnp::List<schema::KeyValue>::Reader list) {
  std::vector<KeyValue> result;
  result.reserve(list.size());
  for (const auto record : list) result.push_back(to_key_value(record));
  return result;
}

TxnResult to_txn_result(schema::TxnResult::Reader result);

TxnOperationResult to_operation_result(schema::OperationResult::Reader result) {
  switch (result.which()) {
    case schema::OperationResult::GET: {
      const auto get = result.getGet();
      return {TxnOperationResult::Get{
          .items = records(get.getItems()), .count = get.getCount(), .more = get.getMore()}};
    }
    case schema::OperationResult::PUT: {
      const auto put = result.getPut();
      return {TxnOperationResult::Put{optional_record(put.hasPrevious(), put.getPrevious())}};
    }
    case schema::OperationResult::DELETE: {
      const auto del = result.getDelete();
      return {TxnOperationResult::Delete{.deleted = del.getDeleted(),
                                         .previous = records(del.getPrevious())}};
    }
    case schema::OperationResult::INCREMENT:
      return {TxnOperationResult::Increment{result.getIncrement()}};
    case schema::OperationResult::SEQUENTIAL_PUT:
      return {TxnOperationResult::SequentialPut{to_string(result.getSequentialPut())}};
    case schema::OperationResult::TXN: {
      TxnOperationResult::Nested nested;
      nested.txn.push_back(to_txn_result(result.getTxn()));
      return {std::move(nested)};
    }
  }
  return {TxnOperationResult::Increment{}};
}

TxnResult to_txn_result(schema::TxnResult::Reader result) {
  TxnResult value;
  value.succeeded = result.getSucceeded();
  value.failed_compare = result.getFailedCompare();
  value.met = optional_record(result.hasMet(), result.getMet());
  value.met_count = result.getMetCount();
  for (const auto operation : result.getResults()) {
    value.results.push_back(to_operation_result(operation));
  }
  return value;
}

}  // namespace

void encode(schema::Write::Builder target, const op::Put& op) {
  auto put = target.initPut();
  put.setKey(to_data(op.key));
  put.setValue(to_data(op.value));
  put.setLease(op.options.lease.value());
  put.setWantPrevious(op.options.want_previous);
}

void encode(schema::Write::Builder target, const op::Delete& op) {
  auto del = target.initDelete();
  encode(del.initRange(), op.range);
  del.setWantPrevious(op.options.want_previous);
}

void encode(schema::Write::Builder target, const op::Cas& op) {
  auto cas = target.initCompareAndSwap();
  cas.setKey(to_data(op.key));
  cas.setValue(to_data(op.value));
  cas.setLease(op.options.lease.value());
  std::visit(Overloaded{
                 [&](const Expect::Absent&) { cas.setExpectAbsent(); },
                 [&](const std::string& value) { cas.setExpectValue(to_data(value)); },
                 [&](const Revision& revision) { cas.setExpectModRevision(revision.value()); },
             },
             op.expect.what);
}

void encode(schema::Write::Builder target, const op::Transact& op) {
  encode_txn(target.initTxn(), op.txn);
}

void encode(schema::Write::Builder target, const op::LeaseGrant& op) {
  auto grant = target.initLeaseGrant();
  grant.setId(op.options.id.value());
  grant.setTtlMs(static_cast<std::uint64_t>(op.ttl.count()));
  grant.setName(to_text(op.options.name.get()));
}

void encode(schema::Write::Builder target, const op::LeaseRevoke& op) {
  target.setLeaseRevoke(op.id.value());
}

void encode(schema::Write::Builder target, const op::BreakLock& op) {
  auto broken = target.initLockBreak();
  encode(broken.initLock(), op.lock);
  broken.setToken(op.token.value());
}

void encode(schema::Write::Builder target, const AcquireWrite& op) {
  auto acquire = target.initLockAcquire();
  encode(acquire.initLock(), op.lock);
  acquire.setLease(op.lease.value());
  acquire.setMode(op.mode == LockMode::kShared ? schema::LockAcquire::Mode::SHARED
                                               : schema::LockAcquire::Mode::EXCLUSIVE);
  acquire.setWait(op.wait);
  acquire.setValue(to_data(op.value));
}

void encode(schema::Write::Builder target, const CancelWrite& op) {
  auto cancel = target.initLockCancel();
  encode(cancel.initLock(), op.lock);
  cancel.setLease(op.lease.value());
}

void encode(schema::Write::Builder target, const ReleaseWrite& op) {
  auto release = target.initLockRelease();
  encode(release.initLock(), op.lock);
  release.setLease(op.lease.value());
  release.setToken(op.token.value());
}

void encode(schema::Write::Builder target, const ProclaimWrite& op) {
  auto proclaim = target.initProclaim();
  proclaim.setElection(to_data(op.election));
  proclaim.setLease(op.lease.value());
  proclaim.setToken(op.token.value());
  proclaim.setValue(to_data(op.value));
}

std::size_t bytes_of(const op::Put& op) {
  return kWriteOverhead + op.key.size() + op.value.size() + op.options.guard->lock.name.size();
}
std::size_t bytes_of(const op::Delete& op) {
  return kWriteOverhead + op.range.begin().size() + op.range.end().size() +
         op.options.guard->lock.name.size();
}
std::size_t bytes_of(const op::Cas& op) {
  const auto* expected = std::get_if<std::string>(&op.expect.what);
  return kWriteOverhead + op.key.size() + op.value.size() + op.options.guard->lock.name.size() +
         (expected == nullptr ? 0 : expected->size());
}
std::size_t bytes_of(const op::Transact& op) {
  return bytes_of(op.txn) + op.options.guard->lock.name.size();
}
std::size_t bytes_of(const op::LeaseGrant& op) {
  return kWriteOverhead + op.options.name->size();
}
std::size_t bytes_of(const op::LeaseRevoke&) {
  return kWriteOverhead;
}
std::size_t bytes_of(const op::BreakLock& op) {
  return kWriteOverhead + op.lock.name.size();
}
std::size_t bytes_of(const AcquireWrite& op) {
  return kWriteOverhead + op.lock.name.size() + op.value.size();
}
std::size_t bytes_of(const CancelWrite& op) {
  return kWriteOverhead + op.lock.name.size();
}
std::size_t bytes_of(const ReleaseWrite& op) {
  return kWriteOverhead + op.lock.name.size();
}
std::size_t bytes_of(const ProclaimWrite& op) {
  return kWriteOverhead + op.election.size() + op.value.size();
}

Result<PutResult> decode(schema::WriteResult::Reader result, const op::Put&) {
  if (!result.isPut()) return mismatch();
  const auto put = result.getPut();
  return PutResult{Revision(result.getRevision()),
                   optional_record(put.hasPrevious(), put.getPrevious())};
}

Result<DeleteResult> decode(schema::WriteResult::Reader result, const op::Delete&) {
  if (!result.isDelete()) return mismatch();
  const auto del = result.getDelete();
  return DeleteResult{Revision(result.getRevision()), del.getDeleted(), records(del.getPrevious())};
}

Result<CasResult> decode(schema::WriteResult::Reader result, const op::Cas&) {
  if (!result.isCompareAndSwap()) return mismatch();
  const auto cas = result.getCompareAndSwap();
  return CasResult{Revision(result.getRevision()), cas.getSucceeded(),
                   optional_record(cas.hasCurrent(), cas.getCurrent())};
}

Result<TxnResult> decode(schema::WriteResult::Reader result, const op::Transact&) {
  if (!result.isTxn()) return mismatch();
  TxnResult value = to_txn_result(result.getTxn());
  value.revision = Revision(result.getRevision());
  return value;
}

Result<LeaseGrantResult> decode(schema::WriteResult::Reader result, const op::LeaseGrant&) {
  if (!result.isLeaseGrant()) return mismatch();
  const auto grant = result.getLeaseGrant();
  return LeaseGrantResult{Revision(result.getRevision()), LeaseId(grant.getId()),
                          milliseconds(grant.getTtlMs())};
}

Status decode(schema::WriteResult::Reader result, const op::LeaseRevoke&) {
  return done(result, schema::WriteResult::LEASE_REVOKE);
}
Status decode(schema::WriteResult::Reader result, const op::BreakLock&) {
  return done(result, schema::WriteResult::LOCK_BREAK);
}
Status decode(schema::WriteResult::Reader result, const ReleaseWrite&) {
  return done(result, schema::WriteResult::LOCK_RELEASE);
}
Status decode(schema::WriteResult::Reader result, const ProclaimWrite&) {
  return done(result, schema::WriteResult::PROCLAIM);
}

Result<LockStanding> decode(schema::WriteResult::Reader result, const AcquireWrite&) {
  if (!result.isLockAcquire()) return mismatch();
  return to_standing(result.getLockAcquire());
}
Result<LockStanding> decode(schema::WriteResult::Reader result, const CancelWrite&) {
  if (!result.isLockCancel()) return mismatch();
  return to_standing(result.getLockCancel());
}

LockStanding to_standing(schema::LockAcquireResult::Reader result) {
  switch (result.which()) {
    case schema::LockAcquireResult::GRANTED:
      return Granted{LockToken(result.getGranted())};
    case schema::LockAcquireResult::QUEUED:
      return Queued{result.getQueued()};
    case schema::LockAcquireResult::ABSENT:
      return NotQueued{};
  }
  return NotQueued{};
}

}  // namespace coord::internal
