#include "tests/raft/core/member_disk.h"

#include <algorithm>
#include <cstring>

#include "raft/base/check.h"

namespace coord::raft {

namespace {

void put(std::string& out, std::uint64_t number) {
  out.append(reinterpret_cast<const char*>(&number), sizeof(number));
}
void put(std::string& out, std::string_view bytes) {
  put(out, bytes.size());
  out.append(bytes);
}

class Reader {
 public:
  explicit Reader(std::string_view left) : left_(left) {}
  std::uint64_t number() {
    std::uint64_t number = 0;
    const std::string_view bytes = take(sizeof(number));
    if (!failed_) std::memcpy(&number, bytes.data(), sizeof(number));
    return number;
  }
  std::string_view bytes() { return take(number()); }
  bool failed() const { return failed_; }

 private:
  std::string_view take(std::size_t size) {
    failed_ = failed_ || size > left_.size();
    if (failed_) return {};
    const std::string_view taken = left_.substr(0, size);
    left_.remove_prefix(size);
    return taken;
  }

  std::string_view left_;
  bool failed_ = false;
};

}  // namespace

void State::apply(const Entry& entry) {
  CHECK_EQ(entry.id.index, last.index.next());
  last = entry.id;
  if (entry.type == EntryType::kCommand) commands.emplace_back(entry.payload.view());
  if (entry.type == EntryType::kConfiguration) {
    configuration = decode_configuration(entry.payload.span()).value();
  }
}

Bytes encode(const State& state) {
  std::string out;
  put(out, state.last.term.value());
  put(out, state.last.index.value());
  put(out, encode(state.configuration).view());
  put(out, state.commands.size());
  for (const std::string& command : state.commands) put(out, command);
  return Bytes::copy_of(out);
}

std::optional<State> decode_state(std::span<const std::byte> bytes) {
  Reader in({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  State state;
  state.last.term = Term(in.number());
  state.last.index = Index(in.number());
  auto configuration = decode_configuration(std::as_bytes(std::span(in.bytes())));
  for (std::uint64_t left = in.number(); left > 0 && !in.failed(); --left) {
    state.commands.emplace_back(in.bytes());
  }
  if (in.failed() || !configuration) return std::nullopt;
  state.configuration = std::move(*configuration);
  return state;
}

std::uint64_t checksum(std::span<const std::byte> bytes) {
  std::uint64_t sum = 0xcbf29ce484222325u;
  for (const std::byte byte : bytes) {
    sum = (sum ^ std::to_integer<std::uint64_t>(byte)) * 0x100000001b3u;
  }
  return sum;
}

const Entry* Disk::find(Index index) const {
  if (index <= base.index || index > last().index) return nullptr;
  return &entries[index - base.index - 1];
}

bool Disk::holds(LogId id) const {
  if (id.index <= base.index || id.index <= state.last.index) return true;
  const Entry* entry = find(id.index);
  return entry != nullptr && entry->id == id;
}

bool Disk::write(const Durable& batch) {
  if (batch.reset_to) {
    base = *batch.reset_to;
    entries.clear();
  }
  if (batch.truncate_from) {
    if (find(*batch.truncate_from) == nullptr) return false;
    entries.resize(*batch.truncate_from - base.index - 1);
  }
  for (const Entry& entry : batch.append) {
    if (entry.id.index != last().index.next()) return false;
    entries.push_back(entry);
  }
  if (batch.hard_state) hard_state = *batch.hard_state;
  return true;
}

void Disk::cut(Index through) {
  const Entry* entry = find(through);
  CHECK(entry != nullptr && through <= state.last.index);
  base = entry->id;
  entries.erase(entries.begin(), entries.begin() + (entry - entries.data()) + 1);
}

Restored Disk::restore() {
  CHECK_LE(base.index, state.last.index);
  const Entry* at_state = find(state.last.index);
  const bool follows = base == state.last || (at_state != nullptr && at_state->id == state.last);
  if (!follows) {
    base = state.last;
    entries.clear();
  }
  Restored restored{.hard_state = hard_state,
                    .applied = state.last,
                    .configuration = state.configuration,
                    .entries = {},
                    .first_index = base.index.next()};
  std::copy_if(entries.begin(), entries.end(), std::back_inserter(restored.entries),
               [&](const Entry& entry) { return entry.id.index > state.last.index; });
  return restored;
}

}  // namespace coord::raft
