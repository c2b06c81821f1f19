#include "raft/node/snapshot_receiver.h"

#include <optional>
#include <utility>

namespace coord::raft {

struct SnapshotReceiver::State {
  SnapshotStore& store;
  Handlers handlers;
  bool closed = false;
  // Which one is being verified. What the leader sends again by then is there already.
  std::optional<LogId> finishing;
};

SnapshotReceiver::SnapshotReceiver(SnapshotStore& store, Handlers handlers)
    : state_(std::make_shared<State>(State{store, std::move(handlers), false, {}})) {}

SnapshotReceiver::~SnapshotReceiver() {
  state_->closed = true;
}

void SnapshotReceiver::arrived(ArrivedChunk arrived) {
  const MemberId from = arrived.from;
  const LogId last = arrived.chunk.last;
  const std::uint64_t size = arrived.chunk.size;
  if (state_->finishing) {
    // The leader asks whether this member is still at it.
    if (state_->finishing == last) state_->handlers.stored({from, last, size});
    return;
  }
  state_->store.store(std::move(arrived.chunk),
                      [state = state_, from, last, size](Result<std::uint64_t> stored) {
                        if (state->closed) return;
                        if (!stored.ok()) return state->handlers.failed(stored.error());
                        state->handlers.stored({.from = from, .last = last, .received = *stored});
                        if (*stored == size && !state->finishing) finish(state, from, last);
                      });
}

void SnapshotReceiver::finish(const std::shared_ptr<State>& state, MemberId from, LogId last) {
  state->finishing = last;
  state->store.finish(last, [state, from, last](Result<SnapshotStore::Received> received) {
    state->finishing.reset();
    if (state->closed) return;
    if (received.ok()) {
      state->handlers.received(
          {.last = received->last, .configuration = std::move(received->configuration)});
      return;
    }
    state->handlers.failed(received.error());
    state->handlers.stored({.from = from, .last = last, .received = 0});
  });
}

}  // namespace coord::raft
