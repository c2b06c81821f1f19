#include "tests/sim/swarm.h"

#include <algorithm>

#include "raft/base/prng.h"
#include "raft/core/describe.h"
#include "tests/sim/dice.h"

namespace coord::sim {

namespace {

raft::Configuration draw_configuration(Prng& prng) {
  // Three and five are what people run; the others are where the arithmetic has its corners.
  constexpr std::uint64_t kVoters[] = {1, 2, 3, 3, 3, 3, 3, 4, 5, 5, 5, 6, 7};
  const std::uint64_t voters = kVoters[prng.below(std::size(kVoters))];
  const bool joint = voters > 1 && prng.chance(1, 6);
  const std::uint64_t learners = prng.chance(1, 4) ? prng.between(1, 2) : 0;
  raft::Configuration configuration;
  for (std::uint64_t i = 1; i <= voters; ++i) {
    const std::uint64_t half = joint && i > 1 ? prng.below(3) : 2;
    if (half != 0) configuration.voters.push_back(MemberId(i));
    if (joint && half != 1) configuration.outgoing.push_back(MemberId(i));
  }
  for (std::uint64_t i = voters + 1; i <= voters + learners; ++i) {
    configuration.learners.push_back(MemberId(i));
  }
  return configuration;
}

raft::LogId draw_base(Prng& prng) {
  // Near edges where arithmetic that is too narrow shows; the last is the core's own.
  constexpr std::uint64_t kEdges[] = {1ull << 31, 1ull << 32, 1ull << 53, (1ull << 62) - 100'000};
  if (!prng.chance(1, 6)) return {};
  const auto near_edge = [&] { return kEdges[prng.below(std::size(kEdges))] - prng.below(1000); };
  return {.term = Term(near_edge()), .index = Index(near_edge())};
}

void draw_network(Prng& prng, Swarm& swarm) {
  swarm.delay_mean = between(prng, microseconds(50), milliseconds(prng.chance(1, 4) ? 80 : 5));
  swarm.ordered = prng.chance(2, 3);
  if (prng.chance(1, 3)) swarm.loss = prng.between(1, 300);
  if (prng.chance(1, 4)) swarm.duplicate = prng.between(1, 500);
  if (prng.chance(1, 5)) swarm.replay = prng.between(1, 30);
  swarm.reports_loss = prng.chance(1, 2);
  if (prng.chance(1, 6)) swarm.link_capacity = prng.between(2, 20);
  if (prng.chance(1, 3)) swarm.break_every = between(prng, milliseconds(300), seconds(5));
  if (prng.chance(1, 3)) swarm.reset_every = between(prng, milliseconds(100), seconds(3));
  if (prng.chance(1, 5)) {
    swarm.clog_every = between(prng, milliseconds(200), seconds(5));
    swarm.clog_max = between(prng, milliseconds(50), seconds(5));
  }
  if (prng.chance(1, 2)) {
    swarm.partition_every = between(prng, milliseconds(100), seconds(6));
    swarm.partition_max = between(prng, milliseconds(100), seconds(4));
  }
}

void draw_disk(Prng& prng, Swarm& swarm) {
  swarm.sync_mean = between(prng, microseconds(20), milliseconds(prng.chance(1, 4) ? 40 : 2));
  if (prng.chance(1, 8)) swarm.slow_syncs = prng.between(1, 10);
  if (prng.chance(1, 8)) swarm.failed_syncs = prng.between(1, 100);
  swarm.flush_every = between(prng, milliseconds(50), seconds(3));
  swarm.log_entries_kept = prng.chance(1, 2) ? 0 : prng.below(500);
  swarm.segment_bytes = (3 + prng.below(6)) * 4 * limits::kKiB;
  if (prng.chance(1, 8)) swarm.full_disk_every = between(prng, milliseconds(500), seconds(10));
  if (prng.chance(1, 6)) swarm.damage_every = between(prng, milliseconds(500), seconds(10));
}

void draw_processes(Prng& prng, Swarm& swarm) {
  if (prng.chance(1, 2)) {
    swarm.crash_every = between(prng, milliseconds(100), seconds(5));
    if (prng.chance(1, 2)) swarm.crash_in_write = prng.between(1, 100);
    swarm.down_max = between(prng, milliseconds(10), seconds(3));
  }
  swarm.closes_connections = prng.chance(3, 4);
  if (prng.chance(1, 5)) {
    swarm.pause_every = between(prng, milliseconds(500), seconds(5));
    swarm.pause_max = between(prng, milliseconds(10), seconds(3));
  }
  if (prng.chance(1, 4)) swarm.clock_drift = prng.between(1, 500);
  if (prng.chance(1, 4)) swarm.wall_jump_every = between(prng, milliseconds(500), seconds(10));
  if (prng.chance(1, 2)) swarm.turn_max = between(prng, microseconds(1), milliseconds(2));
}

void draw_core(Prng& prng, Swarm& swarm) {
  if (prng.chance(1, 2)) {
    // Timeouts that the network is hardly good enough for: elections are what there is to see.
    swarm.core.heartbeat_interval = between(prng, milliseconds(20), milliseconds(50));
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
  // What a leader takes has to be little enough for its followers to get it in the end.
  swarm.core.uncommitted_bytes_max =
      std::min(swarm.core.uncommitted_bytes_max, 100 * swarm.core.inflight_bytes_max);
  swarm.core.seed = prng.next();
}

void draw_clients(Prng& prng, Swarm& swarm) {
  swarm.clients = prng.between(1, 6);
  swarm.think_mean = between(prng, milliseconds(5), milliseconds(150));
  swarm.patience = between(prng, milliseconds(50), seconds(2));
  swarm.tries_max = prng.between(1, 8);
  swarm.keys = prng.between(1, 3);
  swarm.watchers = prng.below(3);
  swarm.load_every = between(prng, milliseconds(5), milliseconds(150));
  swarm.load_at_once = prng.chance(1, 3) ? prng.between(1, 30) : 1;
  swarm.load_bytes_max = prng.between(8, 300);
  swarm.probe_every = between(prng, milliseconds(5), milliseconds(150));
}

// A lease that ends late is met only if another leader comes as early as it may, while clients
// still read from the old one, which has not noticed.
void draw_tight_lease(Prng& prng, Swarm& swarm) {
  swarm.clock_drift = 47;  // as much as is assumed
  swarm.extreme_clocks = true;
  swarm.core.heartbeat_interval = swarm.core.election_timeout_min / 3;
  swarm.core.election_timeout_max = swarm.core.election_timeout_min + milliseconds(5);
  swarm.partition_every = between(prng, milliseconds(200), milliseconds(1500));
  swarm.delay_mean = std::min<Duration>(swarm.delay_mean, milliseconds(5));
  swarm.sync_mean = std::min<Duration>(swarm.sync_mean, milliseconds(2));
  swarm.probe_every = milliseconds(5);
}

void draw_operator(Prng& prng, Swarm& swarm) {
  if (prng.chance(1, 4)) swarm.transfer_every = between(prng, milliseconds(200), seconds(4));
  if (prng.chance(2, 3)) {
    // So little that whoever is away for a moment needs a snapshot.
    swarm.log_bytes_kept = prng.between(1, prng.chance(2, 3) ? 1000 : 20'000);
    swarm.uneven_flushes = prng.chance(2, 3);
    swarm.log_entries_kept = std::min<std::uint64_t>(swarm.log_entries_kept, 10);
    swarm.flush_every = std::min<Duration>(swarm.flush_every, milliseconds(500));
  }
  swarm.snapshots.chunk_bytes = prng.between(64, 2000);
  swarm.snapshots.window_bytes = swarm.snapshots.chunk_bytes * prng.between(1, 8);
  swarm.snapshots.bytes_per_second = prng.chance(1, 4) ? prng.between(20'000, 1'000'000) : 1 << 30;
  swarm.snapshots.patience = between(prng, milliseconds(50), seconds(1));
  swarm.snapshots.give_up = between(prng, seconds(2), seconds(10));
  if (prng.chance(1, 2)) swarm.snapshot_mean = between(prng, milliseconds(1), milliseconds(1500));
  if (prng.chance(1, 2)) swarm.unseated_leaders = prng.between(100, 700);
  const bool changes = prng.chance(2, 5);
  const Duration every = between(prng, milliseconds(100), seconds(3));
  // Damage spares what a quorum needs, which is no fixed set of members then; and whoever joins
  // begins with nothing, not behind a base.
  if (changes && swarm.damage_every == Duration(0) && swarm.base.index.is_zero()) {
    swarm.change_every = every;
  }
  if (prng.chance(1, 5)) {
    swarm.core.lease_reads = true;
    // Two clocks that are off in opposite directions by that much keep to the assumption.
    swarm.clock_drift = std::min<std::uint64_t>(swarm.clock_drift, 40);
    if (prng.chance(1, 2)) draw_tight_lease(prng, swarm);
  }
}

}  // namespace

Swarm draw_swarm(std::uint64_t seed) {
  Prng prng(seed);
  Swarm swarm;
  swarm.configuration = draw_configuration(prng);
  swarm.base = draw_base(prng);
  // One generator for each concern, so that a change to one does not shift the dice of the others.
  Prng network = prng.split();
  Prng disk = prng.split();
  Prng processes = prng.split();
  Prng core = prng.split();
  Prng clients = prng.split();
  Prng people = prng.split();
  draw_network(network, swarm);
  draw_disk(disk, swarm);
  draw_processes(processes, swarm);
  draw_core(core, swarm);
  draw_clients(clients, swarm);
  draw_operator(people, swarm);
  swarm.lockstep = prng.chance(1, 10);
  return swarm;
}

std::string_view to_string(Fault fault) {
  switch (fault) {
    case Fault::kLoss:
      return "loss";
    case Fault::kDuplicates:
      return "duplicates";
    case Fault::kReplays:
      return "replays";
    case Fault::kPartitions:
      return "partitions";
    case Fault::kClogs:
      return "clogs";
    case Fault::kResets:
      return "resets";
    case Fault::kSlowDisks:
      return "slow-disks";
    case Fault::kFailedSyncs:
      return "failed-syncs";
    case Fault::kFullDisks:
      return "full-disks";
    case Fault::kDamage:
      return "damage";
    case Fault::kCrashes:
      return "crashes";
    case Fault::kPauses:
      return "pauses";
    case Fault::kDrift:
      return "drift";
    case Fault::kLateTurns:
      return "late-turns";
    case Fault::kChanges:
      return "changes";
    case Fault::kTransfers:
      return "transfers";
    case Fault::kSnapshots:
      return "snapshots";
    case Fault::kCount:
      break;
  }
  return "?";
}

void remove(Swarm& swarm, Fault fault) {
  constexpr Duration kNever{0};
  switch (fault) {
    case Fault::kLoss:
      swarm.loss = swarm.link_capacity = 0;
      break;
    case Fault::kDuplicates:
      swarm.duplicate = 0;
      break;
    case Fault::kReplays:
      swarm.replay = 0;
      break;
    case Fault::kPartitions:
      swarm.partition_every = kNever;
      break;
    case Fault::kClogs:
      swarm.clog_every = kNever;
      break;
    case Fault::kResets:
      swarm.reset_every = swarm.break_every = kNever;
      break;
    case Fault::kSlowDisks:
      swarm.slow_syncs = 0;
      break;
    case Fault::kFailedSyncs:
      swarm.failed_syncs = 0;
      break;
    case Fault::kFullDisks:
      swarm.full_disk_every = kNever;
      break;
    case Fault::kDamage:
      swarm.damage_every = kNever;
      break;
    case Fault::kCrashes:
      swarm.crash_every = kNever;
      swarm.crash_in_write = 0;
      break;
    case Fault::kPauses:
      swarm.pause_every = kNever;
      break;
    case Fault::kDrift:
      swarm.clock_drift = 0;
      swarm.wall_jump_every = kNever;
      break;
    case Fault::kLateTurns:
      swarm.turn_max = kNever;
      break;
    case Fault::kChanges:
      swarm.change_every = kNever;
      break;
    case Fault::kTransfers:
      swarm.transfer_every = kNever;
      break;
    case Fault::kSnapshots:
      swarm.log_bytes_kept = limits::kLogBytesKept;
      swarm.snapshot_mean = kNever;
      swarm.unseated_leaders = 0;
      break;
    case Fault::kCount:
      break;
  }
}

bool meets(const Swarm& swarm, Fault fault) {
  Swarm without = swarm;
  remove(without, fault);
  return describe(without) != describe(swarm);
}

void shrink_cluster(Swarm& swarm, std::uint64_t members) {
  for (auto* list : {&swarm.configuration.voters, &swarm.configuration.outgoing,
                     &swarm.configuration.learners}) {
    std::erase_if(*list, [&](MemberId id) { return id.value() > members; });
  }
  if (swarm.configuration.voters.empty()) swarm.configuration.voters.push_back(MemberId(1));
}

std::string describe(const Swarm& swarm) {
  const auto ms = [](Duration duration) {
    return std::chrono::duration<double, std::milli>(duration).count();
  };
  const auto every = [&](std::string_view what, Duration duration) {
    return duration == Duration(0) ? "" : fmt::format(", {} every {:.0f} ms", what, ms(duration));
  };
  const auto rate = [](std::string_view what, std::uint64_t value) {
    return value == 0 ? "" : fmt::format(", {} {}", what, value);
  };
  std::string text = fmt::format(
      "{}; log behind {}; heartbeat {:.0f} ms, election {:.0f} to {:.0f} ms",
      raft::describe(swarm.configuration), swarm.base, ms(swarm.core.heartbeat_interval),
      ms(swarm.core.election_timeout_min), ms(swarm.core.election_timeout_max));
  text += fmt::format("\n  network: delay {:.2f} ms{}", ms(swarm.delay_mean),
                      swarm.ordered ? " in order" : "");
  if (swarm.lockstep) text += ", in lockstep";
  text += rate("loss", swarm.loss) + rate("duplicates", swarm.duplicate) +
          rate("replays", swarm.replay) + rate("capacity", swarm.link_capacity) +
          every("partitions", swarm.partition_every) + every("clogs", swarm.clog_every) +
          every("resets", swarm.reset_every) + every("closings", swarm.break_every) +
          (swarm.reports_loss ? ", reports losses" : "");
  text += fmt::format("\n  disk: sync {:.2f} ms, flush {:.0f} ms, segments of {} KiB, {} kept",
                      ms(swarm.sync_mean), ms(swarm.flush_every), swarm.segment_bytes / 1024,
                      swarm.log_entries_kept);
  text += rate("slow", swarm.slow_syncs) + rate("failing", swarm.failed_syncs) +
          every("full", swarm.full_disk_every) + every("damage", swarm.damage_every);
  text += "\n  processes: ";
  text += swarm.closes_connections ? "seen to end" : "end silently";
  text += every("crash", swarm.crash_every) + rate("crash in writes", swarm.crash_in_write) +
          every("pause", swarm.pause_every) + rate("drift", swarm.clock_drift) +
          (swarm.extreme_clocks ? ", extreme clocks" : "") +
          every("wall clock jumps", swarm.wall_jump_every);
  text += every("change", swarm.change_every) + every("transfer", swarm.transfer_every);
  if (swarm.log_bytes_kept != limits::kLogBytesKept) {
    text += fmt::format(", {} bytes of log kept, snapshots of {:.0f} ms in pieces of {}",
                        swarm.log_bytes_kept, ms(swarm.snapshot_mean), swarm.snapshots.chunk_bytes);
    text += rate("leaders unseated", swarm.unseated_leaders);
  }
  if (swarm.core.lease_reads) text += ", reads under a lease";
  if (swarm.turn_max > Duration(0)) text += fmt::format(", turns {:.3f} ms", ms(swarm.turn_max));
  text += fmt::format("\n  core: append {} bytes, window {}, cache {}, uncommitted {}",
                      swarm.core.append_bytes_max, swarm.core.inflight_appends_max,
                      swarm.core.cached_log_bytes_max, swarm.core.uncommitted_bytes_max);
  text += fmt::format(
      "\n  clients: {} think {:.0f} ms, patience {:.0f} ms, {} tries; {} keys; {} watchers; "
      "{} commands every {:.0f} ms; a read every {:.0f} ms",
      swarm.clients, ms(swarm.think_mean), ms(swarm.patience), swarm.tries_max, swarm.keys,
      swarm.watchers, swarm.load_at_once, ms(swarm.load_every), ms(swarm.probe_every));
  return text;
}

}  // namespace coord::sim
