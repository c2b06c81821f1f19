// What goes wrong in a simulation, as its swarm says. Every move has a number, and a plan may leave
// some out; the dice are drawn all the same.
#pragma once

#include <memory>
#include <vector>

#include "tests/sim/member.h"
#include "tests/sim/network.h"

namespace coord::sim {

class Nemesis {
 public:
  Nemesis(Stage& stage, Network& network, Checker& checker,
          std::vector<std::unique_ptr<Member>>& members);

  void start();
  void handle(const Trouble& trouble);
  void handle(const Crash& crash);
  // The process has ended, and starts again some time later.
  void ended(Member& member);
  void leads(Term term);
  // Of the newest term; none if nobody who runs leads.
  Member* leader();

 private:
  void again(Trouble::What what, Duration mean);
  void crash_someone(Prng dice);
  void crash(Member& member, Prng& dice);
  void pause_someone(Prng dice);
  void begin_partition(Prng dice);
  void heal_partition();
  void clog_someone(Prng dice);
  void reset_someone(Prng dice);
  void break_connections(Prng dice);
  void fill_disk(Prng dice);
  void damage_someone(Prng dice);
  void jump_wall_clock(Prng dice);
  // --- nemesis_operator.cc: what an operator does ---
  void change_members(Prng dice);
  void change_members_once(Prng& dice, Member& leader);
  void cut_off_with_work(Prng& dice, Member& leader);
  void transfer(Prng dice);
  void unseat(Prng dice, MemberId receiver);
  std::optional<raft::Configuration> draw_target(Prng& dice, const Member& leader);
  Member& anyone(Prng& dice);
  Member& leader_or_anyone(Prng& dice);

  Stage& stage_;
  Network& network_;
  Checker& checker_;
  std::vector<std::unique_ptr<Member>>& members_;
  std::optional<Instant> leader_crashed_at_;
  // Until then a leader is cut off with its work: no partition of another kind begins, and the end
  // of one does not end this. The next leader that is cut off takes its place.
  Instant cut_off_until_{};
  Term newest_leader_term_{};
  Term transferred_from_{};
};

}  // namespace coord::sim
