// A state machine with its tables, its log and its observer, for tests.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "service/state/state.h"
#include "tests/service/state/commands.h"
#include "tests/service/state/map_tables.h"

namespace coord::service {

// Writes down what it is told, one line each: "3: put a=1 v1 c3 prev0", "lease 7 granted 1000", ...
class RecordingObserver final : public StateObserver {
 public:
  void on_changes(Revision revision, std::span<const Change> changes) override;
  void on_lease_granted(LeaseId lease, milliseconds ttl) override;
  void on_lease_renewed(LeaseId lease) override;
  void on_lease_ended(LeaseId lease) override;
  void on_lock_changed(const LockName& name) override;
  void on_member_published(const MemberRecord& member) override;
  void on_compacted(Revision oldest_kept) override;
  void on_reloaded() override;

  // Those since the last call.
  std::vector<std::string> take() { return std::exchange(lines_, {}); }
  // Who hears of changes too, as they are made.
  void tell(std::function<void(Revision, std::span<const Change>)> listener) {
    listener_ = std::move(listener);
  }

 private:
  std::vector<std::string> lines_;
  std::function<void(Revision, std::span<const Change>)> listener_;
};

std::string to_line(const Change& change);

class Machine {
 public:
  explicit Machine(HistoryOptions history = {})
      : history_(history), state_(std::make_unique<State>(tables_, observer_, history)) {}
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  CommandResults apply(const commands::CommandFill& command);
  // Without anyone who waits for the answer.
  void apply_unheard(const commands::CommandFill& command);
  WriteResult write(const commands::WriteFill& write);
  std::vector<WriteResult> write_all(std::vector<commands::WriteFill> writes);

  // Another process on the same tables.
  void restart();
  // Receives the other one's state as a snapshot.
  void become(Machine& other);

  State& state() { return *state_; }
  MapTables& tables() { return tables_; }
  RecordingObserver& observer() { return observer_; }
  raft::Entry next_entry(Bytes payload);
  raft::Entry next_configuration(const raft::Configuration& configuration);
  // As the leader decides that a lease expires, now.
  std::pair<std::uint64_t, std::uint64_t> expiry(std::uint64_t lease) const;
  void set_now(std::uint64_t ms) { now_ms_ = ms; }

  // "key=value" for each, or the error's code.
  std::string read(const KeyRange& range, Revision revision = Revision()) const;
  std::string get(std::string_view key, Revision revision = Revision()) const;

 private:
  MapTables tables_;
  RecordingObserver observer_;
  const HistoryOptions history_;
  std::unique_ptr<State> state_;
  std::uint64_t now_ms_ = 0;
};

// The result's own type, or the test fails.
template <class T>
T expect(const WriteResult& result) {
  if (const auto* error = std::get_if<Error>(&result.value)) {
    if constexpr (std::is_same_v<T, Error>) return *error;
    check_failed(__FILE__, __LINE__, "a result", std::string(to_string(error->code)));
  }
  CHECK(std::holds_alternative<T>(result.value), "another kind of result: {}",
        result.value.index());
  return std::get<T>(result.value);
}

ErrorCode error_of(const WriteResult& result);
LockToken token_of(const WriteResult& result);
// Everything that a result says, for comparing.
std::string show(const WriteResult& result);
std::string show(const CommandResults& results);

KeyRange key(std::string_view key);
KeyRange with_prefix(std::string_view prefix);

}  // namespace coord::service
