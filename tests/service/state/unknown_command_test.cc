// Whatever a log may hold, applying it gives an answer: what a newer version wrote, and what nobody
// would write.
#include <capnp/any.h>
#include <capnp/message.h>
#include <capnp/schema.h>
#include <capnp/serialize.h>
#include <gtest/gtest.h>

#include "raft/base/prng.h"
#include "tests/service/state/machine.h"
#include "tests/service/state/random_commands.h"

namespace coord::service {
namespace {

using namespace commands;  // NOLINT: the language of these tests

// As if a later version had added a member to the union.
template <class Builder>
void make_unknown(Builder builder) {
  const auto node = capnp::Schema::from<typename Builder::Builds>().getProto();
  const std::size_t offset = node.getStruct().getDiscriminantOffset() * 2;
  auto data = capnp::toAny(builder).getDataSection();
  data[offset] = 0xee;
  data[offset + 1] = 0xee;
}

TEST(UnknownCommand, NewerVersion_HasNoEffect) {
  Machine m;
  const auto results = m.apply([](schema::Command::Builder command) {
    writes({put("a", "1")})(command);
    command.setVersion(99);
  });
  ASSERT_TRUE(results.failure);
  EXPECT_EQ(results.failure->code, ErrorCode::kUnsupported);
  ASSERT_EQ(results.writes.size(), 1u);
  EXPECT_EQ(error_of(results.writes[0]), ErrorCode::kUnsupported);
  EXPECT_EQ(m.get("a"), "");
}

TEST(UnknownCommand, UnknownKind_HasNoEffect) {
  Machine m;
  const auto results = m.apply([](schema::Command::Builder command) { make_unknown(command); });
  ASSERT_TRUE(results.failure);
  EXPECT_EQ(results.failure->code, ErrorCode::kUnsupported);
}

TEST(UnknownCommand, UnknownParts_FailTheirWriteOnly) {
  Machine m;
  m.write(grant(1));
  const auto with = [](auto fill) { return [fill](schema::Write::Builder write) { fill(write); }; };
  const auto results = m.write_all({
      put("a", "1"),
      with([](auto write) { make_unknown(write); }),
      with([](auto write) {
        write.initDelete().initRange().setBegin(kj::StringPtr("a").asBytes());
        make_unknown(write.getDelete().getRange());
      }),
      with([](auto write) {
        write.initCompareAndSwap().setKey(kj::StringPtr("a").asBytes());
        make_unknown(write.getCompareAndSwap());
      }),
      txn({.then = {op_put("b", "1"), [](auto operation) { make_unknown(operation); }}}),
      txn({.compares = {[](auto compare) {
             compare.setKey(kj::StringPtr("a").asBytes());
             make_unknown(compare);
           }},
           .then = {op_put("b", "1")}}),
      txn({.compares = {value_is("a", static_cast<Operator>(77), "1")},
           .otherwise = {op_put("b", "1")}}),
      txn({.compares = {value_is("none", static_cast<Operator>(77), "1")},
           .otherwise = {op_put("b", "1")}}),
      txn({.compares = {count_is(prefix(""), static_cast<Operator>(77), 1)}}),
      with([](auto write) {
        acquire(lock("l"), 1)(write);
        write.getLockAcquire().setMode(static_cast<schema::LockAcquire::Mode>(9));
      }),
      put("c", "1"),
  });
  EXPECT_FALSE(results.front().failed());
  EXPECT_FALSE(results.back().failed());
  for (std::size_t i = 1; i + 1 < results.size(); ++i) {
    EXPECT_EQ(error_of(results[i]), ErrorCode::kUnsupported) << i;
  }
  EXPECT_EQ(m.read(with_prefix("")), "a=1 c=1");
  EXPECT_EQ(m.state().revision(), Revision(2));
}

TEST(UnknownCommand, EmptyEverything_IsRefused) {
  Machine m;
  const auto results = m.write_all({
      [](schema::Write::Builder) {},
      [](schema::Write::Builder write) { write.initDelete(); },
      [](schema::Write::Builder write) { write.initCompareAndSwap(); },
      [](schema::Write::Builder write) { write.initLeaseGrant(); },
      [](schema::Write::Builder write) { write.setLeaseRevoke(0); },
      [](schema::Write::Builder write) { write.initLockAcquire(); },
      [](schema::Write::Builder write) { write.initLockRelease(); },
      [](schema::Write::Builder write) { write.initLockCancel(); },
      [](schema::Write::Builder write) { write.initProclaim(); },
      [](schema::Write::Builder write) { write.initLockBreak(); },
      [](schema::Write::Builder write) {
        write.initGuard();
        put("a", "1")(write);
      },
  });
  for (std::size_t i = 0; i < results.size(); ++i) EXPECT_TRUE(results[i].failed()) << i;
  EXPECT_FALSE(m.write([](schema::Write::Builder write) { write.initTxn(); }).failed());
  EXPECT_EQ(m.state().revision(), Revision(0));
  EXPECT_FALSE(m.apply([](schema::Command::Builder) {}).failure);
}

// A payload that was damaged in ways that no checksum saw must still not bring a member down.
TEST(UnknownCommand, DamagedPayloads_NeverTripACheck) {
  Prng prng(7);
  Machine m;
  m.write_all({grant(1, {.session = true}), put("a", "1"), acquire(lock("l"), 1)});
  for (int i = 0; i < 3000; ++i) {
    const Bytes whole = encode(random_command(prng.next(), m.state().revision().value(),
                                              m.state().position().applied.index.value()),
                               5);
    std::string bytes(whole.view());
    for (std::uint64_t flips = prng.below(4); flips > 0; --flips) {
      bytes[prng.below(bytes.size())] ^= static_cast<char>(1 << prng.below(8));
    }
    if (prng.chance(1, 8)) bytes.resize(prng.below(bytes.size()));
    CommandResults results;
    m.state().apply(m.next_entry(Bytes::copy_of(bytes)), &results);
  }
  CommandResults results;
  m.state().apply(m.next_entry(Bytes()), &results);
  EXPECT_TRUE(results.writes.empty());
}

TEST(UnknownCommand, UnalignedPayload_IsApplied) {
  Machine m;
  const Bytes whole = encode(writes({put("a", "1")}), 0);
  const Bytes shifted = Bytes::copy_of("abc" + std::string(whole.view())).slice(3, whole.size());
  CommandResults results;
  m.state().apply(m.next_entry(shifted), &results);
  EXPECT_EQ(m.get("a"), "a=1");
}

TEST(OtherEntries, MoveThePositionOnly) {
  Machine m;
  raft::Entry noop = m.next_entry(Bytes::copy_of("anything"));
  noop.type = raft::EntryType::kNoop;
  m.state().apply(noop, nullptr);
  m.state().apply(m.next_configuration(members({1})), nullptr);
  EXPECT_EQ(m.state().position().applied.index, Index(2));
  EXPECT_EQ(m.state().revision(), Revision(0));
}

TEST(Members, ArePublished) {
  Machine m;
  m.apply(publish_member({MemberId(2), "n2", "p2", "c2"}));
  m.apply(publish_member({MemberId(1), "n1", "p1", ""}));
  m.apply(publish_member({MemberId(1), "n1", "p1", "c1"}));
  m.restart();
  const auto members = m.state().members();
  ASSERT_EQ(members.size(), 2u);
  EXPECT_EQ(members[0].client_address, "c1");
  EXPECT_EQ(members[1].id, MemberId(2));
  EXPECT_EQ(m.observer().take().size(), 3u);
}

}  // namespace
}  // namespace coord::service
