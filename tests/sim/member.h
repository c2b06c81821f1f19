// One simulated member: the real driver with the real core and the real log, over a disk, a network
// and clocks that are simulated. The process can crash, be paused, and stop by itself; the disk
// stays.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "raft/node/node.h"
#include "tests/sim/checker.h"
#include "tests/sim/log.h"
#include "tests/sim/snapshots.h"
#include "tests/sim/stage.h"
#include "tests/sim/state.h"

namespace coord::sim {

class Member final : private raft::PeerLinks,
                     private raft::StateMachine,
                     private raft::NodeObserver {
 public:
  // Who wants to know what a member does.
  class Observer {
   public:
    virtual ~Observer() = default;
    virtual void on_send(Member& member, std::vector<raft::Message> messages) = 0;
    virtual void on_applied(Member& member, raft::LogId id, const Answer& answer) = 0;
    // A snapshot took the place of everything up to there: nobody is told what became of it.
    virtual void on_passed_over(Member& member, Index through) = 0;
    virtual void on_leads(Member& member, Term term) = 0;
    // Nothing is taken from that member: it was removed from the cluster.
    virtual void on_refused(MemberId removed) = 0;
    // The process has ended by itself: its disk failed it, or it was removed from the cluster.
    virtual void on_stopped(Member& member) = 0;
  };

  // One that is not in the first configuration begins with nothing, when it is started.
  Member(Stage& stage, Checker& checker, Observer& observer, MemberId id);
  ~Member();

  // --- The process ---
  enum class End { kPowerCut, kKilled };
  void start();
  void crash(End end);
  void pause();
  void resume();
  // At some time, if it does not run now.
  bool started() const { return life_ > 0; }
  bool running() const { return node_ != nullptr; }
  bool down() const { return !node_ && !opening_; }
  bool paused() const { return paused_; }
  // Found its disk damaged, or was removed from the cluster, and does not start again.
  bool halted() const { return halted_; }

  // --- What happens to it ---
  void handle(const DiskDone& action);
  void handle(const Opened& action);
  void handle(const Work& action);
  void handle(const Wake& action);
  void handle(const Turn& action);
  void handle(const Flush& action);
  // Steps it, now or when the process runs again.
  void receive(raft::Message message);
  void hint(PeerHint::What what, MemberId peer);
  // Others say that it was removed from the cluster.
  void hear_of_removal();
  // Does that now, or when the process runs again.
  void run(std::function<void()> work);
  // The end of a turn, now.
  void pump();

  // --- What clients may do; only while running and not paused ---
  Result<raft::LogId> propose(Bytes command);
  void read_gate(std::function<void(Status)> done);
  // An operator's.
  Result<raft::LogId> change(raft::Configuration target);
  Status transfer(MemberId target);
  const State& state() const { return state_; }
  // What its disk has the state as of.
  Index flushed() const { return flushed_.applied().index; }
  // What it has of a snapshot that it is being sent; only while running.
  std::uint64_t snapshot_bytes() const { return snapshots_->stored_bytes(); }

  MemberId id() const { return id_; }
  std::uint8_t number() const { return static_cast<std::uint8_t>(id_.value()); }
  Life life() const { return life_; }
  bool is(Life life) const { return (node_ || opening_) && life_ == life; }
  const raft::Node& node() const { return *node_; }
  raft::RoleName role() const { return node_->role(); }
  // Were it asked right now.
  bool may_read_under_lease() const;
  raft::testing::FaultFileSystem& files() { return files_; }
  std::uint64_t wall_clock() const;
  void jump_wall_clock(Duration by) { wall_offset_ += by; }
  // From now on its clock runs as it should.
  void steady_clock();
  // The atlas may damage its disk: see damage.h.
  bool may_be_damaged = false;
  // Damage was done to the disk, found or not.
  bool damaged = false;
  bool disk_full = false;

 private:
  // --- what the driver calls ---
  void send(std::vector<raft::Message> messages) override;
  void apply(std::span<const raft::Entry> entries) override;
  void on_fact(const raft::Fact& fact) override;
  void open();
  void later(Duration delay, std::function<void()> work);
  void install(State state);
  void check_tail();
  void begin(std::unique_ptr<raft::Log> log);
  void refuse(const Error& error);
  void stop_by_itself(const Error& error);
  void end_process();
  template <class Event>
  void step(Event event);
  void look(int events);
  void check_bounds(const raft::CoreStatus& status) const;
  void check_handover() const;
  void cover(const raft::CoreStatus& status);
  void request_turn();
  Duration time_to_flush();
  void schedule_wake();
  raft::LogOptions log_options() const;

  Instant local() const;
  Instant global(Instant local) const;

  Stage& stage_;
  Checker& checker_;
  Observer& observer_;
  const MemberId id_;
  raft::testing::FaultFileSystem files_;
  // The state as of the last flush, which is on the disk as one transaction; and one on its way.
  State flushed_;
  raft::LogId installed_{};  // the last entry of the last snapshot that the state was
  std::optional<State> flushing_;

  // The process; all of it is gone with a crash.
  Life life_ = 0;
  bool opening_ = false;
  std::optional<Error> opening_failed_;
  std::unique_ptr<raft::Log> opened_;
  State state_;
  std::unique_ptr<SimLog> log_;
  std::unique_ptr<SimSnapshots> snapshots_;
  std::deque<std::function<void()>> works_;  // beside the loop, oldest first
  Instant works_end_{};
  std::unique_ptr<raft::Node> node_;
  bool paused_ = false;
  bool resuming_ = false;
  std::vector<std::function<void()>> inbox_;  // while paused
  std::optional<Instant> wake_at_;
  bool turn_requested_ = false;
  int events_since_turn_ = 0;
  raft::CoreStatus before_;
  Instant transferring_since_{};

  bool halted_ = false;
  bool removed_ = false;  // from the cluster, as it knows by now
  // Its clock shows offset + time * rate / 1000.
  Duration clock_offset_{0};
  std::int64_t clock_rate_ = 1000;
  Duration wall_offset_{0};
};

}  // namespace coord::sim
