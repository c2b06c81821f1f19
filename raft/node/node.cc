#include "raft/node/node.h"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <utility>

#include "raft/base/check.h"
#include "raft/node/apply_queue.h"
#include "raft/node/fact_log.h"
#include "raft/node/log_budget.h"
#include "raft/node/read_gates.h"
#include "raft/node/snapshot_receiver.h"

namespace coord::raft {

namespace {

// Between two looks at the clock.
constexpr std::size_t kApplyStepBytes = 16 * limits::kKiB;
constexpr std::size_t kApplyStepEntries = 32;
constexpr Duration kApplyTimeMax = milliseconds(1);
// What an output sets off may want another output at once, such as a proposal on becoming leader.
// More than that is work for the next turn.
constexpr int kOutputsPerPumpMax = 4;
// The log behind a snapshot that is being sent may grow to so many times the usual.
constexpr std::uint64_t kLogKeptForSnapshot = 4;

}  // namespace

class Node::Impl {
 public:
  Impl(NodeOptions options, Restored restored, Dependencies dependencies, Instant now)
      : dependencies_(std::move(dependencies)),
        options_(options),
        now_(now),
        applied_(restored.applied.index),
        budget_(new_budget(restored.applied.index)),
        receiver_(dependencies_.snapshots, receiver_handlers()),
        facts_(options.core.self, dependencies_.logger, counters_),
        core_(options.core, std::move(restored), now) {}

  void close() {
    closing_ = true;
    for (ReadGates::Done& done : gates_.take_all()) done(cancelled());
  }

  Result<LogId> propose(Bytes command) {
    ++counters_.proposals;
    wants_output_ = true;  // of the core's timers, if the proposal is refused
    const std::variant<LogId, Refusal> answer = core_.propose(time(), std::move(command));
    if (const auto* refusal = std::get_if<Refusal>(&answer)) {
      ++counters_.proposals_refused;
      return to_error(*refusal);
    }
    return std::get<LogId>(answer);
  }

  void read_gate(ReadGates::Done done) {
    ++counters_.reads;
    if (closing_) return done(cancelled());
    gates_.add(std::move(done));
    wants_output_ = true;
  }

  Result<LogId> change_configuration(Configuration target) {
    wants_output_ = true;
    return result_of(core_.change_configuration(time(), std::move(target)));
  }

  Status transfer_leadership(MemberId target) {
    wants_output_ = true;
    const auto result = result_of(core_.transfer_leadership(time(), target));
    return result.ok() ? Status() : Status(result.error());
  }

  template <class E>
  void step(E event) {
    core_.step(time(), std::move(event));
    wants_output_ = true;
  }

  void receive(Message message) {
    ++counters_.messages_received;
    step(Receive{std::move(message)});
  }

  void persisted(Ticket ticket) {
    CHECK_LE(persisted_, ticket);
    persisted_ = ticket;
    step(Persisted{ticket});
    // In the order in which the core wanted them sent; they leave with this turn's messages.
    while (!held_.empty() && held_.front().ticket <= ticket) {
      outbox_.push_back(std::move(held_.front().message));
      held_.pop_front();
    }
  }

  void flushed(LogId through) {
    flushed_ = std::max(flushed_, through.index);
    CHECK_LE(flushed_, applied_);
    cut_log();
  }

  void log_cut(Index first_kept) {
    cut_under_way_ = false;
    if (first_kept <= first_kept_) return;
    first_kept_ = first_kept;
    const Index through = first_kept.prev();
    budget_.cut(through);
    step(LogCut{core_.at(through).value_or(LogId{.term = {}, .index = through})});
  }

  void pump(Instant now) {
    now_ = std::max(now_, now);
    if (now_ >= core_.deadline()) step(Tick{});
    run_senders();
    for (int i = 0; i < kOutputsPerPumpMax && (i == 0 || wants_output_); ++i) {
      if (std::exchange(wants_output_, false)) {
        if (const auto id = gates_.name_gathered()) {
          ++counters_.read_requests;
          core_.step(time(), Read{*id});
        }
        carry_out(core_.take_output());
      }
      if (i == 0) apply_slice();
      open_gates();
    }
  }

  Instant deadline() const {
    if (wants_output_ || may_apply()) return now_;
    Instant deadline = core_.deadline();
    for (const auto& [peer, sender] : senders_) deadline = std::min(deadline, sender->deadline());
    return deadline;
  }

  const Core& core() const { return core_; }
  Index applied() const { return applied_; }
  const NodeCounters& counters() const { return counters_; }

 private:
  static Status cancelled() {
    return make_error(ErrorCode::kCancelled, "this member is shutting down");
  }

  static Result<LogId> result_of(std::variant<LogId, Refusal> answer) {
    if (const auto* refusal = std::get_if<Refusal>(&answer)) return to_error(*refusal);
    return std::get<LogId>(answer);
  }

  // --- Snapshots -------------------------------------------------------------------------------

