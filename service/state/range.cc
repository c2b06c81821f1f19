#include "service/state/range.h"

#include <utility>

#include "service/state/history.h"
#include "service/state/key_range.h"
#include "service/state/page.h"

namespace coord::service {

namespace {

// Where a query begins: at its own start, or where its cursor says.
Result<PagePosition> start_of(const Keyspace& keys, const RangeQuery& query) {
  PagePosition start;
  start.revision = query.revision.is_zero() ? keys.revision() : query.revision;
  start.key = query.range.begin;
  if (query.cursor.empty()) return start;
  auto decoded = decode_cursor(query.cursor);
  if (!decoded.ok()) return decoded;
  const bool same_revision = query.revision.is_zero() || query.revision == decoded.value().revision;
  if (!same_revision || !query.range.contains(decoded.value().key)) {
    return make_error(ErrorCode::kInvalidArgument, "the cursor belongs to another read");
  }
  return decoded;
}

Status check_revision(const Keyspace& keys, Revision revision) {
  if (revision > keys.revision()) {
    Error error = make_error(ErrorCode::kFutureRevision, "revision {} is not there yet, {} is",
                             revision, keys.revision());
    error.revision = keys.revision();
    return error;
  }
  if (revision < keys.compacted()) return compacted_error(revision, keys.compacted());
  return Status::success();
}

}  // namespace

Result<RangeResult> read_range(const Keyspace& keys, const RangeQuery& query) {
  if (Status status = validate(query.range); !status.ok()) return status.error();
  auto start = start_of(keys, query);
  if (!start.ok()) return std::move(start).error();
  const Revision revision = start->revision;
  if (Status status = check_revision(keys, revision); !status.ok()) return status.error();

  PageOptions options{
      .limit = query.limit, .keys_only = query.keys_only, .count_only = query.count_only};
  if (query.bytes_max != 0) options.bytes_max = query.bytes_max;
  Page page(options, start->counted);
  if (query.range.kind == KeyRange::Kind::kSingle) {
    // By far the most frequent read: without a cursor.
    if (const auto record = find_as_of(keys, query.range.begin, revision)) {
      page.offer(query.range.begin, *record);
    }
    RangeResult result = std::move(page).finish(revision);
    result.scanned = 1;
    return result;
  }
  std::size_t scanned = 0;
  const auto cursor = keys.tables().seek(Table::kKeys, start->key);
  for (; cursor->valid() && !is_past(query.range, cursor->key()); cursor->next()) {
    if (query.scan_max != 0 && scanned == query.scan_max) {
      page.stop_before(cursor->key());
      break;
    }
    ++scanned;
    const auto newest = read_record<KeyRecord>(Table::kKeys, cursor->key(), cursor->value());
    const auto record = record_as_of(keys, newest, revision);
    if (record && !page.offer(cursor->key(), *record)) break;
  }
  RangeResult result = std::move(page).finish(revision);
  result.scanned = scanned;
  return result;
}

}  // namespace coord::service
