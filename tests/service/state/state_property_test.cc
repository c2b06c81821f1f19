#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <capnp/serialize.h>

#include <algorithm>
#include <utility>

#include "service/state/records.h"
#include "tests/service/state/machine.h"
#include "tests/service/state/model.h"
#include "tests/service/state/random_commands.h"

namespace coord::service {
namespace {

using Seeds = std::vector<std::uint64_t>;

// Some leases to begin with, so that not everything is refused.
commands::CommandFill prelude() {
  return commands::writes({commands::grant(1, {.session = true}), commands::grant(2),
                           commands::grant(3, {.nonce = 1, .session = true})});
}

CommandResults apply(Model& model, const Bytes& command) {
  capnp::FlatArrayMessageReader message(kj::arrayPtr(
      reinterpret_cast<const capnp::word*>(command.data()), command.size() / sizeof(capnp::word)));
  return model.apply(message.getRoot<schema::Command>());
}

// What is not for a program to rely on is not compared: messages, and the bytes of cursors.
void strip(TxnResult& result);
void strip(OperationResult& result) {
  if (auto* range = std::get_if<RangeResult>(&result.value)) range->cursor.clear();
  if (auto* nested = std::get_if<std::vector<TxnResult>>(&result.value)) {
    for (TxnResult& txn : *nested) strip(txn);
  }
}
void strip(TxnResult& result) {
  for (OperationResult& operation : result.results) strip(operation);
}
std::string stripped(CommandResults results) {
  for (WriteResult& result : results.writes) {
    if (auto* error = std::get_if<Error>(&result.value)) error->message.clear();
    if (auto* txn = std::get_if<TxnResult>(&result.value)) strip(*txn);
  }
  return show(results);
}

std::string describe(const KeyValue& item) {
  return fmt::format("{}={} c{} m{} v{} l{};", item.key, item.value, item.create_revision,
                     item.mod_revision, item.version, item.lease);
}
std::string describe(const Model::Keys& keys) {
  std::string text;
  for (const auto& [key, item] : keys) text += describe(item);
  return text;
}
std::string describe(const std::vector<KeyValue>& items) {
  std::string text;
  for (const KeyValue& item : items) text += describe(item);
  return text;
}

std::string read_in_pages(State& state, std::uint64_t revision, std::size_t limit) {
  std::vector<KeyValue> items;
  std::string cursor;
  do {
    const auto result = state.range({.range = with_prefix(""),
                                     .revision = Revision(revision),
                                     .limit = limit,
                                     .cursor = cursor,
                                     .scan_max = 4});
    if (!result.ok()) return std::string(to_string(result.error().code));
    items.insert(items.end(), result->items.begin(), result->items.end());
    if (!result->more) {
      RC_ASSERT(result->count == items.size());
      break;
    }
    cursor = result->cursor;
  } while (true);
  return describe(items);
}

void check_reads(State& state, const Model& model) {
  RC_ASSERT(state.revision().value() == model.revision());
  RC_ASSERT(state.compacted().value() == model.line());
  for (std::uint64_t r = std::max<std::uint64_t>(model.line(), 1); r <= model.revision(); ++r) {
    RC_ASSERT(read_in_pages(state, r, 2) == describe(model.history()[r]));
  }
  if (model.line() > 1) RC_ASSERT(read_in_pages(state, model.line() - 1, 2) == "compacted");
  RC_ASSERT(read_in_pages(state, model.revision() + 1, 2) == "futureRevision");
}

// Every revision's changes lead from the keys before it to the keys after it.
void check_changes(State& state, const Model& model) {
  std::uint64_t expected = std::max<std::uint64_t>(model.line(), 1);
  const auto visit = [&](Revision revision, std::span<const Change> changes) {
    RC_ASSERT(revision.value() == expected);
    ++expected;
    const Model::Keys& before = model.history()[revision.value() - 1];
    Model::Keys keys = before;
    for (const Change& change : changes) {
      const std::string key(change.key);
      const auto old = before.find(key);
      const std::uint64_t old_mod = old == before.end() ? 0 : old->second.mod_revision.value();
      RC_ASSERT(change.previous_mod_revision.value() == old_mod);
      const auto previous = state.previous_of(change);
      RC_ASSERT((previous ? describe(*previous) : "") ==
                (old == before.end() ? "" : describe(old->second)));
      if (change.deleted) {
        keys.erase(key);
      } else {
        keys[key] = {key,
                     std::string(change.value),
                     change.create_revision,
                     revision,
                     change.version,
                     change.lease};
      }
    }
    RC_ASSERT(describe(keys) == describe(model.history()[revision.value()]));
  };
  Revision next(model.line());
  while (next <= state.revision()) {
    const auto result = state.changes_since(next, 200, visit);
    RC_ASSERT(result.ok());
    next = *result;
  }
  RC_ASSERT(expected == model.revision() + 1);
}

void check_leases(State& state, const Model& model) {
  RC_ASSERT(state.lease_count() == model.leases().size());
  const auto leases = state.leases();
  RC_ASSERT(leases.size() == model.leases().size());
  for (const LeaseRecord& lease : leases) {
    const auto twin = model.leases().find(lease.id.value());
    RC_ASSERT(twin != model.leases().end());
    RC_ASSERT(lease.renewed_at.value() == twin->second.renewed_at);
    std::vector<std::string> keys;
    for (const auto& [key, item] : model.history().back()) {
      if (item.lease == lease.id && key.rfind("_coord/", 0) != 0) keys.push_back(key);
    }
    RC_ASSERT(state.lease_keys(lease.id) == keys);
    RC_ASSERT(lease.attached_keys == keys.size());
    std::vector<LockName> held;
    for (const auto& [name, lock] : model.locks()) {
      for (const auto& holder : lock.holders) {
        if (holder.lease == lease.id.value()) held.push_back(name);
      }
    }
    RC_ASSERT(lease.held == held);
  }
}

void check_locks(State& state, const Model& model) {
  const std::size_t count =
      state.locks(false, "", "", 100).size() + state.locks(true, "", "", 100).size();
  RC_ASSERT(count == model.locks().size());
  const auto same = [](const std::vector<LockHolder>& places,
                       const std::vector<Model::Place>& twins) {
    RC_ASSERT(places.size() == twins.size());
    for (std::size_t i = 0; i < places.size(); ++i) {
      RC_ASSERT(places[i].lease.value() == twins[i].lease);
      RC_ASSERT(places[i].token.value() == twins[i].token);
    }
  };
  for (const auto& [name, twin] : model.locks()) {
    const auto lock = state.lock(name);
    RC_ASSERT(lock.has_value());
    same(lock->holders, twin.holders);
    same(lock->waiters, twin.waiters);
    RC_ASSERT(lock->value == twin.value);
  }
}

// Nothing is near, or what a few commands do, or everything.
HistoryOptions near_something() {
  const HistoryOptions everything;
  return {.near_bytes =
              *rc::gen::element<std::uint64_t>(0, 1000, 3000, 10000, everything.near_bytes)};
}

struct Told {
  Revision revision;
  std::string key;
  bool existed = false;
  bool deleted = false;
  std::uint64_t offset = 0;
};

// What a state was told of its changes, in order.
class Changes {
 public:
  void add(std::span<const Change> changes) {
    for (const Change& change : changes) {
      told_.push_back({change.mod_revision, std::string(change.key),
                       !change.previous_mod_revision.is_zero(), change.deleted, bytes_});
      std::string record;
      encode(ChangeRecord{.key = change.key, .value = change.value}, record);
      bytes_ += std::max<std::uint64_t>(record.size(), limits::kChangeBytesMin);
    }
  }
  const std::vector<Told>& told() const { return told_; }

