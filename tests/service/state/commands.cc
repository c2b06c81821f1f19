#include "tests/service/state/commands.h"

#include <capnp/message.h>
#include <capnp/serialize.h>

#include <cstring>

namespace coord::service::commands {

namespace {

capnp::Data::Reader data(const std::string& bytes) {
  return {reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()};
}

void fill_name(schema::LockName::Builder builder, const LockName& name) {
  builder.setName(data(name.name));
  builder.setElection(name.election);
}

void fill_put(schema::Put::Builder builder, const std::string& key, const std::string& value,
              const PutOptions& options) {
  builder.setKey(data(key));
  builder.setValue(data(value));
  builder.setLease(options.lease);
  builder.setWantPrevious(options.want_previous);
}

void fill_txn(schema::Txn::Builder builder, const TxnParts& parts) {
  auto compares = builder.initCompares(static_cast<unsigned>(parts.compares.size()));
  for (unsigned i = 0; i < compares.size(); ++i) parts.compares[i](compares[i]);
  auto then = builder.initThen(static_cast<unsigned>(parts.then.size()));
  for (unsigned i = 0; i < then.size(); ++i) parts.then[i](then[i]);
  auto otherwise = builder.initElse(static_cast<unsigned>(parts.otherwise.size()));
  for (unsigned i = 0; i < otherwise.size(); ++i) parts.otherwise[i](otherwise[i]);
}

template <class Set>
CompareFill compare(std::string key, Operator op, Set set) {
  return [key = std::move(key), op, set](schema::Compare::Builder builder) {
    builder.setKey(data(key));
    builder.setOperator(op);
    set(builder);
  };
}

template <class Set>
WriteFill cas(std::string key, std::string value, std::uint64_t lease, Set set) {
  return
      [key = std::move(key), value = std::move(value), lease, set](schema::Write::Builder builder) {
        auto swap = builder.initCompareAndSwap();
        swap.setKey(data(key));
        swap.setValue(data(value));
        swap.setLease(lease);
        set(swap);
      };
}

}  // namespace

RangeFill single(std::string key) {
  return [key = std::move(key)](schema::KeyRange::Builder builder) {
    builder.setBegin(data(key));
    builder.setSingle();
  };
}
RangeFill prefix(std::string begin) {
  return [begin = std::move(begin)](schema::KeyRange::Builder builder) {
    builder.setBegin(data(begin));
    builder.setPrefix();
  };
}
RangeFill half_open(std::string begin, std::string end) {
  return [begin = std::move(begin), end = std::move(end)](schema::KeyRange::Builder builder) {
    builder.setBegin(data(begin));
    builder.setEnd(data(end));
  };
}
RangeFill to_end(std::string begin) {
  return [begin = std::move(begin)](schema::KeyRange::Builder builder) {
    builder.setBegin(data(begin));
    builder.setToEnd();
  };
}

LockName lock(std::string name) {
  return {false, std::move(name)};
}
LockName election(std::string name) {
  return {true, std::move(name)};
}

WriteFill put(std::string key, std::string value, PutOptions options) {
  return [key = std::move(key), value = std::move(value), options](schema::Write::Builder builder) {
    fill_put(builder.initPut(), key, value, options);
  };
}
WriteFill erase(RangeFill range, bool want_previous) {
  return [range = std::move(range), want_previous](schema::Write::Builder builder) {
    auto erase = builder.initDelete();
    range(erase.initRange());
    erase.setWantPrevious(want_previous);
  };
}
WriteFill cas_absent(std::string key, std::string value, std::uint64_t lease) {
  return cas(std::move(key), std::move(value), lease,
             [](schema::CompareAndSwap::Builder swap) { swap.setExpectAbsent(); });
}
WriteFill cas_value(std::string key, std::string expected, std::string value) {
  return cas(std::move(key), std::move(value), 0,
             [expected = std::move(expected)](schema::CompareAndSwap::Builder swap) {
               swap.setExpectValue(data(expected));
             });
}
WriteFill cas_revision(std::string key, std::uint64_t expected, std::string value) {
  return cas(std::move(key), std::move(value), 0, [expected](schema::CompareAndSwap::Builder swap) {
    swap.setExpectModRevision(expected);
  });
}

WriteFill grant(std::uint64_t id, GrantOptions options) {
  return [id, options](schema::Write::Builder builder) {
    auto grant = builder.initLeaseGrant();
    grant.setId(id);
    grant.setTtlMs(options.ttl_ms);
    grant.setNonce(options.nonce);
    grant.setSession(options.session);
    grant.setName(options.name);
    grant.setHost(options.host);
    grant.setPid(options.pid);
  };
}
WriteFill revoke(std::uint64_t id) {
  return [id](schema::Write::Builder builder) { builder.setLeaseRevoke(id); };
}

WriteFill acquire(LockName name, std::uint64_t lease, AcquireOptions options) {
  return [name = std::move(name), lease, options](schema::Write::Builder builder) {
    auto acquire = builder.initLockAcquire();
    fill_name(acquire.initLock(), name);
    acquire.setLease(lease);
    acquire.setMode(options.shared ? schema::LockAcquire::Mode::SHARED
                                   : schema::LockAcquire::Mode::EXCLUSIVE);
    acquire.setWait(options.wait);
    acquire.setValue(data(options.value));
  };
}
WriteFill release(LockName name, std::uint64_t lease, std::uint64_t token) {
  return [name = std::move(name), lease, token](schema::Write::Builder builder) {
    auto release = builder.initLockRelease();
    fill_name(release.initLock(), name);
    release.setLease(lease);
    release.setToken(token);
  };
}
WriteFill cancel(LockName name, std::uint64_t lease) {
  return [name = std::move(name), lease](schema::Write::Builder builder) {
    auto cancel = builder.initLockCancel();
    fill_name(cancel.initLock(), name);
    cancel.setLease(lease);
  };
}
WriteFill break_hold(LockName name, std::uint64_t token) {
  return [name = std::move(name), token](schema::Write::Builder builder) {
    auto request = builder.initLockBreak();
    fill_name(request.initLock(), name);
    request.setToken(token);
  };
}
WriteFill proclaim(std::string election, std::uint64_t lease, std::uint64_t token,
                   std::string value) {
  return [election = std::move(election), lease, token,
          value = std::move(value)](schema::Write::Builder builder) {
    auto proclaim = builder.initProclaim();
    proclaim.setElection(data(election));
    proclaim.setLease(lease);
    proclaim.setToken(token);
    proclaim.setValue(data(value));
  };
}

WriteFill txn(TxnParts parts) {
  return [parts = std::move(parts)](schema::Write::Builder builder) {
    fill_txn(builder.initTxn(), parts);
  };
}

CompareFill value_is(std::string key, Operator op, std::string value) {
  return compare(std::move(key), op, [value = std::move(value)](schema::Compare::Builder c) {
    c.setValue(data(value));
  });
}
CompareFill version_is(std::string key, Operator op, std::uint64_t version) {
  return compare(std::move(key), op,
                 [version](schema::Compare::Builder c) { c.setVersion(version); });
}
CompareFill create_revision_is(std::string key, Operator op, std::uint64_t revision) {
  return compare(std::move(key), op,
                 [revision](schema::Compare::Builder c) { c.setCreateRevision(revision); });
}
CompareFill mod_revision_is(std::string key, Operator op, std::uint64_t revision) {
  return compare(std::move(key), op,
                 [revision](schema::Compare::Builder c) { c.setModRevision(revision); });
}
CompareFill lease_is(std::string key, Operator op, std::uint64_t lease) {
  return compare(std::move(key), op, [lease](schema::Compare::Builder c) { c.setLease(lease); });
}
CompareFill exists(std::string key, bool wanted, Operator op) {
  return compare(std::move(key), op, [wanted](schema::Compare::Builder c) { c.setExists(wanted); });
}
CompareFill count_is(RangeFill range, Operator op, std::uint64_t count) {
  return compare({}, op, [range = std::move(range), count](schema::Compare::Builder c) {
    auto builder = c.initCount();
    range(builder.initRange());
    builder.setCount(count);
  });
}

OperationFill op_get(RangeFill range, GetOptions options) {
  return [range = std::move(range), options](schema::Operation::Builder builder) {
    auto get = builder.initGet();
    range(get.initRange());
    get.setLimit(options.limit);
    get.setKeysOnly(options.keys_only);
    get.setCountOnly(options.count_only);
  };
}
OperationFill op_put(std::string key, std::string value, PutOptions options) {
  return [key = std::move(key), value = std::move(value),
          options](schema::Operation::Builder builder) {
    fill_put(builder.initPut(), key, value, options);
  };
}
OperationFill op_erase(RangeFill range, bool want_previous) {
  return [range = std::move(range), want_previous](schema::Operation::Builder builder) {
    auto erase = builder.initDelete();
    range(erase.initRange());
    erase.setWantPrevious(want_previous);
  };
}
OperationFill op_increment(std::string key, std::int64_t by, std::uint64_t lease) {
  return [key = std::move(key), by, lease](schema::Operation::Builder builder) {
    auto increment = builder.initIncrement();
    increment.setKey(data(key));
    increment.setBy(by);
    increment.setLease(lease);
  };
}
OperationFill op_sequential_put(std::string prefix, std::string value, std::uint64_t lease) {
  return [prefix = std::move(prefix), value = std::move(value),
          lease](schema::Operation::Builder builder) {
    auto put = builder.initSequentialPut();
    put.setPrefix(data(prefix));
    put.setValue(data(value));
    put.setLease(lease);
  };
}
OperationFill op_txn(TxnParts parts) {
  return [parts = std::move(parts)](schema::Operation::Builder builder) {
    fill_txn(builder.initTxn(), parts);
  };
}

WriteFill in_session(std::uint64_t session, std::uint64_t sequence, WriteFill write) {
  return in_session(session, sequence, 0, std::move(write));
}
WriteFill in_session(std::uint64_t session, std::uint64_t sequence, std::uint64_t first_outstanding,
                     WriteFill write) {
  return [session, sequence, first_outstanding,
          write = std::move(write)](schema::Write::Builder builder) {
    builder.setSession(session);
    builder.setSequence(sequence);
    builder.setFirstOutstanding(first_outstanding);
    write(builder);
  };
}
WriteFill guarded(LockName name, std::uint64_t token, WriteFill write) {
  return [name = std::move(name), token, write = std::move(write)](schema::Write::Builder builder) {
    auto guard = builder.initGuard();
    fill_name(guard.initLock(), name);
    guard.setToken(token);
    write(builder);
  };
}

CommandFill writes(std::vector<WriteFill> writes) {
  return [writes = std::move(writes)](schema::Command::Builder builder) {
    auto list = builder.initWrites(static_cast<unsigned>(writes.size()));
    for (unsigned i = 0; i < list.size(); ++i) writes[i](list[i]);
  };
}
CommandFill renew(std::vector<std::uint64_t> leases) {
  return [leases = std::move(leases)](schema::Command::Builder builder) {
    auto list = builder.initRenew(static_cast<unsigned>(leases.size()));
    for (unsigned i = 0; i < list.size(); ++i) list.set(i, leases[i]);
  };
}
CommandFill expire(std::vector<std::pair<std::uint64_t, std::uint64_t>> leases) {
  return [leases = std::move(leases)](schema::Command::Builder builder) {
    auto list = builder.initExpire(static_cast<unsigned>(leases.size()));
    for (unsigned i = 0; i < list.size(); ++i) {
      list[i].setLease(leases[i].first);
      list[i].setRenewedAt(leases[i].second);
    }
  };
}
CommandFill compact(std::uint64_t revision) {
  return [revision](schema::Command::Builder builder) { builder.setCompact(revision); };
}
raft::Configuration members(std::vector<std::uint64_t> voters) {
  raft::Configuration configuration;
  for (const std::uint64_t id : voters) configuration.voters.push_back(MemberId(id));
  return configuration;
}

CommandFill publish_member(MemberRecord member) {
  return [member = std::move(member)](schema::Command::Builder builder) {
    auto info = builder.initPublishMember();
    info.setId(member.id.value());
    info.setName(member.name);
    info.setPeerAddress(member.peer_address);
    info.setClientAddress(member.client_address);
  };
}

Bytes encode(const CommandFill& command, std::uint64_t stamp_ms) {
  capnp::MallocMessageBuilder message;
  auto root = message.initRoot<schema::Command>();
  root.setVersion(1);
  root.setStampMs(stamp_ms);
  command(root);
  const auto words = capnp::messageToFlatArray(message);
  return Bytes::copy_of(std::as_bytes(std::span(words.begin(), words.size())));
}

}  // namespace coord::service::commands
