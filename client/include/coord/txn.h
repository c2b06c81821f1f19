// Transactions: compares, and what to do if all of them hold or if not.
//
//   using namespace coord::txn;
//   client.txn(Txn()
//                  .when(value("config") == "old", exists("owner"))
//                  .then(put("config", "new"), increment("changes"))
//                  .otherwise(get("config")));
//
// when(), then() and otherwise() add to what was there before. All operations of a branch apply, or
// none of them. Plain values, like everything in values.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "coord/values.h"

namespace coord {

// One condition. A key that does not exist has revisions, version and lease 0 and no value:
// comparing its value never holds, except with !=, which always does.
struct Compare {
  enum class Operator : std::uint8_t {
    kEqual,
    kNotEqual,
    kLess,
    kLessOrEqual,
    kGreater,
    kGreaterOrEqual
  };
  struct Value {
    std::string value;
  };
  struct Version {
    std::uint64_t version = 0;
  };
  struct CreateRevision {
    Revision revision;
  };
  struct ModRevision {
    Revision revision;
  };
  struct Lease {
    LeaseId lease = {};
  };
  struct Exists {
    bool exists = true;
  };
  struct Count {
    KeyRange range = KeyRange::all();
    std::uint64_t count = 0;
  };

  std::string key;  // unused for a count
  Operator op = Operator::kEqual;
  std::variant<Value, Version, CreateRevision, ModRevision, Lease, Exists, Count> what;
};

class Txn;

// One operation of a branch; made by the functions in namespace txn.
struct TxnOperation {
  struct Get {
    KeyRange range = KeyRange::all();
    std::size_t limit = 0;
    bool keys_only = false;
    bool count_only = false;
  };
  struct Put {
    std::string key;
    std::string value;
    LeaseId lease = {};
    bool want_previous = false;
  };
  struct Delete {
    KeyRange range = KeyRange::all();
    bool want_previous = false;
  };
  struct Increment {
    std::string key;
    std::int64_t by = 1;
    LeaseId lease = {};
  };
  struct SequentialPut {
    std::string prefix;
    std::string value;
    LeaseId lease = {};
  };
  // Exactly one: a vector only because a Txn holds operations in turn.
  struct Nested {
    std::vector<Txn> txn;
  };

  std::variant<Get, Put, Delete, Increment, SequentialPut, Nested> what;
};

class Txn {
 public:
  template <class... Compares>
  Txn& when(Compares&&... compares) & {
    (compares_.push_back(std::forward<Compares>(compares)), ...);
    return *this;
  }
  template <class... Compares>
  Txn&& when(Compares&&... compares) && {
    return std::move(when(std::forward<Compares>(compares)...));
  }
  template <class... Operations>
  Txn& then(Operations&&... operations) & {
    (then_.push_back(std::forward<Operations>(operations)), ...);
    return *this;
  }
  template <class... Operations>
  Txn&& then(Operations&&... operations) && {
    return std::move(then(std::forward<Operations>(operations)...));
  }
  template <class... Operations>
  Txn& otherwise(Operations&&... operations) & {
    (else_.push_back(std::forward<Operations>(operations)), ...);
    return *this;
  }
  template <class... Operations>
  Txn&& otherwise(Operations&&... operations) && {
    return std::move(otherwise(std::forward<Operations>(operations)...));
  }

  const std::vector<Compare>& compares() const { return compares_; }
  const std::vector<TxnOperation>& then_operations() const { return then_; }
  const std::vector<TxnOperation>& else_operations() const { return else_; }

 private:
  std::vector<Compare> compares_;
  std::vector<TxnOperation> then_;
  std::vector<TxnOperation> else_;
};

struct TxnResult;

// In the order of the operations, one for each; the alternative tells which it answers.
struct TxnOperationResult {
  struct Get {
    std::vector<KeyValue> items;
    std::uint64_t count = 0;
    bool more = false;
  };
  struct Put {
    std::optional<KeyValue> previous;
  };
  struct Delete {
    std::uint64_t deleted = 0;
    std::vector<KeyValue> previous;
  };
  struct Increment {
    std::int64_t number = 0;
  };  // the new one
  struct SequentialPut {
    std::string key;
  };  // that the server made
  struct Nested {
    std::vector<TxnResult> txn;
  };  // exactly one

