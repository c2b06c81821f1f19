#include "service/api/context.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <variant>

namespace coord::service {

Context::Context(ApiOptions options_in, ApiDependencies deps_in)
    : options(std::move(options_in)),
      deps(std::move(deps_in)),
      door(options.limits),
      leader({deps.node, deps.clock, deps.peer_service}, options.self, options.leader_patience,
             options.limits.waiting_calls_max),
      gate(deps.node, leader, deps.clock, options.limits.waiting_calls_max),
      locks(deps.state, deps.clock, options.limits.waiting_calls_max),
      random(options.seed) {}

Instant Context::deadline(std::uint32_t ms) const {
  const Duration wanted = ms == 0 ? options.default_deadline : Duration(milliseconds(ms));
  return deps.clock.now() + std::min(wanted, options.deadline_max);
}

std::uint32_t Context::remaining_ms(Instant deadline) const {
  const auto left = std::chrono::duration_cast<milliseconds>(deadline - deps.clock.now()).count();
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(left, 1, UINT32_MAX));
}

void Context::fill(schema::Header::Builder header) const {
  header.setClusterId(options.cluster.value());
  header.setMemberId(options.self.value());
  header.setRevision(deps.state.revision().value());
  header.setEpoch(deps.state.epoch());
  header.setTerm(deps.node.term().value());
  header.setMembers(deps.state.members_version().value());
}

void Context::fail(Error error, schema::Failure::Builder failure) const {
  const MemberId leads = deps.node.leader();
  if (error.leader_hint.empty() && !leads.is_zero() && leads != options.self) {
    error.leader_hint = member(leads).client_address;
  }
  encode(error, failure);
}

Error Context::not_leader() const {
  const MemberId leads = deps.node.leader();
  if (leads.is_zero()) return make_error(ErrorCode::kNotLeader, "this member knows of no leader");
  return make_error(ErrorCode::kNotLeader, "{} leads, not this one", name_of(leads));
}

MemberRecord Context::member(MemberId id) const {
  MemberRecord record;
  record.id = id;
  if (const auto it = options.names.find(id); it != options.names.end()) record.name = it->second;
  for (MemberRecord& published : deps.state.members()) {
    if (published.id == id) record = std::move(published);
  }
  return record;
}

std::string Context::name_of(MemberId id) const {
  const std::string name = member(id).name;
  return name.empty() ? fmt::format("member {}", id) : name;
}

void Context::on_fact(const raft::Fact& fact) {
  leader.on_fact(fact);
}

}  // namespace coord::service
