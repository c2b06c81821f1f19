#include "service/api/command.h"

#include <capnp/serialize.h>

#include <cstring>

namespace coord::service {

Bytes to_flat_bytes(capnp::MessageBuilder& message) {
  const auto segments = message.getSegmentsForOutput();
  // The table: number of segments less one, the size of each in words, padded to a word.
  const std::size_t table_words = segments.size() / 2 + 1;
  std::size_t words = table_words;
  for (const auto segment : segments) words += segment.size();
  return Bytes::make(words * sizeof(capnp::word), [&](std::span<std::byte> out) {
    std::memset(out.data(), 0, table_words * sizeof(capnp::word));
    auto* table = reinterpret_cast<capnp::_::WireValue<std::uint32_t>*>(out.data());
    table[0].set(static_cast<std::uint32_t>(segments.size() - 1));
    std::size_t offset = table_words * sizeof(capnp::word);
    for (std::size_t i = 0; i < segments.size(); ++i) {
      table[i + 1].set(static_cast<std::uint32_t>(segments[i].size()));
      const auto bytes = segments[i].asBytes();
      std::memcpy(out.data() + offset, bytes.begin(), bytes.size());
      offset += bytes.size();
    }
  });
}

Bytes encode_writes(std::span<const schema::Write::Reader> writes, std::uint64_t stamp_ms,
                    std::size_t bytes_hint, const std::function<std::uint64_t()>& lease_id) {
  // One segment, if the hint is right: fewer allocations, and near pointers throughout.
  capnp::MallocMessageBuilder message(static_cast<unsigned>(bytes_hint / sizeof(capnp::word) + 32));
  auto command = message.initRoot<schema::Command>();
  command.setVersion(kCommandVersion);
  command.setStampMs(stamp_ms);
  auto list = command.initWrites(static_cast<unsigned>(writes.size()));
  for (unsigned i = 0; i < writes.size(); ++i) {
    list.setWithCaveats(i, writes[i]);
    if (list[i].isLeaseGrant() && list[i].getLeaseGrant().getId() == 0) {
      list[i].getLeaseGrant().setId(lease_id());
    }
  }
  return to_flat_bytes(message);
}

Bytes encode_compact(Revision line, std::uint64_t stamp_ms) {
  capnp::MallocMessageBuilder message;
  auto command = message.initRoot<schema::Command>();
  command.setVersion(kCommandVersion);
  command.setStampMs(stamp_ms);
  command.setCompact(line.value());
  return to_flat_bytes(message);
}

Bytes encode_member(schema::MemberInfo::Reader member, std::uint64_t stamp_ms) {
  capnp::MallocMessageBuilder message;
  auto command = message.initRoot<schema::Command>();
  command.setVersion(kCommandVersion);
  command.setStampMs(stamp_ms);
  command.setPublishMember(member);
  return to_flat_bytes(message);
}

}  // namespace coord::service
