#include "tests/sim/state.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "raft/base/hash.h"

namespace coord::sim {

namespace {
static_assert(std::is_trivially_copyable_v<Command>);
}

Bytes encode(const Command& command, std::size_t bytes) {
  const std::size_t size = (std::max(bytes, sizeof(Command)) + 7) / 8 * 8;
  return Bytes::make(size, [&](std::span<std::byte> target) {
    std::memset(target.data(), 0, target.size());
    // Field by field: padding has no defined value.
    std::uint64_t words[] = {
        command.key | std::uint64_t{command.session} << 32,
        command.sequence | static_cast<std::uint64_t>(command.request.op) << 32,
        command.request.value, command.request.expected_version, command.stamp};
    static_assert(sizeof(words) <= sizeof(Command));
    std::memcpy(target.data(), words, sizeof(words));
  });
}

Command decode_command(std::span<const std::byte> bytes) {
  std::uint64_t words[5];
  CHECK_GE(bytes.size(), sizeof(words));
  std::memcpy(words, bytes.data(), sizeof(words));
  return {.key = static_cast<std::uint32_t>(words[0]),
          .session = static_cast<std::uint32_t>(words[0] >> 32),
          .sequence = static_cast<std::uint32_t>(words[1]),
          .request = {.op = static_cast<Op>(words[1] >> 32),
                      .value = words[2],
                      .expected_version = words[3]},
          .stamp = words[4]};
}

State::Applied State::apply(const raft::Entry& entry) {
  CHECK_EQ(entry.id.index, applied_.index.next());
  applied_ = entry.id;
  mix(entry.id.term.value());
  mix(hash64(entry.payload.span()));
  if (entry.type == raft::EntryType::kConfiguration) {
    const auto before = configuration_.members();
    configuration_ = raft::decode_configuration(entry.payload.span()).value();
    for (const MemberId id : before) {
      if (!configuration_.contains(id)) removed_.push_back(id);
    }
  }
  if (entry.type != raft::EntryType::kCommand) return {};
  const Command command = decode_command(entry.payload.span());
  stamp_ = std::max(stamp_, command.stamp);
  const Applied applied = execute(command);
  mix(applied.answer.object.version ^ applied.answer.object.value << 1 ^
      static_cast<std::uint64_t>(applied.answer.done) ^
      static_cast<std::uint64_t>(applied.executed) << 63);
  mix(stamp_);
  return applied;
}

State::Applied State::execute(const Command& command) {
  if (command.request.op == Op::kNothing) return {};
  if (sessions_.size() <= command.session) sessions_.resize(command.session + 1);
  Session& session = sessions_[command.session];
  if (command.sequence <= session.sequence) {
    // The answer of the newest command is kept; an older one's client has given up on it.
    return {.answer = command.sequence == session.sequence ? session.answer : Answer{},
            .executed = false};
  }
  if (objects_.size() <= command.key) objects_.resize(command.key + 1);
  Object& object = objects_[command.key];
  const Object before = object;
  const Answer answer = perform(command.request, object);
  session = {.sequence = command.sequence, .answer = answer};
  if (object != before) {
    ++revision_;
    changes_[revision_ % kChangesKept] = {
        .revision = revision_, .key = command.key, .object = object};
  }
  return {.answer = answer, .executed = true};
}

std::optional<Change> State::change(std::uint64_t revision) const {
  const Change& change = changes_[revision % kChangesKept];
  if (revision == 0 || change.revision != revision) return std::nullopt;
  return change;
}

}  // namespace coord::sim
