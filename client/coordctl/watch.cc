#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "client/coordctl/commands.h"
#include "client/coordctl/escape.h"

namespace coord::ctl {

namespace {

void print_listed(const Printer& out, const KeyValue& record) {
  if (out.json()) {
    Json::Object fields = json_of(record);
    fields.emplace_back("type", "put");
    fields.emplace_back("listed", true);
    out.object(Json(std::move(fields)));
  } else {
    out.line(fmt::format("{}\tlisted\t{}\t{}", record.mod_revision, escape(record.key),
                         escape(record.value)));
  }
}

void print_event(const Printer& out, const WatchEvent& event) {
  const KeyValue& record = event.current;
  if (out.json()) {
    Json::Object fields = {{"type", event.deleted ? "delete" : "put"}};
    for (Json::Member& field : json_of(record)) fields.push_back(std::move(field));
    out.object(Json(std::move(fields)));
  } else if (event.deleted) {
    out.line(fmt::format("{}\tdelete\t{}", record.mod_revision, escape(record.key)));
  } else {
    out.line(fmt::format("{}\tput\t{}\t{}", record.mod_revision, escape(record.key),
                         escape(record.value)));
  }
}

// What there was as of a revision; the watch that follows begins after it.
Result<Revision> list_at(Context& context, const KeyRange& range, Revision revision) {
  RangeOptions options{.revision = revision};
  while (true) {
    auto page = context.client().range(range, options);
    if (!page) return page.error();
    for (const KeyValue& record : page->items) print_listed(context.out(), record);
    if (!page->more) return revision.next();
    options.cursor = std::move(page->cursor);
  }
}

}  // namespace

ExitCode watch(Context& context, const WatchArguments& arguments) {
  // A watch waits for ever, also for a cluster that is not there: find that out first.
  if (const Result<MembersResult> members = context.client().members(); !members) {
    return context.out().fail(members.error());
  }
  const KeyRange range =
      arguments.prefix ? KeyRange::prefix(arguments.key) : KeyRange::key(arguments.key);
  WatchOptions options{.from = arguments.revision, .list = arguments.list};
  if (arguments.list && !arguments.revision.is_zero()) {
    const Result<Revision> after = list_at(context, range, arguments.revision);
    if (!after) return context.out().fail(after.error());
    options = {.from = *after};
  }
  Watcher watcher = context.client().watch(range, std::move(options));
  std::vector<KeyValue> list;
  std::uint64_t seen = 0;
  while (true) {
    Result<WatchUpdate> update = watcher.next();
    if (!update) return context.out().fail(update.error());
    // Printed when it is whole, because one that was cut off begins anew.
    if (update->kind == WatchUpdate::Kind::kListBegin) list.clear();
    std::move(update->listed.begin(), update->listed.end(), std::back_inserter(list));
    if (update->kind == WatchUpdate::Kind::kListEnd) {
      for (const KeyValue& record : std::exchange(list, {})) print_listed(context.out(), record);
    }
    for (const WatchEvent& event : update->events) {
      print_event(context.out(), event);
      if (++seen == arguments.count) return ExitCode::kOk;
    }
  }
}

}  // namespace coord::ctl
