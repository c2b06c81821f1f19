// A simulated member's durable log: the real one (raft/storage) over the double of the disk, at the
// pace of virtual time. Works as LogWriter does: requests in order, and whatever was submitted
// while a sync was running is written together and synced once.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "raft/node/node.h"
#include "raft/storage/log.h"
#include "tests/raft/storage/fault_file_system.h"
#include "tests/sim/checker.h"
#include "tests/sim/stage.h"

namespace coord::sim {

class SimLog final : public raft::DurableLog {
 public:
  struct Surroundings {
    Stage& stage;
    Checker& checker;
    raft::testing::FaultFileSystem& files;
  };
  SimLog(Surroundings around, MemberId member, Life life, std::unique_ptr<raft::Log> log)
      : around_(around), member_(member), life_(life), log_(std::move(log)) {}

  void submit(raft::Durable batch) override;
  void load(raft::Load request) override;
  void cut(Index through) override;

  // The disk is done with what it was at: at the end of the DiskDone that was scheduled. Begins
  // the next. The completion is to be run when the process runs; an error stops the process.
  using Completion = std::function<void(raft::Node&)>;
  Result<Completion> done();
  bool busy() const { return static_cast<bool>(completion_); }

 private:
  struct Cut {
    Index through;
  };
  using Request = std::variant<raft::Durable, raft::Load, Cut>;

  void add(Request request);
  void work();
  void write(std::vector<raft::Durable> group);
  void serve(const raft::Load& load);
  void serve(const Cut& cut);
  void take(Duration time);
  Duration sync_time();

  const Surroundings around_;
  const MemberId member_;
  const Life life_;
  std::unique_ptr<raft::Log> log_;
  std::deque<Request> queue_;
  std::vector<raft::Durable> group_;  // being written
  std::optional<Error> error_;        // of what is being done
  Completion completion_;
};

}  // namespace coord::sim
