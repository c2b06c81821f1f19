// What a member of a test's cluster keeps: a state machine that remembers the commands it was
// given, and a disk with a log and a state on it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "raft/core/core.h"

namespace coord::raft {

// The state machine, as of one place in the log. Also what a snapshot holds.
struct State {
  LogId last;
  Configuration configuration;
  std::vector<std::string> commands;

  void apply(const Entry& entry);

  friend bool operator==(const State&, const State&) = default;
};
Bytes encode(const State& state);
std::optional<State> decode_state(std::span<const std::byte> bytes);
std::uint64_t checksum(std::span<const std::byte> bytes);

// What survives a crash of a member.
struct Disk {
  HardState hard_state;
  std::vector<Entry> entries;  // after `base`
  LogId base{};                // what is before it was cut off
  State state;                 // as of the last flush

  LogId last() const { return entries.empty() ? base : entries.back().id; }
  // Nothing, if it is not in the log.
  const Entry* find(Index index) const;
  // The log agrees with `id` or begins after it, or the state contains it.
  bool holds(LogId id) const;
  // False if the batch does not fit to what is there.
  [[nodiscard]] bool write(const Durable& batch);
  // Removes entries up to there; the state contains them.
  void cut(Index through);
  // What a core is started from. A crash between the state of a snapshot and the log that begins
  // after it leaves a log that ends before the state, or contradicts it: such a log is given up.
  Restored restore();
};

}  // namespace coord::raft
