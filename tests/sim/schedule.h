// What is going to happen in a simulation, in order of time; at equal times, in the order in which
// it was scheduled.
#pragma once

#include <cstdint>
#include <utility>
#include <variant>
#include <vector>

#include "raft/base/types.h"

namespace coord::sim {

// Counts a member's lives: an action that is meant for one of them is void in the next.
using Life = std::uint32_t;

// How a message came to be where it is.
enum class Arrival : std::uint8_t { kOriginal, kDuplicate, kReplay };

struct Deliver {
  std::uint32_t parcel;  // in the Wire
  Life life;             // of the receiver when it was sent
  std::uint16_t epoch;   // of the connection that it was sent over
  std::uint8_t from;
  std::uint8_t to;
  Arrival arrival;
};
struct DiskDone {
  std::uint8_t member;
  Life life;
};
struct Work {  // the oldest of what the member does beside its loop is done
  std::uint8_t member;
  Life life;
};
struct Opened {  // the log has been read; the member can begin
  std::uint8_t member;
  Life life;
};
struct Wake {
  std::uint8_t member;
  Life life;
};
struct Turn {
  std::uint8_t member;
  Life life;
};
struct PeerHint {
  enum class What : std::uint8_t { kClosed, kUnreachable } what;
  std::uint8_t member;
  std::uint8_t peer;
  Life life;
};
struct Flush {
  enum class Stage : std::uint8_t { kBegin, kDone } stage;
  std::uint8_t member;
  Life life;
};
struct Crash {
  std::uint8_t member;
  Life life;
};
struct Restart {
  std::uint8_t member;
};
struct Resume {
  std::uint8_t member;
  Life life;
};
// The nemesis's next move of one kind (nemesis.h).
struct Trouble {
  enum class What : std::uint8_t {
    kCrash,
    kPause,
    kPartition,
    kHeal,
    kRejoin,
    kClog,
    kReset,
    kBreak,
    kFullDisk,
    kSpace,
    kDamage,
    kWallJump,
    kChange,
    kTransfer,
    kNewLeader,  // as soon as a member has a snapshot and is to put it in place
  } what;
  std::uint8_t member = 0;
};
struct ClientStep {
  enum class What : std::uint8_t { kBegin, kRequest, kReply, kTimeout, kWatch, kLoad, kProbe } what;
  std::uint8_t member;
  Life life;
  std::uint32_t number;  // of the client, the attempt, or the watcher
};

using Action = std::variant<Deliver, DiskDone, Work, Opened, Wake, Turn, PeerHint, Flush, Crash,
                            Restart, Resume, Trouble, ClientStep>;

class Schedule {
 public:
  void add(Instant at, Action action);
  bool empty() const { return heap_.empty(); }
  Instant next_at() const { return heap_.front().at; }
  std::pair<Instant, Action> pop();

 private:
  struct Slot {
    Instant at;
    std::uint64_t number;
    Action action;
  };
  static bool later(const Slot& a, const Slot& b) {
    return a.at != b.at ? a.at > b.at : a.number > b.number;
  }

  std::vector<Slot> heap_;
  std::uint64_t next_number_ = 0;
};

}  // namespace coord::sim
