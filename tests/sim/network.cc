#include "tests/sim/network.h"

#include <algorithm>

namespace coord::sim {

std::vector<Network::Arrival> Network::send(Instant now, const raft::Message& message) {
  const auto from = message.from.value();
  const auto to = message.to.value();
  std::vector<Arrival> arrivals;
  if (swarm_.replay > 0 && prng_.chance(swarm_.replay, 1000)) {
    arrivals.push_back(
        {now + seconds(1) + Duration(static_cast<Duration::rep>(prng_.below(10'000'000'000))),
         Arrival::Kind::kReplay});
  }
  const Block& block = blocked_[from][to];
  if (block.any && (!block.kind || *block.kind == message.body.index())) return arrivals;
  if (swarm_.loss > 0 && prng_.chance(swarm_.loss, 1000)) return arrivals;
  Instant at = now + delay();
  if (swarm_.ordered) at = last_arrival_[from][to] = std::max(at, last_arrival_[from][to]);
  arrivals.push_back({at, Arrival::Kind::kOriginal});
  if (swarm_.duplicate > 0 && prng_.chance(swarm_.duplicate, 1000)) {
    arrivals.push_back({at + delay(), Arrival::Kind::kDuplicate});
  }
  return arrivals;
}

Duration Network::delay() {
  return exponential(prng_, swarm_.delay_mean);
}

void Network::become_perfect() {
  heal();
  swarm_.loss = swarm_.duplicate = swarm_.replay = 0;
  swarm_.delay_mean = std::min<Duration>(swarm_.delay_mean, milliseconds(1));
}

void Network::partition(std::uint64_t members, MemberId favourite) {
  heal();
  if (members < 2) return;
  switch (prng_.below(6)) {
    case 0:
      isolate(members, prng_.between(1, members));
      break;
    case 5:
      isolate(members, favourite.value());
      break;
    case 1:
      split(members, /*one_way=*/false);
      break;
    case 2:
      split(members, /*one_way=*/true);
      break;
    case 3: {
      // One link in one direction, all messages or one kind of them.
      Block& block = blocked_[prng_.between(1, members)][prng_.between(1, members)];
      block.any = true;
      if (prng_.chance(1, 2)) block.kind = prng_.below(std::variant_size_v<raft::MessageBody>);
      break;
    }
    case 4: {
      // One kind of message reaches nobody.
      const std::size_t kind = prng_.below(std::variant_size_v<raft::MessageBody>);
      for (auto& row : blocked_) row.fill({.any = true, .kind = kind});
      break;
    }
  }
}

void Network::isolate(std::uint64_t members, std::uint64_t lonely) {
  for (std::uint64_t other = 1; other <= members; ++other) {
    blocked_[lonely][other].any = blocked_[other][lonely].any = true;
  }
}

void Network::split(std::uint64_t members, bool one_way) {
  // With three sides one of them, the bridge, hears both others.
  std::array<std::uint64_t, kMembersMax> side{};
  for (std::uint64_t member = 1; member <= members; ++member) side[member] = prng_.below(3);
  for (std::uint64_t from = 1; from <= members; ++from) {
    for (std::uint64_t to = 1; to <= members; ++to) {
      const bool across = one_way ? side[from] == 0 && side[to] == 2
                                  : side[from] + side[to] == 2 && side[from] != side[to];
      if (across) blocked_[from][to].any = true;
    }
  }
}

Duration exponential(Prng& prng, Duration mean) {
  // Integer arithmetic only, so that every machine and build draws the same: the sum of the bits of
  // a geometric distribution, 16 steps a mean.
  const auto step = std::max<Duration::rep>(1, mean.count() / 16);
  Duration::rep steps = 0;
  while (steps < 16 * 12 && !prng.chance(1, 17)) ++steps;
  return Duration(steps * step +
                  static_cast<Duration::rep>(prng.below(static_cast<std::uint64_t>(step) + 1)));
}

}  // namespace coord::sim
