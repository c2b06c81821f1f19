#include "tests/raft/core/cluster.h"

#include <algorithm>
#include <utility>

#include "raft/core/describe.h"

namespace coord::raft {

namespace {
constexpr ClusterId kCluster{7};
}  // namespace

// --- Members -------------------------------------------------------------------------------------

Cluster::Cluster(Options options) : options_(std::move(options)) {
  Configuration configuration;
  std::uint64_t i = 0;
  while (i < options_.members) configuration.voters.emplace_back(++i);
  while (i < options_.members + options_.learners) configuration.learners.emplace_back(++i);
  for (const MemberId id : configuration.members()) {
    nodes_[id].disk.state.configuration = configuration;
  }
  for (std::uint64_t left = options_.joining; left > 0; --left) nodes_[MemberId(++i)];
  for (const auto& [id, node] : nodes_) start(id);
}

void Cluster::start(MemberId id) {
  Node& node = nodes_.at(id);
  CoreOptions options = options_.core;
  options.cluster = kCluster;
  options.self = id;
  options.seed = id.value() * 1000 + static_cast<std::uint64_t>(now_.time_since_epoch().count());
  node.core.emplace(options, node.disk.restore(), now_);
  node.planned = node.disk;
  node.state = node.disk.state;
  node.before = node.core->status();
}

void Cluster::crash(int member) {
  Node& node = nodes_.at(id(member));
  node.core.reset();
  node.batches.clear();
  node.held.clear();
  node.state = {};
  node.outgoing.clear();
  node.incoming = {};
  node.received.clear();
  node.install.reset();
  node.loads.clear();
  say(fmt::format("{} crashes", member));
}

void Cluster::restart(int member) {
  say(fmt::format("{} starts", member));
  start(id(member));
}

// --- Steps ---------------------------------------------------------------------------------------

void Cluster::step(int member, Event event) {
  Node& node = nodes_.at(id(member));
  if (!node.core) return;
  if (const Read* read = std::get_if<Read>(&event)) node.asked[read->id] = safety_.committed();
  if (!std::holds_alternative<Tick>(event)) say(fmt::format("{}: {}", member, describe(event)));
  node.core->step(now_, std::move(event));
  drain(id(member));
}

void Cluster::drain(MemberId id) {
  Node& node = nodes_.at(id);
  while (node.core) {
    Output output = node.core->take_output();
    const CoreStatus status = node.core->status();
    if (output.durable && !node.planned.write(*output.durable)) {
      fail(id, "asks its disk for what does not fit there: " + describe(*output.durable));
    }
    note(id, node, output);
    check(id, node, status);
    node.before = status;
    if (output.empty()) return;
    carry_out(id, node, std::move(output));
  }
}

void Cluster::check(MemberId id, Node& node, const CoreStatus& status) {
  for (const std::string& broken : check_invariants(status, *node.before)) fail(id, broken);
  if (forged_) return;
  safety_.commits(*node.before, status, node.planned, disks());
  safety_.has_in_force(status, node.planned);
  if (status.role == RoleName::kLeader && node.before->role != RoleName::kLeader) {
    safety_.leads(id, status.term, node.planned);
  }
  for (const std::string& broken : safety_.take()) fail(id, broken);
}

void Cluster::note(MemberId id, Node& node, Output& output) {
  for (const Fact& fact : output.facts) say(fmt::format("   {} {}", id, describe(fact)));
  for (const ProposalAnswer& answer : output.proposals) {
    if (const Refusal* refusal = std::get_if<Refusal>(&answer.answer)) {
      say(fmt::format("   {} refuses: {}", id, to_string(*refusal)));
    }
  }
  for (const ReadAnswer& read : output.reads) {
    const Index* index = std::get_if<Index>(&read.answer);
    say(index == nullptr ? fmt::format("   {} refuses to read: {}", id,
                                       to_string(std::get<Refusal>(read.answer)))
                         : fmt::format("   {} reads as of {}", id, *index));
    if (index != nullptr && !forged_) safety_.answers_read(id, node.asked[read.id], *index);
  }
  if (!forged_ && output.durable && !output.durable->append.empty()) {
    const auto& entries = output.durable->append;
    const Entry* before = node.planned.find(entries.front().id.index.prev());
    LogId previous = before == nullptr ? node.planned.base : before->id;
    for (const Entry& entry : entries) {
      safety_.appends(id, std::exchange(previous, entry.id), entry);
    }
  }
  const auto keep = [](auto& from, auto& to) { to.insert(to.end(), from.begin(), from.end()); };
  keep(output.reads, node.reads);
  keep(output.proposals, node.proposals);
  keep(output.facts, node.facts);
}

void Cluster::carry_out(MemberId id, Node& node, Output output) {
  for (Message& message : output.send) release(id, node, std::move(message));
  if (output.durable) node.batches.push_back(std::move(*output.durable));
  std::move(output.held.begin(), output.held.end(), std::back_inserter(node.held));
  if (!output.committed.empty()) {
    for (const Entry& entry : output.committed) {
      if (!forged_) safety_.applies(id, entry);
      node.state.apply(entry);
    }
    node.core->step(now_, Applied{node.state.last.index});
  }
  transfer_snapshots(id, node, output);
  for (ArrivedChunk& arrived : output.chunks) store(id, node, std::move(arrived));
  if (output.install) {
    node.install = output.install;
    if (options_.fast_installs) install(static_cast<int>(id.value()));
  }
  for (const Load& load : output.loads) {
    if (options_.fast_loads) {
      serve(id, node, load);
    } else {
      node.loads.push_back(load);
    }
  }
  if (options_.fast_disk) persist_some(id, node.batches.size());
}

void Cluster::fail(MemberId id, const std::string& what) {
  broken_.push_back(fmt::format("member {}: {}", id, what));
  say("   BROKEN: " + what);
  if (options_.fail_test) ADD_FAILURE() << broken_.back();
}

std::map<MemberId, const Disk*> Cluster::disks() const {
  std::map<MemberId, const Disk*> disks;
  for (const auto& [id, node] : nodes_) disks[id] = &node.disk;
  return disks;
}

// --- Disk ----------------------------------------------------------------------------------------

void Cluster::persist_some(MemberId id, std::size_t batches) {
  Node& node = nodes_.at(id);
  batches = std::min(batches, node.batches.size());
  if (batches == 0 || !node.core) return;
  Ticket ticket;
  for (std::size_t i = 0; i < batches; ++i) {
    if (!node.disk.write(node.batches[i])) fail(id, "a batch does not fit to its disk");
    ticket = node.batches[i].ticket;
  }
  node.batches.erase(node.batches.begin(),
                     node.batches.begin() + static_cast<std::ptrdiff_t>(batches));
  for (HeldMessage& held : std::exchange(node.held, {})) {
    if (held.ticket <= ticket) {
      release(id, node, std::move(held.message));
    } else {
      node.held.push_back(std::move(held));
    }
  }
  node.core->step(now_, Persisted{ticket});
}

void Cluster::persist(int member) {
  persist(member, nodes_.at(id(member)).batches.size());
}

void Cluster::persist(int member, std::size_t batches) {
  persist_some(id(member), batches);
  drain(id(member));
}

// --- Network -------------------------------------------------------------------------------------

void Cluster::release(MemberId id, Node& node, Message message) {
  if (!forged_) safety_.sends(message, node.disk);
  for (const std::string& broken : safety_.take()) fail(id, broken);
  if (!is_cut(message.from, message.to)) network_.push_back(std::move(message));
}

bool Cluster::is_cut(MemberId from, MemberId to) const {
  return std::find(cut_.begin(), cut_.end(), std::pair(from, to)) != cut_.end();
}

void Cluster::cut(int a, int b) {
  cut_one_way(a, b);
  cut_one_way(b, a);
}

void Cluster::isolate(int member) {
  for (const auto& [other, node] : nodes_) {
    if (other != id(member)) cut(member, static_cast<int>(other.value()));
  }
}

void Cluster::deliver() {
  for (int rounds = 0; !network_.empty(); ++rounds) {
    if (rounds == 10000) {
      fail(network_.front().from, "never stops talking");
      return;
    }
    Message message = std::move(network_.front());
    network_.erase(network_.begin());
    const auto node = nodes_.find(message.to);
    if (node == nodes_.end() || !node->second.core || is_cut(message.from, message.to)) continue;
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

bool Cluster::deliver_one(int from, int to, std::size_t place, bool again) {
  std::vector<Message> all = take(from, to);
  if (all.empty()) return false;
  const auto chosen = all.begin() + static_cast<std::ptrdiff_t>(place % all.size());
  Message message = *chosen;
  if (!again) all.erase(chosen);
  std::move(all.begin(), all.end(), std::back_inserter(network_));
  step(to, Receive{std::move(message)});
  return true;
}

bool Cluster::drop_one(int from, int to, std::size_t place) {
  std::vector<Message> all = take(from, to);
  if (all.empty()) return false;
  all.erase(all.begin() + static_cast<std::ptrdiff_t>(place % all.size()));
  std::move(all.begin(), all.end(), std::back_inserter(network_));
  return true;
}

Message Cluster::message(int from, int to, Term term, MessageBody body) const {
  return {kCluster, id(from), id(to), term, std::move(body)};
}

void Cluster::receive(int to, Message message) {
  forged_ = true;
  step(to, Receive{std::move(message)});
}

// --- Time ----------------------------------------------------------------------------------------

Instant Cluster::next_timer() const {
  Instant next = Instant::max();
  for (const auto& [id, node] : nodes_) {
    if (node.core && !node.asleep) next = std::min(next, std::max(now_, node.core->deadline()));
  }
  return next;
}

void Cluster::run(Duration duration) {
  const Instant end = now_ + duration;
  deliver();
  for (Instant next = next_timer(); next < end; next = next_timer()) {
    now_ = next;
    for (auto& [id, node] : nodes_) {
      if (node.core && !node.asleep && node.core->deadline() <= now_) {
        step(static_cast<int>(id.value()), Tick{});
      }
    }
    if (options_.fast_transfers) resend_snapshots(now_ - milliseconds(100));
    deliver();
  }
  now_ = end;
}

void Cluster::pass(Duration duration) {
  now_ += duration;
}

void Cluster::fire(int member) {
  if (!is_up(member) || core(member).deadline() == Instant::max()) return;
  now_ = std::max(now_, core(member).deadline());
  step(member, Tick{});
}

void Cluster::elect(int member) {
  // The others have not heard a leader for long enough, and this one's timer is the first to fire.
  for (int tries = 0; tries < 100 && core(member).role() != RoleName::kLeader; ++tries) {
    ASSERT_NE(core(member).deadline(), Instant::max()) << member << " may not campaign";
    now_ = std::max(now_ + options_.core.election_timeout_min, core(member).deadline());
    step(member, Tick{});
    deliver();
    // The candidate's vote, the others' votes, the no-op.
    for (int writes = 0; !options_.fast_disk && writes < 3; ++writes) {
      for (int other = 1; other <= size(); ++other) {
        if (is_up(other)) persist(other);
      }
      deliver();
    }
  }
  ASSERT_EQ(core(member).role(), RoleName::kLeader) << "member " << member;
}

}  // namespace coord::raft
