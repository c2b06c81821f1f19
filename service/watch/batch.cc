#include "service/watch/batch.h"

namespace coord::service {

namespace {

// Of a KeyValue or an event in a message, beside its key and value: structs, pointers, padding.
constexpr std::size_t kRecordWords = 12;

capnp::Data::Reader data_of(std::string_view text) {
  return {reinterpret_cast<const kj::byte*>(text.data()), text.size()};
}

void put_record(const KeyValue& record, schema::KeyValue::Builder out) {
  out.setKey(data_of(record.key));
  out.setValue(data_of(record.value));
  out.setCreateRevision(record.create_revision.value());
  out.setModRevision(record.mod_revision.value());
  out.setVersion(record.version);
  out.setLease(record.lease.value());
}

void put_event(const WatchEvents::Event& event, schema::WatchEvent::Builder out) {
  const Change& change = event.change;
  auto current = out.initCurrent();
  current.setKey(data_of(change.key));
  current.setModRevision(change.mod_revision.value());
  out.setDeleted(change.deleted);
  if (!change.deleted) {
    current.setValue(data_of(change.value));
    current.setCreateRevision(change.create_revision.value());
    current.setVersion(change.version);
    current.setLease(change.lease.value());
  }
  if (event.previous) put_record(*event.previous, out.initPrevious());
}

class Encoder {
 public:
  explicit Encoder(schema::WatchBatch::Builder out) : out_(out) {}

  void operator()(const WatchListed& listed) {
    auto items = out_.initListed(static_cast<unsigned>(listed.items.size()));
    for (unsigned i = 0; i < items.size(); ++i) put_record(listed.items[i], items[i]);
  }
  void operator()(const WatchListEnd& end) { out_.setListEnd(end.revision.value()); }
  void operator()(const WatchEvents& batch) {
    auto events = out_.initEvents(static_cast<unsigned>(batch.events.size()));
    for (unsigned i = 0; i < events.size(); ++i) put_event(batch.events[i], events[i]);
    out_.setPartial(batch.partial);
  }
  void operator()(const WatchProgress& progress) { out_.setProgress(progress.through.value()); }
  void operator()(const Error& error) { encode_failure(error, out_.initFailure()); }

 private:
  schema::WatchBatch::Builder out_;
};

struct Measure {
  static std::size_t words(const KeyValue& record) {
    return kRecordWords + (record.key.size() + record.value.size()) / 8;
  }
  std::size_t operator()(const WatchListed& listed) const {
    std::size_t sum = 0;
    for (const KeyValue& item : listed.items) sum += words(item);
    return sum;
  }
  std::size_t operator()(const WatchEvents& batch) const {
    return 2 * kRecordWords * batch.events.size() + batch.bytes / 8;
  }
  std::size_t operator()(const Error& error) const { return kRecordWords + error.message.size(); }
  std::size_t operator()(const WatchListEnd&) const { return 0; }
  std::size_t operator()(const WatchProgress&) const { return 0; }
};

}  // namespace

void encode_batch(const WatchBatch& batch, schema::WatchBatch::Builder out) {
  std::visit(Encoder(out), batch);
}

void encode_failure(const Error& error, schema::Failure::Builder out) {
  out.setCode(static_cast<std::uint16_t>(error.code));
  out.setOutcome(static_cast<schema::Outcome>(error.outcome));
  out.setMessage(error.message.c_str());
  if (!error.leader_hint.empty()) out.setLeader(error.leader_hint.c_str());
  out.setRetryAfterMs(static_cast<std::uint32_t>(error.retry_after.count()));
  out.setRevision(error.revision.value());
}

std::size_t words_of(const WatchBatch& batch) {
  constexpr std::size_t kEnvelopeWords = 32;
  return kEnvelopeWords + std::visit(Measure(), batch);
}

}  // namespace coord::service
