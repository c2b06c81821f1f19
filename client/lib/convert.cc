#include "client/lib/convert.h"

namespace coord::internal {

Error to_error(schema::Failure::Reader failure) {
  Error error;
  error.code = static_cast<ErrorCode>(failure.getCode());
  error.message = to_string(failure.getMessage());
  // Nothing can be concluded from one that only a newer server knows.
  error.outcome = Outcome::kUnknown;
  switch (failure.getOutcome()) {
    case schema::Outcome::NOT_APPLIED:
      error.outcome = Outcome::kNotApplied;
      break;
    case schema::Outcome::APPLIED:
      error.outcome = Outcome::kApplied;
      break;
    case schema::Outcome::UNKNOWN:
      break;
  }
  error.leader_hint = to_string(failure.getLeader());
  error.retry_after = milliseconds(failure.getRetryAfterMs());
  error.revision = Revision(failure.getRevision());
  return error;
}

KeyValue to_key_value(schema::KeyValue::Reader record) {
  return {.key = to_string(record.getKey()),
          .value = to_string(record.getValue()),
          .create_revision = Revision(record.getCreateRevision()),
          .mod_revision = Revision(record.getModRevision()),
          .version = record.getVersion(),
          .lease = LeaseId(record.getLease())};
}

ResponseHeader to_header(schema::Header::Reader header) {
  return {.cluster = ClusterId(header.getClusterId()),
          .member = MemberId(header.getMemberId()),
          .revision = Revision(header.getRevision()),
          .epoch = header.getEpoch(),
          .term = Term(header.getTerm())};
}

namespace {

LockName to_lock_name(schema::LockName::Reader name) {
  return {.name = to_string(name.getName()), .election = name.getElection()};
}

LockHolder to_holder(schema::LockHolder::Reader holder) {
  return {.session = LeaseId(holder.getLease()),
          .token = LockToken(holder.getToken()),
          .since_ms = holder.getSinceMs(),
          .name = to_string(holder.getName()),
          .host = to_string(holder.getHost()),
          .pid = holder.getPid()};
}

MemberRole to_role(schema::Role role) {
  switch (role) {
    case schema::Role::FOLLOWER:
      return MemberRole::kFollower;
    case schema::Role::PRECANDIDATE:
      return MemberRole::kPreCandidate;
    case schema::Role::CANDIDATE:
      return MemberRole::kCandidate;
    case schema::Role::LEADER:
      return MemberRole::kLeader;
    case schema::Role::LEARNER:
      return MemberRole::kLearner;
  }
  return MemberRole::kFollower;
}

}  // namespace

LockInfo to_lock_info(schema::LockInfo::Reader info) {
  LockInfo result;
  result.lock = to_lock_name(info.getLock());
  result.mode = info.getMode() == schema::LockAcquire::Mode::SHARED ? LockMode::kShared
                                                                    : LockMode::kExclusive;
  for (const auto holder : info.getHolders()) result.holders.push_back(to_holder(holder));
  for (const auto waiter : info.getWaiters()) result.waiters.push_back(to_holder(waiter));
  result.value = to_string(info.getValue());
  result.revision = Revision(info.getRevision());
  return result;
}

LeaseInfo to_lease_info(schema::LeaseInfo::Reader info) {
  LeaseInfo result;
  result.id = LeaseId(info.getId());
  result.ttl = milliseconds(info.getTtlMs());
  result.remaining = milliseconds(info.getRemainingMs());
  result.session = info.getSession();
  result.name = to_string(info.getName());
  result.host = to_string(info.getHost());
  result.pid = info.getPid();
  result.attached_keys = info.getKeys();
  for (const auto lock : info.getLocks()) result.held.push_back(to_lock_name(lock));
  result.granted_at_ms = info.getGrantedAtMs();
  return result;
}

MemberInfo to_member_info(schema::MemberInfo::Reader info) {
  return {.id = MemberId(info.getId()),
          .name = to_string(info.getName()),
          .peer_address = to_string(info.getPeerAddress()),
          .client_address = to_string(info.getClientAddress()),
          .learner = info.getLearner()};
}

MemberStatus to_member_status(schema::MemberStatus::Reader status) {
  MemberStatus result;
  result.info = to_member_info(status.getInfo());
  result.role = to_role(status.getRole());
  result.term = Term(status.getTerm());
  result.leader = MemberId(status.getLeader());
  result.commit_index = Index(status.getCommitIndex());
  result.applied_index = Index(status.getAppliedIndex());
  result.last_index = Index(status.getLastIndex());
  result.revision = Revision(status.getRevision());
  result.compact_revision = Revision(status.getCompactRevision());
  result.version = to_string(status.getVersion());
  result.uptime = milliseconds(status.getUptimeMs());
  result.log_bytes = status.getLogBytes();
  result.state_bytes = status.getStateBytes();
  result.leases = status.getLeases();
  result.watches = status.getWatches();
  result.connections = status.getConnections();
  result.digest = status.getDigest();
  result.loop_stall_max = microseconds(status.getLoopStallMaxUs());
  return result;
}

Consistency to_consistency(schema::Consistency::Reader consistency) {
  switch (consistency.which()) {
    case schema::Consistency::LINEARIZABLE:
      return Consistency::linearizable();
    case schema::Consistency::AT_LEAST:
      return Consistency::at_least(Revision(consistency.getAtLeast()));
    case schema::Consistency::MAX_STALENESS_MS:
      return Consistency::max_staleness(milliseconds(consistency.getMaxStalenessMs()));
    case schema::Consistency::LOCAL:
      return Consistency::local();
  }
  return Consistency::local();
}

void encode(schema::KeyRange::Builder target, const KeyRange& range) {
  target.setBegin(to_data(range.begin()));
  switch (range.kind()) {
    case KeyRange::Kind::kKey:
      target.setSingle();
      break;
    case KeyRange::Kind::kPrefix:
      target.setPrefix();
      break;
    case KeyRange::Kind::kBetween:
      target.setEnd(to_data(range.end()));
      break;
    case KeyRange::Kind::kFrom:
      target.setToEnd();
      break;
  }
}

void encode(schema::LockName::Builder target, const LockName& name) {
  target.setName(to_data(name.name));
  target.setElection(name.election);
}

void encode(schema::Consistency::Builder target, const Consistency& consistency) {
  switch (consistency.kind()) {
    case Consistency::Kind::kLinearizable:
      target.setLinearizable();
      break;
    case Consistency::Kind::kAtLeast:
      target.setAtLeast(consistency.revision().value());
      break;
    case Consistency::Kind::kMaxStaleness:
      target.setMaxStalenessMs(static_cast<std::uint32_t>(consistency.staleness().count()));
      break;
    case Consistency::Kind::kLocal:
      target.setLocal();
      break;
  }
}

}  // namespace coord::internal
