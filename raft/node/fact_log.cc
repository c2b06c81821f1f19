#include "raft/node/fact_log.h"

#include <spdlog/spdlog.h>

#include <variant>

#include "raft/core/describe.h"

namespace coord::raft {

namespace {

std::string_view name_of(MessageRefused::Reason reason) {
  switch (reason) {
    case MessageRefused::Reason::kWrongCluster:
      return "it is for another cluster";
    case MessageRefused::Reason::kWrongMember:
      return "it is for another member";
    case MessageRefused::Reason::kUnknownSender:
      return "its sender is no member";
    case MessageRefused::Reason::kMalformed:
      return "it contradicts itself";
  }
  return "?";
}

}  // namespace

FactLog::FactLog(MemberId self, spdlog::logger* logger, NodeCounters& counters)
    : self_(self),
      logger_(logger != nullptr ? *logger : *spdlog::default_logger_raw()),
      counters_(counters) {}

void FactLog::note(const Fact& fact) {
  std::visit([this](const auto& alternative) { on(alternative); }, fact);
}

void FactLog::note_useless(const Error& error) {
  logger_.warn("a snapshot from the leader is of no use: {}", error.message);
}

void FactLog::note_unsent(MemberId peer, const Error& error) {
  logger_.warn("a snapshot for member {} came to nothing, and is begun anew: {}", peer,
               error.message);
}

void FactLog::leads(Term term, MemberId leader) {
  if (term == told_term_) return;
  told_term_ = term;
  ++counters_.leadership_changes;
  logger_.info("term {}: {} {} leads", term, leader == self_ ? "this member" : "member", leader);
}

void FactLog::on(const BecameFollower& fact) {
  if (!fact.leader.is_zero()) leads(fact.term, fact.leader);
}

void FactLog::on(const BecamePreCandidate& fact) {
  logger_.debug("term {}: asking whether an election could be won", fact.term);
}

void FactLog::on(const BecameCandidate& fact) {
  ++counters_.elections;
  logger_.debug("term {}: campaigning", fact.term);
}

void FactLog::on(const BecameLeader& fact) {
  ++counters_.leaderships;
  leads(fact.term, self_);
}

void FactLog::on(const LeadershipConfirmed& fact) {
  logger_.debug("term {}: the first entry of the term is committed", fact.term);
}

void FactLog::on(const SteppedDown& fact) {
  logger_.warn("term {}: this member no longer leads{}", fact.term,
               fact.quorum_lost ? ": it does not hear a majority" : "");
}

void FactLog::on(const LeaderLearned& fact) {
  leads(fact.term, fact.leader);
}

void FactLog::on(const Truncated& fact) {
  logger_.debug("entries from {} on contradict the leader's and were removed", fact.from);
}

void FactLog::on(const MessageRefused& fact) {
  ++counters_.messages_refused;
  // Whoever can connect can send such messages: counted for everyone to see, told only on demand.
  logger_.debug("message from {} refused: {}", fact.from, name_of(fact.reason));
}

void FactLog::on(const PeerNeedsSnapshot& fact) {
  logger_.info("member {} needs entries that were cut from the log: it is sent the state",
               fact.peer);
}

void FactLog::on(const ConfigurationChanged& fact) {
  logger_.info("entry {}: the members are {}", fact.index, describe(fact.configuration));
}

void FactLog::on(const Removed& fact) {
  logger_.warn("entry {}: this member was removed from the cluster", fact.index);
}

void FactLog::on(const TransferStarted& fact) {
  logger_.info("leadership goes over to member {}", fact.target);
}

void FactLog::on(const TransferFailed& fact) {
  logger_.warn("member {} has not taken leadership over; this member keeps it", fact.target);
}

void FactLog::on(const SnapshotTaken& fact) {
  ++counters_.snapshots_installed;
  logger_.info("the state is now the leader's as of entry {}{}", fact.last,
               fact.kept ? "; the log behind it is kept" : "");
}

}  // namespace coord::raft
