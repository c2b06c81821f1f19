#include "tests/service/state/model.h"

#include <algorithm>

#include "raft/base/check.h"
#include "raft/base/limits.h"

namespace coord::service {

namespace {

std::string text(capnp::Data::Reader data) {
  return {reinterpret_cast<const char*>(data.begin()), data.size()};
}
LockName lock_name(schema::LockName::Reader name) {
  return {name.getElection(), text(name.getName())};
}
Error failure(ErrorCode code) {
  Error error;
  error.code = code;
  if (code == ErrorCode::kReplyDiscarded) error.outcome = Outcome::kUnknown;
  return error;
}
bool reserved(const std::string& key) {
  return key.rfind("_coord/", 0) == 0;
}

template <class T>
bool compare(const T& left, schema::Compare::Operator op, const T& right) {
  switch (op) {
    case schema::Compare::Operator::EQUAL:
      return left == right;
    case schema::Compare::Operator::NOT_EQUAL:
      return left != right;
    case schema::Compare::Operator::LESS:
      return left < right;
    case schema::Compare::Operator::LESS_OR_EQUAL:
      return left <= right;
    case schema::Compare::Operator::GREATER:
      return left > right;
    case schema::Compare::Operator::GREATER_OR_EQUAL:
      return left >= right;
  }
  return false;
}

}  // namespace

CommandResults Model::apply(schema::Command::Reader command) {
  ++applied_;
  CommandResults results;
  if (command.isWrites()) {
    for (const auto one : command.getWrites()) results.writes.push_back(write(one));
  } else if (command.isRenew()) {
    for (const auto id : command.getRenew()) {
      const auto lease = leases_.find(id);
      if (lease == leases_.end()) {
        results.renewed.push_back(std::nullopt);
      } else {
        lease->second.renewed_at = applied_;
        results.renewed.push_back(milliseconds(lease->second.ttl_ms));
      }
    }
  } else if (command.isExpire()) {
    for (const auto expiry : command.getExpire()) {
      const auto lease = leases_.find(expiry.getLease());
      if (lease != leases_.end() && lease->second.renewed_at == expiry.getRenewedAt()) {
        end_lease(lease->first);
      }
    }
  } else if (command.isCompact()) {
    if (command.getCompact() <= revision()) line_ = std::max(line_, command.getCompact());
  }
  return results;
}

WriteResult Model::write(schema::Write::Reader write) {
  const auto result = [&](Value value) {
    return WriteResult{Revision(revision()), std::move(value)};
  };
  const std::uint64_t id = write.getSession();
  if (id == 0) {
    Value value = execute(write);
    return result(std::move(value));
  }
  if (leases_.count(id) == 0 || !leases_[id].session) {
    return result(failure(ErrorCode::kSessionExpired));
  }
  const std::uint64_t sequence = write.getSequence();
  if (sequence == 0 || write.getFirstOutstanding() > sequence) {
    return result(failure(ErrorCode::kInvalidArgument));
  }
  Lease& session = leases_[id];
  session.floor = std::max(session.floor, write.getFirstOutstanding());
  session.replies.erase(session.replies.begin(), session.replies.lower_bound(session.floor));
  if (session.replies.count(sequence) != 0) return session.replies[sequence];
  if (sequence < session.floor) return result(failure(ErrorCode::kReplyDiscarded));
  Value value = execute(write);
  const WriteResult reply = result(std::move(value));
  if (leases_.count(id) != 0) leases_[id].replies[sequence] = reply;
  return reply;
}

Model::Value Model::execute(schema::Write::Reader write) {
  if (write.hasGuard()) {
    const LockName name = lock_name(write.getGuard().getLock());
    const std::uint64_t token = write.getGuard().getToken();
    bool held = false;
    for (const Place& holder : locks_[name].holders) held |= holder.token == token;
    settle(name);
    if (!held) return failure(ErrorCode::kStaleToken);
  }
  begin();
  switch (write.which()) {
    case schema::Write::PUT: {
      const auto request = write.getPut();
      PutResult result;
      const std::string key = text(request.getKey());
      if (request.getWantPrevious() && draft_.count(key)) result.previous = draft_[key];
      const auto error = put(key, text(request.getValue()), request.getLease());
      if (error) return failure(*error);
      commit();
      return result;
    }
    case schema::Write::DELETE: {
      const auto request = write.getDelete();
      if (const auto error = check(request.getRange(), true)) return failure(*error);
      DeleteResult result;
      for (const auto& [key, item] : select(request.getRange())) {
        if (reserved(key)) continue;
        ++result.deleted;
        if (request.getWantPrevious()) result.previous.push_back(item);
        draft_.erase(key);
      }
      commit();
      return result;
    }
    case schema::Write::COMPARE_AND_SWAP: {
      const auto request = write.getCompareAndSwap();
      const std::string key = text(request.getKey());
      CompareAndSwapResult result;
      if (draft_.count(key)) result.current = draft_[key];
      const auto& current = result.current;
      result.succeeded =
          request.isExpectAbsent() ? !current
          : request.isExpectValue()
              ? current && current->value == text(request.getExpectValue())
              : request.getExpectModRevision() == (current ? current->mod_revision.value() : 0);
      const auto error = put(key, text(request.getValue()), request.getLease());
      if (error) return failure(*error);
      if (!result.succeeded) return result;
      result.current.reset();
      commit();
      return result;
    }
    case schema::Write::TXN: {
      const std::uint64_t sequential = sequential_;
      TxnResult result;
      if (const auto error = run(write.getTxn(), result, 1)) {
        sequential_ = sequential;
        return failure(*error);
      }
      commit();
      return result;
    }
    case schema::Write::LEASE_GRANT:
      return grant(write.getLeaseGrant());
    case schema::Write::LEASE_REVOKE:
      if (leases_.count(write.getLeaseRevoke()) == 0) return failure(ErrorCode::kLeaseNotFound);
      end_lease(write.getLeaseRevoke());
      return LeaseRevokeResult{};
    case schema::Write::LOCK_ACQUIRE:
      return acquire(write.getLockAcquire());
    case schema::Write::LOCK_RELEASE: {
      const auto request = write.getLockRelease();
      const LockName name = lock_name(request.getLock());
      const auto now = standing(name, request.getLease());
      if (!std::holds_alternative<Granted>(now)) return failure(ErrorCode::kLockNotHeld);
      if (request.getToken() != 0 && request.getToken() != std::get<Granted>(now).token.value()) {
        return failure(ErrorCode::kStaleToken);
      }
      leave(name, request.getLease());
      return LockReleaseResult{};
    }
    case schema::Write::LOCK_CANCEL: {
      const auto request = write.getLockCancel();
      const LockName name = lock_name(request.getLock());
      if (std::holds_alternative<Queued>(standing(name, request.getLease()))) {
        leave(name, request.getLease());
      }
      return LockCancelResult{standing(name, request.getLease())};
    }
    case schema::Write::PROCLAIM: {
      const auto request = write.getProclaim();
      const LockName name{true, text(request.getElection())};
      const auto now = standing(name, request.getLease());
      if (!std::holds_alternative<Granted>(now)) return failure(ErrorCode::kLockNotHeld);
      if (request.getToken() != std::get<Granted>(now).token.value()) {
        return failure(ErrorCode::kStaleToken);
      }
      locks_[name].value = text(request.getValue());
      mirror(name, false);
      return ProclaimResult{};
    }
    case schema::Write::LOCK_BREAK: {
      const LockName name = lock_name(write.getLockBreak().getLock());
      if (locks_.count(name) == 0) return failure(ErrorCode::kLockNotFound);
      for (const Place& holder : std::vector<Place>(locks_[name].holders)) {
        if (holder.token == write.getLockBreak().getToken()) {
          leave(name, holder.lease);
          return LockBreakResult{};
        }
      }
      return failure(ErrorCode::kStaleToken);
    }
  }
  return failure(ErrorCode::kUnsupported);
}

// ---------------------------------------------------------------------------------------------
// Keys

void Model::commit() {
  const Keys& before = history_.back();
  bool changed = false;
  for (const auto& [key, item] : draft_) changed |= item.mod_revision.value() == next();
  for (const auto& [key, item] : before) changed |= draft_.count(key) == 0;
  if (changed) history_.push_back(draft_);
}

std::optional<ErrorCode> Model::check_put(const std::string& key, std::uint64_t lease) const {
  if (key.empty()) return ErrorCode::kEmptyKey;
  if (reserved(key)) return ErrorCode::kReservedKey;
  if (lease != 0 && leases_.count(lease) == 0) return ErrorCode::kLeaseNotFound;
  return std::nullopt;
}

std::optional<ErrorCode> Model::put(const std::string& key, const std::string& value,
                                    std::uint64_t lease) {
  if (const auto error = check_put(key, lease)) return error;
  KeyValue& item = draft_[key];
  if (item.version == 0) item.create_revision = Revision(next());
  item.key = key;
  item.value = value;
  item.mod_revision = Revision(next());
  item.version += 1;
  item.lease = LeaseId(lease);
  return std::nullopt;
}

std::optional<ErrorCode> Model::check(schema::KeyRange::Reader range, bool writes) const {
  const std::string begin = text(range.getBegin());
  if (range.isSingle() && begin.empty()) return ErrorCode::kEmptyKey;
  if (range.isEnd() && text(range.getEnd()) < begin) return ErrorCode::kReversedRange;
  if (writes && reserved(begin) && !range.isToEnd() &&
      !(range.isEnd() && text(range.getEnd()) > "_coord0")) {
    return ErrorCode::kReservedKey;
  }
  return std::nullopt;
}

Model::Keys Model::select(schema::KeyRange::Reader range) const {
  const std::string begin = text(range.getBegin());
  Keys selected;
  for (const auto& [key, item] : draft_) {
    const bool in = range.isSingle()   ? key == begin
                    : range.isPrefix() ? key.compare(0, begin.size(), begin) == 0
                    : range.isEnd()    ? begin <= key && key < text(range.getEnd())
                                       : begin <= key;
    if (in) selected[key] = item;
  }
  return selected;
}

bool Model::holds(schema::Compare::Reader c, TxnResult& result) const {
  if (c.isCount()) {
    result.met_count = select(c.getCount().getRange()).size();
    return compare(result.met_count, c.getOperator(), c.getCount().getCount());
  }
  const auto found = draft_.find(text(c.getKey()));
  const bool there = found != draft_.end();
  const KeyValue item = there ? found->second : KeyValue();
  if (there) result.met = item;
  if (c.isValue()) {
    if (!there) return c.getOperator() == schema::Compare::Operator::NOT_EQUAL;
    return compare(item.value, c.getOperator(), text(c.getValue()));
  }
  if (c.isVersion()) return compare(item.version, c.getOperator(), c.getVersion());
  if (c.isCreateRevision()) {
    return compare(item.create_revision.value(), c.getOperator(), c.getCreateRevision());
  }
  if (c.isModRevision()) {
    return compare(item.mod_revision.value(), c.getOperator(), c.getModRevision());
  }
  if (c.isLease()) return compare(item.lease.value(), c.getOperator(), c.getLease());
  return compare(there, c.getOperator(), c.getExists());
}

std::optional<ErrorCode> Model::run(schema::Txn::Reader txn, TxnResult& result, int depth) {
  if (depth > static_cast<int>(limits::kTransactionDepthMax)) return ErrorCode::kTooManyOperations;
  result.succeeded = true;
  for (unsigned i = 0; i < txn.getCompares().size() && result.succeeded; ++i) {
    TxnResult met;
    if (!holds(txn.getCompares()[i], met)) {
      result = met;
      result.succeeded = false;
      result.failed_compare = i;
    }
  }
  for (const auto operation : result.succeeded ? txn.getThen() : txn.getElse()) {
    if (const auto error = run(operation, result.results.emplace_back(), depth)) return error;
  }
  return std::nullopt;
}

std::optional<ErrorCode> Model::run(schema::Operation::Reader operation, OperationResult& result,
                                    int depth) {
  if (operation.isGet()) {
    const auto get = operation.getGet();
    if (const auto error = check(get.getRange(), false)) return error;
    RangeResult range;
    range.revision = Revision(revision());
    for (const auto& [key, item] : select(get.getRange())) {
      ++range.count;
      if (get.getCountOnly()) continue;
      if (get.getLimit() != 0 && range.items.size() == get.getLimit()) {
        --range.count;
        range.more = true;
        break;
      }
      range.items.push_back(item);
      if (get.getKeysOnly()) range.items.back().value.clear();
    }
    result.value = range;
  } else if (operation.isPut()) {
    const auto request = operation.getPut();
    PutResult done;
    const std::string key = text(request.getKey());
    if (request.getWantPrevious() && draft_.count(key)) done.previous = draft_[key];
    if (const auto error = put(key, text(request.getValue()), request.getLease())) return error;
    result.value = done;
  } else if (operation.isDelete()) {
    const auto request = operation.getDelete();
    if (const auto error = check(request.getRange(), true)) return error;
    DeleteResult done;
    for (const auto& [key, item] : select(request.getRange())) {
      if (reserved(key)) continue;
      ++done.deleted;
      if (request.getWantPrevious()) done.previous.push_back(item);
      draft_.erase(key);
    }
    result.value = done;
  } else if (operation.isIncrement()) {
    const auto request = operation.getIncrement();
    const std::string key = text(request.getKey());
    if (const auto error = check_put(key, request.getLease())) return error;
    const auto found = draft_.find(key);
    std::int64_t number = 0;
    // The random commands put small numbers and words only.
    if (found != draft_.end()) {
      const std::string& value = found->second.value;
      const bool is_number =
          value.find_first_not_of("-0123456789") == std::string::npos && !value.empty();
      if (!is_number) return ErrorCode::kNotANumber;
      number = std::stoll(value);
    }
    number += request.getBy();
    if (const auto error = put(key, std::to_string(number), request.getLease())) return error;
    result.value = number;
  } else if (operation.isSequentialPut()) {
    const auto request = operation.getSequentialPut();
    std::string key;
    do {
      std::string digits = std::to_string(++sequential_);
      key = text(request.getPrefix()) + std::string(20 - digits.size(), '0') + digits;
    } while (draft_.count(key) != 0);
    if (const auto error = put(key, text(request.getValue()), request.getLease())) return error;
    result.value = key;
  } else {
    TxnResult nested;
    if (const auto error = run(operation.getTxn(), nested, depth + 1)) return error;
    result.value = std::vector<TxnResult>{nested};
  }
  return std::nullopt;
}

// ---------------------------------------------------------------------------------------------
// Leases and locks

Model::Value Model::grant(schema::LeaseGrant::Reader grant) {
  if (grant.getTtlMs() == 0) return failure(ErrorCode::kZeroTtl);
  std::uint64_t id = grant.getId();
  if (id != 0 && leases_.count(id) != 0) {
    if (grant.getNonce() == 0 || grant.getNonce() != leases_[id].nonce) {
      return failure(ErrorCode::kLeaseExists);
    }
    leases_[id].renewed_at = applied_;
    return LeaseGrantResult{LeaseId(id), milliseconds(leases_[id].ttl_ms)};
  }
  if (id == 0) {
    while (leases_.count(++last_lease_) != 0) {
    }
    id = last_lease_;
  }
  leases_[id] = {.ttl_ms = grant.getTtlMs(),
                 .nonce = grant.getNonce(),
                 .session = grant.getSession(),
                 .renewed_at = applied_,
                 .replies = {}};
  return LeaseGrantResult{LeaseId(id), milliseconds(grant.getTtlMs())};
}

void Model::end_lease(std::uint64_t id) {
  leases_.erase(id);
  begin();
  for (const auto& [key, item] : history_.back()) {
    if (item.lease.value() == id && !reserved(key)) draft_.erase(key);
  }
  commit();
  std::vector<LockName> names;
  for (const auto& [name, lock] : locks_) names.push_back(name);
  for (const LockName& name : names) {
    if (!std::holds_alternative<NotQueued>(standing(name, id))) leave(name, id);
  }
}

LockStanding Model::standing(const LockName& name, std::uint64_t lease) {
  const auto lock = locks_.find(name);
  if (lock == locks_.end()) return NotQueued{};
  for (const Place& place : lock->second.holders) {
    if (place.lease == lease) return Granted{LockToken(place.token)};
  }
  for (std::size_t i = 0; i < lock->second.waiters.size(); ++i) {
    if (lock->second.waiters[i].lease == lease) return Queued{i};
  }
  return NotQueued{};
}

Model::Value Model::acquire(schema::LockAcquire::Reader acquire) {
  const LockName name = lock_name(acquire.getLock());
  const std::uint64_t lease = acquire.getLease();
  const bool shared = acquire.getMode() == schema::LockAcquire::Mode::SHARED;
  if (leases_.count(lease) == 0) return failure(ErrorCode::kLeaseNotFound);
  if (name.election && shared) return failure(ErrorCode::kInvalidArgument);
  Lock& lock = locks_[name];
  for (const auto* places : {&lock.holders, &lock.waiters}) {
    for (const Place& place : *places) {
      if (place.lease != lease) continue;
      if (place.shared != shared) return failure(ErrorCode::kLockModeMismatch);
      return LockAcquireResult{standing(name, lease)};
    }
  }
  lock.waiters.push_back({lease, 0, shared, name.election ? text(acquire.getValue()) : ""});
  settle(name);
  const auto now = standing(name, lease);
  if (std::holds_alternative<Queued>(now) && !acquire.getWait()) {
    locks_[name].waiters.pop_back();
    return failure(ErrorCode::kLockBusy);
  }
  return LockAcquireResult{now};
}

void Model::leave(const LockName& name, std::uint64_t who) {
  Lock& lock = locks_[name];
  const auto is_who = [&](const Place& place) { return place.lease == who; };
  const bool held = std::erase_if(lock.holders, is_who) != 0;
  std::erase_if(lock.waiters, is_who);
  if (held) lock.value.clear();
  if (held && (!lock.holders.empty() || lock.waiters.empty())) mirror(name, false);
  settle(name);
}

// Lets in everyone at the head of the queue who may enter; a lock of nobody is forgotten.
void Model::settle(const LockName& name) {
  Lock& lock = locks_[name];
  while (!lock.waiters.empty()) {
    const bool free = lock.holders.empty();
    if (!free && !(lock.holders.front().shared && lock.waiters.front().shared)) break;
    Place place = lock.waiters.front();
    lock.waiters.erase(lock.waiters.begin());
    place.token = next();
    lock.value = place.value;
    lock.holders.push_back(place);
    mirror(name, free);
  }
  if (lock.holders.empty() && lock.waiters.empty()) locks_.erase(name);
}

void Model::mirror(const LockName& name, bool anew) {
  const Lock& lock = locks_[name];
  const std::string key =
      std::string(name.election ? "_coord/election/" : "_coord/lock/") + name.name;
  begin();
  if (anew || lock.holders.empty()) draft_.erase(key);
  if (!lock.holders.empty()) {
    KeyValue& item = draft_[key];
    item.key = key;
    item.value = lock.value;
    if (!name.election) {
      item.value.clear();
      for (const Place& holder : lock.holders) {
        item.value += std::to_string(holder.token) + " " + std::to_string(holder.lease) + "\n";
      }
    }
    if (item.version == 0) item.create_revision = Revision(next());
    item.mod_revision = Revision(next());
    ++item.version;
    item.lease = LeaseId(lock.holders.front().shared ? 0 : lock.holders.front().lease);
  }
  commit();
}

}  // namespace coord::service
