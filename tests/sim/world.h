// A whole cluster of real cores in one thread and virtual time, from one seed.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "raft/base/prng.h"
#include "raft/core/core.h"
#include "tests/sim/checker.h"
#include "tests/sim/coverage.h"
#include "tests/sim/disk.h"
#include "tests/sim/network.h"
#include "tests/sim/schedule.h"
#include "tests/sim/swarm.h"

namespace coord::sim {

class World {
 public:
  World(std::uint64_t seed, bool tracing);

  // Faults for that long, then healing, then progress. Throws a Violation.
  void run(Duration with_faults);

  std::uint64_t trace_hash() const { return trace_hash_; }
  std::uint64_t events() const { return events_; }
  const Coverage& coverage() const { return coverage_; }
  const Swarm& swarm() const { return swarm_; }
  const std::vector<std::string>& trace() const { return trace_; }

 private:
  struct PendingRead {
    Index floor;  // known to be committed when it was asked
    Term term;    // of the member when it was asked
    bool on_follower;
  };

  struct Member {
    MemberId id;
    Disk disk;
    std::optional<raft::Core> core;  // nothing while it is down
    std::uint64_t incarnation = 0;
    std::optional<raft::CoreStatus> before;
    // Its clock shows offset + time * rate / 1000.
    Duration clock_offset{0};
    std::int64_t clock_rate = 1000;

    std::vector<raft::HeldMessage> held;
    // What is submitted while a sync is running shares the next one.
    Instant sync_ends{};       // the running one, or the last one
    Instant next_sync_ends{};  // equal to sync_ends if nothing waits for another
    raft::LogId flushed{};
    Index applied{};
    bool paused = false;
    std::vector<raft::Event> inbox;  // while paused
    std::map<raft::ReadId, PendingRead> reads;
    std::optional<Instant> wake_at;
    bool turn_scheduled = false;
    int events_since_output = 0;
  };

  // --- world.cc: the loop ---
  void start_nemesis();
  void process_one();
  void handle(Schedule::Deliver& action);
  void handle(const Schedule::DiskDone& action);
  void handle(const Schedule::Wake& action);
  void handle(const Schedule::Turn& action);
  void handle(const Schedule::LoadDone& action);
  void handle(const Schedule::Hint& action);
  void handle(const Schedule::Flush& action);
  void handle(const Schedule::Nemesis& action);
  void handle(const Schedule::Crash& action);
  void handle(const Schedule::Restart& action);
  void handle(const Schedule::Resume& action);

  // --- nemesis.cc: what goes wrong, and what clients do ---
  void crash_someone();
  void crash(Member& member);
  void start(Member& member);
  void pause_someone();
  void begin_partition();
  void end_partition();
  void break_connections();
  void propose_somewhere();
  void read_somewhere();
  void again(Schedule::Nemesis::What what, Duration mean);
  Member& anyone(Prng& prng);
  Member* leader_or_anyone(Prng& prng);

  // --- liveness.cc: what a healed cluster owes ---
  void heal();
  void expect_progress();
  bool all_have_applied(Index index) const;
  void expect_quiet();
  void run_for(Duration duration);

  // --- member.cc: one member's step and output ---
  void step(Member& member, raft::Event event);
  void after_step(Member& member);
  void schedule_wake(Member& member);
  void take_output(Member& member);
  void leave(const raft::Message& message);
  void write(Member& member, raft::Durable batch);
  void release_held(Member& member, raft::Ticket ticket);
  void apply(Member& member, const std::vector<raft::Entry>& entries);
  void note(Member& member, const raft::Fact& fact);
  void note(Member& member, const raft::ReadAnswer& answer);
  void note(const raft::ProposalAnswer& answer);
  void cover(const Member& member, const raft::CoreStatus& status);

  Instant local(const Member& member) const;
  Instant global(const Member& member, Instant local) const;
  static bool is_of(const Member& member, std::uint64_t incarnation) {
    return member.core && member.incarnation == incarnation;
  }
  Member& at(MemberId id) { return members_[id.value() - 1]; }
  void mix(std::uint64_t value);
  template <class... Args>
  void tell(fmt::format_string<Args...> format, Args&&... args) {
    if (tracing_) [[unlikely]]
      add_trace(fmt::format(format, std::forward<Args>(args)...));
  }
  void add_trace(std::string line);

  Swarm swarm_;
  Prng disk_dice_;
  Prng nemesis_dice_;
  Prng client_dice_;
  Network network_;
  Checker checker_;
  Coverage coverage_;
  Schedule schedule_;
  Instant now_{};
  bool healed_ = false;
  std::vector<Member> members_;  // in order of id, from 1
  std::uint64_t next_proposal_ = 0;
  std::uint64_t next_read_ = 0;
  std::uint64_t reads_answered_ = 0;
  std::uint64_t messages_ = 0;
  Term newest_leader_term_{};
  std::optional<Instant> leader_crashed_at_;
  std::uint64_t trace_hash_ = 0;
  std::uint64_t events_ = 0;
  bool tracing_;
  std::vector<std::string> trace_;
};

}  // namespace coord::sim
