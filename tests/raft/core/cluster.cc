#include "tests/raft/core/cluster.h"

#include <algorithm>
#include <utility>

namespace coord::raft {

namespace {
constexpr ClusterId kCluster{7};

void write(std::vector<Entry>& log, const Durable& batch) {
  if (batch.truncate_from) log.resize(batch.truncate_from->prev().value());
  for (const Entry& entry : batch.append) {
    EXPECT_EQ(entry.id.index.value(), log.size() + 1) << "a gap in what is written";
    log.push_back(entry);
  }
}
}  // namespace

Cluster::Cluster(Options options) : options_(std::move(options)) {
  for (std::uint64_t i = 1; i <= options_.members; ++i) start(MemberId(i));
}

void Cluster::start(MemberId id) {
  Node& node = nodes_[id];
  CoreOptions options = options_.core;
  options.cluster = kCluster;
  options.self = id;
  options.seed = id.value() * 1000 + static_cast<std::uint64_t>(now_.time_since_epoch().count());
  Restored restored{.hard_state = node.disk.hard_state,
                    .applied = {},
                    .configuration = {},
                    .entries = node.disk.entries,
                    .first_index = Index(1)};
  for (std::uint64_t i = 1; i <= options_.members; ++i) {
    restored.configuration.voters.push_back(MemberId(i));
  }
  node.log = node.disk.entries;
  node.core.emplace(options, std::move(restored), now_);
  node.before = node.core->status();
}

void Cluster::step(int member, Event event) {
  Node& node = nodes_.at(id(member));
  if (!node.core) return;
  node.core->step(now_, std::move(event));
  drain(id(member));
}

void Cluster::drain(MemberId id) {
  Node& node = nodes_.at(id);
  Output output = node.core->take_output();
  const CoreStatus status = node.core->status();
  for (const std::string& broken : check_invariants(status, *node.before)) {
    ADD_FAILURE() << "member " << id.value() << ": " << broken;
  }
  node.before = status;
  for (Message& message : output.send) route(std::move(message));
  if (output.durable) {
    write(node.log, *output.durable);
    node.batches.push_back(std::move(*output.durable));
  }
  std::move(output.held.begin(), output.held.end(), std::back_inserter(node.held));
  std::move(output.reads.begin(), output.reads.end(), std::back_inserter(node.reads));
  std::move(output.proposals.begin(), output.proposals.end(), std::back_inserter(node.proposals));
  std::move(output.facts.begin(), output.facts.end(), std::back_inserter(node.facts));
  std::move(output.loads.begin(), output.loads.end(), std::back_inserter(node.loads));
  if (!output.committed.empty()) {
    const Index through = output.committed.back().id.index;
    std::move(output.committed.begin(), output.committed.end(), std::back_inserter(node.applied));
    node.core->step(now_, Applied{through});
    drain(id);
  }
  if (options_.fast_disk) persist_all(id);
}

void Cluster::persist_all(MemberId id) {
  Node& node = nodes_.at(id);
  if (node.batches.empty()) return;
  const Ticket ticket = node.batches.back().ticket;
  for (const Durable& batch : std::exchange(node.batches, {})) {
    write(node.disk.entries, batch);
    if (batch.hard_state) node.disk.hard_state = *batch.hard_state;
  }
  for (HeldMessage& held : std::exchange(node.held, {})) {
    if (held.ticket <= ticket) {
      route(std::move(held.message));
    } else {
      node.held.push_back(std::move(held));
    }
  }
  node.core->step(now_, Persisted{ticket});
  drain(id);
}

void Cluster::persist(int member) {
  persist_all(id(member));
}

void Cluster::route(Message message) {
  if (!is_cut(message.from, message.to)) network_.push_back(std::move(message));
}

bool Cluster::is_cut(MemberId from, MemberId to) const {
  return std::find(cut_.begin(), cut_.end(), std::pair(from, to)) != cut_.end();
}

void Cluster::cut(int a, int b) {
  cut_.emplace_back(id(a), id(b));
  cut_.emplace_back(id(b), id(a));
}

void Cluster::isolate(int member) {
  for (const auto& [other, node] : nodes_) {
    if (other != id(member)) cut(member, static_cast<int>(other.value()));
  }
}

void Cluster::deliver() {
  for (int rounds = 0; !network_.empty(); ++rounds) {
    ASSERT_LT(rounds, 10000) << "the members never stop talking";
    Message message = std::move(network_.front());
    network_.erase(network_.begin());
    if (is_cut(message.from, message.to) || !nodes_.at(message.to).core) continue;
    const int to = static_cast<int>(message.to.value());
    step(to, Receive{std::move(message)});
  }
}

std::vector<Message> Cluster::take(int from, int to) {
  std::vector<Message> taken;
  std::vector<Message> left;
  for (Message& message : network_) {
    const bool fits = message.from == id(from) && message.to == id(to);
    (fits ? taken : left).push_back(std::move(message));
  }
  network_ = std::move(left);
  return taken;
}

void Cluster::deliver(int from, int to) {
  for (Message& message : take(from, to)) step(to, Receive{std::move(message)});
}

Message Cluster::message(int from, int to, Term term, MessageBody body) const {
  return {kCluster, id(from), id(to), term, std::move(body)};
}

void Cluster::run(Duration duration) {
  const Instant end = now_ + duration;
  deliver();
  while (true) {
    Instant next = end;
    for (const auto& [id, node] : nodes_) {
      if (node.core && !node.asleep) next = std::min(next, std::max(now_, node.core->deadline()));
    }
    if (next >= end) break;
    now_ = next;
    for (auto& [id, node] : nodes_) {
      if (node.core && !node.asleep && node.core->deadline() <= now_) {
        step(static_cast<int>(id.value()), Tick{});
      }
    }
    deliver();
  }
  now_ = end;
}

void Cluster::pass(Duration duration) {
  now_ += duration;
}

void Cluster::elect(int member) {
  // The others have not heard a leader for long enough, and this one's timer is the first to fire.
  for (int tries = 0; tries < 20 && core(member).role() != RoleName::kLeader; ++tries) {
    now_ = std::max(now_ + seconds(2), now_);
    step(member, Tick{});
    deliver();
    // The candidate's vote, the others' votes, the no-op.
    for (int writes = 0; !options_.fast_disk && writes < 3; ++writes) {
      for (auto& [id, node] : nodes_) {
        if (node.core) persist_all(id);
      }
      deliver();
    }
  }
  ASSERT_EQ(core(member).role(), RoleName::kLeader) << "member " << member;
}

void Cluster::crash(int member) {
  Node& node = nodes_.at(id(member));
  node.core.reset();
  node.batches.clear();
  node.held.clear();
  node.applied.clear();
}

void Cluster::restart(int member) {
  start(id(member));
}

std::optional<LogId> Cluster::propose(int member, std::string command) {
  step(member, Propose{ProposalId(1), text(command)});
  const ProposalAnswer& answer = nodes_.at(id(member)).proposals.back();
  const LogId* place = std::get_if<LogId>(&answer.answer);
  return place == nullptr ? std::nullopt : std::optional(*place);
}

std::vector<std::string> Cluster::commands(int member) const {
  std::vector<std::string> commands;
  for (const Entry& entry : nodes_.at(id(member)).applied) {
    if (entry.type == EntryType::kCommand) commands.emplace_back(entry.payload.view());
  }
  return commands;
}

std::optional<int> Cluster::leader() const {
  std::optional<int> leader;
  Term term;
  for (const auto& [id, node] : nodes_) {
    if (node.core && node.core->role() == RoleName::kLeader && node.core->term() > term) {
      leader = static_cast<int>(id.value());
      term = node.core->term();
    }
  }
  return leader;
}

std::string Cluster::terms(int member) const {
  std::string terms;
  for (const Entry& entry : nodes_.at(id(member)).log) {
    if (!terms.empty()) terms += ' ';
    terms += std::to_string(entry.id.term.value());
  }
  return terms;
}

}  // namespace coord::raft
