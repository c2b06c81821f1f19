// A state as the bytes of a snapshot, and back.
#include <cstring>

#include "raft/base/check.h"
#include "tests/sim/state.h"

namespace coord::sim {

namespace {

class Writer {
 public:
  void put(std::uint64_t word) {
    for (int i = 0; i < 8; ++i) bytes_.push_back(static_cast<std::byte>(word >> (8 * i)));
  }
  void put(const Object& object) {
    put(object.version);
    put(object.value);
  }
  void put(const Bytes& bytes) {
    put(bytes.size());
    bytes_.insert(bytes_.end(), bytes.data(), bytes.data() + bytes.size());
  }
  Bytes take() const { return Bytes::copy_of(bytes_); }

 private:
  std::vector<std::byte> bytes_;
};

class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : left_(bytes) {}

  std::span<const std::byte> take(std::size_t size) {
    CHECK_LE(size, left_.size());
    const auto taken = left_.first(size);
    left_ = left_.subspan(size);
    return taken;
  }
  std::uint64_t word() {
    std::uint64_t word = 0;
    const auto bytes = take(8);
    for (int i = 0; i < 8; ++i) {
      word |= std::to_integer<std::uint64_t>(bytes[static_cast<std::size_t>(i)]) << (8 * i);
    }
    return word;
  }
  Object object() {
    const std::uint64_t version = word();
    return {.version = version, .value = word()};
  }

 private:
  std::span<const std::byte> left_;
};

}  // namespace

Bytes State::to_bytes() const {
  Writer out;
  for (const std::uint64_t word :
       {applied_.term.value(), applied_.index.value(), digest_, stamp_, revision_}) {
    out.put(word);
  }
  // A member that has heard of none yet has none.
  out.put(configuration_ == raft::Configuration{} ? Bytes() : raft::encode(configuration_));
  out.put(removed_.size());
  for (const MemberId id : removed_) out.put(id.value());
  out.put(objects_.size());
  for (const Object& object : objects_) out.put(object);
  out.put(sessions_.size());
  for (const Session& session : sessions_) {
    out.put(session.sequence);
    out.put(session.answer.done ? 1 : 0);
    out.put(session.answer.object);
  }
  for (const Change& change : changes_) {
    out.put(change.revision);
    out.put(change.key);
    out.put(change.object);
  }
  return out.take();
}

State State::from_bytes(std::span<const std::byte> bytes) {
  Reader in(bytes);
  const Term term(in.word());
  State state({term, Index(in.word())}, {});
  state.digest_ = in.word();
  state.stamp_ = in.word();
  state.revision_ = in.word();
  if (const auto configuration = in.take(in.word()); !configuration.empty()) {
    state.configuration_ = raft::decode_configuration(configuration).value();
  }
  for (std::uint64_t n = in.word(); n > 0; --n) state.removed_.emplace_back(in.word());
  for (std::uint64_t n = in.word(); n > 0; --n) state.objects_.push_back(in.object());
  for (std::uint64_t n = in.word(); n > 0; --n) {
    Session session;
    session.sequence = static_cast<std::uint32_t>(in.word());
    session.answer.done = in.word() != 0;
    session.answer.object = in.object();
    state.sessions_.push_back(session);
  }
  for (Change& change : state.changes_) {
    change.revision = in.word();
    change.key = static_cast<std::uint32_t>(in.word());
    change.object = in.object();
  }
  return state;
}

}  // namespace coord::sim
