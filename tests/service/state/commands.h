// A small language for commands: put("a", "1"), in_session(7, 1, put("a", "1")),
// guarded(lock("l"), 3, erase(prefix("a"))), ...
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "raft/base/bytes.h"
#include "raft/core/configuration.h"
#include "schema/coord.capnp.h"
#include "schema/log.capnp.h"
#include "service/state/results.h"

namespace coord::service::commands {

using WriteFill = std::function<void(schema::Write::Builder)>;
using RangeFill = std::function<void(schema::KeyRange::Builder)>;
using CompareFill = std::function<void(schema::Compare::Builder)>;
using OperationFill = std::function<void(schema::Operation::Builder)>;
using CommandFill = std::function<void(schema::Command::Builder)>;
using Operator = schema::Compare::Operator;

RangeFill single(std::string key);
RangeFill prefix(std::string begin);
RangeFill half_open(std::string begin, std::string end);
RangeFill to_end(std::string begin);

LockName lock(std::string name);
LockName election(std::string name);

struct PutOptions {
  std::uint64_t lease = 0;
  bool want_previous = false;
};
WriteFill put(std::string key, std::string value, PutOptions options = {});
WriteFill erase(RangeFill range, bool want_previous = false);
WriteFill cas_absent(std::string key, std::string value, std::uint64_t lease = 0);
WriteFill cas_value(std::string key, std::string expected, std::string value);
WriteFill cas_revision(std::string key, std::uint64_t expected, std::string value);

struct GrantOptions {
  std::uint64_t ttl_ms = 1000;
  std::uint64_t nonce = 0;
  bool session = false;
  std::string name = {};
  std::string host = {};
  std::uint32_t pid = 0;
};
WriteFill grant(std::uint64_t id, GrantOptions options = {});
WriteFill revoke(std::uint64_t id);

struct AcquireOptions {
  bool shared = false;
  bool wait = true;
  std::string value = {};
};
WriteFill acquire(LockName name, std::uint64_t lease, AcquireOptions options = {});
WriteFill release(LockName name, std::uint64_t lease, std::uint64_t token = 0);
WriteFill cancel(LockName name, std::uint64_t lease);
WriteFill break_hold(LockName name, std::uint64_t token);
WriteFill proclaim(std::string election, std::uint64_t lease, std::uint64_t token,
                   std::string value);

struct TxnParts {
  std::vector<CompareFill> compares = {};
  std::vector<OperationFill> then = {};
  std::vector<OperationFill> otherwise = {};
};
WriteFill txn(TxnParts parts);

CompareFill value_is(std::string key, Operator op, std::string value);
CompareFill version_is(std::string key, Operator op, std::uint64_t version);
CompareFill create_revision_is(std::string key, Operator op, std::uint64_t revision);
CompareFill mod_revision_is(std::string key, Operator op, std::uint64_t revision);
CompareFill lease_is(std::string key, Operator op, std::uint64_t lease);
CompareFill exists(std::string key, bool wanted = true, Operator op = Operator::EQUAL);
CompareFill count_is(RangeFill range, Operator op, std::uint64_t count);

struct GetOptions {
  std::uint32_t limit = 0;
  bool keys_only = false;
  bool count_only = false;
};
OperationFill op_get(RangeFill range, GetOptions options = {});
OperationFill op_put(std::string key, std::string value, PutOptions options = {});
OperationFill op_erase(RangeFill range, bool want_previous = false);
OperationFill op_increment(std::string key, std::int64_t by, std::uint64_t lease = 0);
OperationFill op_sequential_put(std::string prefix, std::string value, std::uint64_t lease = 0);
OperationFill op_txn(TxnParts parts);

WriteFill in_session(std::uint64_t session, std::uint64_t sequence, WriteFill write);
WriteFill in_session(std::uint64_t session, std::uint64_t sequence, std::uint64_t first_outstanding,
                     WriteFill write);
WriteFill guarded(LockName name, std::uint64_t token, WriteFill write);

CommandFill writes(std::vector<WriteFill> writes);
CommandFill renew(std::vector<std::uint64_t> leases);
// Each a lease, and the entry that had granted or renewed it last: see Machine::expiry().
CommandFill expire(std::vector<std::pair<std::uint64_t, std::uint64_t>> leases);
CommandFill compact(std::uint64_t revision);
CommandFill publish_member(MemberRecord member);
// These vote, and nobody else takes part.
raft::Configuration members(std::vector<std::uint64_t> voters);

// The command as it is in an entry's payload.
Bytes encode(const CommandFill& command, std::uint64_t stamp_ms);

}  // namespace coord::service::commands
