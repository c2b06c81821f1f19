// One number for all that decides how a core goes on: two that have it in common (and the same
// options) do the same from now on, whatever they went through before. For searches that must not
// look at a state twice. Times count relative to now, tickets relative to the newest.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "raft/core/types.h"

namespace coord::raft {

class Fingerprint {
 public:
  // What happened longer ago than `memory` has no effect any more.
  Fingerprint(Instant now, Duration memory) : now_(now), memory_(memory) {}

  void add(std::uint64_t word) {
    // Each word goes through a permutation of the whole, so that order counts.
    std::uint64_t mixed = (value_ ^ word) * 0x9fb21c651e98df25u;
    mixed ^= mixed >> 32;
    mixed *= 0xd6e8feb86659fd93u;
    value_ = mixed ^ (mixed >> 29);
  }
  template <class Tag>
  void add(Strong<Tag> number) {
    add(number.value());
  }
  void add(LogId id) {
    add(id.term);
    add(id.index);
  }
  void add(const Entry& entry);
  void add_text(std::string_view bytes);
  template <class T>
  void add(const std::optional<T>& value) {
    add(std::uint64_t{value.has_value()});
    if (value) add(*value);
  }

  // A time that is waited for; one that has come has come.
  void add_until(Instant time) { add_duration(time > now_ ? time - now_ : Duration{}); }
  // A time that is past.
  void add_since(Instant time) { add_duration(now_ - time < memory_ ? now_ - time : memory_); }

  std::uint64_t value() const { return value_; }

 private:
  void add_duration(Duration duration) { add(static_cast<std::uint64_t>(duration.count())); }

  Instant now_;
  Duration memory_;
  std::uint64_t value_ = 0x243f6a8885a308d3u;
};

}  // namespace coord::raft
