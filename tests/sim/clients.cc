#include "tests/sim/clients.h"

#include <algorithm>

#include "tests/sim/dice.h"

namespace coord::sim {

namespace {
constexpr Duration kClientDelay = microseconds(300);
// Even keys are registers, odd ones sets.
bool is_set(std::uint32_t key) {
  return key % 2 == 1;
}
}  // namespace

Clients::Clients(Stage& stage, Checker& checker, std::vector<std::unique_ptr<Member>>& members)
    : stage_(stage), checker_(checker), members_(members), pending_(kMembersMax) {
  clients_.resize(stage_.swarm.clients);
  for (std::uint32_t i = 0; i < clients_.size(); ++i) clients_[i].session = i + 1;
  watchers_.resize(stage_.swarm.watchers);
  for (std::uint32_t key = 0; key < stage_.swarm.keys; ++key) live_keys_.push_back(key);
  key_uses_.resize(live_keys_.size());
  histories_.resize(live_keys_.size());
}

void Clients::start() {
  using What = ClientStep::What;
  for (std::uint32_t i = 0; i < clients_.size(); ++i) {
    stage_.after(exponential(stage_.client_dice, stage_.swarm.think_mean),
                 ClientStep{What::kBegin, 0, 0, i});
  }
  for (std::uint32_t i = 0; i < watchers_.size(); ++i) {
    stage_.after(milliseconds(10), ClientStep{What::kWatch, 0, 0, i});
  }
  stage_.after(stage_.swarm.load_every, ClientStep{What::kLoad, 0, 0, 0});
  stage_.after(stage_.swarm.probe_every, ClientStep{What::kProbe, 0, 0, 0});
}

void Clients::handle(const ClientStep& action) {
  switch (action.what) {
    case ClientStep::What::kBegin:
      return begin(action.number);
    case ClientStep::What::kRequest:
      return request_arrives(action.number);
    case ClientStep::What::kReply:
      return reply_arrives(action.number);
    case ClientStep::What::kTimeout:
      return times_out(action.number);
    case ClientStep::What::kWatch:
      return watch(action.number);
    case ClientStep::What::kLoad:
      return load();
    case ClientStep::What::kProbe:
      return probe();
  }
}

MemberId Clients::anyone() {
  std::vector<MemberId> started;
  for (const auto& member : members_) {
    if (member->started()) started.push_back(member->id());
  }
  return started[stage_.client_dice.below(started.size())];
}

Member* Clients::leader_or_anyone() {
  // There may be several who think so, and each of them has its clients.
  std::array<Member*, kMembersMax> leaders;
  std::size_t count = 0;
  for (const auto& member : members_) {
    if (member->running() && member->role() == raft::RoleName::kLeader) {
      leaders[count++] = member.get();
    }
  }
  if (count > 0) return leaders[stage_.client_dice.below(count)];
  Member& chosen = member(anyone());
  return chosen.running() ? &chosen : nullptr;
}

// -------------------------------------------------------------------------------------------------
// Operations

void Clients::begin(std::uint32_t number) {
  if (stopped_ || stage_.healed) return;
  Client& client = clients_[number];
  CHECK(!client.current.has_value());
  Current current{.command = draw_command(client)};
  // Drawn and then left out, so that the others are what they are with it.
  if (!stage_.plan.operations.has(++stage_.operations)) {
    stage_.after(exponential(stage_.client_dice, stage_.swarm.think_mean),
                 ClientStep{ClientStep::What::kBegin, 0, 0, number});
    return;
  }
  if (is_write(current.command.request.op)) current.command.sequence = ++client.sequence;
  std::vector<Operation>& history = histories_[current.command.key];
  current.history_key = current.command.key;
  current.history_place = history.size();
  history.push_back(
      {.client = client.session, .request = current.command.request, .called = next_moment()});
  current.number = stage_.operations;
  client.current = current;
  attempt(number);
}

Command Clients::draw_command(Client& client) {
  Prng& dice = stage_.client_dice;
  std::uint32_t& key = live_keys_[dice.below(live_keys_.size())];
  if (key_uses_[key] == kOperationsPerKey) {
    // Of the same kind.
    const auto next = static_cast<std::uint32_t>(key_uses_.size());
    key = next + (is_set(next) == is_set(key) ? 0 : 1);
    key_uses_.resize(key + 1);
    histories_.resize(key + 1);
  }
  const std::uint32_t use = key_uses_[key]++;
  Command command{.key = key, .session = client.session};
  const std::uint64_t kind = dice.below(10);
  if (kind < 4) {
    command.request.op = Op::kGet;
  } else if (is_set(key)) {
    command.request = {.op = Op::kAdd, .value = use};
  } else if (kind < 7) {
    command.request = {.op = Op::kPut, .value = value_of_next_write()};
  } else {
    command.request = {.op = Op::kCompareAndSwap,
                       .value = value_of_next_write(),
                       .expected_version = client.seen.version + dice.below(8) / 7};
  }
  return command;
}

void Clients::attempt(std::uint32_t number) {
  Client& client = clients_[number];
  Prng& dice = stage_.client_dice;
  if (client.favourite.is_zero() || dice.chance(1, 20)) client.favourite = anyone();
  // A read is as good on any member.
  const bool anywhere = client.current->command.request.op == Op::kGet && dice.chance(1, 2);
  ++client.current->tries;
  client.newest_attempt = static_cast<std::uint32_t>(attempts_.size());
  attempts_.push_back({.client = number,
                       .operation = client.current->number,
                       .command = client.current->command,
                       .member = anywhere ? anyone() : client.favourite});
  const bool lost = stage_.swarm.loss > 0 && dice.chance(stage_.swarm.loss, 3000);
  if (!lost) {
    stage_.after(exponential(dice, kClientDelay),
                 ClientStep{ClientStep::What::kRequest, 0, 0, client.newest_attempt});
  }
  stage_.after(stage_.swarm.patience,
               ClientStep{ClientStep::What::kTimeout, 0, 0, client.newest_attempt});
}

void Clients::request_arrives(std::uint32_t number) {
  Attempt& attempt = attempts_[number];
  Member& at = member(attempt.member);
  if (!at.running()) {
    // Nobody takes the connection: nothing was appended.
    attempt.result = Attempt::Result::kRefused;
    return reply(number);
  }
  const bool is_read = attempt.command.request.op == Op::kGet;
  at.run(
      [this, &at, number, is_read] { is_read ? serve_read(at, number) : serve_write(at, number); });
}

void Clients::serve_write(Member& at, std::uint32_t number) {
  Attempt& attempt = attempts_[number];
  attempt.command.stamp = at.wall_clock();
  auto place = at.propose(encode(attempt.command));
  if (place.ok()) {
    pending_[at.number()].emplace(place->index, Pending{place->term, number});
    return;
  }
  if (place.error().code == ErrorCode::kOverloaded) stage_.reached(Situation::kOverloaded);
  attempt.result = Attempt::Result::kRefused;
  attempt.leader = at.node().leader();
  reply(number);
}

void Clients::serve_read(Member& at, std::uint32_t number) {
  Attempt& attempt = attempts_[number];
  attempt.floor = checker_.committed();
  attempt.term = at.node().term();
  attempt.on_follower = at.role() != raft::RoleName::kLeader;
  at.read_gate([this, &at, number](Status status) {
    Attempt& answered = attempts_[number];
    if (!status.ok()) {
      // A process that ends tells its gates, but nobody hears it.
      if (status.error().code == ErrorCode::kCancelled) return;
      stage_.reached(Situation::kReadRefused);
      answered.result = Attempt::Result::kRefused;
      answered.leader = at.node().leader();
      return reply(number);
    }
    checker_.read_answered(answered.floor, at.node().applied());
    stage_.reached(answered.on_follower ? Situation::kReadOnFollower : Situation::kReadOnLeader);
    if (answered.term < at.node().term()) stage_.reached(Situation::kReadAfterLeaderChange);
    answered.result = Attempt::Result::kAnswered;
    answered.answer = {.done = true, .object = at.state().object(answered.command.key)};
    reply(number);
  });
}

void Clients::applied(Member& at, raft::LogId id, const Answer& answer) {
  auto& pending = pending_[at.number()];
  while (!pending.empty() && pending.begin()->first <= id.index) {
    const Pending each = pending.begin()->second;
    const Index index = pending.begin()->first;
    pending.erase(pending.begin());
    if (index != id.index) violated("member {} never told what became of {}", at.id(), index);
    Attempt& attempt = attempts_[each.attempt];
    if (each.term == id.term) {
      checker_.acknowledged(id);
      attempt.result = Attempt::Result::kAnswered;
      attempt.answer = answer;
    } else {
      // Another entry was committed in its place: this try has failed for good.
      stage_.reached(Situation::kProposalLost);
      attempt.result = Attempt::Result::kRefused;
    }
    reply(each.attempt);
  }
}

void Clients::passed_over(Member& at, Index through) {
  auto& pending = pending_[at.number()];
  while (!pending.empty() && pending.begin()->first <= through) pending.erase(pending.begin());
}

void Clients::ended(Member& at) {
  pending_[at.number()].clear();
}

void Clients::reply(std::uint32_t number) {
  Prng& dice = stage_.client_dice;
  if (!stage_.healed && stage_.swarm.loss > 0 && dice.chance(stage_.swarm.loss, 3000)) return;
  stage_.after(exponential(dice, kClientDelay), ClientStep{ClientStep::What::kReply, 0, 0, number});
}

void Clients::reply_arrives(std::uint32_t number) {
  const Attempt& attempt = attempts_[number];
  if (attempt.client >= clients_.size()) return;  // of probe_progress(), which looks for itself
  Client& client = clients_[attempt.client];
  const bool is_answer = attempt.result == Attempt::Result::kAnswered;
  if (is_answer) client.favourite = attempt.member;
  // A late answer to an earlier try is as good; a late refusal says nothing of the newest.
  if (!client.current || client.current->number != attempt.operation) return;
  if (is_answer) return finish(attempt.client, attempt.answer, /*failed=*/false);
  if (number != client.newest_attempt) return;
  client.newest_attempt = kNone;  // its timeout is none any more
  client.favourite = attempt.leader;
  try_again_or_give_up(attempt.client);
}

void Clients::times_out(std::uint32_t number) {
  const Attempt& attempt = attempts_[number];
  if (attempt.client >= clients_.size()) return;
  Client& client = clients_[attempt.client];
  if (!client.current || client.newest_attempt != number) return;
  client.current->maybe_done = true;
  client.favourite = {};
  try_again_or_give_up(attempt.client);
}

void Clients::try_again_or_give_up(std::uint32_t number) {
  Client& client = clients_[number];
  if (client.current->tries >= stage_.swarm.tries_max || stopped_) {
    return finish(number, {}, /*failed=*/!client.current->maybe_done);
  }
  if (client.current->tries > 1) stage_.reached(Situation::kRetried);
  attempt(number);
}

void Clients::finish(std::uint32_t number, std::optional<Answer> answer, bool failed) {
  Client& client = clients_[number];
  Operation& operation = histories_[client.current->history_key][client.current->history_place];
  if (answer) {
    operation.answer = *answer;
    operation.answered = next_moment();
    client.seen = answer->object;
    ++answered_;
  } else if (failed) {
    // It never happened: whoever sees it has seen what cannot be.
    operation.request = {.op = Op::kNothing};
    operation.called = operation.answered = 0;
    stage_.reached(Situation::kOperationFailed);
  } else {
    stage_.reached(Situation::kOutcomeUnknown);
  }
  stage_.tell("client {}: {}", client.session, describe(operation));
  client.current.reset();
  if (stopped_) return;
  stage_.after(exponential(stage_.client_dice, stage_.swarm.think_mean),
               ClientStep{ClientStep::What::kBegin, 0, 0, number});
}

}  // namespace coord::sim
