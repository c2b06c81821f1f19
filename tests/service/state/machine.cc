#include "tests/service/state/machine.h"

#include "raft/base/check.h"
#include "service/state/reply_codec.h"

namespace coord::service {

std::string to_line(const Change& change) {
  if (change.deleted) {
    return fmt::format("{}: delete {} prev{}", change.mod_revision, change.key,
                       change.previous_mod_revision);
  }
  return fmt::format("{}: put {}={} v{} c{} prev{}{}", change.mod_revision, change.key,
                     change.value, change.version, change.create_revision,
                     change.previous_mod_revision,
                     change.lease.is_zero() ? "" : fmt::format(" l{}", change.lease));
}

void RecordingObserver::on_changes(Revision revision, std::span<const Change> changes) {
  for (std::size_t i = 0; i < changes.size(); ++i) {
    CHECK_EQ(changes[i].mod_revision, revision);
    CHECK_EQ(changes[i].number, i);
    lines_.push_back(to_line(changes[i]));
  }
  if (listener_) listener_(revision, changes);
}
void RecordingObserver::on_lease_granted(LeaseId lease, milliseconds ttl) {
  lines_.push_back(fmt::format("lease {} granted {}", lease, ttl.count()));
}
void RecordingObserver::on_lease_renewed(LeaseId lease) {
  lines_.push_back(fmt::format("lease {} renewed", lease));
}
void RecordingObserver::on_lease_ended(LeaseId lease) {
  lines_.push_back(fmt::format("lease {} ended", lease));
}
void RecordingObserver::on_lock_changed(const LockName& name) {
  lines_.push_back(fmt::format("{} {} changed", name.election ? "election" : "lock", name.name));
}
void RecordingObserver::on_member_published(const MemberRecord& member) {
  lines_.push_back(fmt::format("member {} published", member.id));
}
void RecordingObserver::on_compacted(Revision oldest_kept) {
  lines_.push_back(fmt::format("compacted {}", oldest_kept));
}

void RecordingObserver::on_reloaded() {
  lines_.push_back("reloaded");
}

raft::Entry Machine::next_entry(Bytes payload) {
  raft::Entry entry;
  entry.id = {Term(1), state_->position().applied.index.next()};
  entry.type = raft::EntryType::kCommand;
  entry.payload = std::move(payload);
  return entry;
}

std::pair<std::uint64_t, std::uint64_t> Machine::expiry(std::uint64_t lease) const {
  const auto record = state_->lease(LeaseId(lease));
  CHECK(record, "there is no lease {}", lease);
  return {lease, record->renewed_at.value()};
}

CommandResults Machine::apply(const commands::CommandFill& command) {
  CommandResults results;
  state_->apply(next_entry(commands::encode(command, now_ms_)), &results);
  return results;
}

void Machine::apply_unheard(const commands::CommandFill& command) {
  state_->apply(next_entry(commands::encode(command, now_ms_)), nullptr);
}

WriteResult Machine::write(const commands::WriteFill& write) {
  return write_all({write}).front();
}

std::vector<WriteResult> Machine::write_all(std::vector<commands::WriteFill> writes) {
  const std::size_t count = writes.size();
  CommandResults results = apply(commands::writes(std::move(writes)));
  CHECK_EQ(results.writes.size(), count);
  return std::move(results.writes);
}

void Machine::restart() {
  state_->save();
  state_ = std::make_unique<State>(tables_, observer_, history_);
}

void Machine::become(Machine& other) {
  other.state().save();
  tables_.replace(other.tables().contents());
  state_->reload();
}

raft::Entry Machine::next_configuration(const raft::Configuration& configuration) {
  raft::Entry entry = next_entry(encode(configuration));
  entry.type = raft::EntryType::kConfiguration;
  return entry;
}

std::string Machine::read(const KeyRange& range, Revision revision) const {
  const auto result = state_->range({.range = range, .revision = revision});
  if (!result.ok()) return std::string(to_string(result.error().code));
  std::string text;
  for (const KeyValue& item : result->items) {
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", item.key, item.value);
  }
  return text;
}

std::string Machine::get(std::string_view name, Revision revision) const {
  return read(key(name), revision);
}

ErrorCode error_of(const WriteResult& result) {
  return expect<Error>(result).code;
}

LockToken token_of(const WriteResult& result) {
  const auto standing = expect<LockAcquireResult>(result).standing;
  CHECK(std::holds_alternative<Granted>(standing), "not granted: {}", standing.index());
  return std::get<Granted>(standing).token;
}

std::string show(const WriteResult& result) {
  std::string bytes;
  encode_result(result, bytes);
  std::string text;
  for (const char c : bytes) fmt::format_to(std::back_inserter(text), "{:02x}", c & 0xff);
  return text;
}

std::string show(const CommandResults& results) {
  std::string text;
  for (const WriteResult& result : results.writes) text += show(result) + "\n";
  for (const auto& ttl : results.renewed) {
    text += fmt::format("renewed {}\n", ttl ? ttl->count() : -1);
  }
  if (results.failure) text += results.failure->message;
  return text;
}

KeyRange key(std::string_view key) {
  return {.kind = KeyRange::Kind::kSingle, .begin = key};
}
KeyRange with_prefix(std::string_view prefix) {
  return {.kind = KeyRange::Kind::kPrefix, .begin = prefix};
}

}  // namespace coord::service
