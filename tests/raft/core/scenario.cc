#include "tests/raft/core/scenario.h"

#include <algorithm>
#include <array>
#include <ostream>

#include "raft/core/describe.h"

namespace coord::raft {

namespace {

constexpr std::array<std::string_view, 28> kNames{
    "propose",   "fire",        "pass",         "run",        "settle",      "deliver",
    "duplicate", "drop",        "deliver from", "persist",    "persist all", "crash",
    "restart",   "isolate",     "cut",          "partition",  "heal",        "change",
    "transfer",  "read",        "compact",      "flush",      "send chunk",  "fail snapshot",
    "install",   "unreachable", "closed",       "fall behind"};

void settle(Cluster& cluster, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    cluster.deliver();
    for (int member = 1; member <= cluster.size(); ++member) {
      if (cluster.is_up(member)) cluster.persist(member);
    }
  }
  cluster.deliver();
}

// The configuration in force at `leader`, but for what `what` makes of `member`.
Configuration changed(const Cluster& cluster, int leader, MemberId member, int what) {
  Configuration target = cluster.configuration(leader);
  target.outgoing.clear();
  std::erase(target.voters, member);
  std::erase(target.learners, member);
  if (what % 3 == 1) target.learners.push_back(member);
  if (what % 3 == 2) target.voters.push_back(member);
  if (what % 5 == 4 && !target.voters.empty()) {  // and somebody else becomes a learner
    target.learners.push_back(target.voters.front());
    target.voters.erase(target.voters.begin());
  }
  std::sort(target.voters.begin(), target.voters.end());
  std::sort(target.learners.begin(), target.learners.end());
  return target;
}

void partition(Cluster& cluster, int mask) {
  cluster.heal();
  for (int one = 1; one <= cluster.size(); ++one) {
    for (int other = 1; other < one; ++other) {
      if (((mask >> one) & 1) != ((mask >> other) & 1)) cluster.cut(one, other);
    }
  }
}

void fall_behind(Cluster& cluster, int member) {
  cluster.isolate(member);
  for (int i = 0; i < 20 && (!cluster.leader() || *cluster.leader() == member); ++i) {
    cluster.run(milliseconds(100));
    settle(cluster, 3);
  }
  for (int i = 0; i < 3 && cluster.leader(); ++i) {
    cluster.propose(*cluster.leader(), "missed");
    settle(cluster, 2);
  }
  for (int other = 1; other <= cluster.size(); ++other) {
    if (other != member && cluster.is_up(other)) cluster.compact(other);
  }
  cluster.heal();
}

void crash(Cluster& cluster, int member, int batches_written) {
  if (!cluster.is_up(member)) return;
  cluster.persist(member, static_cast<std::size_t>(batches_written));
  cluster.crash(member);
}

void execute_at(Cluster& cluster, const Command& command, int a, int b, std::uint64_t place) {
  const auto c = static_cast<std::size_t>(command.c);
  const int leader = cluster.leader().value_or(a);
  switch (command.kind) {
    case CommandKind::kPropose:
      for (int i = 0; i <= command.b % 4; ++i) {
        cluster.propose(leader, fmt::format("{}.{}", place, i));
      }
      break;
    case CommandKind::kFire:
      cluster.fire(a);
      break;
    case CommandKind::kRead:
      cluster.step(a, Read{ReadId(place + 1)});
      break;
    case CommandKind::kChange:
      cluster.change(leader, changed(cluster, leader, Cluster::id(b), command.c));
      break;
    case CommandKind::kTransfer:
      cluster.transfer(leader, command.c % 3 == 0 ? 0 : b);
      break;
    case CommandKind::kPersist:
      cluster.persist(a, c);
      break;
    case CommandKind::kPersistAll:
      cluster.persist(a);
      break;
    case CommandKind::kCrash:
      crash(cluster, a, command.c);
      break;
    case CommandKind::kCompact:
      cluster.compact(a, c);
      break;
    case CommandKind::kFlush:
      cluster.flush(a);
      break;
    case CommandKind::kSendChunk:
      cluster.send_chunk(a, b);
      break;
    case CommandKind::kFailSnapshot:
      cluster.fail_snapshot(a, b);
      break;
    case CommandKind::kInstall:
      cluster.install(a);
      break;
    case CommandKind::kUnreachable:
      cluster.step(a, PeerUnreachable{Cluster::id(b)});
      break;
    case CommandKind::kClosed:
      cluster.step(a, PeerClosed{Cluster::id(b)});
      break;
    default:
      break;
  }
}

void execute_on_network(Cluster& cluster, const Command& command, int a, int b) {
  const auto c = static_cast<std::size_t>(command.c);
  switch (command.kind) {
    case CommandKind::kPass:
      cluster.pass(milliseconds(25) * command.b);
      break;
    case CommandKind::kRun:
      for (int i = 0; i <= command.b; ++i) {
        cluster.run(milliseconds(25));
        settle(cluster, 1);
      }
      break;
    case CommandKind::kSettle:
      settle(cluster, 3);
      break;
    case CommandKind::kDeliver:
      cluster.deliver_one(a, b, c, /*again=*/false);
      break;
    case CommandKind::kDuplicate:
      cluster.deliver_one(a, b, c, /*again=*/true);
      break;
    case CommandKind::kDrop:
      cluster.drop_one(a, b, c);
      break;
    case CommandKind::kDeliverFrom:
      for (int to = 1; to <= cluster.size(); ++to) {
        if (c % 2 == 1) cluster.deliver_one(a, to, c, /*again=*/true);
        cluster.deliver(a, to);
      }
      break;
    case CommandKind::kRestart:
      if (!cluster.is_up(a)) cluster.restart(a);
      break;
    case CommandKind::kIsolate:
      cluster.isolate(a);
      break;
    case CommandKind::kCutOneWay:
      cluster.cut_one_way(a, b);
      break;
    case CommandKind::kPartition:
      partition(cluster, command.c);
      break;
    case CommandKind::kHeal:
      cluster.heal();
      break;
    case CommandKind::kFallBehind:
      fall_behind(cluster, a);
      break;
    default:
      break;
  }
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Command& command) {
  return out << kNames.at(static_cast<std::size_t>(command.kind)) << ' ' << command.a << ' '
             << command.b << ' ' << command.c;
}

std::ostream& operator<<(std::ostream& out, const Setup& setup) {
  return out << setup.voters << " voters, " << setup.learners << " learners, " << setup.joining
             << " joining" << (setup.fast_disk ? ", fast disk" : "")
             << (setup.fast_transfers ? ", fast transfers" : "")
             << (setup.fast_installs ? ", fast installs" : "") << (setup.leases ? ", leases" : "")
             << (setup.small ? ", small" : "");
}

Cluster::Options options_of(const Setup& setup) {
  Cluster::Options options;
  options.members = setup.voters;
  options.learners = setup.learners;
  options.joining = setup.joining;
  options.fast_disk = setup.fast_disk;
  options.fast_loads = true;
  options.fast_transfers = setup.fast_transfers;
  options.fast_installs = setup.fast_installs;
  options.fail_test = false;
  options.core.lease_reads = setup.leases;
  if (setup.small) {
    options.core.append_bytes_max = 150;
    options.core.inflight_appends_max = 2;
    options.core.uncommitted_bytes_max = 500;
    options.core.cached_log_bytes_max = 0;
  }
  return options;
}

void execute(Cluster& cluster, const Command& command, std::uint64_t place) {
  const int a = command.a % cluster.size() + 1;
  const int b = command.b % cluster.size() + 1;
  execute_on_network(cluster, command, a, b);
  if (cluster.is_up(a)) execute_at(cluster, command, a, b, place);
}

std::string recover(Cluster& cluster) {
  cluster.heal();
  for (int member = 1; member <= cluster.size(); ++member) {
    if (!cluster.is_up(member)) cluster.restart(member);
  }
  const Instant end = cluster.now() + seconds(20);
  std::optional<LogId> place;
  const auto has_it_everywhere = [&] {
    if (!place || !cluster.leader()) return false;
    const auto& configuration = cluster.configuration(*cluster.leader());
    return !configuration.is_joint() &&
           std::ranges::all_of(configuration.members(), [&](MemberId id) {
             return cluster.before(static_cast<int>(id.value())).applied >= place->index;
           });
  };
  while (cluster.now() < end && !has_it_everywhere()) {
    cluster.run(milliseconds(50));
    settle(cluster, 3);
    for (int member = 1; member <= cluster.size(); ++member) {
      cluster.install(member);
      for (int peer = 1; peer <= cluster.size(); ++peer) cluster.send_chunk(member, peer);
    }
    const std::optional<int> leader = cluster.leader();
    // Another leader may have taken its place before it was committed.
    const bool lost = !place || place->index <= cluster.committed();
    if (leader && (lost || cluster.core(*leader).term() > place->term)) {
      if (!has_it_everywhere()) {
        if (const auto next = cluster.propose(*leader, "at last")) place = next;
      }
    }
  }
  if (has_it_everywhere()) return {};
  std::string text = "no progress:";
  for (int member = 1; member <= cluster.size(); ++member) {
    text += fmt::format("\n  {}: {}, {}", member, describe(cluster.core(member).status()),
                        describe(cluster.configuration(member)));
  }
  return text;
}

}  // namespace coord::raft
