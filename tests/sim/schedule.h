// What is going to happen in a simulation, in order of time; at equal times, in the order in which
// it was scheduled.
#pragma once

#include <cstdint>
#include <utility>
#include <variant>
#include <vector>

#include "raft/core/core.h"
#include "tests/sim/network.h"

namespace coord::sim {

class Schedule {
 public:
  // `incarnation`: of the member that the action is about; with another one it is void.
  struct Deliver {
    raft::Message message;
    std::uint64_t incarnation;  // of the receiver when it was sent
    Network::Arrival::Kind kind;
  };
  struct DiskDone {
    MemberId member;
    std::uint64_t incarnation;
    raft::Ticket ticket;
  };
  struct Wake {
    MemberId member;
    std::uint64_t incarnation;
  };
  struct Turn {
    MemberId member;
    std::uint64_t incarnation;
  };
  struct LoadDone {
    MemberId member;
    std::uint64_t incarnation;
    raft::Load load;
  };
  struct Hint {  // about a peer's connection
    MemberId member;
    std::uint64_t incarnation;
    MemberId peer;
    bool closed;  // else: unreachable
  };
  struct Flush {
    MemberId member;
    std::uint64_t incarnation;
  };
  struct Nemesis {
    enum class What { kCrash, kPause, kPartition, kHeal, kBreak, kPropose, kRead } what;
  };
  struct Crash {
    MemberId member;
    std::uint64_t incarnation;
  };
  struct Restart {
    MemberId member;
  };
  struct Resume {
    MemberId member;
    std::uint64_t incarnation;
  };
  using Action = std::variant<Deliver, DiskDone, Wake, Turn, LoadDone, Hint, Flush, Nemesis, Crash,
                              Restart, Resume>;

  void add(Instant at, Action action);
  bool empty() const { return heap_.empty(); }
  Instant next_at() const { return heap_.front().at; }
  std::pair<Instant, Action> pop();

 private:
  struct Slot {
    Instant at;
    std::uint64_t number;
    std::size_t action;
  };
  static bool later(const Slot& a, const Slot& b) {
    return std::pair(a.at, a.number) > std::pair(b.at, b.number);
  }

  std::vector<Slot> heap_;
  std::vector<Action> actions_;
  std::vector<std::size_t> free_;
  std::uint64_t next_number_ = 0;
};

}  // namespace coord::sim
