// What this member has noted of every lease, and in which order they are due.
//
// All times are the leases' own (lease_clock.h). A renewal costs a look-up: the heap of deadlines
// is not touched, and an entry that has become too early is put back when it comes up.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "raft/base/types.h"

namespace coord::service {

class LeaseBook {
 public:
  // `noted`: when it was granted or renewed, as far as this process knows.
  void add(LeaseId lease, milliseconds ttl, std::optional<Instant> noted);
  void note(LeaseId lease, Instant now);
  void remove(LeaseId lease);

  // This member decides from now on: leases without a note live for a TTL from here.
  void begin(Instant confirmed);
  void end();

  std::size_t size() const { return notes_.size(); }
  // Memory: a small multiple of the number of leases.
  std::size_t queued() const { return heap_.size(); }
  std::optional<milliseconds> ttl(LeaseId lease) const;
  // While this member decides; nothing for an unknown lease.
  std::optional<Instant> deadline(LeaseId lease) const;

  // A renewal of it is on its way: it is not due until release(). Counted.
  void hold(LeaseId lease);
  void release(LeaseId lease);

  // None is due before that time.
  std::optional<Instant> next() const;
  // Takes the one that has been due for longest; it will not come up again until put_back().
  // `later`: when to look again at those that are held.
  std::optional<LeaseId> take_due(Instant now, Instant later);
  // It comes up at its deadline, or at `earliest` if that is later. Without effect if it is gone.
  void put_back(LeaseId lease, Instant earliest);

 private:
  struct Note {
    milliseconds ttl{0};
    // When the last grant or renewal was applied here. Never before the renewal was received.
    std::optional<Instant> noted = {};
    // Renewals on their way to the log, or not yet applied.
    std::uint32_t held = 0;
    // Of its one valid entry in the heap. Others of that lease are left over and mean nothing.
    std::optional<Instant> queued = {};
  };
  struct Due {
    Instant at;
    LeaseId lease;

    // std::push_heap puts the greatest first; the earliest is wanted, by id where times are equal.
    friend bool operator<(const Due& a, const Due& b) {
      return a.at != b.at ? a.at > b.at : a.lease > b.lease;
    }
  };

  Instant deadline_of(const Note& note) const;
  void queue(LeaseId lease, Note& note, Instant at);
  void drop_left_overs();

  std::unordered_map<LeaseId, Note> notes_;
  std::vector<Due> heap_;
  std::optional<Instant> confirmed_;  // while this member decides
};

}  // namespace coord::service
