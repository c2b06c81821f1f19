#include "tests/sim/linearizability.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace coord::sim {

namespace {

// What the answers of a history say, before any search, about the places of writes whose outcome
// nobody knows. These rules leave out only orders that cannot be, or that can be if others can:
//
// - A value that was seen with a version is what the object held at that version.
// - A value that one write only can have made, and that was seen, tells that write's version; an
//   element that one write only can have added came after each set that was seen without it, and
//   not after any that was seen with it.
// - Writes of which the answers say the same can take each other's places, so that the one that was
//   called first may as well come first.
class Hints {
 public:
  struct Hint {
    // The version that the write leaves is one of these.
    std::uint64_t first_version = 0;
    std::uint64_t last_version = UINT64_MAX;
    // Comes after this one, if at all.
    std::optional<std::uint32_t> after;
  };

  explicit Hints(const std::vector<Operation>& history) : hints_(history.size()) {
    std::unordered_map<std::uint64_t, int> makers;  // of a value, or of an element
    bool adds = false;
    bool puts = false;
    for (const Operation& operation : history) {
      if (operation.is_known()) {
        const Object& object = operation.answer.object;
        seen_.emplace(object.version, object.value);
      }
      if (!is_write(operation.request.op)) continue;
      ++makers[operation.request.value];
      (operation.request.op == Op::kAdd ? adds : puts) = true;
    }
    if (adds && puts) return;
    std::vector<std::uint32_t> alike;
    for (std::uint32_t i = 0; i < history.size(); ++i) {
      const Request& request = history[i].request;
      if (history[i].is_known() || !is_write(request.op)) continue;
      const bool alone = makers[request.value] == 1;
      const bool seen = was_seen(request.value);
      if (adds && alone) bound_element(request.value, hints_[i]);
      if (puts && alone && seen) bound_value(request.value, hints_[i]);
      // What a compare-and-swap does depends on more than its place among others.
      if (adds ? alone : request.op == Op::kPut && !seen) alike.push_back(i);
    }
    put_in_order(history, std::move(alike));
  }

  const Hint& of(std::uint32_t operation) const { return hints_[operation]; }
  // Whether the object can have been this.
  bool allow(const Object& object) const {
    const auto at = seen_.find(object.version);
    return at == seen_.end() || at->second == object.value;
  }

 private:
  bool was_seen(std::uint64_t value) const {
    return std::any_of(seen_.begin(), seen_.end(),
                       [&](const auto& each) { return each.second == value; });
  }
  void bound_value(std::uint64_t value, Hint& hint) const {
    for (const auto& [version, seen] : seen_) {
      if (seen == value && version > 0) hint.first_version = hint.last_version = version;
    }
  }
  void bound_element(std::uint64_t element, Hint& hint) const {
    for (const auto& [version, seen] : seen_) {
      if ((seen >> element & 1) != 0) {
        hint.last_version = version;
        break;
      }
      hint.first_version = version + 1;
    }
  }
  void put_in_order(const std::vector<Operation>& history, std::vector<std::uint32_t> alike) {
    std::sort(alike.begin(), alike.end(), [&](std::uint32_t a, std::uint32_t b) {
      return history[a].called < history[b].called;
    });
    std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint32_t> newest;
    for (const std::uint32_t i : alike) {
      Hint& hint = hints_[i];
      const auto [at, first] = newest.try_emplace({hint.first_version, hint.last_version}, i);
      if (!first) hint.after = std::exchange(at->second, i);
    }
  }

  std::vector<Hint> hints_;
  std::map<std::uint64_t, std::uint64_t> seen_;  // values by version
};

class Search {
 public:
  Search(const std::vector<Operation>& history, std::uint64_t steps_max)
      : history_(history),
        steps_max_(steps_max),
        hints_(history),
        placed_((history.size() + 63) / 64) {
    for (std::uint32_t i = 0; i < history.size(); ++i) {
      moments_.push_back({history[i].called, i, false});
      if (!history[i].is_known()) continue;
      moments_.push_back({history[i].answered, i, true});
      ++known_left_;
      needs_.resize(std::max<std::size_t>(needs_.size(), version_met_by(history[i]) + 1));
      ++needs_[version_met_by(history[i])];
    }
    std::sort(moments_.begin(), moments_.end(),
              [](const Moment& a, const Moment& b) { return a.at < b.at; });
    link();
  }

