#include "service/api/validate.h"

#include <capnp/schema.h>

#include "service/api/decode.h"

namespace coord::service {

namespace {

Status ok() {
  return Status::success();
}

Status unknown_operation() {
  return make_error(ErrorCode::kUnsupported,
                    "this server does not know the operation: it is older than the client");
}

}  // namespace

// The first failure of several checks ends the function; every check may be an expression.
#define RETURN_IF_FAILED(expression)                               \
  do {                                                             \
    if (Status status = (expression); !status.ok()) return status; \
  } while (false)

Status Door::call_size(std::size_t operations, std::size_t bytes) const {
  if (operations > limits_.call_operations_max) {
    return make_error(ErrorCode::kTooManyOperations, "the call has {} operations, {} are allowed",
                      operations, limits_.call_operations_max);
  }
  if (bytes > limits_.request_bytes_max) {
    return make_error(ErrorCode::kRequestTooLarge, "the request has {} bytes, {} are allowed",
                      bytes, limits_.request_bytes_max);
  }
  return ok();
}

Status Door::check_key(std::string_view key) const {
  if (key.empty()) return make_error(ErrorCode::kEmptyKey, "the key is empty");
  if (key.size() > limits_.key_bytes_max) {
    return make_error(ErrorCode::kKeyTooLarge, "the key has {} bytes, {} are allowed", key.size(),
                      limits_.key_bytes_max);
  }
  return ok();
}

Status Door::check_written_key(std::string_view key) const {
  RETURN_IF_FAILED(check_key(key));
  if (key.starts_with(kReservedPrefix)) {
    return make_error(ErrorCode::kReservedKey, "keys under {} can only be read", kReservedPrefix);
  }
  return ok();
}

Status Door::check_value(std::string_view value) const {
  if (value.size() > limits_.value_bytes_max) {
    return make_error(ErrorCode::kValueTooLarge, "the value has {} bytes, {} are allowed",
                      value.size(), limits_.value_bytes_max);
  }
  return ok();
}

Status Door::check_put(std::string_view key, std::string_view value) const {
  RETURN_IF_FAILED(check_written_key(key));
  return check_value(value);
}

Status Door::check_range(schema::KeyRange::Reader range) const {
  const std::string_view begin = view(range.getBegin());
  if (range.isSingle()) return check_key(begin);
  const std::string_view end = range.isEnd() ? view(range.getEnd()) : std::string_view();
  if (std::max(begin.size(), end.size()) > limits_.key_bytes_max) {
    return make_error(ErrorCode::kKeyTooLarge, "an end of the range has {} bytes, {} are allowed",
                      std::max(begin.size(), end.size()), limits_.key_bytes_max);
  }
  switch (range.which()) {
    case schema::KeyRange::SINGLE:
    case schema::KeyRange::PREFIX:
    case schema::KeyRange::TO_END:
      return ok();
    case schema::KeyRange::END:
      if (end < begin) {
        return make_error(ErrorCode::kReversedRange, "the range ends before it begins");
      }
      return ok();
  }
  return unknown_operation();
}

Status Door::check_name(std::string_view name, std::string_view what) const {
  if (name.size() > limits_.name_bytes_max) {
    return make_error(ErrorCode::kKeyTooLarge, "the {} has {} bytes, {} are allowed", what,
                      name.size(), limits_.name_bytes_max);
  }
  return ok();
}

Status Door::check_lock(schema::LockName::Reader lock) const {
  const std::string_view name = view(lock.getName());
  if (name.empty()) {
    return make_error(ErrorCode::kEmptyKey, "the name of the {} is empty",
                      lock.getElection() ? "election" : "lock");
  }
  return check_name(name, lock.getElection() ? "election's name" : "lock's name");
}

Status Door::check(schema::Read::Reader read) const {
  RETURN_IF_FAILED(check_range(read.getRange()));
  // A cursor names a key, and what the state machine adds to it.
  if (read.getCursor().size() > limits_.key_bytes_max + 64) {
    return make_error(ErrorCode::kInvalidArgument, "the cursor is none of this server's");
  }
  return ok();
}

Status Door::check(schema::Write::Reader write) const {
  RETURN_IF_FAILED(check_numbers(write));
  if (write.hasGuard()) RETURN_IF_FAILED(check_lock(write.getGuard().getLock()));
  return check_body(write);
}

Status Door::check_numbers(schema::Write::Reader write) const {
  if (write.getSession() == 0) return ok();
  if (write.getSequence() == 0) {
    return make_error(ErrorCode::kInvalidArgument,
                      "a write of a session needs a sequence number, from 1");
  }
  if (write.getFirstOutstanding() > write.getSequence()) {
    return make_error(ErrorCode::kInvalidArgument,
                      "the write's sequence number {} is below the first outstanding one, {}",
                      write.getSequence(), write.getFirstOutstanding());
  }
  return ok();
}

Status Door::check_body(schema::Write::Reader write) const {
  switch (write.which()) {
    case schema::Write::PUT:
      return check_put(view(write.getPut().getKey()), view(write.getPut().getValue()));
    case schema::Write::DELETE:
      return check_delete(write.getDelete());
    case schema::Write::COMPARE_AND_SWAP: {
      const auto swap = write.getCompareAndSwap();
      RETURN_IF_FAILED(check_put(view(swap.getKey()), view(swap.getValue())));
      switch (swap.which()) {
        case schema::CompareAndSwap::EXPECT_ABSENT:
        case schema::CompareAndSwap::EXPECT_MOD_REVISION:
          return ok();
        case schema::CompareAndSwap::EXPECT_VALUE:
          return check_value(view(swap.getExpectValue()));
      }
      return unknown_operation();
    }
    case schema::Write::TXN: {
      std::size_t operations = 0;
      return check_txn(write.getTxn(), 1, operations);
    }
    case schema::Write::LEASE_GRANT:
      return check_grant(write.getLeaseGrant());
    case schema::Write::LEASE_REVOKE:
      return ok();
    case schema::Write::LOCK_ACQUIRE:
      return check_acquire(write.getLockAcquire());
    case schema::Write::LOCK_RELEASE:
      return check_lock(write.getLockRelease().getLock());
    case schema::Write::LOCK_CANCEL:
      return check_lock(write.getLockCancel().getLock());
    case schema::Write::LOCK_BREAK:
      return check_lock(write.getLockBreak().getLock());
    case schema::Write::PROCLAIM: {
      const auto proclaim = write.getProclaim();
      const std::string_view name = view(proclaim.getElection());
      if (name.empty())
        return make_error(ErrorCode::kEmptyKey, "the name of the election is empty");
      RETURN_IF_FAILED(check_name(name, "election's name"));
      return check_value(view(proclaim.getValue()));
    }
  }
  return unknown_operation();
}

Status Door::check_delete(schema::Delete::Reader remove) const {
  const auto range = remove.getRange();
  RETURN_IF_FAILED(check_range(range));
  // A wider range passes over the reserved keys; one that can mean nothing else is an error.
  if (is_reserved(decode(range))) {
    return make_error(ErrorCode::kReservedKey, "keys under {} can only be read", kReservedPrefix);
  }
  return ok();
}

Status Door::check_txn(schema::Txn::Reader txn, std::size_t depth, std::size_t& operations) const {
  if (depth > limits_.transaction_depth_max) {
    return make_error(ErrorCode::kTooManyOperations,
                      "transactions are nested deeper than {} levels",
                      limits_.transaction_depth_max);
  }
  // Summed before anything is looked at, so that a list of a million costs nothing.
  operations += txn.getCompares().size() + txn.getThen().size() + txn.getElse().size();
  if (operations > limits_.transaction_operations_max) {
    return make_error(ErrorCode::kTooManyOperations,
                      "the transaction has {} operations or more, {} are allowed", operations,
                      limits_.transaction_operations_max);
  }
  for (const auto compare : txn.getCompares()) RETURN_IF_FAILED(check_compare(compare));
  RETURN_IF_FAILED(check_branch(txn.getThen(), depth, operations));
  return check_branch(txn.getElse(), depth, operations);
}

Status Door::check_branch(capnp::List<schema::Operation>::Reader branch, std::size_t depth,
                          std::size_t& operations) const {
  for (const auto operation : branch) {
    RETURN_IF_FAILED(check_operation(operation, depth, operations));
  }
  return ok();
}

Status Door::check_operation(schema::Operation::Reader operation, std::size_t depth,
                             std::size_t& operations) const {
  switch (operation.which()) {
    case schema::Operation::GET:
      return check_range(operation.getGet().getRange());
    case schema::Operation::PUT:
      return check_put(view(operation.getPut().getKey()), view(operation.getPut().getValue()));
    case schema::Operation::DELETE:
      return check_delete(operation.getDelete());
    case schema::Operation::INCREMENT:
      return check_written_key(view(operation.getIncrement().getKey()));
    case schema::Operation::SEQUENTIAL_PUT: {
      const auto put = operation.getSequentialPut();
      // Twenty digits are added to it.
      const std::string_view prefix = view(put.getPrefix());
      if (prefix.size() + 20 > limits_.key_bytes_max) {
        return make_error(ErrorCode::kKeyTooLarge, "the key would have {} bytes, {} are allowed",
                          prefix.size() + 20, limits_.key_bytes_max);
      }
      return check_put(prefix, view(put.getValue()));
    }
    case schema::Operation::TXN:
      return check_txn(operation.getTxn(), depth + 1, operations);
  }
  return unknown_operation();
}

Status Door::check_compare(schema::Compare::Reader compare) const {
  switch (compare.getOperator()) {
    case schema::Compare::Operator::EQUAL:
    case schema::Compare::Operator::NOT_EQUAL:
      break;
    case schema::Compare::Operator::LESS:
    case schema::Compare::Operator::LESS_OR_EQUAL:
    case schema::Compare::Operator::GREATER:
    case schema::Compare::Operator::GREATER_OR_EQUAL:
      if (compare.isExists()) {
        return make_error(ErrorCode::kInvalidArgument,
                          "existence can be compared for equality only");
      }
      break;
    default:
      return unknown_operation();  // a number from the wire may be outside of the enum
  }
  switch (compare.which()) {
    case schema::Compare::VALUE:
      RETURN_IF_FAILED(check_value(view(compare.getValue())));
      break;
    case schema::Compare::VERSION:
    case schema::Compare::CREATE_REVISION:
    case schema::Compare::MOD_REVISION:
    case schema::Compare::LEASE:
    case schema::Compare::EXISTS:
      break;
    case schema::Compare::COUNT:
      return check_range(compare.getCount().getRange());
    default:
      return unknown_operation();
  }
  return check_key(view(compare.getKey()));
}

Status Door::check_grant(schema::LeaseGrant::Reader grant) const {
  if (grant.getTtlMs() == 0) return make_error(ErrorCode::kZeroTtl, "the lease's TTL is zero");
  const auto longest = static_cast<std::uint64_t>(limits_.lease_ttl_max.count());
  if (grant.getTtlMs() > longest) {
    return make_error(ErrorCode::kInvalidArgument,
                      "the lease's TTL is {} ms, at most {} are allowed", grant.getTtlMs(),
                      longest);
  }
  RETURN_IF_FAILED(check_name(view(grant.getName()), "lease's name"));
  return check_name(view(grant.getHost()), "lease's host");
}

Status Door::check_acquire(schema::LockAcquire::Reader acquire) const {
  RETURN_IF_FAILED(check_lock(acquire.getLock()));
  if (acquire.getLease() == 0) {
    return make_error(ErrorCode::kInvalidArgument, "a lock has to be acquired for a lease");
  }
  switch (acquire.getMode()) {
    case schema::LockAcquire::Mode::EXCLUSIVE:
      break;
    case schema::LockAcquire::Mode::SHARED:
      if (acquire.getLock().getElection()) {
        return make_error(ErrorCode::kInvalidArgument,
                          "an election has one leader: it is exclusive");
      }
      break;
    default:
      return unknown_operation();
  }
  return check_value(view(acquire.getValue()));
}

#undef RETURN_IF_FAILED

}  // namespace coord::service
