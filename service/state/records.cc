#include "service/state/records.h"

#include "service/state/encoding.h"

namespace coord::service {

namespace {

constexpr std::uint8_t kRecordVersion = 1;
constexpr std::uint8_t kDeleted = 1;
constexpr std::uint8_t kExisted = 2;
constexpr std::uint8_t kNear = 4;
constexpr std::uint8_t kSession = 1;

Encoder begin(std::string& out) {
  out.clear();
  Encoder encoder(out);
  encoder.u8(kRecordVersion);
  return encoder;
}

void encode_places(const std::vector<LockPlace>& places, Encoder& out) {
  out.u32(static_cast<std::uint32_t>(places.size()));
  for (const LockPlace& place : places) {
    out.u64(place.lease.value()).u64(place.token.value()).u64(place.since_ms);
    out.u8(static_cast<std::uint8_t>(place.mode)).bytes(place.value);
  }
}

bool decode_mode(std::uint8_t raw, LockMode& mode) {
  if (raw > static_cast<std::uint8_t>(LockMode::kShared)) return false;
  mode = static_cast<LockMode>(raw);
  return true;
}

bool decode_places(Decoder& in, std::vector<LockPlace>& places) {
  places.clear();
  for (std::uint32_t left = in.u32(); left > 0 && in.ok(); --left) {
    LockPlace& place = places.emplace_back();
    place.lease = LeaseId(in.u64());
    place.token = LockToken(in.u64());
    place.since_ms = in.u64();
    if (!decode_mode(in.u8(), place.mode)) return false;
    place.value = in.bytes();
  }
  return in.ok();
}

}  // namespace

void encode(const KeyRecord& record, std::string& out) {
  begin(out)
      .u8(record.deleted ? kDeleted : 0)
      .u64(record.create_revision.value())
      .u64(record.modified.revision.value())
      .u32(record.modified.number)
      .u64(record.offset)
      .u64(record.version)
      .u64(record.lease.value())
      .rest(record.value);
}

bool decode(std::string_view bytes, KeyRecord& record) {
  Decoder in(bytes);
  if (in.u8() != kRecordVersion) return false;
  const std::uint8_t flags = in.u8();
  record.deleted = (flags & kDeleted) != 0;
  record.create_revision = Revision(in.u64());
  record.modified.revision = Revision(in.u64());
  record.modified.number = in.u32();
  record.offset = in.u64();
  record.version = in.u64();
  record.lease = LeaseId(in.u64());
  record.value = in.rest();
  return in.complete() && (flags & ~kDeleted) == 0;
}

void encode(const ChangeRecord& record, std::string& out) {
  const int flags =
      (record.deleted ? kDeleted : 0) | (record.existed ? kExisted : 0) | (record.near ? kNear : 0);
  begin(out)
      .u8(static_cast<std::uint8_t>(flags))
      .u64(record.offset)
      .u64(record.create_revision.value())
      .u64(record.previous.revision.value())
      .u32(record.previous.number)
      .u64(record.version)
      .u64(record.lease.value())
      .bytes(record.key)
      .rest(record.value);
}

bool decode(std::string_view bytes, ChangeRecord& record) {
  Decoder in(bytes);
  if (in.u8() != kRecordVersion) return false;
  const std::uint8_t flags = in.u8();
  record.deleted = (flags & kDeleted) != 0;
  record.existed = (flags & kExisted) != 0;
  record.near = (flags & kNear) != 0;
  record.offset = in.u64();
  record.create_revision = Revision(in.u64());
  record.previous.revision = Revision(in.u64());
  record.previous.number = in.u32();
  record.version = in.u64();
  record.lease = LeaseId(in.u64());
  record.key = in.bytes();
  record.value = in.rest();
  return in.complete() && (flags & ~(kDeleted | kExisted | kNear)) == 0;
}

void encode(const LeaseRecord& record, std::string& out) {
  begin(out)
      .u8(record.session ? kSession : 0)
      .u64(static_cast<std::uint64_t>(record.ttl.count()))
      .u64(record.nonce)
      .u64(record.granted_at_ms)
      .u64(record.renewed_at.value())
      .u64(record.attached_keys)
      .u32(record.pid)
      .bytes(record.name)
      .bytes(record.host);
}

bool decode(std::string_view bytes, LeaseRecord& record) {
  Decoder in(bytes);
  if (in.u8() != kRecordVersion) return false;
  const std::uint8_t flags = in.u8();
  record.session = (flags & kSession) != 0;
  record.ttl = milliseconds(static_cast<milliseconds::rep>(in.u64()));
  record.nonce = in.u64();
  record.granted_at_ms = in.u64();
  record.renewed_at = Index(in.u64());
  record.attached_keys = in.u64();
  record.pid = in.u32();
  record.name = in.bytes();
  record.host = in.bytes();
  return in.complete() && (flags & ~kSession) == 0;
}

void encode(const StoredLock& record, std::string& out) {
  Encoder encoder = begin(out);
  encoder.u8(static_cast<std::uint8_t>(record.mode));
  encoder.u64(record.revision.value()).bytes(record.value);
  encode_places(record.holders, encoder);
  encode_places(record.waiters, encoder);
}

bool decode(std::string_view bytes, StoredLock& record) {
  Decoder in(bytes);
  if (in.u8() != kRecordVersion || !decode_mode(in.u8(), record.mode)) return false;
  record.revision = Revision(in.u64());
  record.value = in.bytes();
  return decode_places(in, record.holders) && decode_places(in, record.waiters) && in.complete();
}

void encode(const MemberRecord& record, std::string& out) {
  begin(out).bytes(record.name).bytes(record.peer_address).bytes(record.client_address);
}

bool decode(std::string_view bytes, MemberRecord& record) {
  Decoder in(bytes);
  if (in.u8() != kRecordVersion) return false;
  record.name = in.bytes();
  record.peer_address = in.bytes();
  record.client_address = in.bytes();
  return in.complete();
}

void encode(const Meta& record, std::string& out) {
  begin(out)
      .u64(record.applied.term.value())
      .u64(record.applied.index.value())
      .u64(record.digest)
      .u64(record.revision.value())
      .u64(record.compacted.value())
      .u64(record.epoch)
      .u64(record.last_sequential)
      .u64(record.last_lease.value())
      .u64(record.leases)
      .u64(record.change_bytes);
}

bool decode(std::string_view bytes, Meta& record) {
  Decoder in(bytes);
  if (in.u8() != kRecordVersion) return false;
  record.applied.term = Term(in.u64());
  record.applied.index = Index(in.u64());
  record.digest = in.u64();
  record.revision = Revision(in.u64());
  record.compacted = Revision(in.u64());
  record.epoch = in.u64();
  record.last_sequential = in.u64();
  record.last_lease = LeaseId(in.u64());
  record.leases = in.u64();
  record.change_bytes = in.u64();
  return in.complete();
}

void encode(const ConfigurationRecord& record, std::string& out) {
  begin(out).u64(record.at.term.value()).u64(record.at.index.value()).rest(record.payload);
}

bool decode(std::string_view bytes, ConfigurationRecord& record) {
  Decoder in(bytes);
  if (in.u8() != kRecordVersion) return false;
  record.at.term = Term(in.u64());
  record.at.index = Index(in.u64());
  record.payload = in.rest();
  return in.complete();
}

void encode(const MembersRecord& record, std::string& out) {
  begin(out).u64(record.at.value());
}

bool decode(std::string_view bytes, MembersRecord& record) {
  Decoder in(bytes);
  if (in.u8() != kRecordVersion) return false;
  record.at = Index(in.u64());
  return in.complete();
}

void unreadable_record(Table table, std::string_view key) {
  check_failed(__FILE__, __LINE__, "the tables return what was put into them",
               fmt::format("a record of table {} cannot be read: the data is damaged, or was "
                           "written by a newer version; key of {} bytes",
                           static_cast<int>(table), key.size()));
}

ChangeKey::ChangeKey(ChangeId id) {
  const std::uint64_t revision = internal::to_order(id.revision.value(), std::endian::big);
  const std::uint32_t number = internal::to_order(id.number, std::endian::big);
  std::memcpy(bytes_.data(), &revision, sizeof(revision));
  std::memcpy(bytes_.data() + sizeof(revision), &number, sizeof(number));
}

ChangeId change_id(std::string_view table_key) {
  KeyDecoder in(table_key);
  ChangeId id;
  id.revision = Revision(in.u64());
  id.number = in.u32();
  if (!in.complete()) unreadable_record(Table::kChanges, table_key);
  return id;
}

std::string number_key(std::uint64_t number) {
  std::string key;
  KeyEncoder(key).u64(number);
  return key;
}

std::uint64_t number_of_key(std::string_view table_key) {
  return KeyDecoder(table_key).u64();
}

std::string holding_key(LeaseId lease, HoldingKind kind, std::string_view name) {
  std::string key;
  key.reserve(sizeof(std::uint64_t) + 1 + name.size());
  KeyEncoder(key).u64(lease.value()).u8(static_cast<std::uint8_t>(kind)).rest(name);
  return key;
}

std::string_view holding_name(std::string_view table_key) {
  KeyDecoder in(table_key);
  in.u64();
  in.u8();
  return in.rest();
}

std::string lock_key(const LockName& name) {
  std::string key;
  key.reserve(1 + name.name.size());
  KeyEncoder(key).u8(name.election ? 1 : 0).rest(name.name);
  return key;
}

LockName lock_of_key(std::string_view table_key) {
  KeyDecoder in(table_key);
  LockName name;
  name.election = in.u8() == 1;
  name.name = in.rest();
  return name;
}

}  // namespace coord::service
