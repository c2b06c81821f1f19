#include "tests/service/state/random_commands.h"

#include <algorithm>
#include <array>

#include "raft/base/prng.h"

namespace coord::service {

namespace {

using namespace commands;  // NOLINT: the language of these tests

class Dice {
 public:
  Dice(std::uint64_t seed, std::uint64_t revision, std::uint64_t applied)
      : prng_(seed), revision_(revision), applied_(applied) {}

  CommandFill command() {
    switch (prng_.below(12)) {
      case 0:
        return renew({lease(), lease()});
      case 1:
        return expire({{lease(), near_entry()}});
      case 2:
        return compact(prng_.chance(1, 2) ? near_revision() : 0);
      default: {
        std::vector<WriteFill> all;
        for (std::uint64_t i = 0; i <= prng_.below(4); ++i) all.push_back(framed_write());
        return writes(std::move(all));
      }
    }
  }

 private:
  WriteFill framed_write() {
    WriteFill write = this->write();
    if (prng_.chance(1, 6)) write = guarded(lock_name(), near_revision(), std::move(write));
    if (prng_.chance(1, 3)) {
      const std::uint64_t sequence = prng_.below(6);
      write = in_session(lease(), sequence, prng_.below(sequence + 2), std::move(write));
    }
    return write;
  }

  WriteFill write() {
    switch (prng_.below(16)) {
      case 0:
      case 1:
      case 2:
        return put(key(), value(), {.lease = some_lease(), .want_previous = flip()});
      case 3:
        return commands::erase(range(), flip());
      case 4:
        return cas_absent(key(), value(), some_lease());
      case 5:
        return cas_value(key(), value(), value());
      case 6:
        return cas_revision(key(), prng_.chance(1, 4) ? 0 : near_revision(), value());
      case 7:
      case 8:
      case 9:
        return commands::txn(txn(3));
      case 10:
        return grant(prng_.below(5),
                     {.ttl_ms = prng_.below(3), .nonce = prng_.below(3), .session = flip()});
      case 11:
        return prng_.chance(1, 2) ? revoke(lease()) : put(key(), value());
      case 12:
      case 13:
        return acquire(lock_name(), lease(),
                       {.shared = flip(), .wait = !prng_.chance(1, 4), .value = value()});
      case 14:
        return flip() ? release(lock_name(), lease(), flip() ? 0 : near_revision())
                      : cancel(lock_name(), lease());
      default:
        return flip() ? break_hold(lock_name(), near_revision())
                      : proclaim("e", lease(), near_revision(), value());
    }
  }

  TxnParts txn(int depth) {
    TxnParts parts;
    for (std::uint64_t i = prng_.below(3); i > 0; --i) parts.compares.push_back(compare());
    for (std::uint64_t i = prng_.below(5); i > 0; --i) parts.then.push_back(operation(depth));
    for (std::uint64_t i = prng_.below(3); i > 0; --i) parts.otherwise.push_back(operation(depth));
    return parts;
  }

  OperationFill operation(int depth) {
    switch (prng_.below(depth > 0 ? 8 : 7)) {
      case 0:
        return op_get(range(), {.limit = static_cast<std::uint32_t>(prng_.below(3)),
                                .keys_only = flip(),
                                .count_only = prng_.chance(1, 4)});
      case 1:
      case 2:
        return op_put(key(), value(), {.lease = some_lease(), .want_previous = flip()});
      case 3:
        return op_erase(range(), flip());
      case 4:
        return op_increment(key(), static_cast<std::int64_t>(prng_.below(5)) - 2);
      case 5:
        return op_sequential_put(key(), value(), some_lease());
      case 6:
        return op_erase(single(user_key()));
      default:
        return op_txn(txn(depth - 1));
    }
  }

  CompareFill compare() {
    const auto op = static_cast<Operator>(prng_.below(6));
    switch (prng_.below(7)) {
      case 0:
        return value_is(user_key(), op, value());
      case 1:
        return version_is(user_key(), op, prng_.below(3));
      case 2:
        return create_revision_is(user_key(), op, near_revision());
      case 3:
        return mod_revision_is(user_key(), op, near_revision());
      case 4:
        return lease_is(user_key(), op, some_lease());
      case 5:
        return exists(user_key(), flip(), flip() ? Operator::EQUAL : Operator::NOT_EQUAL);
      default:
        return count_is(prefix(user_key()), op, prng_.below(3));
    }
  }

  RangeFill range() {
    switch (prng_.below(6)) {
      case 0:
        return prefix(prng_.chance(1, 4) ? "" : user_key());
      case 1:
        return half_open(user_key(), user_key());
      case 2:
        return to_end(user_key());
      case 3:
        return prefix("_coord/");
      default:
        return single(key());
    }
  }

  std::string user_key() {
    static const std::array<const char*, 6> kKeys = {"a", "ab", "abc", "b", "c", "z"};
    return kKeys[prng_.below(kKeys.size())];
  }
  std::string key() {
    if (prng_.chance(1, 30)) return "";
    if (prng_.chance(1, 30)) return "_coord/lock/l";
    return user_key();
  }
  std::string value() { return prng_.chance(1, 8) ? "word" : std::to_string(prng_.below(4)); }
  std::uint64_t lease() { return 1 + prng_.below(5); }
  std::uint64_t some_lease() { return flip() ? 0 : lease(); }
  LockName lock_name() {
    switch (prng_.below(3)) {
      case 0:
        return lock("l");
      case 1:
        return lock("m");
      default:
        return election("e");
    }
  }
  std::uint64_t near_revision() {
    const std::uint64_t back = prng_.below(6);
    return revision_ + 1 > back ? revision_ + 1 - back : 0;
  }
  // Of the first, in which leases are granted, or of one of the last.
  std::uint64_t near_entry() { return flip() ? 1 : applied_ - std::min(applied_, prng_.below(6)); }
  bool flip() { return prng_.chance(1, 2); }

  Prng prng_;
  std::uint64_t revision_;
  std::uint64_t applied_;
};

}  // namespace

commands::CommandFill random_command(std::uint64_t seed, std::uint64_t revision,
                                     std::uint64_t applied) {
  return Dice(seed, revision, applied).command();
}

}  // namespace coord::service
