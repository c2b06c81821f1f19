// What must hold between the members of a cluster (Raft §3.2, figure 3.2, and what follows from
// it), judged from what they send, store and apply, across crashes. Keeps the past that it needs.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "raft/core/core.h"
#include "tests/raft/core/member_disk.h"

namespace coord::raft {

class Safety {
 public:
  // That member's log is to have `entry` after `previous` (Log Matching).
  void appends(MemberId member, LogId previous, const Entry& entry);
  // It leads, with that log (Election Safety, Leader Completeness).
  void leads(MemberId member, Term term, const Disk& log);
  // It says that to others, with that on its disk: promises must not be forgotten in a crash.
  void sends(const Message& message, const Disk& disk);
  // It takes entries for committed that it did not before. `voters` is what it had in force.
  void commits(const CoreStatus& before, const CoreStatus& now, const Disk& log,
               const std::map<MemberId, const Disk*>& disks);
  // It hands an entry to its state machine (State Machine Safety).
  void applies(MemberId member, const Entry& entry);
  // It has another state: one that the committed entries make.
  void installs(MemberId member, const State& state);
  // The configuration in force is the newest in the log (Raft §4.1).
  void has_in_force(const CoreStatus& status, const Disk& log);
  // Linearizability (Raft §6.4): what was committed when the read was asked for, is read.
  void answers_read(MemberId member, Index committed_when_asked, Index index);

  // So many entries are known to be committed.
  Index committed() const { return Index(committed_.size()); }

  const std::vector<std::string>& broken() const { return broken_; }
  std::vector<std::string> take() { return std::exchange(broken_, {}); }

 private:
  struct Committed {
    Entry entry;
    Term seen_in;  // the term of the member that knew it first
  };
  struct Appended {
    LogId previous;
    EntryType type;
    Bytes payload;
  };

  template <class... Args>
  void require(bool holds, fmt::format_string<Args...> format, Args&&... args) {
    if (!holds) [[unlikely]]
      broken_.push_back(fmt::format(format, std::forward<Args>(args)...));
  }
  void votes(MemberId member, Term term, MemberId candidate, const Disk& disk);

  std::map<LogId, Appended> entries_;
  std::map<Term, MemberId> leaders_;
  std::map<std::pair<MemberId, Term>, MemberId> votes_;
  std::vector<Committed> committed_;  // from index 1
  std::vector<std::string> broken_;
};

}  // namespace coord::raft
