#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "service/api/answers.h"
#include "service/api/decode.h"
#include "service/api/kv_calls.h"

namespace coord::service {

namespace {

// What a call's answer is in truth.
struct Got {
  schema::Consistency::Which which = schema::Consistency::LOCAL;
  std::uint64_t value = 0;
};

void encode_got(const Got& got, schema::Consistency::Builder out) {
  switch (got.which) {
    case schema::Consistency::LINEARIZABLE:
      out.setLinearizable();
      break;
    case schema::Consistency::AT_LEAST:
      out.setAtLeast(got.value);
      break;
    case schema::Consistency::MAX_STALENESS_MS:
      out.setMaxStalenessMs(static_cast<std::uint32_t>(got.value));
      break;
    case schema::Consistency::LOCAL:
      out.setLocal();
      break;
  }
}

// How old the state here may be. To have heard from a leader says nothing of it: a member that
// catches up hears one all the time, and a leader that was replaced does not know it yet.
std::optional<milliseconds> staleness(const Context& api) {
  const std::optional<Instant> fresh = api.gate.fresh_as_of();
  if (!fresh) return std::nullopt;
  return std::chrono::ceil<milliseconds>(api.deps.clock.now() - *fresh);
}

rpc::Task<Status> reach(Context& api, Revision revision, Instant deadline, Got& got) {
  auto reached = api.deps.applier.reached(revision, deadline);
  Status status = co_await kj::mv(reached);
  got = {schema::Consistency::AT_LEAST, api.deps.state.revision().value()};
  co_return status;
}

rpc::Task<Status> at_once() {
  co_return Status::success();
}

// Waits until this member may answer as it is asked to; `got` is filled then. Not a coroutine
// itself: clang 14 destroys locals of such branches that were never reached.
rpc::Task<Status> become_consistent(Context& api, schema::Consistency::Reader wanted,
                                    Instant deadline, Got& got) {
  if (wanted.isLocal()) {
    got = {};
    return at_once();
  }
  if (wanted.isAtLeast()) return reach(api, Revision(wanted.getAtLeast()), deadline, got);
  if (wanted.isMaxStalenessMs()) {
    const auto age = staleness(api);
    if (age && age->count() <= wanted.getMaxStalenessMs()) {
      got = {schema::Consistency::MAX_STALENESS_MS, static_cast<std::uint64_t>(age->count())};
      return at_once();
    }
  }
  // Linearizable; too old, so that only asking the leader can tell how old it is, which serves
  // those that come after this one too; or of a later version of the schema, for which the
  // strongest cannot be wrong.
  got = {schema::Consistency::LINEARIZABLE, 0};
  return api.gate.pass(deadline);
}

std::size_t bytes_of(const RangeResult& range) {
  constexpr std::size_t kRecordOverhead = 64;
  std::size_t bytes = range.cursor.size() + kRecordOverhead;
  for (const KeyValue& item : range.items) {
    bytes += item.key.size() + item.value.size() + kRecordOverhead;
  }
  return bytes;
}

// What the slice `next` adds to what earlier slices of the same read have found. Its count is of
// all slices so far: a cursor carries it on.
void join(RangeResult& whole, RangeResult next) {
  whole.items.insert(whole.items.end(), std::make_move_iterator(next.items.begin()),
                     std::make_move_iterator(next.items.end()));
  whole.count = next.count;
  whole.revision = next.revision;
  whole.more = next.more;
  whole.cursor = std::move(next.cursor);
}

// The reads of one call. All of them see the state as of one revision: the one at which the first
// of them began, if the loop gets its turn in between.
class Reading {
 public:
  Reading(Context& api, capnp::List<schema::Read>::Reader reads)
      : api_(api),
        reads_(reads),
        bytes_left_(api.options.limits.response_bytes_max),
        slice_left_(api.options.limits.scan_keys_per_slice),
        revision_(api.deps.state.revision()) {
    results_.reserve(reads.size());
  }

  // All reads that fit into this turn. False: there is more to do in another.
  bool advance() {
    slice_left_ = api_.options.limits.scan_keys_per_slice;
    while (results_.size() < reads_.size() || unfinished_) {
      if (slice_left_ == 0) return false;
      if (!unfinished_) begin();
      while (unfinished_ && slice_left_ > 0) go_on();
    }
    return true;
  }

