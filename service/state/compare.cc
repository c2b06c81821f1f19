#include "service/state/compare.h"

#include "service/state/from_schema.h"

namespace coord::service {

namespace {

using Operator = schema::Compare::Operator;

template <class T>
Result<bool> holds(const T& left, Operator op, const T& right) {
  switch (op) {
    case Operator::EQUAL:
      return left == right;
    case Operator::NOT_EQUAL:
      return left != right;
    case Operator::LESS:
      return left < right;
    case Operator::LESS_OR_EQUAL:
      return left <= right;
    case Operator::GREATER:
      return left > right;
    case Operator::GREATER_OR_EQUAL:
      return left >= right;
  }
  return unsupported("compare operator");
}

Result<bool> existence_holds(bool exists, Operator op, bool wanted) {
  if (op != Operator::EQUAL && op != Operator::NOT_EQUAL) {
    return make_error(ErrorCode::kInvalidArgument,
                      "whether a key exists can only be equal or not equal");
  }
  return (op == Operator::EQUAL) == (exists == wanted);
}

Result<bool> value_holds(const std::optional<KeyRecord>& record, Operator op,
                         std::string_view wanted) {
  if (record) return holds(record->value, op, wanted);
  // Asked all the same, so that an unknown operator fails whether or not the key exists.
  auto known = holds(std::string_view(), op, wanted);
  if (!known.ok()) return known;
  return op == Operator::NOT_EQUAL;
}

Result<Comparison> evaluate_count(const Draft& draft, schema::Compare::Reader compare) {
  const auto range = to_range(compare.getCount().getRange());
  if (!range.ok()) return range.error();
  Comparison result;
  draft.scan(*range, [&](std::string_view, const KeyRecord&) {
    ++result.met_count;
    return true;
  });
  const auto outcome =
      holds(result.met_count, compare.getOperator(), compare.getCount().getCount());
  if (!outcome.ok()) return outcome.error();
  result.holds = *outcome;
  return result;
}

Result<bool> key_holds(const std::optional<KeyRecord>& met, schema::Compare::Reader compare) {
  const KeyRecord record = met.value_or(KeyRecord());
  const Operator op = compare.getOperator();
  switch (compare.which()) {
    case schema::Compare::VALUE:
      return value_holds(met, op, to_view(compare.getValue()));
    case schema::Compare::VERSION:
      return holds(record.version, op, compare.getVersion());
    case schema::Compare::CREATE_REVISION:
      return holds(record.create_revision.value(), op, compare.getCreateRevision());
    case schema::Compare::MOD_REVISION:
      return holds(record.modified.revision.value(), op, compare.getModRevision());
    case schema::Compare::LEASE:
      return holds(record.lease.value(), op, compare.getLease());
    case schema::Compare::EXISTS:
      return existence_holds(met.has_value(), op, compare.getExists());
    case schema::Compare::COUNT:
      break;
  }
  return unsupported("kind of compare");
}

}  // namespace

Result<Comparison> evaluate(const Draft& draft, schema::Compare::Reader compare) {
  if (compare.isCount()) return evaluate_count(draft, compare);
  const std::string_view key = to_view(compare.getKey());
  if (key.empty()) return make_error(ErrorCode::kEmptyKey, "a key must not be empty");
  Comparison result;
  result.met = draft.find(key);
  const auto outcome = key_holds(result.met, compare);
  if (!outcome.ok()) return outcome.error();
  result.holds = *outcome;
  return result;
}

}  // namespace coord::service
