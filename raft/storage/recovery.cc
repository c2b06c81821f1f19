#include "raft/storage/recovery.h"

#include "raft/storage/segment.h"

namespace coord::raft {

Result<SegmentHeader> check_segment_header(const std::filesystem::path& path,
                                           std::span<const std::byte> content, ClusterId cluster,
                                           MemberId member, std::uint64_t number) {
  std::uint32_t version = 0;
  const auto decoded = decode_segment_header(content, version);
  if (const auto* fault = std::get_if<HeaderFault>(&decoded)) {
    switch (*fault) {
      case HeaderFault::kNotASegment:
        return corrupt_log(path, 0, "this is no segment of a log");
      case HeaderFault::kDamaged:
        return corrupt_log(path, 0, "the header is damaged");
      case HeaderFault::kUnknownVersion:
        return make_error(ErrorCode::kUnsupported,
                          "{}: the log has format version {}, this program knows version {}; start "
                          "the version of coordd that wrote it",
                          path.string(), version, kLogFormatVersion);
    }
  }
  const auto& header = std::get<SegmentHeader>(decoded);
  if (header.cluster != cluster) {
    return make_error(ErrorCode::kWrongCluster,
                      "{}: the log belongs to cluster {:016x}, this member to cluster {:016x}; "
                      "check the data directory and the list of initial members",
                      path.string(), header.cluster, cluster);
  }
  if (header.member != member) {
    return make_error(ErrorCode::kWrongMember,
                      "{}: the log belongs to member {}, this is member {}; check the data "
                      "directory and the member's name",
                      path.string(), header.member, member);
  }
  if (header.number != number) {
    return corrupt_log(path, 0, fmt::format("the file was segment {:016x}", header.number));
  }
  if (header.previous.index == Index::max()) {
    return corrupt_log(path, 0, "the header holds an impossible position");
  }
  return header;
}

Result<std::uint64_t> scan_records(const std::filesystem::path& path,
                                   std::span<const std::byte> content, std::uint64_t seed,
                                   const RecordVisitor& visit) {
  std::uint64_t position = kBlockBytes;
  while (const auto record = decode_record(content.subspan(position), seed, position)) {
    const std::uint64_t end = position + record_bytes(record->payload.size());
    if (const auto complaint = visit(*record, position, end)) {
      return corrupt_log(path, position, *complaint);
    }
    position = end;
  }
  return position;
}

Status check_tail(const std::filesystem::path& path, std::span<const std::byte> content,
                  std::uint64_t seed, std::uint64_t end) {
  for (std::uint64_t position = end + kRecordAlignment;
       position + kRecordHeaderBytes <= content.size(); position += kRecordAlignment) {
    const auto rest = content.subspan(position);
    // Most offsets are told apart from a record by one byte; the rest by one short hash.
    if (!decode_record_size(rest, seed, position)) continue;
    const auto record = decode_record(rest, seed, position);
    if (record && record->behind <= position && position - record->behind > end) {
      return corrupt_log(path, end,
                         fmt::format("a record that had been durable is damaged (the one at offset "
                                     "{} was written after it)",
                                     position));
    }
  }
  return {};
}

}  // namespace coord::raft
