#include "raft/storage/segmented_log.h"

#include <algorithm>
#include <array>

#include "raft/base/check.h"

namespace coord::raft {

namespace {

// A group is gathered in memory before it is written; a larger one is written in parts.
constexpr std::size_t kGroupBytesMax = 8 * limits::kMiB;
static_assert(kGroupBytesMax <= UINT32_MAX);

const Error* error_of(const Status& status) {
  return status.ok() ? nullptr : &status.error();
}
template <class T>
const Error* error_of(const Result<T>& result) {
  return result.ok() ? nullptr : &result.error();
}

}  // namespace

Result<std::unique_ptr<Log>> Log::open(FileSystem& file_system, LogOptions options) {
  auto log = std::make_unique<SegmentedLog>(file_system, std::move(options));
  if (Status recovered = log->recover(); !recovered.ok()) return recovered.error();
  return std::unique_ptr<Log>(std::move(log));
}

SegmentedLog::SegmentedLog(FileSystem& file_system, LogOptions options)
    : file_system_(file_system),
      options_(std::move(options)),
      spares_(file_system, {.directory = options_.directory,
                            .file_bytes = options_.segment_bytes,
                            .in_background = options_.prepare_in_background}) {
  CHECK(options_.segment_bytes % kBlockBytes == 0, "segments of {} bytes", options_.segment_bytes);
  CHECK(options_.first_segment_bytes % kBlockBytes == 0, "a first segment of {} bytes",
        options_.first_segment_bytes);
  CHECK_GT(options_.segment_bytes, 2 * kBlockBytes);
  CHECK_GT(options_.first_segment_bytes, 2 * kBlockBytes);
}

template <class T>
T SegmentedLog::remember(T result) {
  // The state of the file is unknown after a failed operation: what a second try would report could
  // not be relied on.
  const Error* error = error_of(result);
  if (error != nullptr && error->code != ErrorCode::kCompacted &&
      error->code != ErrorCode::kInvalidArgument) {
    failed_ = *error;
  }
  return result;
}

Status SegmentedLog::write(std::span<const Durable> batches) {
  if (failed_) return *failed_;
  return remember(write_batches(batches));
}

Status SegmentedLog::write_batches(std::span<const Durable> batches) {
  group_.clear();
  group_start_ = active().end();
  for (const Durable& batch : batches) {
    if (batch.hard_state) {
      if (Status done = put_hard_state(*batch.hard_state); !done.ok()) return done;
    }
    if (batch.reset_to) {
      if (Status done = put_reset(*batch.reset_to); !done.ok()) return done;
    }
    if (batch.truncate_from) {
      if (Status done = put_truncation(*batch.truncate_from); !done.ok()) return done;
    }
    for (const Entry& entry : batch.append) {
      if (Status done = put_entry(entry); !done.ok()) return done;
    }
  }
  if (Status done = flush(); !done.ok()) return done;
  if (active().end() > active().file_bytes() / 2) spares_.prepare();
  return {};
}

// Each of the four changes what is known only after put(), which may begin a segment, whose header
// says what was known before the record.

Status SegmentedLog::put_hard_state(const HardState& state) {
  Status done = put(
      {.type = RecordType::kHardState, .first = state.term.value(), .second = state.vote.value()});
  hard_state_ = state;
  return done;
}

Status SegmentedLog::put_truncation(Index from) {
  CHECK(base().index < from && from <= last_.index.next(), "truncation from {}, log {} to {}", from,
        base(), last_);
  const LogId last{.term = term_at(from.prev()), .index = from.prev()};
  Status done =
      put({.type = RecordType::kTruncate, .first = last.term.value(), .second = from.value()});
  note_truncation(last);
  return done;
}

Status SegmentedLog::put_reset(LogId last) {
  CHECK(base().index <= last.index, "the log of {} to {} begins anew after {}", base(), last_,
        last);
  Status done =
      put({.type = RecordType::kReset, .first = last.term.value(), .second = last.index.value()});
  note_reset(last);
  return done;
}

Status SegmentedLog::put_entry(const Entry& entry) {
  CHECK(entry.id.index == last_.index.next() && entry.id.term >= last_.term, "entry {} after {}",
        entry.id, last_);
  Status done = put({.type = RecordType::kEntry,
                     .entry_type = entry.type,
                     .first = entry.id.term.value(),
                     .second = entry.id.index.value(),
                     .payload = entry.payload.span()});
  if (done.ok()) note_entry(entry.id, active().end() - record_bytes(entry.payload.size()));
  return done;
}

Status SegmentedLog::put(Record record) {
  const std::size_t bytes = record_bytes(record.payload.size());
  const bool fits = active().end() + bytes <= active().file_bytes();
  if (!fits || group_.size() + bytes > kGroupBytesMax) {
    if (Status done = flush(); !done.ok()) return done;
  }
  if (!fits) {
    if (Status done = begin_segment(bytes); !done.ok()) return done;
  }
  const std::uint64_t position = active().end();
  record.behind = static_cast<std::uint32_t>(position - group_start_);
  const std::uint64_t checksum = append_record(group_, record, active().header().seed, position);
  active().note_record(position + bytes, checksum);
  return {};
}

Status SegmentedLog::flush() {
  if (group_.empty()) return {};
  Status written = active().write_group(group_start_, group_);
  group_.clear();
  group_start_ = active().end();
  if (group_.capacity() > 2 * kGroupBytesMax) group_.shrink_to_fit();
  return written;
}

Status SegmentedLog::begin_segment(std::size_t record_bytes) {
  const bool first = segments_.empty();
  const std::uint64_t number = first ? 1 : active().header().number + 1;
  SegmentHeader header{
      .cluster = options_.cluster,
      .member = options_.member,
      .number = number,
      .seed = first ? first_seed(options_.cluster, options_.member) : active().seed_of_next(),
      .hard_state = hard_state_,
      .previous = last_,
      .previous_end = first ? 0 : active().end(),
      .file_bytes = {}};

  const std::uint64_t needed = kBlockBytes + record_bytes;
  std::optional<std::filesystem::path> source;
  if (!first && needed <= options_.segment_bytes) source = spares_.take();
  if (!source) {
    const std::uint64_t wanted = first ? options_.first_segment_bytes : options_.segment_bytes;
    auto made = new_file(std::max(wanted, (needed + kBlockBytes - 1) / kBlockBytes * kBlockBytes));
    if (!made.ok()) return made.error();
    source = std::move(*made);
  }
  auto file = file_system_.open(*source, FileSystem::Mode::kOpenExisting);
  if (!file.ok()) return file.error();
  const auto file_bytes = (*file)->size();
  if (!file_bytes.ok()) return file_bytes.error();
  if (*file_bytes < needed) return corrupt_log(*source, *file_bytes, "the file has become shorter");
  header.file_bytes = *file_bytes;

  // The header is durable before the name is, and the name before any record: a file with a
  // segment's name always has a header, and records are never in a file that a power cut unnames.
  std::array<std::byte, kBlockBytes> block;
  encode_segment_header(header, block);
  if (Status done = (*file)->write_at(0, block); !done.ok()) return done;
  if (Status done = (*file)->sync(); !done.ok()) return done;
  const auto path = options_.directory / segment_name(number);
  if (Status done = file_system_.rename(*source, path); !done.ok()) return done;
  if (Status done = file_system_.sync_directory(options_.directory); !done.ok()) return done;

  segments_.push_back(std::make_unique<Segment>(path, std::move(*file), header, *file_bytes));
  group_start_ = active().end();
  return {};
}

Result<std::filesystem::path> SegmentedLog::new_file(std::uint64_t file_bytes) {
  auto path = options_.directory / "segment.tmp";
  auto file = file_system_.open(path, FileSystem::Mode::kCreateNew);
  if (!file.ok()) return file.error();
  if (Status done = (*file)->allocate(file_bytes); !done.ok()) return done.error();
  return path;
}

Result<Log::Slice> SegmentedLog::read(Index from, Index through, std::size_t bytes_max) {
  if (failed_) return *failed_;
  if (from <= base().index) {
    return make_error(ErrorCode::kCompacted, "entry {} was cut from the log, which begins after {}",
                      from, base());
  }
  if (from > last_.index) {
    return make_error(ErrorCode::kInvalidArgument, "entry {} is behind the log's last, {}", from,
                      last_);
  }
  Slice slice{.previous = {.term = term_at(from.prev()), .index = from.prev()}, .entries = {}};
  through = std::min(through, last_.index);
  // The newest segment that begins before `from` holds it: a truncation moves the beginnings of
  // segments whose entries do not count any more out of the way.
  auto at = std::find_if(segments_.rbegin(), segments_.rend(),
                         [&](const auto& segment) { return segment->previous().index < from; })
                .base() -
            1;
  std::size_t room = std::max<std::size_t>(bytes_max, 1);
  while (from <= through && room > 0) {
    Index stop = through;
    auto next = std::next(at);
    if (next != segments_.end()) stop = std::min(stop, (*next)->previous().index);
    if (from <= stop) {
      if (Status done = (*at)->read(from, stop, room, slice.entries); !done.ok()) {
        return remember(Result<Slice>(done.error()));
      }
      from = slice.previous.index + slice.entries.size() + 1;
    }
    at = next;
  }
  return slice;
}

Result<Index> SegmentedLog::cut(Index through) {
  if (failed_) return *failed_;
  // Oldest first, each removal durable before the next, so that no crash leaves a gap.
  while (segments_.size() > 1 && segments_[1]->previous().index <= through) {
    const Segment& oldest = *segments_.front();
    Status done = spares_.retire(oldest.path(), oldest.file_bytes());
    if (done.ok()) done = file_system_.sync_directory(options_.directory);
    if (!done.ok()) return remember(Result<Index>(done.error()));
    segments_.pop_front();
  }
  const Index first = base().index.next();
  while (terms_.size() > 1 && terms_[1].index <= first) terms_.pop_front();
  return first;
}

std::uint64_t SegmentedLog::disk_bytes() const {
  std::uint64_t bytes = spares_.disk_bytes();
  for (const auto& segment : segments_) bytes += segment->file_bytes();
  return bytes;
}

void SegmentedLog::note_entry(LogId id, std::uint64_t position) {
  if (terms_.empty() || terms_.back().term != id.term) terms_.push_back(id);
  active().note_entry(id.index, position);
  last_ = id;
}

void SegmentedLog::note_truncation(LogId last) {
  while (!terms_.empty() && terms_.back().index > last.index) terms_.pop_back();
  for (const auto& segment : segments_) segment->note_truncation(last);
  last_ = last;
}

void SegmentedLog::note_reset(LogId last) {
  terms_.clear();
  for (const auto& segment : segments_) segment->note_reset(last);
  last_ = last;
}

Term SegmentedLog::term_at(Index index) const {
  CHECK(base().index <= index && index <= last_.index, "the term of {} in {} to {}", index, base(),
        last_);
  if (index == base().index) return base().term;
  const auto after =
      std::upper_bound(terms_.begin(), terms_.end(), index,
                       [](Index wanted, const LogId& first) { return wanted < first.index; });
  CHECK(after != terms_.begin(), "no term for {}", index);
  return std::prev(after)->term;
}

}  // namespace coord::raft
