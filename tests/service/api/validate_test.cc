// Every error at the door, each with the smallest request that earns it and the largest that does
// not.
#include "service/api/validate.h"

#include <capnp/message.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <ostream>
#include <string>
#include <string_view>

namespace coord::service {
namespace {

using Fill = std::function<void(schema::Write::Builder)>;

struct Case {
  std::string name;
  Fill fill;
  // Nothing: the write passes.
  std::optional<ErrorCode> refused;
};
std::ostream& operator<<(std::ostream& out, const Case& test) {
  return out << test.name;
}

capnp::Data::Reader bytes(const std::string& text) {
  return {reinterpret_cast<const kj::byte*>(text.data()), text.size()};
}

Fill put(std::string key, std::string value) {
  return [=](schema::Write::Builder write) {
    write.initPut().setKey(bytes(key));
    write.getPut().setValue(bytes(value));
  };
}

Fill delete_range(std::string begin, std::string end) {
  return [=](schema::Write::Builder write) {
    write.initDelete().initRange().setBegin(bytes(begin));
    write.getDelete().getRange().setEnd(bytes(end));
  };
}

Fill delete_prefix(std::string begin) {
  return [=](schema::Write::Builder write) {
    write.initDelete().initRange().setBegin(bytes(begin));
    write.getDelete().getRange().setPrefix();
  };
}

Fill grant(std::uint64_t ttl_ms, std::string name = {}) {
  return [=](schema::Write::Builder write) {
    write.initLeaseGrant().setTtlMs(ttl_ms);
    write.getLeaseGrant().setName(name.c_str());
  };
}

Fill acquire(std::string name, std::uint64_t lease, bool election = false, bool shared = false) {
  return [=](schema::Write::Builder write) {
    auto lock = write.initLockAcquire();
    lock.initLock().setName(bytes(name));
    lock.getLock().setElection(election);
    lock.setLease(lease);
    if (shared) lock.setMode(schema::LockAcquire::Mode::SHARED);
  };
}

Fill txn_of(unsigned puts) {
  return [=](schema::Write::Builder write) {
    auto branch = write.initTxn().initThen(puts);
    for (auto operation : branch) operation.initPut().setKey(bytes("k"));
  };
}

Fill nested(unsigned depth) {
  return [=](schema::Write::Builder write) {
    auto txn = write.initTxn();
    for (unsigned level = 1; level < depth; ++level) txn = txn.initThen(1)[0].initTxn();
  };
}

Fill compare(std::function<void(schema::Compare::Builder)> fill) {
  return [fill = std::move(fill)](schema::Write::Builder write) {
    auto compares = write.initTxn().initCompares(1);
    compares[0].setKey(bytes("k"));
    fill(compares[0]);
  };
}

Fill operation(std::function<void(schema::Operation::Builder)> fill) {
  return [fill = std::move(fill)](schema::Write::Builder write) {
    fill(write.initTxn().initElse(1)[0]);
  };
}

Fill in_session(std::uint64_t sequence, std::uint64_t first_outstanding) {
  return [=](schema::Write::Builder write) {
    write.setSession(7);
    write.setSequence(sequence);
    write.setFirstOutstanding(first_outstanding);
    write.initPut().setKey(bytes("k"));
  };
}

const std::string kLongestKey(limits::kKeyBytesMax, 'k');
const std::string kLongestValue(limits::kValueBytesMax, 'v');
const std::string kLongestName(limits::kNameBytesMax, 'n');

std::vector<Case> cases() {
  return {
      {"Put", put("k", "v"), {}},
      {"EmptyValue", put("k", ""), {}},
      {"EmptyKey", put("", "v"), ErrorCode::kEmptyKey},
      {"LongestKey", put(kLongestKey, "v"), {}},
      {"KeyTooLarge", put(kLongestKey + "k", "v"), ErrorCode::kKeyTooLarge},
      {"LongestValue", put("k", kLongestValue), {}},
      {"ValueTooLarge", put("k", kLongestValue + "v"), ErrorCode::kValueTooLarge},
      {"ReservedKey", put("_coord/lock/x", "v"), ErrorCode::kReservedKey},
      {"NearlyReservedKey", put("_coord", "v"), {}},
      {"DeleteEmptyRange", delete_range("a", "a"), {}},
      {"ReversedRange", delete_range("b", "a"), ErrorCode::kReversedRange},
      {"EndBeforeEverything", delete_range("b", ""), ErrorCode::kReversedRange},
      {"RangeEndTooLarge", delete_range("a", kLongestKey + "k"), ErrorCode::kKeyTooLarge},
      {"DeleteEverything", delete_prefix(""), {}},
      {"DeleteReserved", delete_prefix("_coord/lock/"), ErrorCode::kReservedKey},
      {"ZeroTtl", grant(0), ErrorCode::kZeroTtl},
      {"ShortestTtl", grant(1), {}},
      {"TtlBeyondReason", grant(UINT64_MAX), ErrorCode::kInvalidArgument},
      {"LongestLeaseName", grant(1000, kLongestName), {}},
      {"LeaseNameTooLarge", grant(1000, kLongestName + "n"), ErrorCode::kKeyTooLarge},
      {"Acquire", acquire("l", 1), {}},
      {"AcquireShared", acquire("l", 1, false, true), {}},
      {"AcquireWithoutName", acquire("", 1), ErrorCode::kEmptyKey},
      {"AcquireWithoutLease", acquire("l", 0), ErrorCode::kInvalidArgument},
      {"LockNameTooLarge", acquire(kLongestName + "n", 1), ErrorCode::kKeyTooLarge},
      {"SharedElection", acquire("e", 1, true, true), ErrorCode::kInvalidArgument},
      {"MostOperations", txn_of(limits::kTransactionOperationsMax), {}},
      {"TooManyOperations", txn_of(limits::kTransactionOperationsMax + 1),
       ErrorCode::kTooManyOperations},
      {"DeepestTxn", nested(limits::kTransactionDepthMax), {}},
      {"TxnTooDeep", nested(limits::kTransactionDepthMax + 1), ErrorCode::kTooManyOperations},
      {"CompareNoKey",
       [](schema::Write::Builder write) { write.initTxn().initCompares(1)[0].setVersion(1); },
       ErrorCode::kEmptyKey},
      {"CompareExistsByOrder", compare([](auto compare) {
         compare.setExists(true);
         compare.setOperator(schema::Compare::Operator::LESS);
       }),
       ErrorCode::kInvalidArgument},
      {"CompareUnknownOperator", compare([](auto compare) {
         compare.setOperator(static_cast<schema::Compare::Operator>(99));
       }),
       ErrorCode::kUnsupported},
      {"CompareCountOfReversedRange", compare([](auto compare) {
         auto range = compare.initCount().initRange();
         range.setBegin(bytes("b"));
         range.setEnd(bytes("a"));
       }),
       ErrorCode::kReversedRange},
      {"GetReservedInTxn",
       operation([](auto operation) {
         operation.initGet().initRange().setBegin(bytes("_coord/lock/x"));
       }),
       {}},
      {"PutReservedInTxn",
       operation([](auto operation) { operation.initPut().setKey(bytes("_coord/lock/x")); }),
       ErrorCode::kReservedKey},
      {"IncrementReserved",
       operation([](auto operation) { operation.initIncrement().setKey(bytes("_coord/x")); }),
       ErrorCode::kReservedKey},
      {"SequentialPutTooLarge", operation([](auto operation) {
         operation.initSequentialPut().setPrefix(bytes(kLongestKey.substr(19)));
       }),
       ErrorCode::kKeyTooLarge},
      {"InSession", in_session(5, 5), {}},
      {"SessionWithoutSequence", in_session(0, 0), ErrorCode::kInvalidArgument},
      {"SequenceBelowOutstanding", in_session(5, 6), ErrorCode::kInvalidArgument},
      {"GuardWithoutLock",
       [](schema::Write::Builder write) {
         write.initPut().setKey(bytes("k"));
         write.initGuard().setToken(3);
       },
       ErrorCode::kEmptyKey},
  };
}

class Writes : public testing::TestWithParam<Case> {};

TEST_P(Writes, AtTheDoor_GetTheirOwnError) {
  const RequestLimits limits;
  const Door door(limits);
  capnp::MallocMessageBuilder message;
  auto write = message.initRoot<schema::Write>();
  GetParam().fill(write);
  const Status status = door.check(write.asReader());
  if (!GetParam().refused) {
    EXPECT_TRUE(status.ok()) << status.error().message;
    return;
  }
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(to_string(status.error().code), to_string(*GetParam().refused));
  EXPECT_EQ(status.error().outcome, Outcome::kNotApplied);
}

INSTANTIATE_TEST_SUITE_P(Door, Writes, testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.name; });

TEST(Calls, AtTheDoor_AreBoundedInOperationsAndBytes) {
  const RequestLimits limits;
  const Door door(limits);
  EXPECT_TRUE(door.call_size(limits.call_operations_max, limits.request_bytes_max).ok());
  EXPECT_EQ(door.call_size(limits.call_operations_max + 1, 0).error().code,
            ErrorCode::kTooManyOperations);
  EXPECT_EQ(door.call_size(1, limits.request_bytes_max + 1).error().code,
            ErrorCode::kRequestTooLarge);
}

TEST(Reads, AtTheDoor_MayLookAtReservedKeysButNotAtNothing) {
  const RequestLimits limits;
  const Door door(limits);
  capnp::MallocMessageBuilder message;
  auto read = message.initRoot<schema::Read>();
  EXPECT_EQ(door.check(read.asReader()).error().code, ErrorCode::kEmptyKey);
  read.initRange().setBegin(bytes("_coord/election/x"));
  EXPECT_TRUE(door.check(read.asReader()).ok());
  read.setCursor(bytes(kLongestKey + kLongestKey));
  EXPECT_EQ(door.check(read.asReader()).error().code, ErrorCode::kInvalidArgument);
}

// A text that does not end in a zero would be refused by whoever reads it when it is applied, on
// every member and for ever: it has to be found here.
TEST(Writes, WithABentPointer_NeverPassTheDoor) {
  const RequestLimits limits;
  const Door door(limits);
  capnp::MallocMessageBuilder message;
  auto write = message.initRoot<schema::Write>();
  write.initLeaseGrant().setTtlMs(1000);
  write.getLeaseGrant().setName("abcdefg");
  auto segment = message.getSegmentsForOutput()[0];
  auto* raw = const_cast<char*>(reinterpret_cast<const char*>(segment.begin()));
  const std::string_view text = "abcdefg";
  char* name = std::search(raw, raw + segment.asBytes().size(), text.begin(), text.end());
  name[7] = 'h';
  EXPECT_THROW((void)door.check(write.asReader()), kj::Exception);
}

}  // namespace
}  // namespace coord::service
