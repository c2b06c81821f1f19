#include "raft/storage/format.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "raft/base/check.h"
#include "raft/base/hash.h"

namespace coord::raft {

namespace {

static_assert(std::endian::native == std::endian::little, "the log is little-endian");

constexpr std::string_view kMagic = "COORDLOG";
constexpr std::size_t kHeaderChecksumAt = kBlockBytes - 8;

template <class T>
void store(std::span<std::byte> bytes, std::size_t offset, T value) {
  std::memcpy(bytes.data() + offset, &value, sizeof(T));
}

template <class T>
T load(std::span<const std::byte> bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

std::uint64_t record_seed(std::uint64_t seed, std::uint64_t position) {
  return seed ^ (position * 0x9e3779b97f4a7c15u);
}

std::uint32_t header_checksum(std::span<const std::byte> record, std::uint64_t seed) {
  return static_cast<std::uint32_t>(hash64(record.subspan(12, kRecordHeaderBytes - 12), seed));
}

std::uint64_t hash_words(std::span<const std::uint64_t> words) {
  return hash64(std::as_bytes(words));
}

bool is_record_type(std::uint8_t type) {
  return type >= static_cast<std::uint8_t>(RecordType::kEntry) &&
         type <= static_cast<std::uint8_t>(RecordType::kReset);
}

bool is_entry_type(std::uint8_t type) {
  return type <= static_cast<std::uint8_t>(EntryType::kConfiguration);
}

}  // namespace

void encode_segment_header(const SegmentHeader& header, std::span<std::byte, kBlockBytes> block) {
  std::fill(block.begin(), block.end(), std::byte{0});
  std::memcpy(block.data(), kMagic.data(), kMagic.size());
  store<std::uint32_t>(block, 8, kLogFormatVersion);
  store<std::uint32_t>(block, 12, kBlockBytes);
  store(block, 16, header.cluster.value());
  store(block, 24, header.member.value());
  store(block, 32, header.number);
  store(block, 40, header.seed);
  store(block, 48, header.hard_state.term.value());
  store(block, 56, header.hard_state.vote.value());
  store(block, 64, header.previous.term.value());
  store(block, 72, header.previous.index.value());
  store(block, 80, header.previous_end);
  store(block, 88, header.file_bytes);
  store(block, kHeaderChecksumAt, hash64(block.first(kHeaderChecksumAt)));
}

std::variant<SegmentHeader, HeaderFault> decode_segment_header(std::span<const std::byte> block,
                                                               std::uint32_t& version) {
  if (block.size() < kBlockBytes || std::memcmp(block.data(), kMagic.data(), kMagic.size()) != 0) {
    return HeaderFault::kNotASegment;
  }
  if (load<std::uint64_t>(block, kHeaderChecksumAt) != hash64(block.first(kHeaderChecksumAt))) {
    return HeaderFault::kDamaged;
  }
  version = load<std::uint32_t>(block, 8);
  if (version != kLogFormatVersion || load<std::uint32_t>(block, 12) != kBlockBytes) {
    return HeaderFault::kUnknownVersion;
  }
  return SegmentHeader{
      .cluster = ClusterId(load<std::uint64_t>(block, 16)),
      .member = MemberId(load<std::uint64_t>(block, 24)),
      .number = load<std::uint64_t>(block, 32),
      .seed = load<std::uint64_t>(block, 40),
      .hard_state = {.term = Term(load<std::uint64_t>(block, 48)),
                     .vote = MemberId(load<std::uint64_t>(block, 56))},
      .previous = {.term = Term(load<std::uint64_t>(block, 64)),
                   .index = Index(load<std::uint64_t>(block, 72))},
      .previous_end = load<std::uint64_t>(block, 80),
      .file_bytes = load<std::uint64_t>(block, 88),
  };
}

std::uint64_t first_seed(ClusterId cluster, MemberId member) {
  return hash_words(std::array{cluster.value(), member.value()});
}

std::uint64_t next_seed(std::uint64_t previous_seed, std::uint64_t previous_end,
                        std::uint64_t last_checksum) {
  return hash_words(std::array{previous_seed, previous_end, last_checksum});
}

std::uint64_t append_record(std::vector<std::byte>& buffer, const Record& record,
                            std::uint64_t seed, std::uint64_t position) {
  CHECK(position % kRecordAlignment == 0, "record at {}", position);
  CHECK(record.payload.size() <= UINT32_MAX, "payload of {} bytes", record.payload.size());
  const std::size_t start = buffer.size();
  buffer.resize(start + kRecordHeaderBytes);
  buffer.insert(buffer.end(), record.payload.begin(), record.payload.end());
  buffer.resize(start + record_bytes(record.payload.size()));

  const std::uint64_t mixed = record_seed(seed, position);
  const auto bytes = std::span(buffer).subspan(start);
  store(bytes, 12, static_cast<std::uint32_t>(record.payload.size()));
  store(bytes, 16, record.behind);
  store(bytes, 20, static_cast<std::uint8_t>(record.type));
  store(bytes, 21, static_cast<std::uint8_t>(record.entry_type));
  store<std::uint16_t>(bytes, 22, 0);
  store(bytes, 24, record.first);
  store(bytes, 32, record.second);
  store(bytes, 8, header_checksum(bytes, mixed));
  const std::uint64_t checksum = hash64(bytes.subspan(8), mixed);
  store(bytes, 0, checksum);
  return checksum;
}

std::optional<std::uint32_t> decode_record_size(std::span<const std::byte> header,
                                                std::uint64_t seed, std::uint64_t position) {
  CHECK_GE(header.size(), kRecordHeaderBytes);
  // Cheap tests first: recovery tries every aligned offset behind the end of the log.
  if (!is_record_type(load<std::uint8_t>(header, 20))) return std::nullopt;
  if (load<std::uint32_t>(header, 8) != header_checksum(header, record_seed(seed, position))) {
    return std::nullopt;
  }
  return load<std::uint32_t>(header, 12);
}

std::optional<Record> decode_record(std::span<const std::byte> bytes, std::uint64_t seed,
                                    std::uint64_t position) {
  if (bytes.size() < kRecordHeaderBytes) return std::nullopt;
  const auto payload_bytes = decode_record_size(bytes, seed, position);
  if (!payload_bytes) return std::nullopt;
  const std::size_t total = record_bytes(*payload_bytes);
  if (total > bytes.size()) return std::nullopt;
  const auto checksum = load<std::uint64_t>(bytes, 0);
  if (checksum != hash64(bytes.subspan(8, total - 8), record_seed(seed, position))) {
    return std::nullopt;
  }
  const auto entry_type = load<std::uint8_t>(bytes, 21);
  if (!is_entry_type(entry_type)) return std::nullopt;
  return Record{
      .type = static_cast<RecordType>(load<std::uint8_t>(bytes, 20)),
      .entry_type = static_cast<EntryType>(entry_type),
      .behind = load<std::uint32_t>(bytes, 16),
      .first = load<std::uint64_t>(bytes, 24),
      .second = load<std::uint64_t>(bytes, 32),
      .payload = bytes.subspan(kRecordHeaderBytes, *payload_bytes),
      .checksum = checksum,
  };
}

std::string segment_name(std::uint64_t number) {
  return fmt::format("{:016x}.log", number);
}

std::optional<std::uint64_t> parse_segment_name(std::string_view name) {
  if (name.size() != 20 || !name.ends_with(".log")) return std::nullopt;
  std::uint64_t number = 0;
  for (const char digit : name.substr(0, 16)) {
    if (digit >= '0' && digit <= '9') {
      number = number << 4 | static_cast<std::uint64_t>(digit - '0');
    } else if (digit >= 'a' && digit <= 'f') {
      number = number << 4 | static_cast<std::uint64_t>(digit - 'a' + 10);
    } else {
      return std::nullopt;
    }
  }
  return number;
}

}  // namespace coord::raft
