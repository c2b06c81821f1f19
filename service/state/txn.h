// Transactions: compares, then one of two lists of operations, nested. Everything happens in a
// draft, so one that fails has changed nothing.
#pragma once

#include <cstdint>
#include <vector>

#include "raft/base/result.h"
#include "schema/coord.capnp.h"
#include "service/state/answer_budget.h"
#include "service/state/draft.h"
#include "service/state/lease_table.h"
#include "service/state/results.h"

namespace coord::service {

class Txn {
 public:
  // `last_sequential`: the number that the last sequential put was given.
  Txn(const Keyspace& keys, const LeaseTable& leases, std::uint64_t last_sequential)
      : keys_(keys), leases_(leases), draft_(keys), last_sequential_(last_sequential) {}

  // The first error of an operation of a branch that was taken.
  Result<TxnResult> run(schema::Txn::Reader txn);

  // After run() has succeeded: what is to be committed.
  const Draft& draft() const { return draft_; }
  std::uint64_t last_sequential() const { return last_sequential_; }

 private:
  Result<TxnResult> run_nested(schema::Txn::Reader txn, std::size_t depth);
  Status compare(schema::Txn::Reader txn, TxnResult& result);
  Result<OperationResult> operate(schema::Operation::Reader operation, std::size_t depth);
  Result<RangeResult> get(schema::Get::Reader get);
  Result<PutResult> put(schema::Put::Reader put);
  Result<DeleteResult> erase(schema::Delete::Reader erase);
  Result<std::int64_t> increment(schema::Increment::Reader increment);
  Result<std::string> sequential_put(schema::SequentialPut::Reader put);

  const Keyspace& keys_;
  const LeaseTable& leases_;
  Draft draft_;
  AnswerBudget budget_;
  std::uint64_t last_sequential_;
};

}  // namespace coord::service