  Judgement run() {
    Judgement judgement;
    while (known_left_ > 0) {
      if (++judgement.steps > steps_max_) {
        judgement.verdict = Verdict::kUndecided;
        return judgement;
      }
      if (!place_next() && !take_back()) {
        judgement.verdict = Verdict::kNotLinearizable;
        judgement.explanation = explain();
        return judgement;
      }
    }
    return judgement;
  }

 private:
  struct Moment {
    std::uint64_t at;
    std::uint32_t operation;
    bool is_answer;
  };
  struct Placed {
    std::uint32_t call;  // its place in moments_
    Object before;
  };
  struct Visited {
    std::vector<std::uint64_t> placed;
    Object object;
    friend bool operator==(const Visited&, const Visited&) = default;
  };
  struct Hash {
    std::size_t operator()(const Visited& visited) const {
      std::uint64_t hash = visited.object.version * 0x9e3779b97f4a7c15u ^ visited.object.value;
      for (const std::uint64_t word : visited.placed) {
        hash = (hash ^ word) * 0xbf58476d1ce4e5b9u;
        hash ^= hash >> 31;
      }
      return hash;
    }
  };

  bool is_placed(std::uint32_t which) const { return (placed_[which / 64] >> which % 64 & 1) != 0; }

  // The version that the operation must have met to give its answer.
  std::uint64_t version_met_by(const Operation& operation) const {
    // One that no order of these operations can reach is as good as any other such.
    const std::uint64_t after =
        std::min<std::uint64_t>(operation.answer.object.version, history_.size() + 2);
    return is_write(operation.request.op) && operation.answer.done && after > 0 ? after - 1 : after;
  }
  // Versions never come back: whoever is left and met this one has to come first.
  bool leaves_someone_behind(const Operation& operation, const Object& after) const {
    if (after.version == object_.version || object_.version >= needs_.size()) return false;
    const bool itself = operation.is_known() && version_met_by(operation) == object_.version;
    return needs_[object_.version] > (itself ? 1u : 0u);
  }

  // The moments that are left are a list, with moments_.size() before the first and behind the
  // last.
  void link() {
    const auto count = static_cast<std::uint32_t>(moments_.size());
    next_.resize(count + 1);
    previous_.resize(count + 1);
    answer_of_.resize(history_.size(), count);
    for (std::uint32_t i = 0; i <= count; ++i) {
      next_[i] = i == count ? 0 : i + 1;
      previous_[i] = i == 0 ? count : i - 1;
      if (i < count && moments_[i].is_answer) answer_of_[moments_[i].operation] = i;
    }
    if (count == 0) next_[0] = previous_[0] = 0;
    cursor_ = next_[count];
  }
  void unlink(std::uint32_t i) {
    next_[previous_[i]] = next_[i];
    previous_[next_[i]] = previous_[i];
  }
  void relink(std::uint32_t i) {
    next_[previous_[i]] = i;
    previous_[next_[i]] = i;
  }
  std::uint32_t end() const { return static_cast<std::uint32_t>(moments_.size()); }

