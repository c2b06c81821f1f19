// What the tests of the log have in common: how to say a batch, and how to look at a whole log.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "raft/base/prng.h"
#include "raft/storage/log.h"
#include "raft/storage/segment.h"

namespace coord::raft::testing {

inline constexpr ClusterId kCluster{0xc0};
inline constexpr MemberId kMember{7};

inline Entry entry(std::uint64_t term, std::uint64_t index, std::size_t bytes = 24) {
  // The payload says where it belongs, so that an entry that is read from a wrong place shows.
  std::string payload = std::to_string(term) + "/" + std::to_string(index) + "/";
  payload.resize(std::max(bytes, payload.size()), static_cast<char>('a' + index % 26));
  return {.id = {.term = Term(term), .index = Index(index)},
          .type = EntryType::kCommand,
          .payload = Bytes::copy_of(payload)};
}

inline std::vector<Entry> entries(std::uint64_t term, std::uint64_t from, std::uint64_t through,
                                  std::size_t bytes = 24) {
  std::vector<Entry> list;
  for (std::uint64_t i = from; i <= through; ++i) list.push_back(entry(term, i, bytes));
  return list;
}

inline Durable append(std::vector<Entry> list) {
  Durable batch;
  batch.append = std::move(list);
  return batch;
}
inline Durable hard_state(std::uint64_t term, std::uint64_t vote) {
  Durable batch;
  batch.hard_state = HardState{.term = Term(term), .vote = MemberId(vote)};
  return batch;
}
inline Durable replace(std::uint64_t from, std::vector<Entry> list) {
  Durable batch = append(std::move(list));
  batch.truncate_from = Index(from);
  return batch;
}

inline Durable reset(LogId last) {
  Durable batch;
  batch.reset_to = last;
  return batch;
}

inline LogId at(std::uint64_t term, std::uint64_t index) {
  return {.term = Term(term), .index = Index(index)};
}

inline LogOptions small_segments(std::filesystem::path directory = "/log",
                                 std::size_t segment_bytes = 4 * kBlockBytes) {
  return {.directory = std::move(directory),
          .cluster = kCluster,
          .member = kMember,
          .segment_bytes = segment_bytes,
          .first_segment_bytes = segment_bytes,
          .prepare_in_background = false};
}

// Everything that the log holds, read in slices of that many bytes.
inline std::vector<Entry> read_all(Log& log, Index first, Index last,
                                   std::size_t bytes_max = 1000) {
  std::vector<Entry> all;
  for (Index from = first; from <= last;) {
    auto slice = log.read(from, last, bytes_max);
    if (!slice.ok() || slice->entries.empty()) {
      ADD_FAILURE() << "read from " << from.value() << ": "
                    << (slice.ok() ? "nothing" : slice.error().message);
      return all;
    }
    if (!all.empty()) {
      EXPECT_EQ(slice->previous, all.back().id);
    }
    for (Entry& one : slice->entries) all.push_back(std::move(one));
    from = all.back().id.index.next();
  }
  return all;
}

}  // namespace coord::raft::testing
