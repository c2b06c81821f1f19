#include "service/state/state.h"

#include <utility>

#include "service/state/history.h"
#include "service/state/impl.h"
#include "service/state/range.h"

namespace coord::service {

State::State(Tables& tables, StateObserver& observer, HistoryOptions history)
    : impl_(std::make_unique<Impl>(tables, observer, history)) {}
State::~State() = default;

void State::reload() {
  Tables& tables = impl_->tables();
  StateObserver& observer = impl_->observer();
  impl_ = std::make_unique<Impl>(tables, observer, impl_->keys().history());
  observer.on_reloaded();
}

void State::apply(const raft::Entry& entry, CommandResults* results) {
  impl_->apply(entry, results);
}
StatePosition State::position() const {
  return impl_->position();
}
void State::save() {
  impl_->save();
}

Revision State::revision() const {
  return impl_->keys().revision();
}
Revision State::compacted() const {
  return impl_->keys().compacted();
}
std::uint64_t State::epoch() const {
  return impl_->epoch();
}

CompactionStep State::compaction_step(Revision from, Revision target, std::size_t changes_max,
                                      std::uint64_t bytes_max) const {
  return impl_->keys().compaction_step(from, target, changes_max, bytes_max);
}

Result<RangeResult> State::range(const RangeQuery& query) const {
  return read_range(impl_->keys(), query);
}

Result<Revision> State::changes_since(
    Revision from, std::size_t bytes_max,
    const std::function<void(Revision, std::span<const Change>)>& visit) const {
  return service::changes_since(impl_->keys(), from, bytes_max, visit);
}

std::optional<KeyValue> State::previous_of(const Change& change) const {
  return service::previous_of(impl_->keys(), change);
}

std::optional<LeaseRecord> State::lease(LeaseId id) const {
  return impl_->lease(id);
}

std::vector<std::string> State::lease_keys(LeaseId id) const {
  return impl_->leases().keys(id);
}

std::vector<LeaseRecord> State::leases() const {
  std::vector<LeaseRecord> records = impl_->leases().all();
  for (LeaseRecord& record : records) record = impl_->with_held(std::move(record));
  return records;
}

std::size_t State::lease_count() const {
  return impl_->leases().count();
}

std::optional<LockRecord> State::lock(const LockName& name) const {
  const auto lock = impl_->locks().find(name);
  if (!lock) return std::nullopt;
  return to_lock_record(name, *lock);
}

LockStanding State::lock_standing(const LockName& name, LeaseId lease) const {
  return impl_->locks().standing(name, lease);
}

std::vector<LockRecord> State::locks(bool elections, std::string_view prefix,
                                     std::string_view cursor, std::size_t limit) const {
  return impl_->locks().list(elections, prefix, cursor, limit);
}

std::vector<MemberRecord> State::members() const {
  return impl_->members().published();
}

Index State::members_version() const {
  return impl_->members().version();
}

bool State::was_removed(MemberId member) const {
  return impl_->members().was_removed(member);
}

std::optional<AppliedConfiguration> State::configuration() const {
  return impl_->members().configuration();
}

}  // namespace coord::service
