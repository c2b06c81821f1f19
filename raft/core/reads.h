// Linearizable reads on their way to an index (Raft §6.4): those that a leader collects, its own
// and other members', and those that a member has asked the leader about.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "raft/core/message.h"

namespace coord::raft {

class Fingerprint;

// The reads that wait for a leader's confirmation. Owned by the leader's role data.
//
// A read waits until a round starts after its arrival; the round's start gives it the commit index,
// the round's acknowledgement by a majority lets it go. Rounds that were started before a read
// arrived say nothing about it.
class LeaderReads {
 public:
  struct Asker {
    MemberId member;
    ReadId id;
  };
  struct Ready {
    std::vector<Asker> askers;
    Index index;
  };

  explicit LeaderReads(std::size_t waiting_max) : waiting_max_(waiting_max) {}

  // False: there are too many.
  bool add(Asker asker);
  // Reads wait and no round is under way for others: a new round would serve all that wait.
  bool want_round() const { return !waiting_.empty() && rounds_.empty(); }
  void start(Round round, Index commit);
  // Every round up to `round` was acknowledged by a majority.
  std::vector<Ready> acknowledged(Round round);
  // Those that wait for a round to begin; they need none.
  Ready take_waiting(Index commit);
  // All that are waiting, to be refused.
  std::vector<Asker> drain();
  std::size_t size() const { return size_; }

  void add_to(Fingerprint& fingerprint) const;

 private:
  struct Started {
    Round round;
    Ready reads;
  };

  std::size_t waiting_max_;
  std::vector<Asker> waiting_;
  std::deque<Started> rounds_;
  std::size_t size_ = 0;
};

// The reads that a member without leadership has taken, until the leader has named an index or
// their time is over. All that wait at the same time share one request.
class AskedReads {
 public:
  struct Expired {
    ReadId id;
    bool was_asked;
  };

  // `first_request` names the first request; the names have to differ from those of this member's
  // former lives, whose late answers would be too old for the reads of this one.
  AskedReads(std::size_t waiting_max, ReadId first_request)
      : waiting_max_(waiting_max), next_request_(first_request) {}

  // False: there are too many.
  bool add(ReadId id, Instant deadline);
  // The name of a request to be sent to `leader` for those that were not asked about yet.
  std::optional<ReadId> ask(MemberId leader);
  // No answer is to be expected any more: all are to be asked about again.
  void forget_asking();
  // The reads that an answer to that request is for.
  std::vector<ReadId> answered(MemberId by, ReadId request);
  std::vector<Expired> expired(Instant now);
  // Takes all of them out.
  std::vector<ReadId> drain();
  Instant deadline() const { return reads_.empty() ? Instant::max() : reads_.front().deadline; }

  void add_to(Fingerprint& fingerprint) const;

 private:
  struct Asked {
    ReadId id;
    Instant deadline;
    ReadId request;  // zero: not asked yet
    MemberId leader;
  };

  std::size_t waiting_max_;
  ReadId next_request_;
  std::deque<Asked> reads_;  // in order of arrival, which is that of the deadlines
};

}  // namespace coord::raft
