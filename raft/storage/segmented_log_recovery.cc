// What open() does: read every segment, judge, repair a torn tail, and make certain that what was
// read is durable. recovery.md has the table.

#include <algorithm>
#include <memory>

#include "raft/base/check.h"
#include "raft/storage/recovery.h"
#include "raft/storage/segmented_log.h"

namespace coord::raft {

Status SegmentedLog::recover() {
  if (Status done = file_system_.create_directories(options_.directory); !done.ok()) return done;
  const auto names = file_system_.list(options_.directory);
  if (!names.ok()) return names.error();
  if (Status done = spares_.adopt(*names); !done.ok()) return done;

  std::vector<std::uint64_t> numbers;
  for (const std::string& name : *names) {
    if (const auto number = parse_segment_name(name)) numbers.push_back(*number);
  }
  Status done = numbers.empty() ? begin_segment(0) : open_segments(numbers);
  if (!done.ok()) return done;

  recovered_ = {.hard_state = hard_state_, .first_index = base().index.next(), .last = last_};
  return {};
}

Status SegmentedLog::open_segments(const std::vector<std::uint64_t>& numbers) {
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (i > 0 && numbers[i] != numbers[i - 1] + 1) {
      return corrupt_log(options_.directory / segment_name(numbers[i - 1] + 1), 0,
                         "this segment is missing");
    }
    const bool newest = i + 1 == numbers.size();
    if (Status done = open_segment(numbers[i], newest); !done.ok()) return done;
  }
  // After a killed process what was read may have come from the page cache alone. It is about to be
  // relied on, so it has to be on the disk first.
  if (Status done = active().sync(); !done.ok()) return done;
  return file_system_.sync_directory(options_.directory);
}

Status SegmentedLog::open_segment(std::uint64_t number, bool newest) {
  const auto path = options_.directory / segment_name(number);
  auto file = file_system_.open(path, FileSystem::Mode::kOpenExisting);
  if (!file.ok()) return file.error();
  const auto size = (*file)->size();
  if (!size.ok()) return size.error();
  const auto memory = std::make_unique_for_overwrite<std::byte[]>(*size);
  const auto count = (*file)->read_at(0, {memory.get(), *size});
  if (!count.ok()) return count.error();
  const std::span<const std::byte> content(memory.get(), *count);

  const auto header =
      check_segment_header(path, content, options_.cluster, options_.member, number);
  if (!header.ok()) return header.error();
  if (content.size() < header->file_bytes) {
    return corrupt_log(path, content.size(),
                       fmt::format("the file should have {} bytes", header->file_bytes));
  }
  if (segments_.empty()) {
    hard_state_ = header->hard_state;
    last_ = header->previous;
  } else if (Status done = check_continuity(path, *header); !done.ok()) {
    return done;
  }
  segments_.push_back(std::make_unique<Segment>(path, std::move(*file), *header, content.size()));

  Segment& segment = active();
  std::uint64_t last_group = segment.end();
  const auto end =
      scan_records(path, content, header->seed,
                   [&](const Record& record, std::uint64_t position, std::uint64_t record_end) {
                     auto complaint = replay(record, position);
                     last_group = position - std::min<std::uint64_t>(record.behind, position);
                     segment.note_record(record_end, record.checksum);
                     return complaint;
                   });
  if (!end.ok()) return end.error();
  if (!newest) return {};
  if (Status done = repair_tail(segment, content); !done.ok()) return done;
  return write_again(segment, content, last_group);
}

// A sync that failed may have left its pages in the cache, marked clean: they can be read, and the
// next sync succeeds without them. Written again they are dirty again. What is before the last
// group was durable when that was written.
Status SegmentedLog::write_again(Segment& segment, std::span<const std::byte> content,
                                 std::uint64_t last_group) {
  if (last_group < kBlockBytes || last_group >= segment.end()) return {};
  return segment.file().write_at(last_group,
                                 content.subspan(last_group, segment.end() - last_group));
}

Status SegmentedLog::check_continuity(const std::filesystem::path& path,
                                      const SegmentHeader& header) const {
  const Segment& before = *segments_.back();
  if (before.end() != header.previous_end) {
    return corrupt_log(
        before.path(), before.end(),
        fmt::format("a record is damaged: records should reach to offset {}", header.previous_end));
  }
  if (header.seed != before.seed_of_next() || header.previous != last_ ||
      header.hard_state != hard_state_) {
    return corrupt_log(path, 0, "this segment does not continue the one before it");
  }
  return {};
}

std::optional<std::string> SegmentedLog::replay(const Record& record, std::uint64_t position) {
  switch (record.type) {
    case RecordType::kEntry: {
      const LogId id{.term = Term(record.first), .index = Index(record.second)};
      if (last_.index == Index::max() || id.index != last_.index.next() || id.term < last_.term) {
        return fmt::format("entry {} after entry {}", id, last_);
      }
      note_entry(id, position);
      return std::nullopt;
    }
    case RecordType::kHardState:
      hard_state_ = {.term = Term(record.first), .vote = MemberId(record.second)};
      return std::nullopt;
    case RecordType::kTruncate: {
      if (record.second == 0 || record.second - 1 > last_.index.value()) {
        return fmt::format("a truncation from {} after entry {}", record.second, last_);
      }
      // It may reach back before what is kept: segments whose entries do not count any more were
      // removed, and the log begins where the truncation says.
      const LogId last{.term = Term(record.first), .index = Index(record.second - 1)};
      if (last.index >= base().index && last.term != term_at(last.index)) {
        return fmt::format("a truncation back to {}, but that entry has term {}", last,
                           term_at(last.index));
      }
      note_truncation(last);
      return std::nullopt;
    }
    case RecordType::kReset: {
      const LogId last{.term = Term(record.first), .index = Index(record.second)};
      // It may lie before what is kept, like a truncation.
      if (last.index == Index::max()) return "a new beginning behind everything";
      note_reset(last);
      return std::nullopt;
    }
  }
  return "a record of unknown type";
}

Status SegmentedLog::repair_tail(Segment& segment, std::span<const std::byte> content) {
  if (Status tail = check_tail(segment.path(), content, segment.header().seed, segment.end());
      !tail.ok()) {
    return tail;
  }
  const auto rest = content.subspan(segment.end());
  const bool clean =
      std::all_of(rest.begin(), rest.end(), [](std::byte byte) { return byte == std::byte{0}; });
  if (clean) return {};
  // What is left of a torn group would be valid again once the log has grown up to it. The caller
  // syncs before anything is written.
  constexpr std::uint64_t kStepBytes = 1 * limits::kMiB;
  const std::vector<std::byte> zeroes(std::min<std::uint64_t>(kStepBytes, rest.size()));
  for (std::uint64_t at = segment.end(); at < content.size(); at += zeroes.size()) {
    const auto step = std::min<std::uint64_t>(zeroes.size(), content.size() - at);
    if (Status done = segment.file().write_at(at, std::span(zeroes).first(step)); !done.ok()) {
      return done;
    }
  }
  return {};
}

}  // namespace coord::raft
