#include "raft/node/durable_log.h"

#include <utility>

#include "raft/base/check.h"

namespace coord::raft {

namespace {

constexpr std::size_t kRestoreSliceBytes = 8 * limits::kMiB;

constexpr const char* kRemedy =
    "they are not of one member and one time: keep the data directory aside, remove the member "
    "from "
    "the cluster, and add it again with an empty one";

}  // namespace

WriterLog::WriterLog(std::unique_ptr<Log> log, LogWriter::Post post,
                     std::function<void(Error)> failed)
    : writer_(std::make_unique<LogWriter>(
          std::move(log), std::move(post),
          LogWriter::Handlers{.persisted =
                                  [this](Ticket ticket) {
                                    CHECK(node_ != nullptr, "a completion before attach()");
                                    node_->persisted(ticket);
                                  },
                              .failed = std::move(failed)})) {}

void WriterLog::submit(Durable batch) {
  if (writer_) writer_->submit(std::move(batch));
}

void WriterLog::load(Load request) {
  if (!writer_) return;
  writer_->read(request.from, request.through, request.bytes_max,
                [this, peer = request.peer](Result<Log::Slice> slice) {
                  if (!slice.ok()) return node_->loaded(peer, std::move(slice).error());
                  node_->loaded(peer, Loaded{.peer = peer,
                                             .previous = slice->previous,
                                             .entries = std::move(slice->entries)});
                });
}

void WriterLog::cut(Index through) {
  if (!writer_) return;
  writer_->cut(through, [this](Index first_kept) { node_->log_cut(first_kept); });
}

namespace {

// Whether the log holds the state's last entry, or begins right behind it.
Result<bool> continues(Log& log, LogId applied) {
  const RecoveredLog recovered = log.recovered();
  if (recovered.last.index <= applied.index) return recovered.last == applied;
  if (applied.index.next() < recovered.first_index) return true;  // no snapshot explains that
  const auto slice = log.read(applied.index.next(), applied.index.next(), 1);
  if (!slice.ok()) return slice.error();
  return slice->previous == applied;
}

Status begin_anew(Log& log, RecoveredLog& recovered, LogId last) {
  // No log ends in a term that its member has not seen.
  if (recovered.hard_state.term < last.term) recovered.hard_state = {.term = last.term, .vote = {}};
  recovered.first_index = last.index.next();
  recovered.last = last;
  Durable batch;
  batch.reset_to = last;
  batch.hard_state = recovered.hard_state;
  return log.write(std::span(&batch, 1));
}

}  // namespace

Result<Restored> restore(Log& log, LogId applied, Configuration configuration, LogId installed) {
  RecoveredLog recovered = log.recovered();
  if (applied == installed && !applied.index.is_zero()) {
    const Result<bool> as_it_should_be = continues(log, applied);
    if (!as_it_should_be.ok()) return as_it_should_be.error();
    if (!*as_it_should_be) {
      if (Status done = begin_anew(log, recovered, applied); !done.ok()) return done.error();
    }
  }
  if (applied.index.next() < recovered.first_index) {
    return make_error(ErrorCode::kCorrupt,
                      "the state ends with entry {}, but the log begins with entry {}; {}", applied,
                      recovered.first_index, kRemedy);
  }
  if (recovered.last.index < applied.index) {
    return make_error(ErrorCode::kCorrupt,
                      "the state ends with entry {}, but the log already with entry {}; {}",
                      applied, recovered.last, kRemedy);
  }
  if (recovered.hard_state.term < recovered.last.term) {
    return make_error(ErrorCode::kCorrupt,
                      "the log ends with entry {}, but this member has not seen a later term than "
                      "{}; {}",
                      recovered.last, recovered.hard_state.term, kRemedy);
  }
  Restored restored{.hard_state = recovered.hard_state,
                    .applied = applied,
                    .configuration = std::move(configuration),
                    .entries = {},
                    .first_index = recovered.first_index};
  LogId meeting = recovered.last;
  while (applied.index + restored.entries.size() < recovered.last.index) {
    const Index from = applied.index + restored.entries.size() + 1;
    auto slice = log.read(from, recovered.last.index, kRestoreSliceBytes);
    if (!slice.ok()) return slice.error();
    if (restored.entries.empty()) meeting = slice->previous;
    for (Entry& entry : slice->entries) restored.entries.push_back(std::move(entry));
  }
  if (meeting != applied) {
    return make_error(ErrorCode::kCorrupt,
                      "the state ends with entry {}, but the log has entry {} there; {}", applied,
                      meeting, kRemedy);
  }
  return restored;
}

}  // namespace coord::raft
