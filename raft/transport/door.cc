#include "raft/transport/door.h"

#include <kj/debug.h>

#include <utility>

#include "raft/transport/codec.h"

namespace coord::raft {

void DoorState::report_closed(MemberId member) {
  if (!open_) return;
  reports_->add(kj::evalLater([this, member] {
    if (handlers.closed) handlers.closed(member);
  }));
}

kj::Promise<void> Door::greet(GreetContext context) {
  const auto greeting = context.getParams().getGreeting();
  const Status checked = check(greeting);
  if (checked.ok()) {
    connection_.greeted();
    context.getResults().setSession(kj::heap<Session>(state_, MemberId(greeting.getFrom())));
  } else {
    context.getResults().setFailure(checked.error().message.c_str());
    context.getResults().setCode(static_cast<std::uint16_t>(checked.error().code));
  }
  return kj::READY_NOW;
}

// A message for another cluster or another member must never be taken for one of ours: addresses
// are reused, and configurations are copied.
Status Door::check(schema::Greeting::Reader greeting) const {
  if (!state_->open()) return make_error(ErrorCode::kShuttingDown, "this member is stopping");
  const TransportOptions& options = state_->options;
  if (greeting.getProtocol() != 1) {
    return make_error(ErrorCode::kUnsupported, "the peers' protocol {} is unknown here",
                      greeting.getProtocol());
  }
  if (greeting.getCluster() != options.cluster.value()) {
    return make_error(ErrorCode::kWrongCluster, "this is cluster {}, not {}", options.cluster,
                      greeting.getCluster());
  }
  if (greeting.getTo() != options.self.value()) {
    return make_error(ErrorCode::kWrongMember, "this is member {}, not {}", options.self,
                      greeting.getTo());
  }
  if (!options.peers.contains(MemberId(greeting.getFrom()))) {
    return make_error(ErrorCode::kWrongMember, "member {} is not known here", greeting.getFrom());
  }
  return Status::success();
}

Session::~Session() noexcept {
  state_->report_closed(member_);
}

kj::Promise<void> Session::deliver(DeliverContext context) {
  if (!state_->open()) return KJ_EXCEPTION(DISCONNECTED, "this member is stopping");
  const Status received = receive(context.getParams().getMessages());
  if (received.ok()) return kj::READY_NOW;
  if (state_->handlers.trouble) state_->handlers.trouble(member_, received.error());
  return KJ_EXCEPTION(FAILED, received.error().message.c_str());
}

Status Session::receive(capnp::List<schema::Message>::Reader messages) {
  const TransportOptions& options = state_->options;
  for (const auto each : messages) {
    auto message = decode(each, options.entry_bytes_max);
    if (!message.ok()) return std::move(message).error();
    if (message->cluster != options.cluster || message->to != options.self ||
        message->from != member_) {
      return make_error(ErrorCode::kWrongMember,
                        "a message of cluster {} from {} to {} came from member {}",
                        message->cluster, message->from, message->to, member_);
    }
    if (state_->handlers.receive) state_->handlers.receive(std::move(message).value());
  }
  return Status::success();
}

kj::Promise<void> Session::service(ServiceContext context) {
  if (!state_->open() || !state_->handlers.service) {
    return KJ_EXCEPTION(UNIMPLEMENTED, "this member offers no service to others");
  }
  context.getResults().setService(state_->handlers.service());
  return kj::READY_NOW;
}

}  // namespace coord::raft
