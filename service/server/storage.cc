#include "service/server/member.h"

#include "service/server/logging.h"

namespace coord::service {

namespace {

// In force where the state ends.
Result<raft::Configuration> configuration_of(const State& state,
                                             const raft::Configuration& initial) {
  const auto applied = state.configuration();
  if (!applied) return initial;
  auto configuration = raft::decode_configuration(applied->payload.span());
  if (!configuration) {
    return make_error(ErrorCode::kCorrupt, "the state holds an unreadable configuration, of {}",
                      applied->at);
  }
  return std::move(*configuration);
}

}  // namespace

Status open_storage(rpc::Loop& loop, ClusterId cluster, MemberId self, MemberParts& parts) {
  parts.files = std::make_unique<raft::PosixFileSystem>();
  auto log = raft::Log::open(
      *parts.files, {.directory = parts.log_directory, .cluster = cluster, .member = self});
  if (!log) return log.error();
  parts.log = std::move(*log);

  auto store = Store::open({.directory = parts.state_directory},
                           [&loop](std::function<void()> work) { loop.post(std::move(work)); },
                           // The turn is enough: what waits for a flush is applied in it.
                           {.failed = [](Error error) { die(error); }, .flush_advanced = [] {}});
  if (!store) return store.error();
  parts.store = std::move(*store);

  parts.observers = std::make_unique<Observers>();
  parts.state = std::make_unique<State>(*parts.store, *parts.observers);
  auto configuration = configuration_of(*parts.state, parts.configuration);
  if (!configuration) return configuration.error();
  auto restored = raft::restore(*parts.log, parts.state->position().applied,
                                std::move(*configuration), parts.store->installed_at());
  if (!restored) return restored.error();
  parts.restored = std::move(*restored);
  return Status::success();
}

}  // namespace coord::service
