#include "client/lib/read_codec.h"

#include <algorithm>

#include "client/lib/convert.h"

namespace coord::internal {
namespace {

constexpr std::size_t kReadOverhead = 100;

}  // namespace

void encode(schema::Read::Builder target, const op::Get& op) {
  auto range = target.initRange();
  range.setBegin(to_data(op.key));
  range.setSingle();
  target.setRevision(op.options.revision.value());
}

void encode(schema::Read::Builder target, const op::Range& op) {
  const RangeOptions& options = op.options;
  encode(target.initRange(), op.range);
  target.setRevision(options.revision.value());
  target.setLimit(static_cast<std::uint32_t>(std::min<std::size_t>(options.limit, UINT32_MAX)));
  if (!options.cursor->empty()) target.setCursor(to_data(options.cursor.get()));
  target.setKeysOnly(options.keys_only);
  target.setCountOnly(options.count_only);
}

std::size_t bytes_of(const op::Get& op) {
  return kReadOverhead + op.key.size();
}
std::size_t bytes_of(const op::Range& op) {
  return kReadOverhead + op.range.begin().size() + op.range.end().size() +
         op.options.cursor->size();
}

GetResult decode(const Answer& answer, const op::Get&) {
  GetResult value;
  const auto items = answer.result.getItems();
  if (items.size() > 0) value.record = to_key_value(items[0]);
  value.revision = Revision(answer.result.getRevision());
  value.got = answer.got;
  value.header = to_header(answer.header);
  return value;
}

RangeResult decode(const Answer& answer, const op::Range&) {
  RangeResult value;
  const auto items = answer.result.getItems();
  value.items.reserve(items.size());
  for (const auto item : items) value.items.push_back(to_key_value(item));
  value.count = answer.result.getCount();
  value.more = answer.result.getMore();
  value.cursor = to_string(answer.result.getCursor());
  value.revision = Revision(answer.result.getRevision());
  value.got = answer.got;
  value.header = to_header(answer.header);
  return value;
}

}  // namespace coord::internal
