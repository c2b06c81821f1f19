// The driver's part of snapshots and of the log on disk, as the contract in raft/core/output.h has
// it.
#include <algorithm>

#include "raft/core/memory_log.h"
#include "tests/raft/core/cluster.h"

namespace coord::raft {

void Cluster::flush(int member) {
  Node& node = nodes_.at(id(member));
  if (node.core) node.disk.state = node.state;
}

void Cluster::compact(int member, std::uint64_t entries_kept) {
  Node& node = nodes_.at(id(member));
  if (!node.core) return;
  flush(member);
  const Index state = node.disk.state.last.index;
  // What is still to be written stays.
  const Index through = std::min(state, node.disk.last().index);
  if (through.value() <= node.disk.base.index.value() + entries_kept) return;
  node.planned.state = node.disk.state;
  const Index cut(through.value() - entries_kept);
  if (node.planned.find(cut) == nullptr || node.disk.find(cut) == nullptr) return;
  node.disk.cut(cut);
  node.planned.cut(cut);
  step(member, LogCut{node.disk.base});
}

void Cluster::serve(MemberId id, Node& node, const Load& load) {
  Loaded loaded{.peer = load.peer, .previous = node.planned.base, .entries = {}};
  if (load.from > node.planned.base.index) {
    if (const Entry* before = node.planned.find(load.from.prev())) loaded.previous = before->id;
    std::size_t bytes = 0;
    for (Index at = load.from; at <= load.through; ++at) {
      const Entry* entry = node.planned.find(at);
      if (entry == nullptr) break;
      bytes += cost_of(*entry);
      if (bytes > load.bytes_max && !loaded.entries.empty()) break;
      loaded.entries.push_back(*entry);
    }
  }
  say(fmt::format("   {} loads {} entries from {} on", id, loaded.entries.size(), load.from));
  node.core->step(now_, std::move(loaded));
}

// --- The sender's side ---------------------------------------------------------------------------

void Cluster::transfer_snapshots(MemberId id, Node& node, const Output& output) {
  const int self = static_cast<int>(id.value());
  for (const Transfer& transfer : output.transfers) {
    if (!transfer.wanted) {
      node.outgoing.erase(transfer.peer);
    } else if (node.outgoing.try_emplace(transfer.peer).second && options_.fast_transfers) {
      send_chunk(self, static_cast<int>(transfer.peer.value()));
    }
  }
  for (const StoredByPeer& stored : output.stored) {
    const auto outgoing = node.outgoing.find(stored.peer);
    if (outgoing == node.outgoing.end() || outgoing->second.last != stored.last) continue;
    outgoing->second.stored =
        std::min<std::uint64_t>(stored.received, outgoing->second.bytes.size());
    if (options_.fast_transfers && outgoing->second.stored < outgoing->second.bytes.size()) {
      send_chunk(self, static_cast<int>(stored.peer.value()));
    }
  }
}

bool Cluster::is_transferring(int from, int to) const {
  return nodes_.at(id(from)).outgoing.contains(id(to));
}

bool Cluster::send_chunk(int from, int to) {
  Node& node = nodes_.at(id(from));
  const auto found = node.outgoing.find(id(to));
  // Nothing was flushed yet: there is no snapshot.
  if (found == node.outgoing.end() || !node.core || node.disk.state.last.index.is_zero()) {
    return false;
  }
  Outgoing& outgoing = found->second;
  if (outgoing.bytes.empty()) {
    outgoing = {.last = node.disk.state.last,
                .bytes = encode(node.disk.state),
                .stored = 0,
                .sent_at = now_};
  }
  const std::size_t size = outgoing.bytes.size();
  const std::size_t chunk = std::min(options_.chunk_bytes, size);
  // Also when it has all: a crash before it was installed takes it away again, and its answer to
  // the last piece is what tells so.
  const std::size_t offset =
      outgoing.stored < size ? static_cast<std::size_t>(outgoing.stored) : size - chunk;
  outgoing.sent_at = now_;
  SnapshotChunk piece{.last = outgoing.last,
                      .size = size,
                      .checksum = checksum(outgoing.bytes.span()),
                      .offset = offset,
                      .data = outgoing.bytes.slice(offset, std::min(chunk, size - offset))};
  node.core->step(now_, SnapshotRead{id(to), std::move(piece)});
  drain(id(from));
  return true;
}

void Cluster::fail_snapshot(int from, int to) {
  if (nodes_.at(id(from)).outgoing.erase(id(to)) > 0) step(from, SnapshotFailed{id(to)});
}

void Cluster::resend_snapshots(Instant sent_before) {
  for (auto& [from, node] : nodes_) {
    std::vector<MemberId> late;
    for (const auto& [to, outgoing] : node.outgoing) {
      if (outgoing.sent_at <= sent_before) late.push_back(to);
    }
    for (const MemberId to : late) {
      send_chunk(static_cast<int>(from.value()), static_cast<int>(to.value()));
    }
  }
}

// --- The receiver's side -------------------------------------------------------------------------

void Cluster::store(MemberId id, Node& node, ArrivedChunk arrived) {
  const SnapshotChunk& chunk = arrived.chunk;
  // Another snapshot takes the place of the one before, also an older one's: another leader has no
  // other. Pieces of different ones are never mixed.
  if (chunk.last != node.incoming.last) {
    if (chunk.offset == 0) {
      node.incoming = {.last = chunk.last, .bytes = {}};
    } else {
      node.core->step(now_, SnapshotStored{arrived.from, chunk.last, 0});
      return;
    }
  }
  std::string& bytes = node.incoming.bytes;
  if (chunk.offset == bytes.size()) bytes.append(chunk.data.view());
  const std::uint64_t stored = bytes.size();
  node.core->step(now_, SnapshotStored{arrived.from, chunk.last, stored});
  if (stored < chunk.size || node.received.contains(chunk.last)) return;
  const auto content = std::as_bytes(std::span(bytes));
  std::optional<State> state = decode_state(content);
  if (checksum(content) != chunk.checksum || !state || state->last != chunk.last) {
    if (!forged_) fail(id, "received a snapshot that is damaged");
    node.incoming = {};
    return;
  }
  node.received.emplace(chunk.last, *state);
  node.core->step(now_, SnapshotReceived{chunk.last, state->configuration});
}

void Cluster::offer_snapshot(int member, const State& state) {
  Node& node = nodes_.at(id(member));
  node.received.emplace(state.last, state);
  step(member, SnapshotReceived{state.last, state.configuration});
}

void Cluster::install(int member) {
  Node& node = nodes_.at(id(member));
  if (!node.core || !node.install) return;
  const LogId last = node.install->last;
  node.install.reset();
  node.disk.state = node.state = node.received.at(last);
  if (!forged_) safety_.installs(id(member), node.state);
  std::erase_if(node.received, [&](const auto& entry) { return entry.first <= last; });
  node.core->step(now_, SnapshotInstalled{last});
  drain(id(member));
}

}  // namespace coord::raft
