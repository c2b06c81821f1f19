// Watches over the state machine itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/service/state/machine.h"
#include "tests/service/watch/harness.h"

namespace coord::service {
namespace {

using commands::CommandFill;
using testing::ElementsAre;
using testing::Pair;

struct StateHolder {
  Machine machine;
  StateWatchSource source{machine.state()};
};

class StateHarness : private StateHolder, public HubHarness {
 public:
  explicit StateHarness(WatchOptions options = {}) : HubHarness(StateHolder::source, options) {
    machine.observer().tell([this](Revision revision, std::span<const Change> changes) {
      hub->on_changes(revision, changes);
    });
  }

  void apply(const CommandFill& command) { machine.apply(command); }
  void write(commands::WriteFill write) { apply(commands::writes({std::move(write)})); }

  using StateHolder::machine;
};

std::string show(const Told::Event& event) {
  return std::to_string(event.mod_revision) + (event.deleted ? " delete " : " put ") + event.key +
         (event.deleted ? "" : "=" + event.value) +
         (event.previous ? " was " + *event.previous : "");
}
std::vector<std::string> show(const Told& told) {
  std::vector<std::string> lines;
  for (const Told::Event& event : told.events) lines.push_back(show(event));
  return lines;
}

TEST(StateWatch, HistoryAndLiveChanges_CarryWhatWasBefore) {
  StateHarness h;
  h.write(commands::put("a", "1"));
  h.write(commands::put("a", "2"));
  h.write(commands::erase(commands::single("a")));
  Client& c = h.watch({.intervals = {everything()}, .from = 1, .want_previous = true});
  h.run();
  h.write(commands::put("a", "3"));
  h.write(commands::put("a", "4"));
  h.run();
  EXPECT_THAT(show(c.told), ElementsAre("1 put a=1", "2 put a=2 was 1", "3 delete a was 2",
                                        "4 put a=3", "5 put a=4 was 3"));
}

TEST(StateWatch, FirstRevisionKept_StillKnowsWhatWasBeforeTheLine) {
  StateHarness h;
  for (int i = 1; i <= 5; ++i) h.write(commands::put("a", std::to_string(i)));
  h.apply(commands::compact(4));
  Client& c = h.watch({.intervals = {everything()}, .from = 4, .want_previous = true});
  Client& too_old = h.watch({.intervals = {everything()}, .from = 3});
  h.run();
  EXPECT_THAT(show(c.told), ElementsAre("4 put a=4 was 3", "5 put a=5 was 4"));
  EXPECT_EQ(too_old.refused, ErrorCode::kCompacted);
  EXPECT_EQ(too_old.refused_revision, 4u);
}

TEST(StateWatch, ChangesOfOneRevision_EachHaveTheirOwnPast) {
  StateHarness h;
  h.write(commands::put("a", "1"));
  h.write(commands::put("b", "2"));
  Client& c = h.watch({.intervals = {everything()}, .want_previous = true});
  h.run();
  h.write(commands::txn({.then = {commands::op_put("c", "3"), commands::op_put("b", "4"),
                                  commands::op_erase(commands::single("a"))}}));
  h.run();
  EXPECT_THAT(show(c.told), ElementsAre("3 put c=3", "3 put b=4 was 2", "3 delete a was 1"));
}

// What happened is in memory still, but not what was before.
TEST(StateWatch, CompactionThatComesBeforeAnEventLeft_IsToldToWhoWantsWhatWasBefore) {
  StateHarness h;
  h.write(commands::put("a", "1"));
  Client& with_previous = h.watch({.intervals = {everything()}, .want_previous = true});
  Client& without = h.watch({.intervals = {everything()}});
  h.run();
  h.write(commands::put("a", "2"));
  h.write(commands::put("a", "3"));
  h.apply(commands::compact(3));
  h.run();
  EXPECT_THAT(show(without.told), ElementsAre("2 put a=2", "3 put a=3"));
  EXPECT_THAT(show(with_previous.told), ElementsAre());
  EXPECT_EQ(with_previous.told.failure, ErrorCode::kCompacted);
}

TEST(StateWatch, ListOfAnOldRevision_IsFollowedByAllThatCameAfterIt) {
  StateHarness h({.batch_bytes_max = 50});
  for (int i = 0; i < 10; ++i) h.write(commands::put("k" + std::to_string(i), "old"));
  h.write(commands::put("k3", "new"));
  h.write(commands::erase(commands::single("k4")));
  Client& c = h.watch({.intervals = {from_to("k2", "k6")}, .from = 11, .list = true});
  h.run();
  EXPECT_THAT(c.told.listed, ElementsAre(Pair("k2", "old"), Pair("k3", "old"), Pair("k4", "old"),
                                         Pair("k5", "old")));
  EXPECT_EQ(c.told.list_end, 10u);
  EXPECT_THAT(show(c.told), ElementsAre("11 put k3=new", "12 delete k4"));
}

TEST(StateWatch, LocksAndLeases_ShowInTheirKeys) {
  StateHarness h;
  h.write(commands::grant(7));
  Client& c = h.watch({.intervals = {everything()}});
  h.run();
  h.write(commands::put("mine", "1", {.lease = 7}));
  h.write(commands::acquire(commands::lock("l"), 7));
  h.apply(commands::expire({h.machine.expiry(7)}));
  h.run();
  ASSERT_GE(c.told.events.size(), 4u);
  std::set<std::string> deleted;
  for (const Told::Event& event : c.told.events) {
    if (event.deleted) deleted.insert(event.key);
  }
  EXPECT_THAT(deleted, ElementsAre("_coord/lock/l", "mine"));
}

TEST(StateWatch, RevisionsThatConcernNoWatch_CountAsProgress) {
  StateHarness h;
  for (std::uint64_t lease : {1, 2, 3}) h.write(commands::grant(lease));
  h.write(commands::acquire(commands::lock("l"), 1));
  Client& c = h.watch({.intervals = {single("a")}});
  h.run();
  h.write(commands::acquire(commands::lock("l"), 2, {.shared = true}));
  h.write(commands::acquire(commands::lock("l"), 3, {.shared = true}));
  h.write(commands::release(commands::lock("l"), 1));
  h.advance(seconds(10));
  EXPECT_THAT(c.told.progress, ElementsAre(h.machine.state().revision().value()));
  h.write(commands::put("a", "1"));
  h.run();
  EXPECT_EQ(c.told.events.size(), 1u);
}

}  // namespace
}  // namespace coord::service