  SnapshotReceiver::Handlers receiver_handlers() {
    return {.stored = [this](SnapshotStored event) { step(event); },
            .received =
                [this](SnapshotReceived event) {
                  verdict_due_ = true;
                  step(std::move(event));
                },
            .failed = [this](const Error& error) { facts_.note_useless(error); }};
  }

  void carry_out_snapshots(Output& output) {
    for (const Transfer& transfer : output.transfers) {
      if (!transfer.wanted) {
        counters_.snapshots_sent += senders_.erase(transfer.peer);
        continue;
      }
      auto& sender = senders_[transfer.peer];
      if (sender) continue;
      sender = std::make_unique<SnapshotSender>(
          transfer.peer, transfer.at_least, dependencies_.snapshots, options_.snapshots,
          [this](SnapshotRead event) { step(std::move(event)); });
    }
    for (const StoredByPeer& report : output.stored) {
      const auto sender = senders_.find(report.peer);
      if (sender != senders_.end()) sender->second->stored(report, now_);
    }
    for (ArrivedChunk& arrived : output.chunks) receiver_.arrived(std::move(arrived));
    const bool verdict = std::exchange(verdict_due_, false);
    if (output.install) {
      install(output.install->last);
    } else if (verdict) {
      dependencies_.snapshots.discard();
    }
  }

  void run_senders() {
    std::erase_if(senders_, [this](const auto& entry) {
      const Status running = entry.second->run(now_);
      if (running.ok()) return false;
      facts_.note_unsent(entry.first, running.error());
      step(SnapshotFailed{entry.first});
      return true;
    });
  }

  void install(LogId last) {
    CHECK(!installing_);
    installing_ = true;
    // What is left to apply is in the snapshot.
    to_apply_ = {};
    dependencies_.snapshots.install(last, [this, last, alive = std::weak_ptr(alive_)] {
      if (alive.expired()) return;
      installing_ = false;
      applied_ = last.index;
      flushed_ = last.index;
      budget_ = new_budget(last.index);
      step(SnapshotInstalled{last});
    });
  }

  Instant time() {
    if (dependencies_.clock) now_ = std::max(now_, dependencies_.clock());
    return now_;
  }

  void carry_out(Output output) {
    // A follower's way is longer than that to our own disk, and may be gone first (Raft §10.2.1).
    hold(std::move(output.held));
    send(std::move(output.send));
    if (output.durable) {
      ++counters_.log_batches;
      counters_.log_entries += output.durable->append.size();
      dependencies_.log.submit(std::move(*output.durable));
    }
    for (Load& load : output.loads) {
      ++counters_.log_loads;
      dependencies_.log.load(load);
    }
    carry_out_snapshots(output);
    to_apply_.push(std::move(output.committed));
    for (const ReadAnswer& read : output.reads) {
      if (std::holds_alternative<Refusal>(read.answer)) ++counters_.reads_refused;
      gates_.answer(read);
    }
    CHECK(output.proposals.empty(), "proposals are answered when they are made");
    for (const Fact& fact : output.facts) {
      facts_.note(fact);
      dependencies_.observer.on_fact(fact);
    }
  }

  void hold(std::vector<HeldMessage> messages) {
    for (HeldMessage& held : messages) {
      // Behind what is held already, also if it were free to go: messages to one peer stay in
      // order.
      if (held.ticket <= persisted_ && held_.empty()) {
        outbox_.push_back(std::move(held.message));
        continue;
      }
      CHECK(held_.empty() || held_.back().ticket <= held.ticket, "tickets go back");
      held_.push_back(std::move(held));
    }
  }

  void send(std::vector<Message> messages) {
    if (outbox_.empty()) {
      outbox_ = std::move(messages);
    } else {
      outbox_.insert(outbox_.end(), std::make_move_iterator(messages.begin()),
                     std::make_move_iterator(messages.end()));
    }
    if (outbox_.empty()) return;
    counters_.messages_sent += outbox_.size();
    dependencies_.peers.send(std::exchange(outbox_, {}));
  }

  bool may_apply() const {
    return !to_apply_.empty() && !installing_ && !dependencies_.state_machine.busy();
  }

  void apply_slice() {
    if (!may_apply()) return;
    const Instant start = time();
    std::size_t entries = 0;
    std::size_t bytes = 0;
    while (may_apply() && entries < limits::kApplyEntriesMax && bytes < limits::kApplyBytesMax &&
           time() - start < kApplyTimeMax) {
      const auto slice = to_apply_.take(kApplyStepEntries, kApplyStepBytes);
      CHECK(slice.front().id.index == applied_.next(), "entry {} after {}", slice.front().id,
            applied_);
      entries += slice.size();
      for (const Entry& entry : slice) bytes += entry.payload.size();
      applied_ = slice.back().id.index;
      dependencies_.state_machine.apply(slice);
    }
    counters_.entries_applied += entries;
    budget_.add(applied_, bytes + entries * sizeof(Entry));
    // Which wants nothing done by itself, but runs the core's timers when they are due.
    if (time() >= core_.deadline()) wants_output_ = true;
    core_.step(now_, Applied{applied_});
  }

