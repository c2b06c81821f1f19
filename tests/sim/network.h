// The network of a simulation: decides when, how often and whether a message arrives. Knows no
// content but a message's kind; holds no messages.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "raft/base/prng.h"
#include "raft/core/message.h"
#include "tests/sim/swarm.h"

namespace coord::sim {

inline constexpr std::size_t kMembersMax = 8;  // ids are below this

// About exponentially distributed, the same on every machine and in every build.
Duration exponential(Prng& prng, Duration mean);

class Network {
 public:
  struct Arrival {
    Instant at;
    enum class Kind { kOriginal, kDuplicate, kReplay } kind;
  };

  Network(const Swarm& swarm, Prng prng) : swarm_(swarm), prng_(prng) {}

  // When copies of a message that is sent now arrive; nothing if it is lost.
  std::vector<Arrival> send(Instant now, const raft::Message& message);
  bool connected(MemberId from, MemberId to) const {
    return !blocked_[from.value()][to.value()].any;
  }

  // Cuts some links, in one of several patterns; `favourite` is met more often than others.
  void partition(std::uint64_t members, MemberId favourite);
  void heal() { blocked_ = {}; }
  // From now on nothing goes wrong.
  void become_perfect();

  Duration delay();

 private:
  struct Block {
    bool any = false;
    // Only messages of that kind, an index into MessageBody.
    std::optional<std::size_t> kind;
  };

  void isolate(std::uint64_t members, std::uint64_t lonely);
  void split(std::uint64_t members, bool one_way);

  Swarm swarm_;
  Prng prng_;
  std::array<std::array<Block, kMembersMax>, kMembersMax> blocked_{};  // [from][to]
  std::array<std::array<Instant, kMembersMax>, kMembersMax> last_arrival_{};
};

}  // namespace coord::sim
