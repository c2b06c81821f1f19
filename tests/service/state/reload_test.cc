// A state that becomes another one's, and what can be told of it.
#include <gtest/gtest.h>

#include "service/state/records.h"
#include "service/state/summary.h"
#include "tests/service/state/machine.h"

namespace coord::service {
namespace {

using namespace commands;  // NOLINT: the language of these tests
using Lines = std::vector<std::string>;

void do_a_bit_of_everything(Machine& m) {
  m.write_all({grant(1, {.session = true}), grant(2, {.ttl_ms = 5000}), put("a", "1", {.lease = 2}),
               acquire(lock("l"), 1), acquire(lock("l"), 2)});
  m.write(in_session(1, 7, put("b", "1")));
  m.state().apply(m.next_configuration(members({1, 2, 3})), nullptr);
  m.apply(compact(2));
}

TEST(Reload, TakesEverythingThatIsKeptInMemoryFromTheTables) {
  Machine ahead;
  do_a_bit_of_everything(ahead);
  Machine m;
  m.write_all({put("a", "of before"), grant(9), put("b", "of before")});
  State& same = m.state();
  m.become(ahead);
  EXPECT_EQ(&same, &m.state());
  EXPECT_EQ(same.position().applied, ahead.state().position().applied);
  EXPECT_EQ(same.position().digest, ahead.state().position().digest);
  EXPECT_EQ(same.revision(), ahead.state().revision());
  EXPECT_EQ(same.compacted(), Revision(2));
  EXPECT_EQ(same.lease_count(), 2u);
  EXPECT_EQ(same.lease(LeaseId(9)), std::nullopt);
  EXPECT_EQ(same.configuration(), ahead.state().configuration());
  EXPECT_EQ(m.read(with_prefix("")), ahead.read(with_prefix("")));
}

TEST(Reload, GoesOnExactlyAsTheOther) {
  Machine ahead;
  do_a_bit_of_everything(ahead);
  Machine m;
  m.write(put("a", "of before"));
  m.become(ahead);
  const std::vector<WriteFill> more = {in_session(1, 7, put("b", "again")),
                                       in_session(1, 8, put("b", "2")),
                                       release(lock("l"), 1),
                                       grant(0),
                                       revoke(2),
                                       put("a", "3")};
  for (const WriteFill& write : more) EXPECT_EQ(show(m.write(write)), show(ahead.write(write)));
  EXPECT_EQ(m.get("b"), "b=2") << "the retry of request 7 applied nothing";
  EXPECT_EQ(m.state().position().digest, ahead.state().position().digest);
}

TEST(Reload, TellsTheObserver_WhenTheStateCanBeRead) {
  class Reader final : public StateObserver {
   public:
    void on_changes(Revision, std::span<const Change>) override {}
    void on_lease_granted(LeaseId, milliseconds) override {}
    void on_lease_renewed(LeaseId) override {}
    void on_lease_ended(LeaseId) override {}
    void on_lock_changed(const LockName&) override {}
    void on_member_published(const MemberRecord&) override {}
    void on_compacted(Revision) override {}
    void on_reloaded() override { seen.push_back(state->revision()); }
    const State* state = nullptr;
    std::vector<Revision> seen;
  };
  Machine ahead;
  do_a_bit_of_everything(ahead);
  ahead.state().save();
  MapTables tables;
  Reader reader;
  State state(tables, reader);
  reader.state = &state;
  tables.replace(ahead.tables().contents());
  state.reload();
  EXPECT_EQ(reader.seen, std::vector{ahead.state().revision()});
  EXPECT_EQ(ahead.observer().take().back(), "compacted 2") << "nobody reloaded that one";
}

TEST(Summary, SaysWhatTheTablesHold) {
  Machine m;
  EXPECT_FALSE(summarize(m.tables())) << "nothing was saved";
  m.write(put("a", "1"));
  m.state().save();
  auto summary = summarize(m.tables());
  ASSERT_TRUE(summary);
  EXPECT_EQ(summary->configuration, std::nullopt);
  do_a_bit_of_everything(m);
  m.state().save();
  summary = summarize(m.tables());
  ASSERT_TRUE(summary);
  EXPECT_EQ(summary->position.applied, m.state().position().applied);
  EXPECT_EQ(summary->position.digest, m.state().position().digest);
  EXPECT_EQ(summary->configuration, m.state().configuration());
}

TEST(Summary, OfDamagedTables_IsNone) {
  for (const std::string_view record : {kMetaKey, kConfigurationKey}) {
    Machine m;
    do_a_bit_of_everything(m);
    m.state().save();
    m.tables().put(Table::kMeta, record, "damaged");
    EXPECT_FALSE(summarize(m.tables())) << record;
  }
}

}  // namespace
}  // namespace coord::service
