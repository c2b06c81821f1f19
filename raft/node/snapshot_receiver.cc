#include "raft/node/snapshot_receiver.h"

#include <utility>

namespace coord::raft {

struct SnapshotReceiver::State {
  SnapshotStore& store;
  Handlers handlers;
  bool closed = false;
  // What the leader sends again by then is there already.
  bool finishing = false;
};

SnapshotReceiver::SnapshotReceiver(SnapshotStore& store, Handlers handlers)
    : state_(std::make_shared<State>(State{store, std::move(handlers)})) {}

SnapshotReceiver::~SnapshotReceiver() {
  state_->closed = true;
}

void SnapshotReceiver::arrived(ArrivedChunk arrived) {
  if (state_->finishing) return;
  const MemberId from = arrived.from;
  const LogId last = arrived.chunk.last;
  const std::uint64_t size = arrived.chunk.size;
  state_->store.store(std::move(arrived.chunk),
                      [state = state_, from, last, size](Result<std::uint64_t> stored) {
                        if (state->closed) return;
                        if (!stored.ok()) return state->handlers.failed(stored.error());
                        state->handlers.stored({.from = from, .last = last, .received = *stored});
                        if (*stored == size && !state->finishing) finish(state, from, last);
                      });
}

void SnapshotReceiver::finish(const std::shared_ptr<State>& state, MemberId from, LogId last) {
  state->finishing = true;
  state->store.finish(last, [state, from, last](Result<SnapshotStore::Received> received) {
    state->finishing = false;
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