  // Goes on from the cursor: places the next operation that was called and can come first. False:
  // none can, before the answer of one that is not placed yet.
  bool place_next() {
    for (; cursor_ != end() && !moments_[cursor_].is_answer; cursor_ = next_[cursor_]) {
      const std::uint32_t which = moments_[cursor_].operation;
      const Operation& operation = history_[which];
      Object object = object_;
      const Answer answer = perform(operation.request, object);
      if (operation.is_known() && answer != operation.answer) continue;
      if (!operation.is_known()) {
        // An outcome that nobody knows and that changes nothing need not have a place.
        if (object == object_) continue;
        const Hints::Hint& hint = hints_.of(which);
        if (object.version < hint.first_version || object.version > hint.last_version) continue;
        if (hint.after && !is_placed(*hint.after)) continue;
        if (!hints_.allow(object)) continue;
      }
      if (leaves_someone_behind(operation, object)) continue;
      Visited visited{placed_, object};
      visited.placed[which / 64] |= std::uint64_t{1} << which % 64;
      if (!visited_.insert(std::move(visited)).second) continue;

      stack_.push_back({cursor_, object_});
      placed_[which / 64] |= std::uint64_t{1} << which % 64;
      object_ = object;
      unlink(cursor_);
      if (operation.is_known()) {
        unlink(answer_of_[which]);
        --known_left_;
        --needs_[version_met_by(operation)];
      }
      if (stack_.size() > most_placed_) {
        most_placed_ = stack_.size();
        best_ = object_;
        best_placed_ = placed_;
      }
      cursor_ = next_[end()];
      return true;
    }
    return false;
  }

  // Undoes the last placing and goes on behind it. False: there is none.
  bool take_back() {
    if (stack_.empty()) return false;
    const Placed last = stack_.back();
    stack_.pop_back();
    const std::uint32_t which = moments_[last.call].operation;
    if (history_[which].is_known()) {
      relink(answer_of_[which]);
      ++known_left_;
      ++needs_[version_met_by(history_[which])];
    }
    relink(last.call);
    placed_[which / 64] &= ~(std::uint64_t{1} << which % 64);
    object_ = last.before;
    cursor_ = next_[last.call];
    return true;
  }

  std::string explain() const {
    std::string text = fmt::format(
        "{} of {} operations can be placed, which leaves version {} with value {:#x}; not these:",
        most_placed_, history_.size(), best_.version, best_.value);
    int shown = 0;
    for (std::uint32_t i = 0; i < history_.size() && shown < 6; ++i) {
      if (best_placed_.empty() || (best_placed_[i / 64] >> i % 64 & 1) == 0) {
        text += "\n    " + describe(history_[i]);
        ++shown;
      }
    }
    return text;
  }

  const std::vector<Operation>& history_;
  const std::uint64_t steps_max_;
  const Hints hints_;
  std::vector<Moment> moments_;
  std::vector<std::uint32_t> next_;
  std::vector<std::uint32_t> previous_;
  std::vector<std::uint32_t> answer_of_;
  std::uint32_t cursor_ = 0;
  std::uint64_t known_left_ = 0;
  std::vector<std::uint32_t> needs_;  // by version: how many of those left have met it

  Object object_;
  std::vector<std::uint64_t> placed_;
  std::vector<Placed> stack_;
  std::unordered_set<Visited, Hash> visited_;

  std::size_t most_placed_ = 0;
  Object best_;
  std::vector<std::uint64_t> best_placed_;
};

}  // namespace

Judgement judge(const std::vector<Operation>& history, std::uint64_t steps_max) {
  return Search(history, steps_max).run();
}

std::string describe(const Operation& operation) {
  const Request& request = operation.request;
  std::string text = fmt::format("client {} ", operation.client);
  switch (request.op) {
    case Op::kNothing:
      text += "nothing";
      break;
    case Op::kPut:
      text += fmt::format("put {:#x}", request.value);
      break;
    case Op::kCompareAndSwap:
      text += fmt::format("if version {} put {:#x}", request.expected_version, request.value);
      break;
    case Op::kAdd:
      text += fmt::format("add {}", request.value);
      break;
    case Op::kGet:
      text += "get";
      break;
  }
  text += fmt::format(" called {}", operation.called);
  if (!operation.is_known()) return text + ", outcome unknown";
  return text + fmt::format(", answered {}: {}version {} value {:#x}", operation.answered,
                            operation.answer.done ? "" : "refused, ",
                            operation.answer.object.version, operation.answer.object.value);
}

}  // namespace coord::sim
