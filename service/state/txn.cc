#include "service/state/txn.h"

#include <charconv>
#include <utility>

#include "service/state/compare.h"
#include "service/state/deletion.h"
#include "service/state/from_schema.h"
#include "service/state/page.h"
#include "service/state/printable.h"
#include "service/state/put_check.h"

namespace coord::service {

namespace {

template <class T>
Result<OperationResult> as_operation(Result<T> result) {
  if (!result.ok()) return std::move(result).error();
  return OperationResult{std::move(result).value()};
}

// Decimal, with nothing around it.
Result<std::int64_t> parse_number(std::string_view key, std::string_view value) {
  std::int64_t number = 0;
  const char* end = value.data() + value.size();
  const auto [stopped, error] = std::from_chars(value.data(), end, number);
  if (error == std::errc::result_out_of_range) {
    return make_error(ErrorCode::kNumberOverflow, "the value of {} is beyond 64 bits",
                      printable(key));
  }
  if (error != std::errc() || stopped != end) {
    return make_error(ErrorCode::kNotANumber, "the value of {} is not a number", printable(key));
  }
  return number;
}

}  // namespace

Result<TxnResult> Txn::run(schema::Txn::Reader txn) {
  return run_nested(txn, 1);
}

Result<TxnResult> Txn::run_nested(schema::Txn::Reader txn, std::size_t depth) {
  if (depth > limits::kTransactionDepthMax) {
    return make_error(ErrorCode::kTooManyOperations, "transactions are nested more than {} deep",
                      limits::kTransactionDepthMax);
  }
  TxnResult result;
  if (Status status = compare(txn, result); !status.ok()) return status.error();
  for (const auto operation : result.succeeded ? txn.getThen() : txn.getElse()) {
    auto done = operate(operation, depth);
    if (!done.ok()) return std::move(done).error();
    result.results.push_back(std::move(done).value());
  }
  return result;
}

Status Txn::compare(schema::Txn::Reader txn, TxnResult& result) {
  const auto compares = txn.getCompares();
  for (std::uint32_t i = 0; i < compares.size(); ++i) {
    const auto comparison = evaluate(draft_, compares[i]);
    if (!comparison.ok()) return comparison.error();
    if (comparison->holds) continue;
    result.failed_compare = i;
    result.met_count = comparison->met_count;
    if (!comparison->met) return Status::success();
    const std::string_view key = to_view(compares[i].getKey());
    result.met = to_key_value(key, *comparison->met);
    return budget_.spend(key.size() + comparison->met->value.size());
  }
  result.succeeded = true;
  return Status::success();
}

Result<OperationResult> Txn::operate(schema::Operation::Reader operation, std::size_t depth) {
  switch (operation.which()) {
    case schema::Operation::GET:
      return as_operation(get(operation.getGet()));
    case schema::Operation::PUT:
      return as_operation(put(operation.getPut()));
    case schema::Operation::DELETE:
      return as_operation(erase(operation.getDelete()));
    case schema::Operation::INCREMENT:
      return as_operation(increment(operation.getIncrement()));
    case schema::Operation::SEQUENTIAL_PUT:
      return as_operation(sequential_put(operation.getSequentialPut()));
    case schema::Operation::TXN: {
      auto nested = run_nested(operation.getTxn(), depth + 1);
      if (!nested.ok()) return std::move(nested).error();
      std::vector<TxnResult> one;
      one.push_back(std::move(nested).value());
      return OperationResult{std::move(one)};
    }
  }
  return unsupported("operation");
}

Result<RangeResult> Txn::get(schema::Get::Reader get) {
  const auto range = to_range(get.getRange());
  if (!range.ok()) return range.error();
  // A single key is read whole or not at all; a longer range goes on in another read.
  const bool single = range->kind == KeyRange::Kind::kSingle;
  Page page({.limit = get.getLimit(),
             .bytes_max = budget_.left(),
             .at_least_one = single,
             .keys_only = get.getKeysOnly(),
             .count_only = get.getCountOnly()});
  draft_.scan(*range, [&](std::string_view key, const KeyRecord& record) {
    return page.offer(key, record);
  });
  if (Status status = budget_.spend(page.bytes()); !status.ok()) return status.error();
  return std::move(page).finish(keys_.revision());
}

Result<PutResult> Txn::put(schema::Put::Reader put) {
  const std::string_view key = to_view(put.getKey());
  const LeaseId lease(put.getLease());
  if (Status status = check_put(leases_, key, lease); !status.ok()) return status.error();
  PutResult result;
  const auto previous = put.getWantPrevious() ? draft_.find(key) : std::nullopt;
  if (previous) {
    Status status = budget_.spend(key.size() + previous->value.size());
    if (!status.ok()) return status.error();
    result.previous = to_key_value(key, *previous);
  }
  draft_.put(key, to_view(put.getValue()), lease);
  return result;
}

Result<DeleteResult> Txn::erase(schema::Delete::Reader erase) {
  const auto range = to_range(erase.getRange());
  if (!range.ok()) return range.error();
  if (Status status = Deletion::check(*range); !status.ok()) return status.error();
  Deletion deletion(erase.getWantPrevious(), budget_);
  draft_.scan(*range, [&](std::string_view key, const KeyRecord& record) {
    return deletion.offer(key, record);
  });
  if (!deletion.status().ok()) return deletion.status().error();
  for (const std::string& key : deletion.keys()) draft_.erase(key);
  return deletion.take_result();
}

Result<std::int64_t> Txn::increment(schema::Increment::Reader increment) {
  const std::string_view key = to_view(increment.getKey());
  const LeaseId lease(increment.getLease());
  if (Status status = check_put(leases_, key, lease); !status.ok()) return status.error();
  std::int64_t number = 0;
  if (const auto record = draft_.find(key)) {
    const auto parsed = parse_number(key, record->value);
    if (!parsed.ok()) return parsed;
    number = *parsed;
  }
  if (__builtin_add_overflow(number, increment.getBy(), &number)) {
    return make_error(ErrorCode::kNumberOverflow, "the sum of {} is beyond 64 bits",
                      printable(key));
  }
  draft_.put(key, std::to_string(number), lease);
  return number;
}

Result<std::string> Txn::sequential_put(schema::SequentialPut::Reader put) {
  // One counter for all prefixes: it needs no record for each, and grows for each. A key that a
  // user has put at the next number is passed over, so that what is made here is always new.
  std::string key;
  do {
    key = fmt::format("{}{:020}", to_view(put.getPrefix()), ++last_sequential_);
  } while (draft_.find(key));
  const LeaseId lease(put.getLease());
  if (Status status = check_put(leases_, key, lease); !status.ok()) return status.error();
  draft_.put(key, to_view(put.getValue()), lease);
  return key;
}

}  // namespace coord::service
