// Histories made by hand, good and bad, several of which a simpler checker gets wrong: one that
// goes by the order of answers, one that drops what has no answer, one that takes it for done, one
// that looks at pairs only.
#include "tests/sim/linearizability.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <numeric>

namespace coord::sim {
namespace {

class Linearizability : public ::testing::Test {
 protected:
  // Between these moments, with that answer.
  void put(std::uint64_t called, std::uint64_t answered, std::uint64_t value,
           std::uint64_t version) {
    add({.op = Op::kPut, .value = value}, called, answered, {true, {version, value}});
  }
  void get(std::uint64_t called, std::uint64_t answered, std::uint64_t value,
           std::uint64_t version) {
    add({.op = Op::kGet}, called, answered, {true, {version, value}});
  }
  void swap(std::uint64_t called, std::uint64_t answered, std::uint64_t expected,
            std::uint64_t value, Answer answer) {
    add({.op = Op::kCompareAndSwap, .value = value, .expected_version = expected}, called, answered,
        answer);
  }
  void add_element(std::uint64_t called, std::uint64_t answered, std::uint64_t element,
                   Object after) {
    add({.op = Op::kAdd, .value = element}, called, answered, {true, after});
  }
  void unknown_put(std::uint64_t called, std::uint64_t value) {
    add({.op = Op::kPut, .value = value}, called, Operation::kNever, {});
  }
  void unknown_swap(std::uint64_t called, std::uint64_t expected, std::uint64_t value) {
    add({.op = Op::kCompareAndSwap, .value = value, .expected_version = expected}, called,
        Operation::kNever, {});
  }
  void unknown_add(std::uint64_t called, std::uint64_t element) {
    add({.op = Op::kAdd, .value = element}, called, Operation::kNever, {});
  }
  bool holds() const { return judge(history_).verdict == Verdict::kLinearizable; }

