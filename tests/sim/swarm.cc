#include "tests/sim/swarm.h"

#include "raft/base/prng.h"
#include "raft/core/describe.h"

namespace coord::sim {

namespace {

raft::Configuration draw_configuration(Prng& prng) {
  // Three and five are what people run; the others are where the arithmetic has its corners.
  constexpr std::uint64_t kMembers[] = {1, 2, 3, 3, 3, 3, 4, 5, 5, 5};
  const std::uint64_t members = kMembers[prng.below(std::size(kMembers))];
  const bool joint = members > 1 && prng.chance(1, 6);
  const bool learner = members > 1 && prng.chance(1, 6);
  raft::Configuration configuration;
  for (std::uint64_t i = 1; i <= members; ++i) {
    const MemberId id(i);
    const std::uint64_t half = joint && i > 1 ? prng.below(3) : 2;
    if (learner && i == members) {
      configuration.learners.push_back(id);
      continue;
    }
    if (half != 0) configuration.voters.push_back(id);
    if (joint && half != 1) configuration.outgoing.push_back(id);
  }
  return configuration;
}

Duration between(Prng& prng, Duration low, Duration high) {
  return Duration(static_cast<Duration::rep>(prng.between(
      static_cast<std::uint64_t>(low.count()), static_cast<std::uint64_t>(high.count()))));
}

void draw_network(Prng& prng, Swarm& swarm) {
  swarm.delay_mean = between(prng, microseconds(50), milliseconds(prng.chance(1, 4) ? 80 : 5));
  swarm.ordered = prng.chance(2, 3);
  if (prng.chance(1, 3)) swarm.loss = prng.between(1, 300);
  if (prng.chance(1, 4)) swarm.duplicate = prng.between(1, 500);
  if (prng.chance(1, 5)) swarm.replay = prng.between(1, 30);
  swarm.reports_loss = prng.chance(1, 2);
  if (prng.chance(1, 3)) swarm.break_every = between(prng, milliseconds(100), seconds(2));
  if (prng.chance(1, 2)) {
    swarm.partition_every = between(prng, milliseconds(50), seconds(3));
    swarm.partition_max = between(prng, milliseconds(100), seconds(4));
  }
}

void draw_disk(Prng& prng, Swarm& swarm) {
  swarm.sync_mean = between(prng, microseconds(20), milliseconds(prng.chance(1, 4) ? 40 : 2));
  if (prng.chance(1, 8)) swarm.slow_syncs = prng.between(1, 10);
  swarm.flush_every = between(prng, milliseconds(20), seconds(3));
}

void draw_processes(Prng& prng, Swarm& swarm) {
  if (prng.chance(1, 2)) {
    swarm.crash_every = between(prng, milliseconds(50), seconds(2));
    if (prng.chance(1, 2)) swarm.crash_in_write = prng.between(1, 100);
    swarm.down_max = between(prng, milliseconds(10), seconds(3));
  }
  swarm.closes_connections = prng.chance(3, 4);
  if (prng.chance(1, 5)) {
    swarm.pause_every = between(prng, milliseconds(500), seconds(4));
    swarm.pause_max = between(prng, milliseconds(10), seconds(3));
  }
  if (prng.chance(1, 4)) swarm.clock_drift = prng.between(1, 200);
  if (prng.chance(1, 2)) swarm.turn_max = between(prng, microseconds(1), milliseconds(2));
}

void draw_core(Prng& prng, Swarm& swarm) {
  if (prng.chance(1, 2)) {
    // Timeouts that the network is hardly good enough for: elections are what there is to see.
    swarm.core.heartbeat_interval = between(prng, milliseconds(10), milliseconds(50));
    swarm.core.election_timeout_min = swarm.core.heartbeat_interval * prng.between(3, 12);
    swarm.core.election_timeout_max =
        swarm.core.election_timeout_min + between(prng, milliseconds(10), milliseconds(500));
  }
  if (prng.chance(1, 2)) {
    swarm.core.append_bytes_max = prng.between(1, 2000);
    swarm.core.inflight_appends_max = prng.between(1, 16);
    swarm.core.inflight_bytes_max = swarm.core.append_bytes_max * prng.between(1, 8);
  }
  swarm.core.cached_log_bytes_max = prng.chance(1, 2) ? prng.between(0, 4000) : 64 * limits::kMiB;
  if (prng.chance(1, 4)) swarm.core.uncommitted_bytes_max = prng.between(100, 5000);
  swarm.core.seed = prng.next();
}

void draw_clients(Prng& prng, Swarm& swarm) {
  swarm.propose_every = between(prng, milliseconds(1), milliseconds(30));
  swarm.proposals_at_once = prng.chance(1, 3) ? prng.between(1, 30) : 1;
  swarm.command_bytes_max = prng.between(8, 300);
  swarm.read_every = between(prng, milliseconds(1), milliseconds(30));
}

}  // namespace

Swarm draw_swarm(std::uint64_t seed) {
  Prng prng(seed);
  Swarm swarm;
  swarm.configuration = draw_configuration(prng);
  // One generator for each concern, so that a change to one does not shift the dice of the others.
  Prng network = prng.split();
  Prng disk = prng.split();
  Prng processes = prng.split();
  Prng core = prng.split();
  Prng clients = prng.split();
  draw_network(network, swarm);
  draw_disk(disk, swarm);
  draw_processes(processes, swarm);
  draw_core(core, swarm);
  draw_clients(clients, swarm);
  return swarm;
}

std::string describe(const Swarm& swarm) {
  const auto ms = [](Duration duration) {
    return std::chrono::duration<double, std::milli>(duration).count();
  };
  return fmt::format(
      "{}; heartbeat {:.0f} ms, election {:.0f} to {:.0f} ms; delay {:.2f} ms{}, loss {}, "
      "duplicates "
      "{}, replays {}, partitions every {:.0f} ms, breaks every {:.0f} ms; sync {:.2f} ms, slow "
      "{}, "
      "flush {:.0f} ms; crash every {:.0f} ms{}, in writes {}, pause every {:.0f} ms, drift {}, "
      "turn "
      "{:.3f} ms; append {} bytes, window {}, cache {} bytes; propose {} every {:.0f} ms, read "
      "every "
      "{:.0f} ms",
      raft::describe(swarm.configuration), ms(swarm.core.heartbeat_interval),
      ms(swarm.core.election_timeout_min), ms(swarm.core.election_timeout_max),
      ms(swarm.delay_mean), swarm.ordered ? " ordered" : "", swarm.loss, swarm.duplicate,
      swarm.replay, ms(swarm.partition_every), ms(swarm.break_every), ms(swarm.sync_mean),
      swarm.slow_syncs, ms(swarm.flush_every), ms(swarm.crash_every),
      swarm.closes_connections ? "" : " silently", swarm.crash_in_write, ms(swarm.pause_every),
      swarm.clock_drift, ms(swarm.turn_max), swarm.core.append_bytes_max,
      swarm.core.inflight_appends_max, swarm.core.cached_log_bytes_max, swarm.proposals_at_once,
      ms(swarm.propose_every), ms(swarm.read_every));
}

}  // namespace coord::sim
