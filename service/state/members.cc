#include "service/state/members.h"

#include <string>
#include <utility>

#include "raft/base/check.h"
#include "service/state/from_schema.h"
#include "service/state/records.h"

namespace coord::service {

namespace {

raft::Configuration configuration_in(const AppliedConfiguration& applied) {
  auto configuration = raft::decode_configuration(applied.payload.span());
  CHECK(configuration.has_value(), "entry {} is no configuration", applied.at);
  return std::move(*configuration);
}

}  // namespace

Members::Members(TableWriter& writer, StateObserver& observer)
    : writer_(writer), observer_(observer) {
  const auto bytes = writer_.tables().get(Table::kMeta, kMembersKey);
  if (bytes) version_ = read_record<MembersRecord>(Table::kMeta, kMembersKey, *bytes).at;
}

void Members::configure(const raft::Entry& entry) {
  const raft::Configuration next = configuration_in({entry.id, entry.payload});
  if (const auto applied = configuration()) {
    for (const MemberId id : configuration_in(*applied).members()) {
      if (!next.contains(id)) writer_.put(Table::kRemoved, number_key(id.value()), {});
    }
  }
  std::vector<MemberId> strangers;
  for (const MemberRecord& record : published()) {
    if (!next.contains(record.id)) strangers.push_back(record.id);
  }
  forget(strangers);
  std::string record;
  encode(ConfigurationRecord{.at = entry.id, .payload = entry.payload.view()}, record);
  writer_.put(Table::kMeta, kConfigurationKey, record);
  change_at(entry.id.index);
}

void Members::publish(Index at, schema::MemberInfo::Reader member) {
  const MemberRecord record{.id = MemberId(member.getId()),
                            .name = std::string(to_view(member.getName())),
                            .peer_address = std::string(to_view(member.getPeerAddress())),
                            .client_address = std::string(to_view(member.getClientAddress()))};
  if (was_removed(record.id)) return;
  std::string bytes;
  encode(record, bytes);
  const std::string key = number_key(record.id.value());
  // Each member publishes itself now and then; that is no news.
  if (writer_.tables().get(Table::kMembers, key) != std::string_view(bytes)) change_at(at);
  writer_.put(Table::kMembers, key, bytes);
  observer_.on_member_published(record);
}

void Members::change_at(Index at) {
  version_ = at;
  std::string record;
  encode(MembersRecord{at}, record);
  writer_.put(Table::kMeta, kMembersKey, record);
}

void Members::forget(const std::vector<MemberId>& members) {
  for (const MemberId id : members) writer_.erase(Table::kMembers, number_key(id.value()));
}

std::vector<MemberRecord> Members::published() const {
  std::vector<MemberRecord> records;
  const auto cursor = writer_.tables().seek(Table::kMembers, {});
  for (; cursor->valid(); cursor->next()) {
    records.push_back(read_record<MemberRecord>(Table::kMembers, cursor->key(), cursor->value()));
    records.back().id = MemberId(number_of_key(cursor->key()));
  }
  return records;
}

bool Members::was_removed(MemberId member) const {
  return writer_.tables().get(Table::kRemoved, number_key(member.value())).has_value();
}

std::optional<AppliedConfiguration> Members::configuration() const {
  const auto bytes = writer_.tables().get(Table::kMeta, kConfigurationKey);
  if (!bytes) return std::nullopt;
  const auto record = read_record<ConfigurationRecord>(Table::kMeta, kConfigurationKey, *bytes);
  return AppliedConfiguration{record.at, Bytes::copy_of(record.payload)};
}

}  // namespace coord::service
