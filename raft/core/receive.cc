// The door for messages: whose they are, whether they can be meant for us, and which term they
// bring. Whatever a message claims, nothing of it is used before it has been checked here or in the
// handler of its kind.
#include <algorithm>
#include <utility>

#include "raft/core/impl.h"

namespace coord::raft {

namespace {

bool comes_from_leader(const MessageBody& body) {
  return std::holds_alternative<AppendRequest>(body) || std::holds_alternative<Heartbeat>(body) ||
         std::holds_alternative<SnapshotChunk>(body);
}

// Requests that a member has to listen to whoever sends them: the sender may be in a configuration
// that has not come here yet, and it is by the log that votes are given, not by our own view of who
// takes part (Raft §4.1). Whoever is not a member any more is kept from disturbing by PreVote and
// by stickiness (Raft §4.2.3).
bool may_come_from_anyone(const MessageBody& body) {
  return comes_from_leader(body) || std::holds_alternative<VoteRequest>(body) ||
         std::holds_alternative<TimeoutNow>(body);
}

}  // namespace

void Core::Impl::on(Receive event) {
  Message& message = event.message;
  if (const std::optional<Reason> reason = reason_to_refuse(message)) {
    refuse(message, *reason);
    return;
  }
  if (!settle_term(message)) return;
  std::visit([&](auto& body) { on(message, body); }, message.body);
}

std::optional<MessageRefused::Reason> Core::Impl::reason_to_refuse(const Message& message) const {
  if (message.cluster != options_.cluster) return Reason::kWrongCluster;
  if (message.to != options_.self) return Reason::kWrongMember;
  if (message.from == options_.self) return Reason::kUnknownSender;
  if (!may_come_from_anyone(message.body) && !configuration().contains(message.from)) {
    // A leader still has a peer's answers when it has left the configuration.
    const Leader* leader = std::get_if<Leader>(&role_);
    if (leader == nullptr || !leader->peers.contains(message.from)) return Reason::kUnknownSender;
  }
  if (message.term.value() >= kBeyondAllTerms) return Reason::kMalformed;
  return std::nullopt;
}

void Core::Impl::refuse(const Message& message, Reason reason) {
  report(MessageRefused{message.from, reason});
}

bool Core::Impl::settle_term(const Message& message) {
  // A PreVote asks about a term that nobody is in yet, and so does its granting (Raft §9.6).
  if (const auto* request = std::get_if<VoteRequest>(&message.body)) {
    if (request->pre_vote) return true;
    // Whoever hears a leader neither votes nor lets its term be raised (Raft §4.2.3), unless it was
    // the leader itself that wanted the campaign (Raft §3.10).
    if (message.term > term() && !request->transfer && sticks_to_leader()) return false;
  }
  if (const auto* reply = std::get_if<VoteReply>(&message.body)) {
    if (reply->pre_vote && reply->granted) return true;
  }
  if (message.term > term()) {
    become_follower(message.term, comes_from_leader(message.body) ? message.from : MemberId{});
  } else if (message.term < term()) {
    answer_from_the_past(message);
    // Whoever wants to know an index may be behind in terms; the answer will tell it.
    return std::holds_alternative<ReadIndexRequest>(message.body);
  }
  return true;
}

void Core::Impl::answer_from_the_past(const Message& message) {
  // A deposed leader has to learn our term, also when we came to it alone: with PreVote and
  // CheckQuorum nobody would let us campaign, and we would not listen to it, for ever. Should it
  // lead again by now, it must not take the answer for one to what it sends in this term.
  if (comes_from_leader(message.body)) {
    reply(message, HeartbeatReply{});
  } else if (std::holds_alternative<VoteRequest>(message.body)) {
    reply(message, VoteReply{.pre_vote = false, .granted = false});
  }
}

void Core::Impl::send(MemberId to, Term term, MessageBody body) {
  out_.send.push_back({options_.cluster, options_.self, to, term, std::move(body)});
}

void Core::Impl::reply(const Message& message, MessageBody body) {
  send(message.from, term(), std::move(body));
}

void Core::Impl::send_when_durable(MemberId to, MessageBody body) {
  const std::optional<Ticket> ticket = durability_.barrier(log_, hard_state_);
  if (!ticket) {
    send(to, term(), std::move(body));
    return;
  }
  out_.held.push_back({*ticket, {options_.cluster, options_.self, to, term(), std::move(body)}});
}

}  // namespace coord::raft
