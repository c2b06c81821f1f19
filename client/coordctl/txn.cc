#include <fmt/format.h>

#include "client/coordctl/commands.h"
#include "client/coordctl/escape.h"
#include "client/coordctl/input.h"
#include "client/coordctl/txn_text.h"

namespace coord::ctl {

namespace {

struct ResultAsJson {
  Json operator()(const TxnOperationResult::Get& get) const {
    Json::Array items;
    for (const KeyValue& record : get.items) items.emplace_back(json_of(record));
    return Json::object({{"op", "get"},
                         {"items", std::move(items)},
                         {"count", Json::number(get.count)},
                         {"more", get.more}});
  }
  Json operator()(const TxnOperationResult::Put&) const { return Json::object({{"op", "put"}}); }
  Json operator()(const TxnOperationResult::Delete& del) const {
    return Json::object({{"op", "del"}, {"deleted", Json::number(del.deleted)}});
  }
  Json operator()(const TxnOperationResult::Increment& increment) const {
    return Json::object({{"op", "increment"}, {"number", Json::number(increment.number)}});
  }
  Json operator()(const TxnOperationResult::SequentialPut& put) const {
    return Json::object({{"op", "sequential"}, {"key", Json::bytes(put.key)}});
  }
  Json operator()(const TxnOperationResult::Nested&) const {
    return Json::object({{"op", "txn"}});  // the text has no way to write one
  }
};

struct ResultAsText {
  std::string operator()(const TxnOperationResult::Get& get) const {
    std::string text = fmt::format("get\t{}", get.items.size());
    for (const KeyValue& record : get.items) {
      text += '\n' + escape(record.key) + '\t' + escape(record.value);
    }
    return text;
  }
  std::string operator()(const TxnOperationResult::Put&) const { return "put"; }
  std::string operator()(const TxnOperationResult::Delete& del) const {
    return fmt::format("del\t{}", del.deleted);
  }
  std::string operator()(const TxnOperationResult::Increment& increment) const {
    return fmt::format("increment\t{}", increment.number);
  }
  std::string operator()(const TxnOperationResult::SequentialPut& put) const {
    return "sequential\t" + escape(put.key);
  }
  std::string operator()(const TxnOperationResult::Nested&) const { return "txn"; }
};

void print_json(const Printer& out, const TxnResult& result) {
  Json::Object fields = {{"revision", Json::number(result.revision)},
                         {"succeeded", result.succeeded}};
  if (!result.succeeded) {
    fields.emplace_back("failed_compare", Json::number(std::uint64_t{result.failed_compare}));
    fields.emplace_back("found", result.met ? Json(json_of(*result.met)) : Json());
    fields.emplace_back("found_count", Json::number(result.met_count));
  }
  Json::Array results;
  for (const TxnOperationResult& each : result.results) {
    results.push_back(std::visit(ResultAsJson(), each.what));
  }
  fields.emplace_back("results", std::move(results));
  out.object(Json(std::move(fields)));
}

void print_text(const Printer& out, const TxnResult& result) {
  out.line(fmt::format("{}, revision {}", result.succeeded ? "then" : "else", result.revision));
  for (const TxnOperationResult& each : result.results) {
    out.line(std::visit(ResultAsText(), each.what));
  }
}

std::string failure_message(const TxnText& text, const TxnResult& result) {
  if (result.failed_compare >= text.conditions.size()) return "compare failed";
  const bool count =
      std::holds_alternative<Compare::Count>(text.txn.compares()[result.failed_compare].what);
  return fmt::format("compare failed: {} (found {})", text.conditions[result.failed_compare],
                     count        ? fmt::format("{} keys", result.met_count)
                     : result.met ? brief(result.met->value)
                                  : std::string("no such key"));
}

}  // namespace

ExitCode txn(Context& context) {
  const Result<std::string> input = read_standard_input();
  if (!input) return context.out().fail(input.error());
  const Result<TxnText> text = parse_txn(*input);
  if (!text) return context.out().fail(ExitCode::kUsage, "usage", text.error().message);
  const Result<TxnResult> result = context.client().txn(text->txn);
  if (!result) return context.out().fail(result.error());
  if (context.out().json()) {
    print_json(context.out(), *result);
  } else {
    print_text(context.out(), *result);
  }
  if (result->succeeded) return ExitCode::kOk;
  // What the else block has done is done.
  return context.out().fail(ExitCode::kCompareFailed, "compareFailed",
                            failure_message(*text, *result),
                            result->results.empty() ? Outcome::kNotApplied : Outcome::kApplied);
}

}  // namespace coord::ctl
