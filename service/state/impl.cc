#include "service/state/impl.h"

#include <capnp/serialize.h>

#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "service/state/from_schema.h"

namespace coord::service {

namespace {

constexpr std::uint16_t kCommandVersion = 1;

Meta read_meta(const Tables& tables) {
  const auto bytes = tables.get(Table::kMeta, kMetaKey);
  return bytes ? read_record<Meta>(Table::kMeta, kMetaKey, *bytes) : Meta();
}

// The bytes come from our own log, where size and depth were limited when they were proposed;
// Cap'n Proto's own limits would only be a second set, and could differ between its versions.
capnp::ReaderOptions reader_options() {
  capnp::ReaderOptions options;
  options.traversalLimitInWords = std::numeric_limits<std::uint64_t>::max();
  options.nestingLimit = 1024;
  return options;
}

// In place if the payload is aligned, as everything that was read into a buffer of its own is.
class CommandWords {
 public:
  explicit CommandWords(const Bytes& payload) {
    const std::size_t count = payload.size() / sizeof(capnp::word);
    if (reinterpret_cast<std::uintptr_t>(payload.data()) % alignof(capnp::word) == 0) {
      words_ = kj::arrayPtr(reinterpret_cast<const capnp::word*>(payload.data()), count);
      return;
    }
    copy_ = kj::heapArray<capnp::word>(count);
    std::memcpy(copy_.begin(), payload.data(), count * sizeof(capnp::word));
    words_ = copy_;
  }
  kj::ArrayPtr<const capnp::word> words() const { return words_; }

 private:
  kj::Array<capnp::word> copy_;
  kj::ArrayPtr<const capnp::word> words_;
};

Error undecodable() {
  return make_error(ErrorCode::kInvalidArgument, "the command cannot be decoded");
}

}  // namespace

State::Impl::Impl(Tables& tables, StateObserver& observer, HistoryOptions history)
    : Impl(tables, observer, history, read_meta(tables)) {}

State::Impl::Impl(Tables& tables, StateObserver& observer, HistoryOptions history, const Meta& meta)
    : tables_(tables),
      observer_(observer),
      applied_(meta.applied),
      epoch_(meta.epoch),
      last_sequential_(meta.last_sequential),
      digest_(meta.digest),
      writer_(tables, digest_),
      lease_table_(writer_, meta),
      keys_(writer_, lease_table_, observer, history, meta),
      locks_(writer_, keys_, lease_table_, observer),
      sessions_(tables, writer_, digest_, lease_table_),
      leases_(keys_, lease_table_, locks_, sessions_, observer, meta),
      members_(writer_, observer) {}

void State::Impl::save() {
  sessions_.save();
  std::string record;
  encode(Meta{.applied = applied_,
              .digest = digest_.value(),
              .revision = keys_.revision(),
              .compacted = keys_.compacted(),
              .epoch = epoch_,
              .last_sequential = last_sequential_,
              .last_lease = leases_.last_chosen(),
              .leases = lease_table_.count(),
              .change_bytes = keys_.change_bytes()},
         record);
  tables_.put(Table::kMeta, kMetaKey, record);
}

void State::Impl::apply(const raft::Entry& entry, CommandResults* results) {
  CHECK_EQ(entry.id.index, applied_.index.next());
  applied_ = entry.id;
  digest_.mix(entry.id.index.value());
  digest_.mix(entry.id.term.value());
  digest_.mix(static_cast<std::uint64_t>(entry.type));
  digest_.mix(entry.payload.view());
  switch (entry.type) {
    case raft::EntryType::kNoop:
      return;
    case raft::EntryType::kConfiguration:
      return members_.configure(entry);
    case raft::EntryType::kCommand:
      break;
  }
  try {
    const CommandWords command(entry.payload);
    capnp::FlatArrayMessageReader message(command.words(), reader_options());
    apply_command(message.getRoot<schema::Command>(), results);
  } catch (const kj::Exception&) {
    if (results != nullptr) results->failure = undecodable();
  }
}

void State::Impl::apply_command(schema::Command::Reader command, CommandResults* results) {
  if (command.getVersion() > kCommandVersion) {
    return refuse(command, unsupported("version of a command"), results);
  }
  now_ms_ = command.getStampMs();
  switch (command.which()) {
    case schema::Command::WRITES: {
      const auto writes = command.getWrites();
      if (results != nullptr) results->writes.reserve(results->writes.size() + writes.size());
      for (const auto write : writes) {
        WriteResult result = apply_write(write);
        if (results != nullptr) results->writes.push_back(std::move(result));
      }
      return;
    }
    case schema::Command::RENEW:
      for (const std::uint64_t id : command.getRenew()) {
        const auto ttl = leases_.renew(LeaseId(id), applied_.index);
        if (results != nullptr) results->renewed.push_back(ttl);
      }
      return;
    case schema::Command::EXPIRE:
      for (const auto expiry : command.getExpire()) {
        leases_.expire(LeaseId(expiry.getLease()), Index(expiry.getRenewedAt()), now_ms_);
      }
      return;
    case schema::Command::PUBLISH_MEMBER:
      return members_.publish(applied_.index, command.getPublishMember());
    case schema::Command::COMPACT:
      return keys_.compact(Revision(command.getCompact()));
  }
  refuse(command, unsupported("kind of command"), results);
}

void State::Impl::refuse(schema::Command::Reader command, Error error,
                         CommandResults* results) const {
  if (results == nullptr) return;
  if (command.isWrites()) {
    results->writes.assign(command.getWrites().size(), {keys_.revision(), error});
  }
  if (command.isRenew()) results->renewed.assign(command.getRenew().size(), std::nullopt);
  results->failure = std::move(error);
}

std::optional<LeaseRecord> State::Impl::lease(LeaseId id) const {
  auto record = lease_table_.find(id);
  if (!record) return std::nullopt;
  return with_held(std::move(*record));
}

LeaseRecord State::Impl::with_held(LeaseRecord record) const {
  for (LockName& name : lease_table_.places(record.id)) {
    if (std::holds_alternative<Granted>(locks_.standing(name, record.id))) {
      record.held.push_back(std::move(name));
    }
  }
  return record;
}

}  // namespace coord::service
