// put, get, del, cas
#include <fmt/format.h>

#include "client/coordctl/commands.h"
#include "client/coordctl/escape.h"
#include "client/coordctl/input.h"

namespace coord::ctl {

namespace {

// A line of `get --prefix`: the fields parted by a tab, and escaped so that each line has one tab.
void print_record(const Printer& out, const GetArguments& arguments, const KeyValue& record) {
  if (out.json()) {
    Json::Object fields = json_of(record);
    if (arguments.keys_only) {
      std::erase_if(fields, [](const Json::Member& field) { return field.first == "value"; });
    }
    out.object(Json(std::move(fields)));
  } else if (arguments.keys_only) {
    out.line(escape(record.key));
  } else if (arguments.value_only) {
    out.line(record.value);
  } else {
    out.line(escape(record.key) + '\t' + escape(record.value));
  }
}

ExitCode get_one(Context& context, const GetArguments& arguments) {
  const Result<GetResult> result = context.client().get(
      arguments.key, {.revision = arguments.revision,
                      .consistency = arguments.stale ? Consistency::local() : Consistency()});
  if (!result) return context.out().fail(result.error());
  if (!result->found()) {
    return context.out().fail(ExitCode::kNotFound, "notFound",
                              fmt::format("there is no key {}", brief(arguments.key)));
  }
  if (context.out().json() || arguments.keys_only) {
    print_record(context.out(), arguments, *result->record);
  } else if (arguments.value_only) {
    context.out().raw(result->record->value);
  } else {
    context.out().line(result->record->value);
  }
  return ExitCode::kOk;
}

ExitCode get_prefix(Context& context, const GetArguments& arguments) {
  RangeOptions options = {.revision = arguments.revision,
                          .limit = arguments.limit,
                          .keys_only = arguments.keys_only,
                          .consistency = arguments.stale ? Consistency::local() : Consistency()};
  while (true) {
    Result<RangeResult> page = context.client().range(KeyRange::prefix(arguments.key), options);
    if (!page) return context.out().fail(page.error());
    for (const KeyValue& record : page->items) print_record(context.out(), arguments, record);
    if (!page->more) return ExitCode::kOk;
    if (arguments.limit != 0) {
      if (page->items.size() >= options.limit) return ExitCode::kOk;
      options.limit -= page->items.size();
    }
    options.revision = page->revision;
    options.cursor = std::move(page->cursor);
  }
}

}  // namespace

ExitCode put(Context& context, const PutArguments& arguments) {
  Result<std::string> value = value_of(arguments.value);
  if (!value) return context.out().fail(value.error());
  const Result<PutResult> result =
      context.client().put(arguments.key, std::move(*value),
                           {.lease = arguments.lease, .want_previous = arguments.want_previous});
  if (!result) return context.out().fail(result.error());
  if (context.out().json()) {
    Json::Object fields = {{"revision", Json::number(result->revision)}};
    if (arguments.want_previous) {
      fields.emplace_back("previous", result->previous ? Json(json_of(*result->previous)) : Json());
    }
    context.out().object(Json(std::move(fields)));
    return ExitCode::kOk;
  }
  context.out().line(fmt::format("revision {}", result->revision));
  if (result->previous) context.out().line("previous\t" + escape(result->previous->value));
  return ExitCode::kOk;
}

ExitCode get(Context& context, const GetArguments& arguments) {
  return arguments.prefix ? get_prefix(context, arguments) : get_one(context, arguments);
}

ExitCode del(Context& context, const DeleteArguments& arguments) {
  const Result<DeleteResult> result =
      arguments.prefix ? context.client().del_range(KeyRange::prefix(arguments.key))
                       : context.client().del(arguments.key);
  if (!result) return context.out().fail(result.error());
  if (context.out().json()) {
    context.out().object(Json::object({{"revision", Json::number(result->revision)},
                                       {"deleted", Json::number(result->deleted)}}));
  } else {
    context.out().line(fmt::format("deleted {}, revision {}", result->deleted, result->revision));
  }
  return ExitCode::kOk;
}

ExitCode cas(Context& context, const CasArguments& arguments) {
  Result<std::string> value = value_of(arguments.value);
  if (!value) return context.out().fail(value.error());
  const Expect expect = arguments.expect_value ? Expect::value(*arguments.expect_value)
                        : arguments.expect_revision
                            ? Expect::mod_revision(Revision(*arguments.expect_revision))
                            : Expect::absent();
  const Result<CasResult> result = context.client().cas(arguments.key, expect, std::move(*value));
  if (!result) return context.out().fail(result.error());
  if (context.out().json()) {
    Json::Object fields = {{"revision", Json::number(result->revision)},
                           {"succeeded", result->succeeded}};
    if (!result->succeeded) {
      const auto& met = result->current;
      fields.emplace_back("found", met ? Json::bytes(met->value) : Json());
      fields.emplace_back("found_mod_revision", met ? Json::number(met->mod_revision) : Json());
    }
    context.out().object(Json(std::move(fields)));
  } else if (result->succeeded) {
    context.out().line(fmt::format("revision {}", result->revision));
  }
  if (result->succeeded) return ExitCode::kOk;
  return context.out().fail(
      ExitCode::kCompareFailed, "compareFailed",
      result->current
          ? fmt::format("compare failed: {} is {} (mod revision {})", brief(arguments.key),
                        brief(result->current->value), result->current->mod_revision)
          : fmt::format("compare failed: there is no key {}", brief(arguments.key)));
}

}  // namespace coord::ctl
