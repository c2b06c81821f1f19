// The linearizable reads that wait (Raft §6.4): first for the index that the leader confirms, then
// for the state machine to reach it. Owned by the node.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "raft/base/result.h"
#include "raft/core/output.h"

namespace coord::raft {

class ReadGates {
 public:
  using Done = std::function<void(Status)>;

  void add(Done done) { gathered_.push_back(std::move(done)); }
  // One name for all reads that were added since the last call; nothing if there are none. The
  // leader's round has to begin after the reads arrived, so it can begin no earlier than this.
  std::optional<ReadId> name_gathered();
  // The answer to the reads of that name.
  void answer(const ReadAnswer& answer);
  // The gates that are open when the state machine has reached `applied`, with what is to be told
  // them. To be run by the caller, who must expect to be called back.
  struct Open {
    Done done;
    Status status;
  };
  std::vector<Open> take_open(Index applied);
  // All of them, whatever they wait for.
  std::vector<Done> take_all();
  bool anything_open(Index applied) const;

 private:
  using Group = std::vector<Done>;

  ReadId last_name_{};
  Group gathered_;
  std::map<ReadId, Group> asked_;
  std::map<Index, std::vector<Group>> waiting_;
  std::vector<Open> refused_;
};

// What a refused read or proposal is told.
Error to_error(Refusal refusal);

}  // namespace coord::raft
