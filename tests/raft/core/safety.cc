#include "tests/raft/core/safety.h"

#include "raft/core/describe.h"
#include "tests/raft/core/naive_quorum.h"

namespace coord::raft {

void Safety::appends(MemberId member, LogId previous, const Entry& entry) {
  // An index and a term name one entry, and with it all that are before it.
  const auto [known, added] =
      entries_.emplace(entry.id, Appended{previous, entry.type, entry.payload});
  if (added) return;
  require(known->second.previous == previous, "{} follows {} at member {}, elsewhere {}", entry.id,
          previous, member, known->second.previous);
  require(known->second.type == entry.type && known->second.payload == entry.payload,
          "{} is not at member {} what it is elsewhere", entry.id, member);
}

void Safety::leads(MemberId member, Term term, const Disk& log) {
  const auto [leader, added] = leaders_.emplace(term, member);
  require(added || leader->second == member, "members {} and {} both lead term {}", leader->second,
          member, term);
  for (const Committed& committed : committed_) {
    require(committed.seen_in >= term || log.holds(committed.entry.id),
            "member {} leads term {} without {}, which was committed in term {}", member, term,
            committed.entry.id, committed.seen_in);
  }
}

void Safety::votes(MemberId member, Term term, MemberId candidate, const Disk& disk) {
  const auto [vote, added] = votes_.emplace(std::pair(member, term), candidate);
  require(added || vote->second == candidate, "member {} votes for {} and for {} in term {}",
          member, vote->second, candidate, term);
  require(disk.hard_state.term > term || disk.hard_state == HardState{term, candidate},
          "member {} tells of its vote for {} in term {}, and its disk says {}", member, candidate,
          term, describe(disk.hard_state));
}

void Safety::sends(const Message& message, const Disk& disk) {
  if (const auto* reply = std::get_if<VoteReply>(&message.body)) {
    if (reply->granted && !reply->pre_vote) votes(message.from, message.term, message.to, disk);
  } else if (const auto* request = std::get_if<VoteRequest>(&message.body)) {
    if (!request->pre_vote) votes(message.from, message.term, message.from, disk);
  } else if (const auto* append = std::get_if<AppendReply>(&message.body)) {
    require(!append->accepted || disk.last().index >= append->match ||
                disk.state.last.index >= append->match,
            "member {} acknowledges {}, and its disk ends at {}", message.from, append->match,
            disk.last());
  }
}

void Safety::commits(const CoreStatus& before, const CoreStatus& now, const Disk& log,
                     const std::map<MemberId, const Disk*>& disks) {
  for (Index index = before.commit.next(); index <= now.commit; ++index) {
    const Entry* entry = log.find(index);
    if (entry == nullptr) {  // it came with a snapshot
      require(index <= committed(), "member {} takes {} for committed, which nobody had", now.self,
              index);
      continue;
    }
    if (index <= committed()) {
      const LogId known = committed_[index.value() - 1].entry.id;
      require(known == entry->id, "member {} takes {} for committed, others {}", now.self,
              entry->id, known);
      continue;
    }
    std::set<MemberId> holders;
    for (const auto& [id, disk] : disks) {
      if (disk->holds(entry->id)) holders.insert(id);
    }
    require(is_quorum(before.configuration, holders),
            "member {} takes {} for committed, which no quorum of {} has durably", now.self,
            entry->id, describe(before.configuration));
    committed_.push_back({*entry, now.term});
  }
}

void Safety::applies(MemberId member, const Entry& entry) {
  require(entry.id.index <= committed() && committed_[entry.id.index.value() - 1].entry == entry,
          "member {} applies {}, which is not what was committed", member, entry.id);
}

void Safety::installs(MemberId member, const State& state) {
  State expected;
  expected.configuration = state.configuration;  // of a cluster that never changed it
  for (const Committed& committed : committed_) {
    if (committed.entry.id.index <= state.last.index) expected.apply(committed.entry);
  }
  require(expected == state, "member {} has a state as of {} that is not the committed entries'",
          member, state.last);
}

void Safety::has_in_force(const CoreStatus& status, const Disk& log) {
  const Configuration* newest = nullptr;
  std::optional<Configuration> found;
  for (auto entry = log.entries.rbegin(); entry != log.entries.rend() && !found; ++entry) {
    if (entry->type == EntryType::kConfiguration) {
      found = decode_configuration(entry->payload.span());
      newest = &*found;
    }
  }
  require(newest == nullptr || *newest == status.configuration,
          "member {} has {} in force, and its log says {}", status.self,
          describe(status.configuration), newest == nullptr ? "" : describe(*newest));
}

void Safety::answers_read(MemberId member, Index committed_when_asked, Index index) {
  require(index >= committed_when_asked,
          "member {} reads as of {}, though {} was committed when it was asked", member, index,
          committed_when_asked);
}

}  // namespace coord::raft
