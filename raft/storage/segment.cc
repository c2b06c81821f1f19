#include "raft/storage/segment.h"

#include <algorithm>

#include "raft/base/check.h"

namespace coord::raft {

namespace {

// Reads a file through a window, so that small records do not cost a system call each.
class WindowReader {
 public:
  WindowReader(File& file, std::uint64_t file_bytes) : file_(file), file_bytes_(file_bytes) {}

  // The bytes at `position`; fewer than `size` only where the file ends.
  Result<std::span<const std::byte>> at(std::uint64_t position, std::size_t size) {
    size = std::min<std::uint64_t>(size, file_bytes_ - std::min(position, file_bytes_));
    if (position < start_ || position + size > start_ + window_.size()) {
      window_.resize(std::min<std::uint64_t>(std::max(size, kWindowBytes), file_bytes_ - position));
      const auto count = file_.read_at(position, window_);
      if (!count.ok()) return count.error();
      window_.resize(*count);
      start_ = position;
    }
    const std::size_t skip = std::min<std::size_t>(position - start_, window_.size());
    return std::span<const std::byte>(window_).subspan(skip, std::min(size, window_.size() - skip));
  }

 private:
  static constexpr std::size_t kWindowBytes = 128 * 1024;

  File& file_;
  const std::uint64_t file_bytes_;
  std::uint64_t start_ = 0;
  std::vector<std::byte> window_;
};

}  // namespace

Error corrupt_log(const std::filesystem::path& path, std::uint64_t offset, std::string_view what) {
  return make_error(ErrorCode::kCorrupt,
                    "{}: offset {}: {}; this member's log cannot be trusted: keep the directory "
                    "aside, remove the member from the cluster, and add it again with an empty one",
                    path.string(), offset, what);
}

Segment::Segment(std::filesystem::path path, std::unique_ptr<File> file,
                 const SegmentHeader& header, std::uint64_t file_bytes)
    : path_(std::move(path)),
      file_(std::move(file)),
      header_(header),
      file_bytes_(file_bytes),
      last_checksum_(header.seed),
      previous_(header.previous) {}

void Segment::note_entry(Index index, std::uint64_t position) {
  if (mark_next_ || position - marks_.back().position >= kMarkDistance) {
    marks_.push_back({index, position});
    mark_next_ = false;
  }
}

void Segment::note_truncation(LogId last) {
  if (previous_.index > last.index) previous_ = last;
  while (!marks_.empty() && marks_.back().index > last.index) marks_.pop_back();
  mark_next_ = true;
}

void Segment::note_reset(LogId last) {
  previous_ = last;
  marks_.clear();
  mark_next_ = true;
}

void Segment::note_record(std::uint64_t end, std::uint64_t checksum) {
  end_ = end;
  last_checksum_ = checksum;
}

Status Segment::write_group(std::uint64_t position, std::vector<std::byte>& records) {
  CHECK_EQ(position + records.size(), end_);
  // Whole blocks, because the page cache would have to read the rest of a block that it no longer
  // has (files are used again), and because zeroes behind the end make a plain end of the log.
  const std::uint64_t block_end = (end_ + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
  records.resize(std::min(block_end, file_bytes_) - position);
  if (Status written = file_->write_at(position, records); !written.ok()) return written;
  return file_->sync();
}

Status Segment::read(Index from, Index through, std::size_t& bytes, std::vector<Entry>& entries) {
  auto next = std::upper_bound(marks_.begin(), marks_.end(), from,
                               [](Index index, const Mark& mark) { return index < mark.index; });
  CHECK(next != marks_.begin(), "entry {} is not in {}", from, path_.string());
  Index at = std::prev(next)->index;
  std::uint64_t position = std::prev(next)->position;
  WindowReader reader(*file_, end_);
  while (at <= through) {
    if (next != marks_.end() && next->index == at) position = (next++)->position;

    const auto header = reader.at(position, kRecordHeaderBytes);
    if (!header.ok()) return header.error();
    if (header->size() < kRecordHeaderBytes) {
      return corrupt_log(path_, position, "the file has become shorter");
    }
    const auto payload_bytes = decode_record_size(*header, header_.seed, position);
    if (!payload_bytes) return corrupt_log(path_, position, "a record has become unreadable");
    const std::size_t total = record_bytes(*payload_bytes);
    const auto whole = reader.at(position, total);
    if (!whole.ok()) return whole.error();
    const auto record = decode_record(*whole, header_.seed, position);
    if (!record) return corrupt_log(path_, position, "a record has become unreadable");
    position += total;
    if (record->type != RecordType::kEntry) continue;

    if (record->second != at.value()) {
      return corrupt_log(path_, position, "an entry is not where it was written");
    }
    if (at >= from) {
      if (*payload_bytes > bytes && !entries.empty()) {
        bytes = 0;
        return {};
      }
      entries.push_back({.id = {.term = Term(record->first), .index = at},
                         .type = record->entry_type,
                         .payload = Bytes::copy_of(record->payload)});
      bytes -= std::min<std::size_t>(bytes, *payload_bytes);
      if (bytes == 0) return {};
    }
    ++at;
  }
  return {};
}

}  // namespace coord::raft
