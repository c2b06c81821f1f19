// What the dissertation claims of Raft, one test for each claim, named after it.
#include <set>

#include "raft/base/prng.h"
#include "raft/core/describe.h"
#include "tests/raft/core/cluster.h"
#include "tests/raft/core/scenario.h"

namespace coord::raft {
namespace {

constexpr std::uint64_t kSeeds = 30;

// Some hundred commands of all kinds, on five members or fewer; each step is judged by the cluster.
void live_through(Cluster& cluster, Prng& prng, int commands) {
  for (int i = 0; i < commands; ++i) {
    const auto draw = [&](std::uint64_t bound) { return static_cast<int>(prng.below(bound)); };
    // Progress in between, or most commands find nothing to do.
    if (i % 6 == 5) execute(cluster, {CommandKind::kRun, 0, draw(8), 0}, 0);
    const Command command{static_cast<CommandKind>(prng.below(28)), draw(32), draw(32), draw(32)};
    execute(cluster, command, static_cast<std::uint64_t>(i));
  }
}

Cluster::Options of_seed(Prng& prng) {
  Setup setup;
  setup.voters = prng.between(3, 5);
  setup.learners = prng.below(2);
  setup.fast_disk = prng.chance(1, 2);
  setup.fast_transfers = true;
  setup.fast_installs = true;
  setup.small = prng.chance(1, 2);
  Cluster::Options options = options_of(setup);
  options.fail_test = true;
  return options;
}

// --- Safety (figure 3.2) -------------------------------------------------------------------------

// At most one leader can be elected in a given term (§3.4).
TEST(Claim, ElectionSafety) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    Prng prng(seed);
    Cluster cluster(of_seed(prng));
    live_through(cluster, prng, 150);
    std::map<Term, std::set<int>> leaders;
    for (int member = 1; member <= cluster.size(); ++member) {
      for (const Fact& fact : cluster.facts(member)) {
        if (const auto* leads = std::get_if<BecameLeader>(&fact))
          leaders[leads->term].insert(member);
      }
    }
    for (const auto& [term, of_term] : leaders) EXPECT_EQ(of_term.size(), 1u) << term.value();
  }
}

// A leader never overwrites or deletes entries in its log (§3.5).
TEST(Claim, LeaderAppendOnly) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    Prng prng(seed);
    Cluster cluster(of_seed(prng));
    std::map<int, std::pair<Term, std::string>> led;
    for (int round = 0; round < 40; ++round) {
      live_through(cluster, prng, 6);
      for (int member = 1; member <= cluster.size(); ++member) {
        if (!cluster.is_up(member) || cluster.core(member).role() != RoleName::kLeader) continue;
        const Term term = cluster.core(member).term();
        const std::string terms = cluster.terms(member);
        auto& [term_before, before] = led[member];
        // What was cut is off its front.
        if (term_before == term && cluster.disk(member).base.index.is_zero()) {
          EXPECT_EQ(terms.substr(0, before.size()), before);
        }
        led[member] = {term, terms};
      }
    }
  }
}

// If two logs contain an entry with the same index and term, then the logs are identical in all
// entries up through the given index (§3.5).
TEST(Claim, LogMatching) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    Prng prng(seed);
    Cluster cluster(of_seed(prng));
    live_through(cluster, prng, 150);
    for (int one = 1; one <= cluster.size(); ++one) {
      for (int other = 1; other < one; ++other) {
        const Disk& a = cluster.disk(one);
        const Disk& b = cluster.disk(other);
        bool same_from_here_down = false;
        for (Index index = std::min(a.last().index, b.last().index);
             a.find(index) != nullptr && b.find(index) != nullptr; index = index.prev()) {
          const Entry& left = *a.find(index);
          const Entry& right = *b.find(index);
          same_from_here_down = same_from_here_down || left.id == right.id;
          EXPECT_TRUE(!same_from_here_down || left == right);
        }
      }
    }
  }
}

// If a log entry is committed in a given term, then that entry will be present in the logs of the
// leaders for all higher-numbered terms (§3.6).
TEST(Claim, LeaderCompleteness) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    Prng prng(seed);
    Cluster cluster(of_seed(prng));
    for (int round = 0; round < 25; ++round) {
      live_through(cluster, prng, 6);
      const Index committed = cluster.committed();
      ASSERT_EQ(recover(cluster), "");
      const int leader = cluster.leader().value();
      EXPECT_GE(cluster.core(leader).status().last.index, committed);
      EXPECT_GE(cluster.core(leader).commit(), committed);
    }
  }
}

// If a server has applied a log entry at a given index to its state machine, no other server will
// ever apply a different log entry for the same index (§3.6.3).
TEST(Claim, StateMachineSafety) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    Prng prng(seed);
    Cluster cluster(of_seed(prng));
    live_through(cluster, prng, 150);
    ASSERT_EQ(recover(cluster), "");
    const auto& longest = cluster.commands(cluster.leader().value());
    for (int member = 1; member <= cluster.size(); ++member) {
      const auto& commands = cluster.commands(member);
      for (std::size_t i = 0; i < std::min(commands.size(), longest.size()); ++i) {
        ASSERT_EQ(commands[i], longest[i]) << member;
      }
    }
  }
}