  void open_gates() {
    if (!gates_.anything_open(applied_)) return;
    for (ReadGates::Open& gate : gates_.take_open(applied_)) gate.done(std::move(gate.status));
  }

  void cut_log() {
    if (cut_under_way_) return;
    // Whoever turns out to need one of the last few is spared a snapshot.
    const Index held = core_.status().held_by_all;
    const Index few =
        held.value() <= options_.log_entries_kept ? Index{} : held - options_.log_entries_kept;
    const Index everywhere =
        std::min(held, std::max(few, budget_.beyond(options_.log_tail_bytes_max)));
    const Index through = std::min(flushed_, std::max(everywhere, lagging_members_may_lose()));
    if (through <= cut_asked_) return;
    cut_asked_ = through;
    cut_under_way_ = true;
    dependencies_.log.cut(through);
  }

  // Exact to a part of what is kept.
  LogBudget new_budget(Index first) const {
    return LogBudget(first, options_.log_bytes_kept / 64 + 1);
  }

  // So much may be asked for that it means for ever.
  std::uint64_t kept_for_snapshot() const {
    return std::min(options_.log_bytes_kept, UINT64_MAX / kLogKeptForSnapshot) *
           kLogKeptForSnapshot;
  }

  // The log up to there takes more than is kept for anybody.
  Index lagging_members_may_lose() {
    Index through = budget_.beyond(options_.log_bytes_kept);
    for (const auto& [peer, sender] : senders_) {
      // Whoever gets a snapshot needs the log behind it, or would need the next snapshot at once.
      through = std::min(through, sender->needs_log_after());
    }
    return std::max(through, budget_.beyond(kept_for_snapshot()));
  }

  Dependencies dependencies_;
  const NodeOptions options_;
  NodeCounters counters_;
  Instant now_;
  bool closing_ = false;
  // Something was stepped, or a read gathered, since the last output was taken.
  bool wants_output_ = true;

  Ticket persisted_{};
  std::deque<HeldMessage> held_;  // tickets never fall
  std::vector<Message> outbox_;   // free to leave with the next output's

  Index applied_;
  ApplyQueue to_apply_;
  LogBudget budget_;
  std::map<MemberId, std::unique_ptr<SnapshotSender>> senders_;
  SnapshotReceiver receiver_;
  bool verdict_due_ = false;  // on a snapshot that was received
  bool installing_ = false;   // nothing is applied meanwhile
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  ReadGates gates_;

  Index flushed_{};  // the state has this durably
  Index cut_asked_{};
  Index first_kept_{};  // as the log last said
  bool cut_under_way_ = false;

  FactLog facts_;
  Core core_;
};

Node::Node(NodeOptions options, Restored restored, Dependencies dependencies, Instant now)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(restored), std::move(dependencies),
                                   now)) {}
// First, while everything is there: who is told may call the node.
Node::~Node() {
  impl_->close();
}

Result<LogId> Node::propose(Bytes command) {
  return impl_->propose(std::move(command));
}
Result<LogId> Node::change_configuration(Configuration target) {
  return impl_->change_configuration(std::move(target));
}
Status Node::transfer_leadership(MemberId target) {
  return impl_->transfer_leadership(target);
}
void Node::read_gate(std::function<void(Status)> done) {
  impl_->read_gate(std::move(done));
}

CoreStatus Node::status() const {
  return impl_->core().status();
}
const Core& Node::core() const {
  return impl_->core();
}
RoleName Node::role() const {
  return impl_->core().role();
}
Term Node::term() const {
  return impl_->core().term();
}
MemberId Node::leader() const {
  return impl_->core().leader();
}
bool Node::confirmed_leader() const {
  return impl_->core().confirmed();
}
Index Node::applied() const {
  return impl_->applied();
}
const NodeCounters& Node::counters() const {
  return impl_->counters();
}

void Node::flushed(LogId through) {
  impl_->flushed(through);
}
void Node::receive(Message message) {
  impl_->receive(std::move(message));
}
void Node::persisted(Ticket ticket) {
  impl_->persisted(ticket);
}
void Node::loaded(MemberId peer, Result<Loaded> entries) {
  // Nothing, if it could not be read: cut in the meantime, which the core is told in its own event,
  // or a failed disk, which ends the process.
  impl_->step(entries.ok() ? std::move(entries).value()
                           : Loaded{.peer = peer, .previous = {}, .entries = {}});
}
void Node::log_cut(Index first_kept) {
  impl_->log_cut(first_kept);
}
void Node::peer_closed(MemberId peer) {
  impl_->step(PeerClosed{peer});
}
void Node::peer_unreachable(MemberId peer) {
  impl_->step(PeerUnreachable{peer});
}
void Node::pump(Instant now) {
  impl_->pump(now);
}
Instant Node::deadline() const {
  return impl_->deadline();
}

}  // namespace coord::raft
