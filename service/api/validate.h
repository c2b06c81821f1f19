// The door for requests: whether what a client sent makes sense and keeps to the limits.
//
// Everything of a write that applying it will ever look at is read here once, so that a message
// whose pointers are bent (a text without its end, a list in place of bytes) is refused here, by an
// exception of Cap'n Proto's that the caller turns into kInvalidArgument, and never reaches the
// log.
#pragma once

#include <cstddef>
#include <string_view>

#include "raft/base/result.h"
#include "schema/coord.capnp.h"
#include "service/api/request_limits.h"
#include "service/state/reserved.h"

namespace coord::service {

class Door {
 public:
  explicit Door(const RequestLimits& limits) : limits_(limits) {}

  // A write by itself; the sum of a call's writes is checked with call_size().
  [[nodiscard]] Status check(schema::Write::Reader write) const;
  [[nodiscard]] Status check(schema::Read::Reader read) const;
  [[nodiscard]] Status check_range(schema::KeyRange::Reader range) const;
  [[nodiscard]] Status check_lock(schema::LockName::Reader lock) const;
  // How many operations a call carries and how many bytes they are.
  [[nodiscard]] Status call_size(std::size_t operations, std::size_t bytes) const;

 private:
  Status check_body(schema::Write::Reader write) const;
  Status check_put(std::string_view key, std::string_view value) const;
  Status check_key(std::string_view key) const;
  Status check_written_key(std::string_view key) const;
  Status check_value(std::string_view value) const;
  Status check_delete(schema::Delete::Reader remove) const;
  Status check_txn(schema::Txn::Reader txn, std::size_t depth, std::size_t& operations) const;
  Status check_compare(schema::Compare::Reader compare) const;
  Status check_operation(schema::Operation::Reader operation, std::size_t depth,
                         std::size_t& operations) const;
  Status check_branch(capnp::List<schema::Operation>::Reader branch, std::size_t depth,
                      std::size_t& operations) const;
  Status check_grant(schema::LeaseGrant::Reader grant) const;
  Status check_acquire(schema::LockAcquire::Reader acquire) const;
  Status check_name(std::string_view name, std::string_view what) const;
  Status check_numbers(schema::Write::Reader write) const;

  const RequestLimits& limits_;
};

}  // namespace coord::service
