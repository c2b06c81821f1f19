#include "service/server/member.h"

#include "service/server/logging.h"

namespace coord::service {

Status open_storage(rpc::Loop& loop, ClusterId cluster, MemberId self, MemberParts& parts) {
  parts.files = std::make_unique<raft::PosixFileSystem>();
  auto log = raft::Log::open(
      *parts.files, {.directory = parts.log_directory, .cluster = cluster, .member = self});
  if (!log) return log.error();
  parts.log = std::move(*log);

  auto store = Store::open({.directory = parts.state_directory},
                           [&loop](std::function<void()> work) { loop.post(std::move(work)); },
                           {.failed = [](Error error) { die(error); }});
  if (!store) return store.error();
  parts.store = std::move(*store);

  parts.observers = std::make_unique<Observers>();
  parts.state = std::make_unique<State>(*parts.store, *parts.observers);
  auto restored = raft::restore(*parts.log, parts.state->position().applied, parts.configuration);
  if (!restored) return restored.error();
  parts.restored = std::move(*restored);
  return Status::success();
}

}  // namespace coord::service