 private:
  std::vector<Told> told_;
  std::uint64_t bytes_ = 0;
};

// What the description of the tables says that there is: no record more.
void check_tables(Machine& machine, const Changes& changes, const HistoryOptions& history) {
  const Revision line = machine.state().compacted();
  const auto first = std::find_if(changes.told().begin(), changes.told().end(),
                                  [&](const Told& change) { return change.revision >= line; });
  const std::uint64_t line_offset = first == changes.told().end() ? 0 : first->offset;
  std::size_t kept = 0;
  std::size_t replaced = 0;
  std::map<std::string, const Told*> newest;
  for (const Told& change : changes.told()) {
    const Told* previous = std::exchange(newest[change.key], &change);
    if (change.revision >= line) {
      ++kept;
      if (change.existed && change.offset - previous->offset > history.near_bytes) ++replaced;
    } else if (line_offset - change.offset <= history.near_bytes) {
      ++kept;
    }
  }
  std::size_t keys = 0;
  for (const auto& [key, change] : newest) {
    if (!change->deleted || change->revision >= line) ++keys;
  }
  RC_ASSERT(machine.tables().size(Table::kChanges) == kept);
  RC_ASSERT(machine.tables().size(Table::kReplaced) == replaced);
  RC_ASSERT(machine.tables().size(Table::kKeys) == keys);
}

RC_GTEST_PROP(StateProperty, DoesWhatTheObviousModelDoes, (const Seeds& seeds)) {
  const HistoryOptions history = near_something();
  Machine machine(history);
  Changes changes;
  machine.observer().tell([&](Revision, std::span<const Change> made) { changes.add(made); });
  Model model;
  const auto step = [&](const commands::CommandFill& command) {
    const std::string expected = stripped(apply(model, commands::encode(command, 0)));
    RC_ASSERT(stripped(machine.apply(command)) == expected);
  };
  step(prelude());
  for (const std::uint64_t seed : seeds) {
    step(random_command(seed, model.revision(), model.applied()));
    if (seed % 8 == 0) check_reads(machine.state(), model);
  }
  check_reads(machine.state(), model);
  check_changes(machine.state(), model);
  check_leases(machine.state(), model);
  check_locks(machine.state(), model);
  check_tables(machine, changes, history);
}

// Whoever has to start again in the middle, and whoever has no client waiting for answers, comes to
// the same state as whoever went straight through.
RC_GTEST_PROP(StateProperty, RestartsAndSilence_ChangeNothing, (const Seeds& seeds)) {
  const HistoryOptions history = near_something();
  Machine straight(history);
  Machine restarted(history);
  Machine unheard(history);
  const auto step = [&](const commands::CommandFill& command) {
    const std::string answer = show(straight.apply(command));
    RC_ASSERT(show(restarted.apply(command)) == answer);
    unheard.apply_unheard(command);
    const std::uint64_t digest = straight.state().position().digest;
    RC_ASSERT(restarted.state().position().digest == digest);
    RC_ASSERT(unheard.state().position().digest == digest);
    const auto told = straight.observer().take();
    RC_ASSERT(restarted.observer().take() == told);
    RC_ASSERT(unheard.observer().take() == told);
  };
  step(prelude());
  for (const std::uint64_t seed : seeds) {
    step(random_command(seed, straight.state().revision().value(),
                        straight.state().position().applied.index.value()));
    if (seed % 3 == 0) restarted.restart();
    if (seed % 5 == 0) unheard.state().save();
  }
  straight.restart();
  restarted.restart();
  unheard.restart();
  RC_ASSERT(straight.state().position().digest == restarted.state().position().digest);
  RC_ASSERT(straight.tables().contents() == restarted.tables().contents());
  RC_ASSERT(straight.tables().contents() == unheard.tables().contents());
}

// A list read page by page is what it was when it began, whatever is written in between.
RC_GTEST_PROP(StateProperty, PagesBetweenWrites_AreOfOneRevision, (const Seeds& seeds)) {
  Machine machine;
  machine.apply(prelude());
  const auto random_step = [&](std::uint64_t seed) {
    auto command = random_command(seed, machine.state().revision().value(),
                                  machine.state().position().applied.index.value());
    machine.apply(command);
  };
  for (std::size_t i = 0; i < seeds.size() / 2; ++i) random_step(seeds[i]);
  const auto whole = machine.state().range({.range = with_prefix("")});
  RC_ASSERT(whole.ok());
  std::vector<KeyValue> items;
  std::string cursor;
  for (std::size_t i = seeds.size() / 2;; ++i) {
    const auto page =
        machine.state().range({.range = with_prefix(""), .limit = 1, .cursor = cursor});
    if (!page.ok()) {
      RC_ASSERT(page.error().code == ErrorCode::kCompacted);
      RC_ASSERT(machine.state().compacted() > whole->revision);
      return;
    }
    items.insert(items.end(), page->items.begin(), page->items.end());
    if (!page->more) break;
    cursor = page->cursor;
    if (i < seeds.size()) random_step(seeds[i]);
  }
  RC_ASSERT(describe(items) == describe(whole->items));
}

}  // namespace
}  // namespace coord::service