// Servers persist their term and vote, and whatever they tell others of their log (§3.8).
TEST(Claim, ServersCanRestartWithoutLosingSafety) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    Prng prng(seed);
    Cluster::Options options = of_seed(prng);
    options.fast_disk = false;
    Cluster cluster(options);
    std::uint64_t committed = 0;
    for (int round = 0; round < 10; ++round) {
      live_through(cluster, prng, 10);
      for (int member = 1; member <= cluster.size(); ++member) {
        if (cluster.is_up(member)) cluster.crash(member);
      }
      EXPECT_GE(cluster.committed().value(), committed);
      committed = cluster.committed().value();
      ASSERT_EQ(recover(cluster), "") << "everything committed is on the disks of a majority";
    }
  }
}

// The old and the new configuration never make decisions independently (§4.3).
TEST(Claim, NoTwoMajoritiesDuringAChange) {
  for (int reached = 0; reached < 8; ++reached) {
    Cluster cluster({.members = 3, .learners = 2});
    cluster.elect(1);
    cluster.run(milliseconds(300));
    ASSERT_TRUE(cluster.change(1, voters({1, 4, 5})));
    // The change has reached any part of the others.
    for (int bit = 0; bit < 3; ++bit) {
      const int member = bit == 0 ? 2 : bit + 3;
      if ((reached >> bit & 1) != 0) cluster.deliver(1, member);
    }
    for (int member = 2; member <= 5; ++member) cluster.drop(1, member), cluster.drop(member, 1);
    // The old side without the leader, and the new side with it, both try.
    for (const int old : {2, 3}) {
      for (const int incoming : {1, 4, 5}) cluster.cut(old, incoming);
    }
    cluster.run(seconds(4));
    for (const int old : {2, 3}) {
      if (cluster.core(old).role() != RoleName::kLeader) continue;
      for (const int incoming : {1, 4, 5}) {
        EXPECT_FALSE(cluster.core(incoming).role() == RoleName::kLeader &&
                     cluster.core(incoming).confirmed())
            << reached;
      }
    }
    cluster.heal();
    EXPECT_EQ(recover(cluster), "");
  }
}

// A linearizable read sees every write that was acknowledged before it began (§6.4).
TEST(Claim, ReadsAreLinearizable) {
  for (const bool leases : {false, true}) {
    for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
      Prng prng(seed);
      Cluster::Options options = of_seed(prng);
      options.core.lease_reads = leases;
      Cluster cluster(options);
      std::size_t answered = 0;
      for (int i = 0; i < 40; ++i) {
        live_through(cluster, prng, 4);
        for (int member = 1; member <= cluster.size(); ++member) {
          cluster.step(member, Read{ReadId(1000 + static_cast<std::uint64_t>(i))});
        }
      }
      ASSERT_EQ(recover(cluster), "");
      for (int member = 1; member <= cluster.size(); ++member) {
        answered += cluster.reads(member).size();
      }
      EXPECT_GT(answered, 0u);
    }
  }
}

// --- Liveness ------------------------------------------------------------------------------------

// A leader is elected, and split votes are resolved, as long as a majority is up (§3.4, §3.9).
TEST(Claim, AMajorityElectsALeader) {
  for (const std::uint64_t members : {1u, 2u, 3u, 4u, 5u, 7u}) {
    Cluster cluster({.members = members});
    for (std::uint64_t down = 0; down < (members - 1) / 2; ++down) {
      cluster.crash(static_cast<int>(members - down));
    }
    cluster.run(seconds(6));
    EXPECT_TRUE(cluster.leader()) << members;
  }
}

TEST(Claim, WithoutAMajorityNobodyLeads) {
  for (const std::uint64_t members : {2u, 3u, 4u, 5u}) {
    Cluster cluster({.members = members});
    cluster.run(seconds(4));
    for (std::uint64_t down = 0; down < members - members / 2; ++down) {
      cluster.crash(static_cast<int>(members - down));
    }
    cluster.run(seconds(4));
    EXPECT_FALSE(cluster.leader()) << members << ": also a leader steps down (§6.2)";
  }
}

// Whatever followers' logs look like, they come to be the leader's (§3.5, figure 3.6).
TEST(Claim, FollowersLogsConvergeToTheLeaders) {
  const std::vector<std::vector<std::uint64_t>> followers{{1, 1, 1, 4, 4, 5, 5, 6, 6},
                                                          {1, 1, 1, 4},
                                                          {1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6},
                                                          {1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7},
                                                          {1, 1, 1, 4, 4, 4, 4},
                                                          {1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3}};
  Cluster cluster({.members = 7});
  const auto set = [&](int member, const std::vector<std::uint64_t>& terms) {
    Disk& disk = cluster.edit_disk(member);
    disk.hard_state.term = Term(7);
    for (const std::uint64_t term : terms) {
      disk.entries.push_back({{Term(term), disk.last().index.next()}, EntryType::kNoop, {}});
    }
    cluster.crash(member);
    cluster.restart(member);
  };
  set(1, {1, 1, 1, 4, 4, 5, 5, 6, 6, 6});
  for (int member = 2; member <= 7; ++member) {
    set(member, followers[static_cast<std::size_t>(member) - 2]);
  }
  cluster.elect(1);
  cluster.run(milliseconds(300));
  for (int member = 2; member <= 7; ++member) EXPECT_EQ(cluster.terms(member), cluster.terms(1));
}

