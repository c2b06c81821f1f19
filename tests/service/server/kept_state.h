// A state over a store, without the rest of a member.
#pragma once

#include "service/server/snapshot_content.h"
#include "service/state/state.h"
#include "tests/service/state/machine.h"
#include "tests/service/store/fixture.h"

namespace coord::service {

// A state over a store of its own.
class Kept {
 public:
  explicit Kept(HistoryOptions history = {}) {
    f.open();
    state = std::make_unique<State>(*f.store, observer, history);
  }
  void apply(raft::EntryType type, Bytes payload) {
    raft::Entry entry;
    entry.id = {Term(3), state->position().applied.index.next()};
    entry.type = type;
    entry.payload = std::move(payload);
    state->apply(entry, nullptr);
  }
  void write(const commands::WriteFill& write) {
    apply(raft::EntryType::kCommand, commands::encode(commands::writes({write}), 1));
  }
  void flush() {
    state->save();
    f.flush();
  }
  Result<Snapshot> copy() {
    std::filesystem::create_directories(f.directory.path() / "copies");
    std::optional<Result<Snapshot>> copied;
    f.store->copy(
        {.target = f.directory.path() / "copies" / "copy", .read_content = read_snapshot_content},
        [&](Result<Snapshot> snapshot) { copied = std::move(snapshot); });
    while (!copied) f.queue.run_one();
    return *std::move(copied);
  }
  std::string everything() const {
    std::string all;
    for (std::size_t i = 0; i < kTableCount; ++i) all += f.scan("", static_cast<Table>(i)) + "\n";
    return all;
  }

  Fixture f;
  RecordingObserver observer;
  std::unique_ptr<State> state;
};

}  // namespace coord::service
