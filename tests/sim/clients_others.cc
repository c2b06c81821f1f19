// Watchers, load that nobody waits for, reads on anybody; and what is owed at the end.
#include <algorithm>

#include "tests/sim/clients.h"
#include "tests/sim/dice.h"

namespace coord::sim {

// -------------------------------------------------------------------------------------------------
// Others who use the cluster

// Reads on where it was, on whatever member: what it is told are the log's changes, each once.
void Clients::watch(std::uint32_t number) {
  stage_.after(milliseconds(50) + exponential(stage_.client_dice, milliseconds(50)),
               ClientStep{ClientStep::What::kWatch, 0, 0, number});
  Watcher& watcher = watchers_[number];
  if (watcher.member.is_zero() || stage_.client_dice.chance(1, 10)) watcher.member = anyone();
  const Member& at = member(watcher.member);
  if (!at.running() || at.paused()) {
    watcher.member = {};
    return;
  }
  const State& state = at.state();
  if (watcher.next_revision <= state.revision() && !state.change(watcher.next_revision)) {
    stage_.reached(Situation::kWatchCompacted);
    watcher.next_revision = state.revision() + 1;
  }
  for (; watcher.next_revision <= state.revision(); ++watcher.next_revision) {
    const Change change = state.change(watcher.next_revision).value();
    if (change != checker_.changes().at(watcher.next_revision - 1)) {
      violated("a watcher on member {} is told another change {} than the log has", at.id(),
               watcher.next_revision);
    }
    stage_.reached(Situation::kWatched);
  }
}

void Clients::load() {
  if (stage_.healed) return;
  Prng& dice = stage_.client_dice;
  stage_.after(exponential(dice, stage_.swarm.load_every) + microseconds(1),
               ClientStep{ClientStep::What::kLoad, 0, 0, 0});
  Member* at = dice.chance(1, 20) ? &member(anyone()) : leader_or_anyone();
  const std::uint64_t count = dice.between(1, stage_.swarm.load_at_once);
  const std::size_t bytes = dice.below(stage_.swarm.load_bytes_max);
  if (at == nullptr || !at->running()) return;
  for (std::uint64_t i = 0; i < count; ++i) {
    at->run([this, at, bytes] {
      Command command{.stamp = at->wall_clock()};
      command.request.value = value_of_next_write();
      const auto place = at->propose(encode(command, bytes));
      if (!place.ok() && place.error().code == ErrorCode::kOverloaded) {
        stage_.reached(Situation::kOverloaded);
      }
    });
  }
}

void Clients::probe() {
  if (stage_.healed) return;
  Prng& dice = stage_.client_dice;
  stage_.after(exponential(dice, stage_.swarm.probe_every) + microseconds(1),
               ClientStep{ClientStep::What::kProbe, 0, 0, 0});
  Member& at = member(anyone());
  if (!at.running() || at.paused()) return;
  at.read_gate([this, &at, floor = checker_.committed()](Status status) {
    if (status.ok()) checker_.read_answered(floor, at.node().applied());
  });
}

// -------------------------------------------------------------------------------------------------
// At the end

bool Clients::probe_progress(std::span<const MemberId> core) {
  stopped_ = true;
  const auto answered = [&](const std::optional<std::uint32_t>& number) {
    return number && attempts_[*number].result == Attempt::Result::kAnswered;
  };
  if (!answered(fresh_write_)) {
    for (const MemberId id : core) {
      Member& at = member(id);
      if (!at.node().confirmed_leader()) continue;
      fresh_write_ = static_cast<std::uint32_t>(attempts_.size());
      attempts_.push_back({.client = kNone, .command = {}, .member = id});
      serve_write(at, *fresh_write_);
      return false;
    }
    return false;
  }
  if (!answered(fresh_read_)) {
    const MemberId id = core[stage_.client_dice.below(core.size())];
    fresh_read_ = static_cast<std::uint32_t>(attempts_.size());
    attempts_.push_back({.client = kNone, .command = {.request = {.op = Op::kGet}}, .member = id});
    serve_read(member(id), *fresh_read_);
    return false;
  }
  fresh_write_.reset();
  fresh_read_.reset();
  return true;
}

void Clients::judge_history() const {
  for (std::size_t key = 0; key < histories_.size(); ++key) {
    std::vector<Operation> history;
    for (const Operation& operation : histories_[key]) {
      if (operation.request.op != Op::kNothing) history.push_back(operation);
    }
    const Judgement judgement = judge(history);
    if (judgement.verdict == Verdict::kLinearizable) continue;
    std::string text;
    for (const Operation& operation : history) text += "\n    " + describe(operation);
    if (judgement.verdict == Verdict::kUndecided) {
      violated("the history of key {} could not be judged:{}", key, text);
    }
    violated("the history of key {} is not linearizable: {}\n  of:{}", key, judgement.explanation,
             text);
  }
}

}  // namespace coord::sim
