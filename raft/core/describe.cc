#include "raft/core/describe.h"

#include <fmt/ranges.h>

namespace coord::raft {

namespace {

struct BodyDescriber {
  std::string operator()(const VoteRequest& body) const {
    return fmt::format("{}{} last {}", body.pre_vote ? "pre-vote?" : "vote?",
                       body.transfer ? " (transfer)" : "", body.last);
  }
  std::string operator()(const VoteReply& body) const {
    return fmt::format("{} {}", body.pre_vote ? "pre-vote" : "vote",
                       body.granted ? "granted" : "refused");
  }
  std::string operator()(const AppendRequest& body) const {
    return fmt::format("append {} +{} commit {} round {}", body.previous, body.entries.size(),
                       body.commit, body.round);
  }
  std::string operator()(const AppendReply& body) const {
    if (body.accepted) return fmt::format("append accepted {} round {}", body.match, body.round);
    return fmt::format("append rejected {} hint {} round {}", body.rejected, body.hint, body.round);
  }
  std::string operator()(const Heartbeat& body) const {
    return fmt::format("heartbeat commit {} round {} held by all {}", body.commit, body.round,
                       body.held_by_all);
  }
  std::string operator()(const HeartbeatReply& body) const {
    return fmt::format("heartbeat reply round {}", body.round);
  }
  std::string operator()(const TimeoutNow&) const { return "timeout now"; }
  std::string operator()(const SnapshotChunk& body) const {
    return fmt::format("snapshot {} bytes {} +{} of {}", body.last, body.offset, body.data.size(),
                       body.size);
  }
  std::string operator()(const SnapshotReply& body) const {
    return fmt::format("snapshot {} stored {}", body.last, body.received);
  }
  std::string operator()(const ReadIndexRequest& body) const {
    return fmt::format("read index? {}", body.id);
  }
  std::string operator()(const ReadIndexReply& body) const {
    return body.granted ? fmt::format("read index {} is {}", body.id, body.index)
                        : fmt::format("read index {} refused", body.id);
  }
};

struct EventDescriber {
  std::string operator()(const Tick&) const { return "tick"; }
  std::string operator()(const Receive& event) const { return describe(event.message); }
  std::string operator()(const Propose& event) const {
    return fmt::format("propose {} ({} bytes)", event.id, event.command.size());
  }
  std::string operator()(const ChangeConfiguration& event) const {
    return fmt::format("change {} to {}", event.id, describe(event.target));
  }
  std::string operator()(const TransferLeadership& event) const {
    return fmt::format("transfer {} to {}", event.id, event.target);
  }
  std::string operator()(const SnapshotRead& event) const {
    return fmt::format("snapshot {} for {}: bytes {} +{}", event.chunk.last, event.peer,
                       event.chunk.offset, event.chunk.data.size());
  }
  std::string operator()(const SnapshotFailed& event) const {
    return fmt::format("no snapshot for {}", event.peer);
  }
  std::string operator()(const SnapshotStored& event) const {
    return fmt::format("snapshot {} from {} stored up to {}", event.last, event.from,
                       event.received);
  }
  std::string operator()(const SnapshotReceived& event) const {
    return fmt::format("snapshot {} received, {}", event.last, describe(event.configuration));
  }
  std::string operator()(const SnapshotInstalled& event) const {
    return fmt::format("snapshot {} installed", event.last);
  }
  std::string operator()(const Read& event) const { return fmt::format("read {}", event.id); }
  std::string operator()(const Persisted& event) const {
    return fmt::format("persisted ticket {}", event.ticket);
  }
  std::string operator()(const Applied& event) const {
    return fmt::format("applied {}", event.through);
  }
  std::string operator()(const PeerClosed& event) const {
    return fmt::format("connection closed by {}", event.peer);
  }
  std::string operator()(const PeerUnreachable& event) const {
    return fmt::format("{} is unreachable", event.peer);
  }
  std::string operator()(const Loaded& event) const {
    return fmt::format("loaded for {}: {} +{}", event.peer, event.previous, event.entries.size());
  }
  std::string operator()(const LogCut& event) const {
    return fmt::format("log cut through {}", event.through);
  }
};

struct FactDescriber {
  std::string operator()(const BecameFollower& fact) const {
    return fmt::format("became follower of {} in term {}", fact.leader, fact.term);
  }
  std::string operator()(const BecamePreCandidate& fact) const {
    return fmt::format("asks for pre-votes in term {}", fact.term);
  }
  std::string operator()(const BecameCandidate& fact) const {
    return fmt::format("became candidate in term {}", fact.term);
  }
  std::string operator()(const BecameLeader& fact) const {
    return fmt::format("became leader in term {}", fact.term);
  }
  std::string operator()(const LeadershipConfirmed& fact) const {
    return fmt::format("leadership of term {} is confirmed", fact.term);
  }
  std::string operator()(const SteppedDown& fact) const {
    return fmt::format("stepped down in term {}{}", fact.term,
                       fact.quorum_lost ? ": quorum lost" : "");
  }
  std::string operator()(const LeaderLearned& fact) const {
    return fmt::format("{} leads term {}", fact.leader, fact.term);
  }
  std::string operator()(const Truncated& fact) const {
    return fmt::format("truncated from {}", fact.from);
  }
  std::string operator()(const MessageRefused& fact) const {
    return fmt::format("refused a message from {}: {}", fact.from, to_string(fact.reason));
  }
  std::string operator()(const PeerNeedsSnapshot& fact) const {
    return fmt::format("{} needs a snapshot", fact.peer);
  }
  std::string operator()(const ConfigurationChanged& fact) const {
    return fmt::format("configuration of {}: {}", fact.index, describe(fact.configuration));
  }
  std::string operator()(const Removed& fact) const {
    return fmt::format("was removed by {}", fact.index);
  }
  std::string operator()(const TransferStarted& fact) const {
    return fmt::format("hands over to {}", fact.target);
  }
  std::string operator()(const TransferFailed& fact) const {
    return fmt::format("{} did not take over", fact.target);
  }
  std::string operator()(const SnapshotTaken& fact) const {
    return fmt::format("goes on from the snapshot of {}{}", fact.last,
                       fact.kept ? ", with the log behind it" : "");
  }
};

}  // namespace

std::string describe(const Message& message) {
  return fmt::format("{} -> {} term {}: {}", message.from, message.to, message.term,
                     std::visit(BodyDescriber{}, message.body));
}

std::string describe(const Event& event) {
  return std::visit(EventDescriber{}, event);
}

std::string describe(const Fact& fact) {
  return std::visit(FactDescriber{}, fact);
}

std::string describe(const HardState& hard_state) {
  return fmt::format("term {} vote {}", hard_state.term, hard_state.vote);
}

std::string describe(const Durable& durable) {
  std::string text = fmt::format("write ticket {}", durable.ticket);
  if (durable.reset_to) text += fmt::format(" begin after {}", *durable.reset_to);
  if (durable.truncate_from) text += fmt::format(" truncate from {}", *durable.truncate_from);
  if (!durable.append.empty()) {
    text += fmt::format(" append {} to {}", durable.append.front().id, durable.append.back().id);
  }
  if (durable.hard_state) text += " " + describe(*durable.hard_state);
  return text;
}

std::string describe(const Configuration& configuration) {
  const auto ids = [](const std::vector<MemberId>& members) {
    return fmt::format("{}", fmt::join(members, " "));
  };
  std::string text = fmt::format("voters {}", ids(configuration.voters));
  if (configuration.is_joint()) text += fmt::format(", outgoing {}", ids(configuration.outgoing));
  if (!configuration.learners.empty()) {
    text += fmt::format(", learners {}", ids(configuration.learners));
  }
  return text;
}

std::string describe(const CoreStatus& status) {
  return fmt::format("{} term {} last {} durable {} commit {} applied {}", to_string(status.role),
                     status.term, status.last, status.durable, status.commit, status.applied);
}

std::string_view to_string(Refusal refusal) {
  switch (refusal) {
    case Refusal::kNotLeader:
      return "not leader";
    case Refusal::kOverloaded:
      return "overloaded";
    case Refusal::kTransferring:
      return "leadership is being transferred";
    case Refusal::kNoLeader:
      return "no leader known";
    case Refusal::kLostLeader:
      return "leadership was lost";
    case Refusal::kNotReady:
      return "no entry of the term is committed yet";
    case Refusal::kChangeInFlight:
      return "another change is not finished";
    case Refusal::kBadConfiguration:
      return "no configuration to change to";
    case Refusal::kNotCaughtUp:
      return "a new voter has not caught up";
    case Refusal::kWouldLoseQuorum:
      return "a majority of the new voters is not heard";
    case Refusal::kBadTarget:
      return "nobody who could lead";
  }
  return "?";
}

std::string_view to_string(MessageRefused::Reason reason) {
  switch (reason) {
    case MessageRefused::Reason::kWrongCluster:
      return "another cluster's";
    case MessageRefused::Reason::kWrongMember:
      return "for another member";
    case MessageRefused::Reason::kUnknownSender:
      return "unknown sender";
    case MessageRefused::Reason::kMalformed:
      return "malformed";
  }
  return "?";
}

}  // namespace coord::raft
