#include "tests/sim/network.h"

#include <algorithm>

namespace coord::sim {

Network::Copies Network::send(const raft::Message& message) {
  Link& link = links_[message.from.value()][message.to.value()];
  const Swarm& swarm = stage_.swarm;
  Prng& dice = stage_.network_dice;
  Copies copies{.copies = {}, .epoch = link.epoch};
  if (swarm.replay > 0 && dice.chance(swarm.replay, 1000)) {
    copies.add({stage_.now + seconds(1) + up_to(dice, seconds(30)), Arrival::kReplay});
  }
  copies.lost = (link.blocked && (!link.kind || *link.kind == message.body.index())) ||
                (swarm.loss > 0 && dice.chance(swarm.loss, 1000)) ||
                (swarm.link_capacity > 0 && link.under_way >= swarm.link_capacity);
  if (copies.lost) return copies;
  Instant at = std::max(stage_.now, link.clogged_until) + delay();
  if (swarm.ordered) at = link.last_arrival = std::max(at, link.last_arrival);
  copies.add({at, Arrival::kOriginal});
  all_arrived_ = std::max(all_arrived_, at);
  ++link.under_way;
  if (swarm.duplicate > 0 && dice.chance(swarm.duplicate, 1000)) {
    copies.add({at + delay(), Arrival::kDuplicate});
  }
  return copies;
}

bool Network::arrives(const Deliver& delivery) {
  Link& link = links_[delivery.from][delivery.to];
  if (delivery.arrival != Arrival::kOriginal) return !stage_.healed;
  --link.under_way;
  if (delivery.epoch == link.epoch) return true;
  return delivery.epoch + 1 == link.epoch && stage_.now < link.previous_ends_at;
}

Instant Network::behind(std::uint64_t from, std::uint64_t to) const {
  return stage_.swarm.ordered ? std::max(stage_.now, links_[from][to].last_arrival) : stage_.now;
}

template <class Change>
void Network::for_links(std::uint64_t members, Change change) {
  for (std::uint64_t from = 1; from <= members; ++from) {
    for (std::uint64_t to = 1; to <= members; ++to) change(from, to, links_[from][to]);
  }
}

void Network::heal_partition() {
  for_links(kMembersMax - 1, [](auto, auto, Link& link) {
    link.blocked = false;
    link.kind.reset();
  });
}

void Network::become_perfect() {
  heal_partition();
  for_links(kMembersMax - 1,
            [&](auto, auto, Link& link) { link.clogged_until = link.last_arrival = stage_.now; });
  stage_.swarm.loss = stage_.swarm.duplicate = stage_.swarm.replay = 0;
  stage_.swarm.link_capacity = 0;
  stage_.swarm.delay_mean = std::min<Duration>(stage_.swarm.delay_mean, milliseconds(1));
}

void Network::partition(Prng& dice, std::uint64_t members, std::uint64_t favourite) {
  heal_partition();
  if (members < 2) return;
  // Drawn one by one: in the arguments of a call the compiler chooses the order.
  const std::uint64_t shape = dice.below(8);
  const std::uint64_t one = dice.between(1, members);
  const std::uint64_t other = dice.between(1, members);
  const bool one_way = dice.chance(1, 3);
  switch (shape) {
    case 0:
      return isolate(members, one, one_way);
    case 1:
    case 2:
      return isolate(members, favourite, one_way);
    case 3:
      return split(dice, members);
    case 4:
      return bridge(dice, members);
    case 5:
      return ring(members);
    case 6: {
      // One link in one direction, all messages or one kind of them.
      Link& link = links_[one][other];
      link.blocked = true;
      if (dice.chance(1, 2)) link.kind = dice.below(std::variant_size_v<raft::MessageBody>);
      return;
    }
    case 7: {
      // One kind of message reaches nobody.
      const std::size_t kind = dice.below(std::variant_size_v<raft::MessageBody>);
      for_links(members, [&](auto, auto, Link& link) {
        link.blocked = true;
        link.kind = kind;
      });
      return;
    }
  }
}

// One way: it is heard and does not hear.
void Network::isolate(std::uint64_t members, std::uint64_t lonely, bool one_way) {
  for_links(members, [&](std::uint64_t from, std::uint64_t to, Link& link) {
    if (to == lonely || (from == lonely && !one_way)) link.blocked = true;
  });
}

void Network::split(Prng& dice, std::uint64_t members) {
  std::array<bool, kMembersMax> side{};
  for (std::uint64_t member = 1; member <= members; ++member) side[member] = dice.chance(1, 2);
  const bool one_way = dice.chance(1, 3);
  for_links(members, [&](std::uint64_t from, std::uint64_t to, Link& link) {
    if (side[from] != side[to] && (!one_way || side[from])) link.blocked = true;
  });
}

// Two sides that do not hear each other, and a member between them that hears both.
void Network::bridge(Prng& dice, std::uint64_t members) {
  const std::uint64_t middle = dice.between(1, members);
  std::array<bool, kMembersMax> side{};
  for (std::uint64_t member = 1; member <= members; ++member) side[member] = dice.chance(1, 2);
  for_links(members, [&](std::uint64_t from, std::uint64_t to, Link& link) {
    if (from != middle && to != middle && side[from] != side[to]) link.blocked = true;
  });
}

// Everybody hears two neighbours.
void Network::ring(std::uint64_t members) {
  for_links(members, [&](std::uint64_t from, std::uint64_t to, Link& link) {
    const std::uint64_t distance = (from + members - to) % members;
    if (distance > 1 && distance < members - 1) link.blocked = true;
  });
}

void Network::separate(const std::array<bool, kMembersMax>& group) {
  for_links(kMembersMax - 1, [&](std::uint64_t from, std::uint64_t to, Link& link) {
    link.blocked = group[from] != group[to];
    link.kind.reset();
  });
}

void Network::deafen(std::uint64_t member, std::optional<std::uint64_t> to_whom) {
  for (std::uint64_t from = 1; from < kMembersMax; ++from) {
    if (!to_whom || *to_whom == from) links_[from][member].blocked = true;
  }
}

void Network::clog(std::uint64_t from, std::optional<std::uint64_t> to, Instant until) {
  for (std::uint64_t other = 1; other < kMembersMax; ++other) {
    if (to && *to != other) continue;
    Link& link = links_[from][other];
    link.clogged_until = std::max(link.clogged_until, until);
  }
}

void Network::reset(Prng& dice, std::uint64_t from, std::uint64_t to) {
  Link& link = links_[from][to];
  ++link.epoch;
  link.previous_ends_at =
      stage_.now + up_to(dice, std::max(link.last_arrival - stage_.now, Duration(0)));
  link.last_arrival = stage_.now;
}

}  // namespace coord::sim
