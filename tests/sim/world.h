// A whole cluster of real members in one thread and virtual time, from one plan.
#pragma once

#include <memory>
#include <vector>

#include "tests/sim/checker.h"
#include "tests/sim/clients.h"
#include "tests/sim/member.h"
#include "tests/sim/nemesis.h"
#include "tests/sim/network.h"
#include "tests/sim/stage.h"
#include "tests/sim/wire.h"

namespace coord::sim {

class World final : public Member::Observer {
 public:
  World(const Plan& plan, std::size_t trace_lines);
  ~World();

  // Faults for as long as the plan says, then healing, then progress, then judgement. Throws a
  // Violation.
  void run();

  const Stage& stage() const { return stage_; }

 private:
  // --- world.cc: the loop ---
  void process_one();
  void run_for(Duration duration);
  void handle(const Deliver& action);
  void handle(const DiskDone& action) { at(action.member).handle(action); }
  void handle(const Work& action) { at(action.member).handle(action); }
  void handle(const Opened& action) { at(action.member).handle(action); }
  void handle(const Wake& action) { at(action.member).handle(action); }
  void handle(const Turn& action) { at(action.member).handle(action); }
  void handle(const Flush& action) { at(action.member).handle(action); }
  void handle(const PeerHint& action);
  void handle(const Crash& action) { nemesis_.handle(action); }
  void handle(const Restart& action);
  void handle(const Resume& action);
  void handle(const Trouble& action) { nemesis_.handle(action); }
  void handle(const ClientStep& action) { clients_.handle(action); }

  void on_send(Member& member, std::vector<raft::Message> messages) override;
  void on_applied(Member& member, raft::LogId id, const Answer& answer) override;
  void on_passed_over(Member& member, Index through) override;
  void on_leads(Member& member, Term term) override;
  void on_refused(MemberId removed) override;
  void on_stopped(Member& member) override;

  // --- liveness.cc: what a healed cluster owes ---
  void stop_faults();
  raft::Configuration configuration_of(MemberId id) const;
  // These are enough to decide, as things stand.
  bool decides(const std::vector<MemberId>& members) const;
  std::vector<MemberId> draw_core();
  void freeze_others(const std::vector<MemberId>& core);
  void wake(const std::vector<MemberId>& ids);
  void expect_progress(std::vector<MemberId> core);
  void expect_quiet(std::size_t members);
  void expect_learners_caught_up(const Member& leader);
  // Their processes end, so that all of them begin at the same moment.
  void restart_together(const std::vector<MemberId>& ids);
  // One member hears nobody and is heard by all. Should it lead, it has to notice; if not, it must
  // not unseat whoever does.
  void expect_calm_beside_the_deaf();
  Duration patience() const;
  // Entries, and bytes of snapshots that are not whole yet.
  std::uint64_t stored_by(const std::vector<MemberId>& ids);

  Member& at(std::uint64_t number) { return *members_[number - 1]; }

  Stage stage_;
  Network network_;
  Wire wire_;
  Checker checker_;
  std::vector<std::unique_ptr<Member>> members_;  // in order of id, from 1
  Clients clients_;
  Nemesis nemesis_;
};

}  // namespace coord::sim
