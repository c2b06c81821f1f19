#include <gtest/gtest.h>

#include "raft/base/limits.h"
#include "tests/service/state/machine.h"

namespace coord::service {
namespace {

using namespace commands;  // NOLINT: the language of these tests
using Lines = std::vector<std::string>;

TxnResult run(Machine& m, TxnParts parts) {
  return expect<TxnResult>(m.write(txn(std::move(parts))));
}

template <class T>
const T& at(const TxnResult& result, std::size_t i) {
  return std::get<T>(result.results.at(i).value);
}

TEST(Txn, Branch_IsTakenByItsCompares) {
  Machine m;
  m.write(put("a", "1"));
  EXPECT_TRUE(run(m, {.compares = {value_is("a", Operator::EQUAL, "1")},
                      .then = {op_put("b", "then")},
                      .otherwise = {op_put("b", "else")}})
                  .succeeded);
  EXPECT_EQ(m.get("b"), "b=then");
  const TxnResult failed =
      run(m, {.compares = {exists("b"), value_is("a", Operator::LESS, "1"), exists("nothing")},
              .otherwise = {op_put("b", "else")}});
  EXPECT_FALSE(failed.succeeded);
  EXPECT_EQ(failed.failed_compare, 1u);
  EXPECT_EQ(failed.met->value, "1");
  EXPECT_EQ(m.get("b"), "b=else");
}

TEST(Txn, EveryCompare_MeansWhatItSays) {
  Machine m;
  m.write_all({grant(7), put("x", "0"), put("a", "m", {.lease = 7}), put("a", "m", {.lease = 7})});
  // a: value m, create revision 2, modify revision 3, version 2, lease 7.
  const auto holds = [&](CompareFill compare) { return run(m, {.compares = {compare}}).succeeded; };
  const auto order = [&](auto make, auto less, auto same, auto more) {
    EXPECT_TRUE(holds(make("a", Operator::EQUAL, same)));
    EXPECT_FALSE(holds(make("a", Operator::EQUAL, more)));
    EXPECT_TRUE(holds(make("a", Operator::NOT_EQUAL, less)));
    EXPECT_FALSE(holds(make("a", Operator::NOT_EQUAL, same)));
    EXPECT_TRUE(holds(make("a", Operator::LESS, more)));
    EXPECT_FALSE(holds(make("a", Operator::LESS, same)));
    EXPECT_TRUE(holds(make("a", Operator::LESS_OR_EQUAL, same)));
    EXPECT_FALSE(holds(make("a", Operator::LESS_OR_EQUAL, less)));
    EXPECT_TRUE(holds(make("a", Operator::GREATER, less)));
    EXPECT_FALSE(holds(make("a", Operator::GREATER, same)));
    EXPECT_TRUE(holds(make("a", Operator::GREATER_OR_EQUAL, same)));
    EXPECT_FALSE(holds(make("a", Operator::GREATER_OR_EQUAL, more)));
  };
  order(value_is, "l", "m", "n");
  order(version_is, 1u, 2u, 3u);
  order(create_revision_is, 1u, 2u, 3u);
  order(mod_revision_is, 2u, 3u, 4u);
  order(lease_is, 6u, 7u, 8u);
  EXPECT_TRUE(holds(exists("a")));
  EXPECT_TRUE(holds(exists("b", false)));
  EXPECT_TRUE(holds(exists("b", true, Operator::NOT_EQUAL)));
  EXPECT_FALSE(holds(exists("a", false)));
  EXPECT_TRUE(holds(count_is(prefix(""), Operator::EQUAL, 2)));
  EXPECT_FALSE(holds(count_is(prefix(""), Operator::LESS, 2)));
}

TEST(Txn, KeyThatDoesNotExist_ComparesAsZeroAndHasNoValue) {
  Machine m;
  const auto holds = [&](CompareFill compare) { return run(m, {.compares = {compare}}).succeeded; };
  for (const auto make : {version_is, create_revision_is, mod_revision_is, lease_is}) {
    EXPECT_TRUE(holds(make("a", Operator::EQUAL, 0)));
    EXPECT_TRUE(holds(make("a", Operator::LESS, 1)));
  }
  for (const Operator op : {Operator::EQUAL, Operator::LESS, Operator::LESS_OR_EQUAL,
                            Operator::GREATER, Operator::GREATER_OR_EQUAL}) {
    EXPECT_FALSE(holds(value_is("a", op, "")));
  }
  EXPECT_TRUE(holds(value_is("a", Operator::NOT_EQUAL, "")));
}

TEST(Txn, Operations_SeeThoseBeforeThem) {
  Machine m;
  m.write_all({put("a", "1"), put("b", "1")});
  const TxnResult result =
      run(m, {.then = {op_put("c", "2"), op_get(prefix("")), op_erase(prefix("a"), true),
                       op_put("b", "2"), op_get(prefix("")), op_get(prefix(""), {.limit = 1}),
                       op_get(prefix(""), {.count_only = true})}});
  EXPECT_EQ(at<RangeResult>(result, 1).items.size(), 3u);
  EXPECT_EQ(at<DeleteResult>(result, 2).previous.at(0).value, "1");
  EXPECT_EQ(at<RangeResult>(result, 4).items.size(), 2u);
  EXPECT_EQ(at<RangeResult>(result, 4).items[0].value, "2");
  EXPECT_EQ(at<RangeResult>(result, 4).items[0].version, 2u);
  EXPECT_TRUE(at<RangeResult>(result, 5).more);
  EXPECT_EQ(at<RangeResult>(result, 6).count, 2u);
  EXPECT_EQ(m.state().revision(), Revision(3));
}

TEST(Txn, KeyTouchedOften_ChangesOnce) {
  Machine m;
  m.write_all({put("a", "1"), put("gone", "1")});
  m.observer().take();
  run(m, {.then = {op_put("b", "1"), op_put("a", "2"), op_put("b", "2"), op_put("a", "3"),
                   op_put("new", "1"), op_erase(single("new")), op_erase(single("gone")),
                   op_put("gone", "2")}});
  EXPECT_EQ(m.observer().take(), (Lines{"3: put b=2 v2 c3 prev0", "3: put a=3 v3 c1 prev1",
                                        "3: put gone=2 v1 c3 prev2"}));
}

TEST(Txn, ThatChangesNothing_TakesNoRevision) {
  Machine m;
  m.write(put("a", "1"));
  const auto result = m.write(txn({.then = {op_put("new", "1"), op_erase(single("new")),
                                            op_erase(single("x")), op_get(single("a"))}}));
  EXPECT_EQ(result.revision, Revision(1));
  EXPECT_EQ(m.state().revision(), Revision(1));
}

TEST(Txn, FailedOperation_UndoesTheWholeWrite) {
  Machine m;
  m.write_all({grant(7), put("a", "x"), put("max", "9223372036854775807")});
  m.observer().take();
  const auto failing = [&](OperationFill last) {
    return error_of(m.write(txn({.then = {op_put("b", "1", {.lease = 7}), op_erase(single("a")),
                                          op_sequential_put("s", ""), std::move(last)}})));
  };
  EXPECT_EQ(failing(op_increment("max", 1)), ErrorCode::kNumberOverflow);
  EXPECT_EQ(failing(op_put("", "")), ErrorCode::kEmptyKey);
  EXPECT_EQ(failing(op_put("_coord/x", "")), ErrorCode::kReservedKey);
  EXPECT_EQ(failing(op_put("c", "", {.lease = 8})), ErrorCode::kLeaseNotFound);
  EXPECT_EQ(failing(op_erase(half_open("b", "a"))), ErrorCode::kReversedRange);
  EXPECT_EQ(failing(op_erase(prefix("_coord/"))), ErrorCode::kReservedKey);
  EXPECT_EQ(failing(op_get(single(""))), ErrorCode::kEmptyKey);
  EXPECT_EQ(failing(op_txn({.compares = {exists("", true)}})), ErrorCode::kEmptyKey);
  EXPECT_EQ(failing(op_txn({.compares = {exists("a", true, Operator::LESS)}})),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of(m.write(txn({.then = {op_increment("a", 1)}}))), ErrorCode::kNotANumber);
  EXPECT_EQ(m.observer().take(), Lines{});
  EXPECT_EQ(m.state().revision(), Revision(2));
  EXPECT_EQ(m.state().lease(LeaseId(7))->attached_keys, 0u);
  const auto first = run(m, {.then = {op_sequential_put("s", "")}});
  EXPECT_EQ(at<std::string>(first, 0), "s00000000000000000001");
}

TEST(Txn, NotTakenBranch_IsNotLookedAt) {
  Machine m;
  EXPECT_TRUE(run(m, {.then = {}, .otherwise = {op_put("", "")}}).succeeded);
}

TEST(Txn, Nested_SeesAndIsSeen) {
  Machine m;
  const TxnResult result =
      run(m, {.then = {op_put("a", "1"),
                       op_txn({.compares = {value_is("a", Operator::EQUAL, "1")},
                               .then = {op_put("b", "inner")},
                               .otherwise = {op_put("b", "wrong")}}),
                       op_get(single("b"))}});
  EXPECT_TRUE(at<std::vector<TxnResult>>(result, 1).at(0).succeeded);
  EXPECT_EQ(at<RangeResult>(result, 2).items.at(0).value, "inner");
  EXPECT_EQ(m.state().revision(), Revision(1));
}

TEST(Txn, NestedTooDeep_Fails) {
  Machine m;
  TxnParts parts{.then = {op_put("a", "1")}};
  for (std::size_t i = 1; i < limits::kTransactionDepthMax; ++i) parts = {.then = {op_txn(parts)}};
  EXPECT_FALSE(m.write(txn(parts)).failed());
  for (int i = 0; i < 100; ++i) parts = {.then = {op_txn(parts)}};
  EXPECT_EQ(error_of(m.write(txn(parts))), ErrorCode::kTooManyOperations);
}

TEST(Increment, CountsInDecimal) {
  Machine m;
  m.write_all(
      {put("n", "-5"), put("max", "9223372036854775807"), put("min", "-9223372036854775808")});
  const auto add = [&](std::string key, std::int64_t by) {
    return m.write(txn({.then = {op_increment(std::move(key), by)}}));
  };
  EXPECT_EQ(at<std::int64_t>(expect<TxnResult>(add("n", 7)), 0), 2);
  EXPECT_EQ(m.get("n"), "n=2");
  EXPECT_EQ(at<std::int64_t>(expect<TxnResult>(add("new", -3)), 0), -3);
  EXPECT_EQ(at<std::int64_t>(expect<TxnResult>(add("max", INT64_MIN)), 0), -1);
  EXPECT_EQ(error_of(add("min", -1)), ErrorCode::kNumberOverflow);
  for (const char* bad : {"", " 1", "1 ", "+1", "0x1", "1.0", "--1", "-"}) {
    m.write(put("bad", bad));
    EXPECT_EQ(error_of(add("bad", 1)), ErrorCode::kNotANumber) << bad;
  }
  m.write(put("bad", "9223372036854775808"));
  EXPECT_EQ(error_of(add("bad", 1)), ErrorCode::kNumberOverflow);
}

TEST(SequentialPut, Numbers_GrowThroughDeletesCompactionAndRestart) {
  Machine m;
  const auto next = [&] {
    return at<std::string>(run(m, {.then = {op_sequential_put("q/", "v")}}), 0);
  };
  EXPECT_EQ(next(), "q/00000000000000000001");
  const TxnResult two =
      run(m, {.then = {op_sequential_put("q/", "v"), op_sequential_put("r/", "v")}});
  EXPECT_EQ(at<std::string>(two, 0), "q/00000000000000000002");
  EXPECT_EQ(at<std::string>(two, 1), "r/00000000000000000003");
  m.write(erase(prefix("")));
  m.apply(compact(m.state().revision().value()));
  m.restart();
  EXPECT_EQ(next(), "q/00000000000000000004");
  run(m, {.then = {op_sequential_put("q/", "v"), op_erase(prefix("q/"))}});
  m.write(put("q/00000000000000000006", "a user's"));
  EXPECT_EQ(next(), "q/00000000000000000007");
  EXPECT_EQ(m.get("q/00000000000000000006"), "q/00000000000000000006=a user's");
}

TEST(Txn, AnswerBeyondItsBound_GoesOnInAPageOrFails) {
  Machine m;
  for (const char* name : {"a", "b", "c"}) m.write(put(name, std::string(1 << 20, 'x')));
  const TxnResult paged = run(m, {.then = {op_get(prefix(""))}});
  EXPECT_EQ(at<RangeResult>(paged, 0).items.size(), 1u);
  EXPECT_TRUE(at<RangeResult>(paged, 0).more);
  EXPECT_EQ(error_of(m.write(
                txn({.then = {op_get(single("a")), op_put("z", "1"), op_get(single("b"))}}))),
            ErrorCode::kRequestTooLarge);
  EXPECT_EQ(m.get("z"), "");
}

}  // namespace
}  // namespace coord::service
