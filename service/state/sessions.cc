#include "service/state/sessions.h"

#include <string>
#include <utility>

#include "raft/base/limits.h"
#include "raft/base/result.h"
#include "service/state/encoding.h"
#include "service/state/reply_codec.h"

namespace coord::service {

namespace {

constexpr std::uint8_t kSessionsVersion = 1;

Error no_session(LeaseId id) {
  return make_error(ErrorCode::kSessionExpired, "there is no session {}", id);
}

}  // namespace

Sessions::Sessions(Tables& tables, TableWriter& writer, Digest& digest, const LeaseTable& leases)
    : tables_(tables), writer_(writer), digest_(digest), leases_(leases) {
  load();
}

Sessions::Session* Sessions::find(LeaseId id) {
  const auto known = sessions_.find(id);
  if (known != sessions_.end()) return &known->second;
  const auto lease = leases_.find(id);
  if (!lease || !lease->session) return nullptr;
  return &sessions_[id];
}

std::optional<WriteResult> Sessions::answered(const RequestNumber& request, Revision now) {
  Session* session = find(request.session);
  if (session == nullptr) return WriteResult{now, no_session(request.session)};
  // It acknowledges its own answer, or has no number: nothing that a client in its senses sends.
  if (request.sequence.is_zero() || request.first_outstanding > request.sequence) {
    return WriteResult{
        now, make_error(ErrorCode::kInvalidArgument,
                        "request {} of session {} says that {} is outstanding", request.sequence,
                        request.session, request.first_outstanding)};
  }
  raise_floor(request.session, *session, request.first_outstanding);
  const auto reply = session->replies.find(request.sequence);
  if (reply != session->replies.end()) return reply->second.result;
  if (auto error = admit(*session, request)) return WriteResult{now, std::move(*error)};
  return std::nullopt;
}

std::optional<Error> Sessions::admit(Session& session, const RequestNumber& request) const {
  if (request.sequence < session.floor) {
    Error error = make_error(ErrorCode::kReplyDiscarded,
                             "request {} of session {} was acknowledged, its reply is gone",
                             request.sequence, request.session);
    error.outcome = Outcome::kUnknown;
    return error;
  }
  if (session.replies.size() >= limits::kSessionRepliesMax ||
      session.bytes >= limits::kSessionReplyBytesMax) {
    return make_error(ErrorCode::kOverloaded,
                      "session {} has {} answers that it has not acknowledged", request.session,
                      session.replies.size());
  }
  return std::nullopt;
}

void Sessions::raise_floor(LeaseId id, Session& session, Sequence floor) {
  if (floor <= session.floor) return;
  session.floor = floor;
  while (!session.replies.empty() && session.replies.begin()->first < floor) {
    session.bytes -= session.replies.begin()->second.bytes;
    session.replies.erase(session.replies.begin());
  }
  mark_dirty(id, session);
}

void Sessions::remember(const RequestNumber& request, const WriteResult& result) {
  const auto known = sessions_.find(request.session);
  if (known == sessions_.end()) return;
  Session& session = known->second;
  Reply reply{result, weight(result)};
  session.bytes += reply.bytes;
  digest_.mix(request.session.value());
  digest_.mix(request.sequence.value());
  digest_.mix(reply.bytes);
  session.replies.insert_or_assign(session.replies.end(), request.sequence, std::move(reply));
  mark_dirty(request.session, session);
}

void Sessions::mark_dirty(LeaseId id, Session& session) {
  if (std::exchange(session.dirty, true)) return;
  dirty_.push_back(id);
}

void Sessions::forget(LeaseId session) {
  sessions_.erase(session);
  writer_.erase(Table::kSessions, number_key(session.value()));
}

void Sessions::save() {
  std::string record;
  for (const LeaseId id : std::exchange(dirty_, {})) {
    const auto known = sessions_.find(id);
    // It may have ended; or ended, come again and been listed twice.
    if (known == sessions_.end() || !std::exchange(known->second.dirty, false)) continue;
    record.clear();
    Encoder out(record);
    out.u8(kSessionsVersion).u64(known->second.floor.value());
    out.u32(static_cast<std::uint32_t>(known->second.replies.size()));
    for (const auto& [sequence, reply] : known->second.replies) {
      out.u64(sequence.value());
      encode_result(reply.result, record);
    }
    tables_.put(Table::kSessions, number_key(id.value()), record);
  }
}

void Sessions::load() {
  const auto cursor = tables_.seek(Table::kSessions, {});
  for (; cursor->valid(); cursor->next()) {
    Session& session = sessions_[LeaseId(number_of_key(cursor->key()))];
    Decoder in(cursor->value());
    bool readable = in.u8() == kSessionsVersion;
    session.floor = Sequence(in.u64());
    for (std::uint32_t left = in.u32(); left > 0 && readable; --left) {
      const Sequence sequence(in.u64());
      WriteResult result;
      readable = decode_result(in, result);
      const std::size_t bytes = weight(result);
      session.bytes += bytes;
      session.replies.emplace(sequence, Reply{std::move(result), bytes});
    }
    if (!readable || !in.complete()) unreadable_record(Table::kSessions, cursor->key());
  }
}

}  // namespace coord::service