  std::variant<Get, Put, Delete, Increment, SequentialPut, Nested> what;
};

struct TxnResult {
  Revision revision = {};
  bool succeeded = false;  // the compares held, and `then` was done; otherwise `else`
  // When they did not: the first that failed, and what it met.
  std::uint32_t failed_compare = 0;
  std::optional<KeyValue> met;
  std::uint64_t met_count = 0;
  std::vector<TxnOperationResult> results;
};

namespace txn {

// The left side of a comparison; ==, !=, <, <=, >, >= with a value makes a Compare of it.
template <class What, class Operand>
struct Subject {
  std::string key;

  Compare compare(Compare::Operator op, Operand operand) const {
    return {key, op, What{std::move(operand)}};
  }
  friend Compare operator==(Subject subject, Operand operand) {
    return subject.compare(Compare::Operator::kEqual, std::move(operand));
  }
  friend Compare operator!=(Subject subject, Operand operand) {
    return subject.compare(Compare::Operator::kNotEqual, std::move(operand));
  }
  friend Compare operator<(Subject subject, Operand operand) {
    return subject.compare(Compare::Operator::kLess, std::move(operand));
  }
  friend Compare operator<=(Subject subject, Operand operand) {
    return subject.compare(Compare::Operator::kLessOrEqual, std::move(operand));
  }
  friend Compare operator>(Subject subject, Operand operand) {
    return subject.compare(Compare::Operator::kGreater, std::move(operand));
  }
  friend Compare operator>=(Subject subject, Operand operand) {
    return subject.compare(Compare::Operator::kGreaterOrEqual, std::move(operand));
  }
};

inline Subject<Compare::Value, std::string> value(std::string key) {
  return {std::move(key)};
}
inline Subject<Compare::Version, std::uint64_t> version(std::string key) {
  return {std::move(key)};
}
inline Subject<Compare::CreateRevision, Revision> create_revision(std::string key) {
  return {std::move(key)};
}
inline Subject<Compare::ModRevision, Revision> mod_revision(std::string key) {
  return {std::move(key)};
}
inline Subject<Compare::Lease, LeaseId> lease(std::string key) {
  return {std::move(key)};
}
inline Compare exists(std::string key) {
  return {std::move(key), Compare::Operator::kEqual, Compare::Exists{true}};
}
inline Compare absent(std::string key) {
  return {std::move(key), Compare::Operator::kEqual, Compare::Exists{false}};
}
inline Compare count(KeyRange range, Compare::Operator op, std::uint64_t number) {
  return {{}, op, Compare::Count{std::move(range), number}};
}

struct GetOptions {
  std::size_t limit = 0;
  bool keys_only = false;
  bool count_only = false;
};
struct PutOptions {
  LeaseId lease = {};
  bool want_previous = false;
};
struct DeleteOptions {
  bool want_previous = false;
};

inline TxnOperation get(std::string key) {
  return {TxnOperation::Get{.range = KeyRange::key(std::move(key))}};
}
inline TxnOperation range(KeyRange range, GetOptions options = {}) {
  return {TxnOperation::Get{.range = std::move(range),
                            .limit = options.limit,
                            .keys_only = options.keys_only,
                            .count_only = options.count_only}};
}
inline TxnOperation put(std::string key, std::string value, PutOptions options = {}) {
  return {TxnOperation::Put{.key = std::move(key),
                            .value = std::move(value),
                            .lease = options.lease,
                            .want_previous = options.want_previous}};
}
inline TxnOperation del(std::string key, DeleteOptions options = {}) {
  return {TxnOperation::Delete{.range = KeyRange::key(std::move(key)),
                               .want_previous = options.want_previous}};
}
inline TxnOperation del_range(KeyRange range, DeleteOptions options = {}) {
  return {TxnOperation::Delete{.range = std::move(range), .want_previous = options.want_previous}};
}
// The value is a decimal integer; a key that does not exist counts as 0.
inline TxnOperation increment(std::string key, std::int64_t by = 1, LeaseId lease = {}) {
  return {TxnOperation::Increment{.key = std::move(key), .by = by, .lease = lease}};
}
// The key becomes `prefix` and a number of 20 digits, greater than that of every earlier one.
inline TxnOperation sequential_put(std::string prefix, std::string value, LeaseId lease = {}) {
  return {TxnOperation::SequentialPut{
      .prefix = std::move(prefix), .value = std::move(value), .lease = lease}};
}
inline TxnOperation nested(Txn txn) {
  TxnOperation::Nested inner;
  inner.txn.push_back(std::move(txn));
  return {std::move(inner)};
}

}  // namespace txn

}  // namespace coord