// Entries that earlier leaders left uncommitted are committed with the new leader's first (§3.6.2).
TEST(Claim, EntriesOfEarlierTermsAreCommittedWithThoseOfTheNewOne) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.run(milliseconds(100));
  cluster.propose(1, "a");
  cluster.deliver(1, 2);
  cluster.crash(1);
  cluster.drop(2, 1), cluster.drop(1, 3);
  cluster.elect(2);
  EXPECT_EQ(cluster.commands(2), std::vector<std::string>{"a"}) << "without another write";
}

// A change of the configuration is finished by later leaders, or it never was (§4.3).
TEST(Claim, AChangeIsFinishedOrUndoneWhateverLeadersCrash) {
  for (int after = 0; after < 12; ++after) {
    Cluster cluster({.members = 3, .learners = 2});
    cluster.elect(1);
    cluster.run(milliseconds(300));
    ASSERT_TRUE(cluster.change(1, voters({1, 4, 5})));
    for (int i = 0; i < after && !cluster.under_way().empty(); ++i) {
      const Message& next = cluster.under_way().front();
      cluster.deliver_one(static_cast<int>(next.from.value()), static_cast<int>(next.to.value()), 0,
                          /*again=*/false);
    }
    cluster.crash(1);
    cluster.run(seconds(6));
    ASSERT_TRUE(cluster.leader()) << after;
    const std::string now = describe(cluster.configuration(*cluster.leader()));
    EXPECT_TRUE(now == "voters 1 2 3, learners 4 5" || now == "voters 1 4 5") << now;
    EXPECT_EQ(recover(cluster), "") << after;
  }
}

// Members that were removed, or were cut off, do not disturb a cluster that works (§4.2.3, §9.6).
TEST(Claim, NobodyDisruptsAWorkingLeader) {
  Cluster cluster({.members = 5});
  cluster.elect(1);
  cluster.run(milliseconds(200));
  const Term term = cluster.core(1).term();
  cluster.isolate(5), cluster.isolate(4);
  ASSERT_TRUE(cluster.change(1, voters({1, 2, 3, 4})));
  cluster.run(seconds(5));
  cluster.heal();
  cluster.cut_one_way(1, 3);  // it hears nobody who leads, and is heard
  cluster.run(seconds(10));
  EXPECT_EQ(cluster.core(1).role(), RoleName::kLeader);
  EXPECT_EQ(cluster.core(1).term(), term);
}

// New servers catch up as learners, and the cluster goes on meanwhile (§4.2.1).
TEST(Claim, CatchingUpCostsNoAvailability) {
  Cluster cluster({.members = 2, .joining = 1});
  cluster.elect(1);
  ASSERT_TRUE(cluster.change(1, voters({1, 2}, {3})));
  cluster.isolate(3);
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(cluster.propose(1, "x"));
    cluster.run(milliseconds(10));
  }
  EXPECT_EQ(cluster.commands(2).size(), 20u) << "though the new one has nothing";
}

// The leader's disk may be written in parallel: an entry may be committed before it is there
// (§10.2.1).
TEST(Claim, AnEntryMayBeCommittedBeforeItIsOnTheLeadersDisk) {
  Cluster cluster({.members = 3, .core = {}, .fast_disk = false});
  cluster.elect(1);
  const Index place = cluster.propose(1, "a").value().index;
  cluster.deliver();
  cluster.persist(2), cluster.persist(3);
  cluster.deliver();
  EXPECT_GE(cluster.core(1).commit(), place);
  EXPECT_LT(cluster.core(1).status().durable, place);
  cluster.crash(1);
  cluster.elect(2);
  EXPECT_GE(cluster.core(2).commit(), place) << "and it survives the leader";
}

// Leadership is handed over without an election timeout, and nothing is lost by it (§3.10).
TEST(Claim, TransferNeedsNoElectionTimeout) {
  Cluster cluster({.members = 5});
  cluster.elect(1);
  cluster.run(milliseconds(100));
  cluster.propose(1, "a");
  const Instant before = cluster.now();
  cluster.transfer(1, 3);
  cluster.deliver();
  EXPECT_EQ(cluster.leader(), 3);
  EXPECT_EQ(cluster.now(), before);
  EXPECT_EQ(cluster.commands(3), std::vector<std::string>{"a"});
}

}  // namespace
}  // namespace coord::raft
