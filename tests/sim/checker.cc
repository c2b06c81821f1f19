#include "tests/sim/checker.h"

#include <algorithm>

#include "raft/base/hash.h"

namespace coord::sim {

using raft::Entry;
using raft::LogId;
using raft::Message;

namespace {

template <class... Args>
[[noreturn]] void violated(fmt::format_string<Args...> format, Args&&... args) {
  throw Violation(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace

void Checker::add_member(MemberId id, const Disk& disk) {
  members_[id].disk = &disk;
}

Checker::Position Checker::at(const Member& member, Index index) const {
  if (index.is_zero()) return {};
  return member.log.at(index.value() - 1);
}

void Checker::append(MemberId id, Member& member, const Entry& entry) {
  const Position before = at(member, Index(member.log.size()));
  if (entry.id.index.value() != member.log.size() + 1) {
    violated("member {} leaves a gap before {}", id, entry.id);
  }
  if (entry.id.term < before.term) violated("member {}: the terms fall at {}", id, entry.id);
  std::uint64_t hash = hash64(entry.payload.span(), before.hash);
  hash = hash * 0x9e3779b97f4a7c15u + entry.id.term.value();
  member.log.push_back({entry.id.term, hash});

  if (ever_.size() < entry.id.index.value()) ever_.resize(entry.id.index.value());
  auto& here = ever_[entry.id.index.value() - 1];
  const auto same_term = std::find_if(here.begin(), here.end(), [&](const Position& position) {
    return position.term == entry.id.term;
  });
  if (same_term == here.end()) {
    here.push_back(member.log.back());
  } else if (same_term->hash != hash) {
    violated("Log Matching: member {} has another log up to {} than somebody had before", id,
             entry.id);
  }
}

void Checker::started(MemberId id) {
  Member& member = members_.at(id);
  member.log.clear();
  for (Index i(1); i <= member.disk->last().index; ++i) {
    const LogId entry = member.disk->id_at(i);
    const auto& here = ever_.at(i.value() - 1);
    const auto known = std::find_if(here.begin(), here.end(), [&](const Position& position) {
      return position.term == entry.term;
    });
    if (known == here.end()) violated("member {} restarts with an entry of nobody: {}", id, entry);
    member.log.push_back(*known);
  }
}

void Checker::logged(MemberId id, const raft::Durable& batch) {
  Member& member = members_.at(id);
  if (batch.truncate_from) {
    if (*batch.truncate_from <= member.applied) {
      violated("member {} truncates from {}, but has applied {}", id, *batch.truncate_from,
               member.applied);
    }
    member.log.resize(batch.truncate_from->prev().value());
  }
  for (const Entry& entry : batch.append) append(id, member, entry);
}

void Checker::leads(MemberId id, Term term) {
  const auto [leader, first] = leaders_.emplace(term, id);
  if (!first && leader->second != id) {
    violated("Election Safety: {} and {} both lead term {}", leader->second, id, term);
  }
  const Member& member = members_.at(id);
  // A late vote may still elect the leader of a term that others have left behind: what was
  // committed in a later one is none of its business.
  const auto earlier = std::lower_bound(known_since_.begin(), known_since_.end(), term);
  const Index through(static_cast<std::uint64_t>(earlier - known_since_.begin()));
  if (through.is_zero()) return;
  if (Index(member.log.size()) < through ||
      at(member, through).hash != committed_[through.value() - 1].hash) {
    violated("Leader Completeness: {} leads term {} without what was committed up to {}", id, term,
             through);
  }
}

bool Checker::durable_on_majority(LogId id) const {
  const auto holds = [&](const std::vector<MemberId>& voters) {
    const auto count = std::count_if(voters.begin(), voters.end(), [&](MemberId voter) {
      return members_.at(voter).disk->holds(id);
    });
    return 2 * static_cast<std::size_t>(count) > voters.size();
  };
  return holds(configuration_.voters) &&
         (!configuration_.is_joint() || holds(configuration_.outgoing));
}

void Checker::knows_committed(MemberId id, Term term, Index commit) {
  const Member& member = members_.at(id);
  if (commit.value() > member.log.size()) {
    violated("member {} takes {} for committed and does not have it", id, commit);
  }
  for (Index i = committed().next(); i <= commit; ++i) {
    const Position position = at(member, i);
    if (!durable_on_majority({position.term, i})) {
      violated("{}@{} is taken for committed and not durable on a majority", i, position.term);
    }
    committed_.push_back(position);
    known_since_.push_back(known_since_.empty() ? term : std::max(term, known_since_.back()));
  }
  if (!commit.is_zero() && at(member, commit).hash != committed_[commit.value() - 1].hash) {
    violated("State Machine Safety: member {} takes another log for committed up to {}", id,
             commit);
  }
}

void Checker::applies(MemberId id, const Entry& entry) {
  Member& member = members_.at(id);
  if (entry.id.index > member.disk->last().index || !member.disk->holds(entry.id)) {
    violated("member {} is to apply {} before it is durable there", id, entry.id);
  }
  if (entry.id.index > committed()) violated("member {} is to apply {} uncommitted", id, entry.id);
  if (entry.id.term != committed_[entry.id.index.value() - 1].term) {
    violated("State Machine Safety: member {} is to apply {}, others applied term {}", id, entry.id,
             committed_[entry.id.index.value() - 1].term);
  }
  member.applied = std::max(member.applied, entry.id.index);
}

void Checker::leaves(const Message& message) {
  const Disk& disk = *members_.at(message.from).disk;
  MemberId vote;
  if (const auto* reply = std::get_if<raft::VoteReply>(&message.body)) {
    if (reply->granted && !reply->pre_vote) vote = message.to;
  } else if (const auto* request = std::get_if<raft::VoteRequest>(&message.body)) {
    if (!request->pre_vote) vote = message.from;
  } else if (const auto* append = std::get_if<raft::AppendReply>(&message.body)) {
    if (append->accepted && disk.hard_state().term <= message.term &&
        disk.last().index < append->match) {
      violated("member {} acknowledges {}, durable there is {}", message.from, append->match,
               disk.last());
    }
    if (append->accepted && disk.hard_state().term < message.term) {
      violated("member {} acknowledges in term {}, durable there is {}", message.from, message.term,
               disk.hard_state().term);
    }
  }
  if (vote.is_zero()) return;
  const raft::HardState& durable = disk.hard_state();
  if (durable.term < message.term || (durable.term == message.term && durable.vote != vote)) {
    violated("member {} tells of its vote for {} in term {}, durable is a vote for {} in {}",
             message.from, vote, message.term, durable.vote, durable.term);
  }
  const auto [cast, first] = votes_.emplace(std::pair(message.from, message.term), vote);
  if (!first && cast->second != vote) {
    violated("member {} votes for {} and for {} in term {}", message.from, cast->second, vote,
             message.term);
  }
}

void Checker::held_by_all(Index index) const {
  for (const auto& [id, member] : members_) {
    if (member.disk->last().index < index) {
      violated("{} is said to be held by all, member {} holds {}", index, id, member.disk->last());
    }
  }
}

void Checker::read_answered(Index floor, Index answer) const {
  if (answer < floor) {
    violated("a read is answered as of {}, when it was asked {} was committed", answer, floor);
  }
}

}  // namespace coord::sim
