// One member in an exhaustive search: a real core, its disk, and what it has promised. A value that
// is stepped into another; equal ones have equal keys, so that each is looked at once.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "raft/core/core.h"
#include "tests/raft/core/member_disk.h"

namespace coord::raft::exhaustive {

enum class StepKind : std::uint8_t {
  kDeliver,  // a message
  // A message, so late that nothing is heard of the leader any more: what time decides is left open
  // by letting it pass or not.
  kDeliverLate,
  kTimeout,   // the next timer fires
  kPersist,   // all that was submitted is written
  kCrash,     // and starts again, without what was not written
  kPropose,   // a command
  kChange,    // of the configuration
  kTransfer,  // of leadership
};

struct Step {
  StepKind kind = StepKind::kTimeout;
  const Message* message = nullptr;
  const Configuration* target = nullptr;
  MemberId peer{};
  bool fast_disk = false;  // what is submitted is written at once
};

// What the search has to know of a member to judge the cluster.
struct View {
  CoreStatus status;
  std::vector<LogId> log;                // as it will be on disk
  std::vector<std::uint64_t> log_words;  // one for each entry, with what is in it
  std::vector<LogId> durable;
  Term durable_term;
  bool has_unpersisted = false;
};

class Member {
 public:
  Member(CoreOptions options, Disk disk);

  struct Outcome;
  Outcome step(const Step& step) const;

  // Two words that stand for everything.
  std::pair<std::uint64_t, std::uint64_t> key() const;
  const View& view() const { return view_; }
  MemberId id() const { return options_.self; }
  const Core& core() const { return *core_; }

 private:
  Member(const Member& other);

  void start();
  void drain(Outcome& outcome, bool fast_disk);
  void release(Outcome& outcome, Message message);
  void persist(Outcome& outcome);
  void look(Outcome& outcome);

  CoreOptions options_;
  Instant now_{};
  std::optional<Core> core_;
  Disk disk_;
  Disk planned_;
  std::vector<Durable> batches_;
  std::vector<HeldMessage> held_;
  std::map<Term, MemberId> votes_;  // that it has told anybody of, in this life or another
  View view_;
};

struct Member::Outcome {
  std::unique_ptr<Member> member;
  std::vector<Message> sent;
  bool refused = false;  // a proposal, a change or a transfer
  std::string broken;
};

// A word for a message, in which everything in it counts.
std::uint64_t word_of(const Message& message);
std::uint64_t word_of(const Entry& entry);

}  // namespace coord::raft::exhaustive
