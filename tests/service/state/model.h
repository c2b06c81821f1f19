// The obvious slow state machine: whole copies of a std::map for every revision, and every rule
// written down as it is told in the schema. What State does must look the same.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "schema/log.capnp.h"
#include "service/state/results.h"
#include "service/state/state.h"

namespace coord::service {

class Model {
 public:
  using Keys = std::map<std::string, KeyValue>;

  // Errors in results carry a code and an outcome, and no message.
  CommandResults apply(schema::Command::Reader command);

  // The keys as they were at each revision, from 0.
  const std::vector<Keys>& history() const { return history_; }
  std::uint64_t revision() const { return history_.size() - 1; }
  std::uint64_t line() const { return line_; }
  // Commands, as many as entries.
  std::uint64_t applied() const { return applied_; }

  struct Lease {
    std::uint64_t ttl_ms = 0;
    std::uint64_t nonce = 0;
    bool session = false;
    std::uint64_t renewed_at = 0;
    std::uint64_t floor = 0;
    std::map<std::uint64_t, WriteResult> replies;
  };
  struct Place {
    std::uint64_t lease = 0;
    std::uint64_t token = 0;
    bool shared = false;
    std::string value;
  };
  struct Lock {
    std::vector<Place> holders;
    std::vector<Place> waiters;
    std::string value;
  };
  const std::map<std::uint64_t, Lease>& leases() const { return leases_; }
  const std::map<LockName, Lock>& locks() const { return locks_; }

 private:
  using Value = decltype(WriteResult::value);

  WriteResult write(schema::Write::Reader write);
  Value execute(schema::Write::Reader write);
  Value acquire(schema::LockAcquire::Reader acquire);
  LockStanding standing(const LockName& name, std::uint64_t lease);
  Value grant(schema::LeaseGrant::Reader grant);
  void end_lease(std::uint64_t id);
  // `who` holds or waits no more; those who may enter do.
  void leave(const LockName& name, std::uint64_t who);
  void settle(const LockName& name);
  void mirror(const LockName& name, bool anew);

  // A write that changes keys works on `draft_` and is committed or dropped as a whole.
  void begin() { draft_ = history_.back(); }
  void commit();
  std::optional<ErrorCode> check_put(const std::string& key, std::uint64_t lease) const;
  std::optional<ErrorCode> put(const std::string& key, const std::string& value,
                               std::uint64_t lease);
  std::uint64_t next() const { return history_.size(); }
  Keys select(schema::KeyRange::Reader range) const;
  std::optional<ErrorCode> check(schema::KeyRange::Reader range, bool writes) const;
  std::optional<ErrorCode> run(schema::Txn::Reader txn, TxnResult& result, int depth);
  std::optional<ErrorCode> run(schema::Operation::Reader operation, OperationResult& result,
                               int depth);
  bool holds(schema::Compare::Reader compare, TxnResult& result) const;

  std::uint64_t applied_ = 0;
  std::vector<Keys> history_{Keys()};
  Keys draft_;
  std::uint64_t line_ = 0;
  std::uint64_t sequential_ = 0;
  std::uint64_t last_lease_ = 0;
  std::map<std::uint64_t, Lease> leases_;
  std::map<LockName, Lock> locks_;
};

}  // namespace coord::service