  const std::vector<Result<RangeResult>>& results() const { return results_; }
  std::size_t bytes() const { return api_.options.limits.response_bytes_max - bytes_left_; }

 private:
  void begin() {
    const auto read = reads_[static_cast<unsigned>(results_.size())];
    if (Status status = api_.door.check(read); !status.ok()) {
      results_.emplace_back(status.error());
      return;
    }
    if (bytes_left_ == 0) {
      results_.emplace_back(make_error(ErrorCode::kOverloaded,
                                       "the answers before this one have filled the response: read "
                                       "it in a call of its own"));
      return;
    }
    RangeResult empty;
    empty.revision = revision_;
    results_.emplace_back(std::move(empty));
    cursor_ = view(read.getCursor());
    unfinished_ = true;
  }

  void go_on() {
    const auto read = reads_[static_cast<unsigned>(results_.size() - 1)];
    RangeResult& whole = *results_.back();
    RangeQuery query;
    query.range = decode(read.getRange());
    query.revision = Revision(read.getRevision());
    // A cursor says itself which revision it goes on at.
    if (query.revision.is_zero() && cursor_.empty()) query.revision = revision_;
    query.limit = read.getLimit() == 0 ? 0 : read.getLimit() - whole.items.size();
    query.cursor = cursor_;
    query.keys_only = read.getKeysOnly();
    query.count_only = read.getCountOnly();
    query.bytes_max = bytes_left_;
    query.scan_max = slice_left_;
    auto slice = api_.deps.state.range(query);
    if (!slice) {
      results_.back() = slice.error();
      unfinished_ = false;
      return;
    }
    slice_left_ -= std::min(slice_left_, std::max(slice->scanned, std::size_t{1}));
    const std::size_t bytes = bytes_of(*slice);
    bytes_left_ -= std::min(bytes_left_, bytes);
    const bool progress = slice->cursor != cursor_;
    join(whole, std::move(*slice));
    cursor_ = whole.cursor;
    const bool full = read.getLimit() != 0 && whole.items.size() >= read.getLimit();
    unfinished_ = whole.more && progress && !full && bytes_left_ > 0;
  }

  Context& api_;
  capnp::List<schema::Read>::Reader reads_;
  std::size_t bytes_left_;
  std::size_t slice_left_;
  Revision revision_;
  std::vector<Result<RangeResult>> results_;
  // The last of results_ has been begun and needs another slice, from cursor_ on.
  bool unfinished_ = false;
  std::string cursor_;
};

void answer(const Context& api, ReadCall& call, const Reading& reading, const Got& got) {
  const auto& results = reading.results();
  auto out = call.getResults(
      capnp::MessageSize{reading.bytes() / sizeof(capnp::word) + results.size() * 12 + 64, 0});
  api.fill(out.initHeader());
  encode_got(got, out.initGot());
  auto list = out.initResults(static_cast<unsigned>(results.size()));
  for (unsigned i = 0; i < results.size(); ++i) {
    if (results[i].ok()) {
      encode(*results[i], list[i].initRange());
    } else {
      api.fail(results[i].error(), list[i].initFailure());
    }
  }
}

// What a turn of the loop is yielded to: everything that has arrived meanwhile.
kj::Promise<void> next_turn(const Context& api) {
  return api.deps.clock.timer.afterDelay(0 * kj::NANOSECONDS);
}

}  // namespace

rpc::Task<void> serve_read(Context& api, ReadCall call) {
  call.allowCancellation();
  const auto params = call.getParams();
  const auto reads = params.getReads();
  if (Status status = api.door.call_size(reads.size(), 0); !status.ok()) {
    co_return refuse(api, call, status.error());
  }
  Got got;
  const Instant deadline = api.deadline(params.getDeadlineMs());
  auto gate = become_consistent(api, params.getConsistency(), deadline, got);
  const Status status = co_await std::move(gate);
  if (!status.ok()) {
    co_return refuse(api, call, status.error());
  }
  Reading reading(api, reads);
  while (!reading.advance()) co_await next_turn(api);
  answer(api, call, reading, got);
}

}  // namespace coord::service
