// Slot: one of the operations that a client of any load generator has under way; when it has ended,
// the slot starts the next.
//
// What the next one is, on which key, is drawn here, the same for every system; how it is done is
// what a load generator adds. Each slot has a number of its own, which is the seed of its draws.
// Everything but start() happens on the thread that the client's meter belongs to.
#pragma once

#include <cstdint>
#include <latch>
#include <string>

#include "raft/base/prng.h"
#include "tests/bench/meter.h"
#include "tests/bench/options.h"

namespace coord::bench {

enum class Action : std::uint8_t {
  kPut,
  kGet,         // linearizable
  kGetStale,    // as the member that was asked has it
  kLockCycle,   // taking a lock and giving it back
  kStampedPut,  // a put that is measured when it comes out of a watch
};

class Slot {
 public:
  // `done` counts the slots that have stopped.
  Slot(const Options& options, Meter& meter, std::latch& done, std::uint64_t number);
  virtual ~Slot() = default;
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

  // The first operation; the others follow, until the measurement is over.
  void start();

  static std::uint64_t number(int client, int slot) {
    return static_cast<std::uint64_t>(client) * 65536 + static_cast<std::uint64_t>(slot);
  }

 protected:
  virtual void begin(Action action) = 0;
  void ended(bool succeeded);

  std::string next_key() { return key_name(prng_.below(options_.keys)); }
  const std::string& value() const { return value_; }
  const std::string& lock_name() const { return lock_name_; }
  Clock::time_point started() const { return started_; }

 private:
  Action next_action();

  const Options& options_;
  Meter& meter_;
  std::latch& done_;
  Prng prng_;
  const std::string value_;
  const std::string lock_name_;
  Action action_{};
  Clock::time_point started_;
};

}  // namespace coord::bench