 private:
  void add(Request request, std::uint64_t called, std::uint64_t answered, Answer answer) {
    history_.push_back({.client = history_.size(),
                        .request = request,
                        .called = called,
                        .answered = answered,
                        .answer = answer});
  }
  std::vector<Operation> history_;
};

TEST_F(Linearizability, EmptyHistory_Holds) {
  EXPECT_TRUE(holds());
}

TEST_F(Linearizability, OneAfterTheOther_Holds) {
  put(1, 2, 7, 1);
  get(3, 4, 7, 1);
  EXPECT_TRUE(holds());
}

TEST_F(Linearizability, StaleRead_Fails) {
  put(1, 2, 7, 1);
  put(3, 4, 8, 2);
  get(5, 6, 7, 1);
  EXPECT_FALSE(holds());
}

TEST_F(Linearizability, ReadDuringAWrite_MaySeeEither) {
  put(1, 2, 7, 1);
  put(3, 8, 8, 2);
  get(4, 5, 7, 1);
  get(6, 7, 8, 2);
  EXPECT_TRUE(holds());
}

TEST_F(Linearizability, ReadsDuringAWrite_MayNotGoBack) {
  put(1, 2, 7, 1);
  put(3, 8, 8, 2);
  get(4, 5, 8, 2);
  get(6, 7, 7, 1);
  EXPECT_FALSE(holds());
}

// Each pair alone could be put in order; all three together cannot.
TEST_F(Linearizability, ReadersWhoSeeConcurrentWritesInDifferentOrders_Fail) {
  put(1, 10, 7, 1);
  put(2, 11, 8, 2);
  get(3, 4, 7, 1);
  get(5, 6, 8, 2);
  EXPECT_TRUE(holds());
  get(7, 8, 7, 1);
  EXPECT_FALSE(holds());
}

TEST_F(Linearizability, AnswersInAnotherOrderThanEffects_Hold) {
  put(1, 10, 7, 1);
  put(2, 3, 8, 2);
  get(4, 5, 8, 2);
  EXPECT_TRUE(holds());
}

TEST_F(Linearizability, UnknownWrite_MayNeverHappen) {
  put(1, 2, 7, 1);
  unknown_put(3, 8);
  get(4, 5, 7, 1);
  EXPECT_TRUE(holds());
}

TEST_F(Linearizability, UnknownWrite_MayHappenLongAfterOthers) {
  put(1, 2, 7, 1);
  unknown_put(3, 8);
  get(4, 5, 7, 1);
  put(6, 7, 9, 2);
  get(8, 9, 8, 3);
  EXPECT_TRUE(holds());
}

TEST_F(Linearizability, UnknownWrite_MayNotHappenBeforeItsCall) {
  put(1, 2, 7, 1);
  get(3, 4, 8, 2);
  unknown_put(5, 8);
  EXPECT_FALSE(holds());
}

TEST_F(Linearizability, UnknownWrite_OnceSeen_IsNotUnseenAgain) {
  put(1, 2, 7, 1);
  unknown_put(3, 8);
  get(4, 5, 8, 2);
  get(6, 7, 7, 1);
  EXPECT_FALSE(holds());
}

TEST_F(Linearizability, UnknownWrite_TakesEffectOnlyOnce) {
  unknown_put(1, 8);
  get(2, 3, 8, 1);
  put(4, 5, 9, 2);
  EXPECT_TRUE(holds());
  get(6, 7, 8, 3);
  EXPECT_FALSE(holds());
}

TEST_F(Linearizability, UnknownWriteThatNobodySaw_StillTakesAVersion) {
  unknown_put(1, 8);
  put(2, 3, 7, 2);
  EXPECT_TRUE(holds());
  put(4, 5, 9, 4);
  EXPECT_FALSE(holds());
}

TEST_F(Linearizability, LostUpdate_Fails) {
  put(1, 2, 7, 1);
  swap(3, 6, 1, 8, {true, {2, 8}});
  swap(4, 5, 1, 9, {true, {2, 9}});
  EXPECT_FALSE(holds());
}

TEST_F(Linearizability, RefusedSwap_SaysWhatItMet) {
  put(1, 2, 7, 1);
  swap(3, 4, 0, 8, {false, {1, 7}});
  get(5, 6, 7, 1);
  EXPECT_TRUE(holds());
}

TEST_F(Linearizability, RefusedSwap_ThatShouldHaveSucceeded_Fails) {
  put(1, 2, 7, 1);
  swap(3, 4, 1, 8, {false, {1, 7}});
  EXPECT_FALSE(holds());
}

TEST_F(Linearizability, UnknownSwap_ThatCannotSucceed_IsNoReason) {
  put(1, 2, 7, 1);
  put(3, 4, 8, 2);
  unknown_swap(5, 1, 9);
  get(6, 7, 8, 2);
  EXPECT_TRUE(holds());
  get(8, 9, 9, 3);
  EXPECT_FALSE(holds());
}

TEST_F(Linearizability, ElementOfASet_StaysOnceItIsIn) {
  add_element(1, 2, 3, {1, 0b1000});
  add_element(3, 4, 0, {2, 0b1001});
  get(5, 6, 0b1001, 2);
  EXPECT_TRUE(holds());
  get(7, 8, 0b0001, 2);
  EXPECT_FALSE(holds());
}

TEST_F(Linearizability, AcknowledgedElementThatIsMissing_Fails) {
  add_element(1, 4, 3, {2, 0b1001});
  add_element(2, 3, 0, {1, 0b0001});
  EXPECT_TRUE(holds());
  get(5, 6, 0b0001, 1);
  EXPECT_FALSE(holds());
}

// Forty outcomes that nobody knows, two of which explain the rest: without remembering where it has
// been the search would not end.
TEST_F(Linearizability, ManyUnknownOutcomes_AreDecided) {
  for (std::uint64_t i = 0; i < 40; ++i) unknown_put(1 + i, 100 + i);
  get(50, 51, 117, 1);
  get(52, 53, 123, 2);
  put(54, 55, 7, 3);
  EXPECT_TRUE(holds());
  get(56, 57, 117, 4);
  EXPECT_FALSE(holds());
}

// Any eleven of thirty could come before the first answer; these were there.
TEST_F(Linearizability, ManyUnknownElements_AreDecided) {
  for (std::uint64_t i = 0; i < 60; ++i) unknown_add(1 + i, i);
  std::uint64_t elements = 0;
  for (std::uint64_t i = 0; i < 30; ++i) elements |= std::uint64_t{1} << 2 * i;
  add_element(70, 73, 62, {31, elements | std::uint64_t{1} << 62});
  elements |= std::uint64_t{0b101010} << 6 | std::uint64_t{1} << 62 | std::uint64_t{1} << 63;
  add_element(71, 72, 63, {35, elements});
  EXPECT_TRUE(holds());
  get(80, 81, elements, 36);
  EXPECT_FALSE(holds());
}

TEST_F(Linearizability, UnknownElement_OnceMissing_MayStillCome) {
  unknown_add(1, 5);
  get(2, 3, 0, 0);
  add_element(4, 5, 6, {1, 0b1000000});
  get(6, 7, 0b1100000, 2);
  EXPECT_TRUE(holds());
  get(8, 9, 0b1000000, 3);
  EXPECT_FALSE(holds());
}

TEST_F(Linearizability, TwoUnknownAddsOfOneElement_MayBothHappen) {
  unknown_add(1, 5);
  unknown_add(2, 5);
  get(3, 4, 0b100000, 1);
  get(5, 6, 0b100000, 2);
  EXPECT_TRUE(holds());
  get(7, 8, 0b100000, 3);
  EXPECT_FALSE(holds());
}

TEST_F(Linearizability, TwoUnknownPutsOfOneValue_MayBothHappen) {
  unknown_put(1, 8);
  unknown_put(5, 8);
  get(6, 7, 8, 1);
  put(8, 9, 7, 2);
  get(10, 11, 8, 3);
  EXPECT_TRUE(holds());
  get(12, 13, 8, 4);
  EXPECT_FALSE(holds());
}

// The one that was called first may have taken effect last.
TEST_F(Linearizability, UnknownPuts_ComeInAnyOrder) {
  for (std::uint64_t i = 0; i < 20; ++i) unknown_put(1 + i, 100 + i);
  get(30, 31, 110, 4);
  get(32, 33, 100, 9);
  get(34, 35, 105, 20);
  EXPECT_TRUE(holds());
  put(36, 37, 7, 22);
  EXPECT_FALSE(holds());
}

TEST_F(Linearizability, UnknownPutsThatNobodySaw_TakeTheVersionsBetween) {
  unknown_put(1, 8);
  put(2, 3, 7, 2);
  unknown_put(4, 9);
  put(5, 6, 7, 4);
  EXPECT_TRUE(holds());
  unknown_put(7, 10);
  put(8, 9, 7, 7);
  EXPECT_FALSE(holds());
}

TEST_F(Linearizability, TooManySteps_AreNoVerdict) {
  // Nobody can say which of them made the others' value.
  std::vector<Operation> history;
  for (std::uint64_t i = 0; i < 9; ++i) {
    history.push_back(
        {.client = i,
         .request = {.op = Op::kCompareAndSwap, .value = i, .expected_version = i / 2},
         .called = i + 1});
  }
  history.push_back({.client = 9,
                     .request = {.op = Op::kGet},
                     .called = 20,
                     .answered = 21,
                     .answer = {true, {5, 99}}});
  EXPECT_EQ(judge(history, 20).verdict, Verdict::kUndecided);
  EXPECT_EQ(judge(history).verdict, Verdict::kNotLinearizable);
}

// --- Against a naive twin: all orders, one by one. -----------------------------------------------

bool naive(const std::vector<Operation>& history) {
  std::vector<std::size_t> order(history.size());
  std::iota(order.begin(), order.end(), 0);
  std::vector<std::size_t> unknown;
  for (std::size_t i = 0; i < history.size(); ++i) {
    if (!history[i].is_known()) unknown.push_back(i);
  }
  do {
    for (std::uint64_t happened = 0; happened < std::uint64_t{1} << unknown.size(); ++happened) {
      Object object;
      bool fits = true;
      std::uint64_t latest_call = 0;
      for (const std::size_t i : order) {
        const auto at = std::find(unknown.begin(), unknown.end(), i);
        if (at != unknown.end() && (happened >> (at - unknown.begin()) & 1) == 0) continue;
        const Operation& operation = history[i];
        // Nobody may come after one that was called later than this one was answered.
        fits = fits && operation.answered > latest_call;
        latest_call = std::max(latest_call, operation.called);
        const Answer answer = perform(operation.request, object);
        fits = fits && (!operation.is_known() || answer == operation.answer);
      }
      if (fits) return true;
    }
  } while (std::next_permutation(order.begin(), order.end()));
  return false;
}

// Operations that did happen in some order, at moments around it; then one answer may be spoiled.
template <class Below>
std::vector<Operation> some_history(const Below& below) {
  const std::uint64_t count = 1 + below(6);
  const std::uint64_t adds_of_three = below(4);
  const std::uint64_t values = 2 + below(5);
  const std::uint64_t unknown_of_four = 1 + below(3);
  std::vector<Operation> history;
  Object object;
  for (std::uint64_t i = 0; i < count; ++i) {
    Operation operation{.client = i};
    constexpr Op kOps[] = {Op::kPut, Op::kCompareAndSwap, Op::kGet};
    operation.request = {
        .op = kOps[below(3)], .value = 1 + below(values), .expected_version = below(3)};
    if (is_write(operation.request.op) && below(3) < adds_of_three) {
      operation.request.op = Op::kAdd;
    }
    const std::uint64_t at = 100 * (i + 1);
    operation.called = at - below(250) * 2 % at;
    operation.answer = perform(operation.request, object);
    operation.answered = at + 1 + below(250) * 2;
    if (below(4) < unknown_of_four) operation.answered = Operation::kNever;
    history.push_back(operation);
  }
  if (below(2) == 0) {
    Answer& answer = history[below(count)].answer;
    if (below(2) == 0) answer.object.version += below(3);
    if (below(2) == 0) answer.object.value = 1 + below(3);
  }
  // Moments are told apart by the operation.
  for (std::uint64_t i = 0; i < count; ++i) {
    history[i].called = history[i].called * 16 + 2 * i;
    if (history[i].is_known()) history[i].answered = history[i].answered * 16 + 2 * i + 1;
  }
  return history;
}

RC_GTEST_PROP(LinearizabilityTwins, Judge_AgreesWithTryingAllOrders, (std::uint64_t seed)) {
  std::uint64_t state = seed;
  const auto below = [&](std::uint64_t bound) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % bound;
  };
  for (int i = 0; i < 50; ++i) {
    const std::vector<Operation> history = some_history(below);
    RC_ASSERT((judge(history).verdict == Verdict::kLinearizable) == naive(history));
  }
}

}  // namespace
}  // namespace coord::sim
