// The network of a simulation: decides when, how often and whether a message arrives. Knows no
// content but a message's kind; holds no messages.
//
// A link is one direction between two members. In order, it is like a connection: what arrives,
// arrives in the order in which it was sent, and when the connection is reset the tail of what was
// under way is gone. Out of order it is like datagrams.
#pragma once

#include <array>
#include <optional>

#include "raft/core/message.h"
#include "tests/sim/dice.h"
#include "tests/sim/stage.h"

namespace coord::sim {

class Network {
 public:
  struct Copy {
    Instant at;
    Arrival arrival;
  };
  struct Copies {
    std::array<Copy, 3> copies;
    std::size_t count = 0;
    bool lost = false;  // the original is not among them
    std::uint16_t epoch = 0;

    void add(Copy copy) { copies[count++] = copy; }
  };

  explicit Network(Stage& stage) : stage_(stage) {}

  // When copies of a message that is sent now arrive.
  Copies send(const raft::Message& message);
  // A copy has come to its end; true if it is handed over, and not cut off by a reset.
  bool arrives(const Deliver& delivery);

  bool connected(std::uint64_t from, std::uint64_t to) const {
    return !links_[from][to].blocked || links_[from][to].kind;
  }
  // Behind everything that is under way on that link.
  Instant behind(std::uint64_t from, std::uint64_t to) const;
  // Then all that was sent up to now has arrived.
  Instant all_arrived() const { return all_arrived_; }
  Duration delay() { return stage_.about(stage_.network_dice, stage_.swarm.delay_mean); }

  // --- What the nemesis does; the dice are its own ---
  // Cuts some links, in one of several shapes; `favourite` is met more often than others.
  void partition(Prng& dice, std::uint64_t members, std::uint64_t favourite);
  void heal_partition();
  // What is sent on the member's links from now on arrives only then; one link if `to` is given.
  void clog(std::uint64_t from, std::optional<std::uint64_t> to, Instant until);
  void reset(Prng& dice, std::uint64_t from, std::uint64_t to);
  // Nothing reaches it, or nothing from that one; what it sends arrives.
  void deafen(std::uint64_t member, std::optional<std::uint64_t> to_whom);
  // Nothing passes between the two groups.
  void separate(const std::array<bool, kMembersMax>& group);
  // From now on nothing goes wrong.
  void become_perfect();

 private:
  struct Link {
    bool blocked = false;
    std::optional<std::size_t> kind;  // only messages of that kind, an index into MessageBody
    Instant last_arrival{};
    Instant clogged_until{};
    std::uint64_t under_way = 0;
    std::uint16_t epoch = 0;     // counts resets
    Instant previous_ends_at{};  // of what was sent before the last reset, this much arrives
  };

  template <class Change>
  void for_links(std::uint64_t members, Change change);
  void isolate(std::uint64_t members, std::uint64_t lonely, bool one_way);
  void split(Prng& dice, std::uint64_t members);
  void bridge(Prng& dice, std::uint64_t members);
  void ring(std::uint64_t members);

  Stage& stage_;
  std::array<std::array<Link, kMembersMax>, kMembersMax> links_{};  // [from][to]
  Instant all_arrived_{};
};

}  // namespace coord::sim
