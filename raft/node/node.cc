#include "raft/node/node.h"

#include <deque>
#include <utility>

#include "raft/base/check.h"
#include "raft/node/apply_queue.h"
#include "raft/node/fact_log.h"
#include "raft/node/read_gates.h"

namespace coord::raft {

namespace {

// Between two looks at the clock.
constexpr std::size_t kApplyStepBytes = 16 * limits::kKiB;
constexpr std::size_t kApplyStepEntries = 32;
constexpr Duration kApplyTimeMax = milliseconds(1);
// What an output sets off may want another output at once, such as a proposal on becoming leader.
// More than that is work for the next turn.
constexpr int kOutputsPerPumpMax = 4;

}  // namespace

class Node::Impl {
 public:
  Impl(CoreOptions options, Restored restored, Dependencies dependencies, Instant now)
      : dependencies_(std::move(dependencies)),
        now_(now),
        applied_(restored.applied.index),
        facts_(options.self, dependencies_.logger, counters_),
        core_(std::move(options), std::move(restored), now) {}

  void close() {
    closing_ = true;
    for (ReadGates::Done& done : gates_.take_all()) done(cancelled());
  }

  Result<LogId> propose(Bytes command) {
    ++counters_.proposals;
    const std::variant<LogId, Refusal> answer = core_.propose(time(), std::move(command));
    if (const auto* refusal = std::get_if<Refusal>(&answer)) {
      ++counters_.proposals_refused;
      return to_error(*refusal);
    }
    wants_output_ = true;
    return std::get<LogId>(answer);
  }

  void read_gate(ReadGates::Done done) {
    ++counters_.reads;
    if (closing_) return done(cancelled());
    gates_.add(std::move(done));
    wants_output_ = true;
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
    step(LogCut{core_.at(through).value_or(LogId{.term = {}, .index = through})});
  }

  void pump(Instant now) {
    now_ = std::max(now_, now);
    if (now_ >= core_.deadline()) step(Tick{});
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

  Instant deadline() const { return wants_output_ || !to_apply_.empty() ? now_ : core_.deadline(); }

  const Core& core() const { return core_; }
  Index applied() const { return applied_; }
  const NodeCounters& counters() const { return counters_; }

 private:
  static Status cancelled() {
    return make_error(ErrorCode::kCancelled, "this member is shutting down");
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

  void apply_slice() {
    if (to_apply_.empty()) return;
    const Instant start = time();
    std::size_t entries = 0;
    std::size_t bytes = 0;
    while (!to_apply_.empty() && entries < limits::kApplyEntriesMax &&
           bytes < limits::kApplyBytesMax && time() - start < kApplyTimeMax) {
      const auto slice = to_apply_.take(kApplyStepEntries, kApplyStepBytes);
      CHECK(slice.front().id.index == applied_.next(), "entry {} after {}", slice.front().id,
            applied_);
      entries += slice.size();
      for (const Entry& entry : slice) bytes += entry.payload.size();
      applied_ = slice.back().id.index;
      dependencies_.state_machine.apply(slice);
    }
    counters_.entries_applied += entries;
    core_.step(time(), Applied{applied_});
  }

  void open_gates() {
    if (!gates_.anything_open(applied_)) return;
    for (ReadGates::Open& gate : gates_.take_open(applied_)) gate.done(std::move(gate.status));
  }

  void cut_log() {
    if (cut_under_way_) return;
    const Index everywhere = std::min(flushed_, core_.status().held_by_all);
    if (everywhere.value() <= dependencies_.log_entries_kept) return;
    const Index through = everywhere - dependencies_.log_entries_kept;
    if (through <= cut_asked_) return;
    cut_asked_ = through;
    cut_under_way_ = true;
    dependencies_.log.cut(through);
  }

  Dependencies dependencies_;
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
  ReadGates gates_;

  Index flushed_{};  // the state has this durably
  Index cut_asked_{};
  Index first_kept_{};  // as the log last said
  bool cut_under_way_ = false;

  FactLog facts_;
  Core core_;
};

Node::Node(CoreOptions options, Restored restored, Dependencies dependencies, Instant now)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(restored), std::move(dependencies),
                                   now)) {}
// First, while everything is there: who is told may call the node.
Node::~Node() {
  impl_->close();
}

Result<LogId> Node::propose(Bytes command) {
  return impl_->propose(std::move(command));
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
