#include "service/api/api.h"

#include <utility>

#include "service/api/member_calls.h"

namespace coord::service {

namespace {
bool same(const MemberRecord& a, const MemberRecord& b) {
  return a.id == b.id && a.name == b.name && a.peer_address == b.peer_address &&
         a.client_address == b.client_address;
}
}  // namespace

Api::Api(ApiOptions options, ApiDependencies dependencies)
    : context_(std::make_unique<Context>(std::move(options), std::move(dependencies))),
      services_(make_services(*context_)),
      member_door_(make_member_door(*context_)) {
  context_->deps.applier.after_apply([context = context_.get()] { context->locks.after_apply(); });
}

Api::~Api() = default;

schema::Coord::Client Api::client_door(std::function<void()> logged_in) {
  return make_client_door(*context_, services_, std::move(logged_in));
}

capnp::Capability::Client Api::member_door() {
  return member_door_;
}

void Api::fill(schema::Header::Builder header) const {
  context_->fill(header);
}

void Api::on_fact(const raft::Fact& fact) {
  context_->on_fact(fact);
}

void Api::on_lock_changed(const LockName& name) {
  context_->locks.on_lock_changed(name);
}

void Api::on_reloaded() {
  context_->deps.applier.on_reloaded();
  context_->locks.on_reloaded();
}

kj::Promise<Status> Api::publish_self(MemberRecord record) {
  for (const MemberRecord& published : context_->deps.state.members()) {
    if (same(published, record)) return Status::success();
  }
  return coord::service::publish_self(*context_, std::move(record), context_->deadline(0));
}

void Api::shut_down() {
  context_->leader.shut_down();
  context_->gate.shut_down();
  context_->locks.shut_down();
  context_->deps.applier.shut_down();
}

}  // namespace coord::service
