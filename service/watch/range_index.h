// Whom a changed key concerns, out of any number of watches: single keys are looked up in a hash
// map, ranges in a balanced tree of intervals. A look-up costs O(log n) and what it finds.
//
// Loop thread. Watches that look at the same range are visited in the order of their ids.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "raft/base/prng.h"
#include "raft/base/strong.h"
#include "service/watch/key_intervals.h"

namespace coord::service {

using WatchId = Strong<struct WatchIdTag>;
class Watcher;

class RangeIndex {
 public:
  RangeIndex();
  ~RangeIndex();
  RangeIndex(const RangeIndex&) = delete;
  RangeIndex& operator=(const RangeIndex&) = delete;

  void add(const KeyInterval& interval, WatchId id, Watcher& watcher);
  void remove(const KeyInterval& interval, WatchId id);

  bool concerns_any(std::string_view key) const;
  // visit(Watcher&); once for each interval that holds the key.
  template <class Visit>
  void visit(std::string_view key, Visit&& visit) const {
    const auto single = singles_.find(key);
    if (single != singles_.end()) visit_all(single->second, visit);
    visit_below(root_.get(), key, visit);
  }

 private:
  using Watchers = std::map<WatchId, Watcher*>;
  // A treap: ordered by interval, heaped by random priority, which keeps it balanced whatever
  // comes.
  struct Node {
    KeyInterval interval;
    std::uint64_t priority = 0;
    Watchers watchers = {};
    // Whose interval ends last, in this node and below it.
    const Node* farthest = nullptr;
    std::unique_ptr<Node> left = nullptr;
    std::unique_ptr<Node> right = nullptr;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view key) const {
      return std::hash<std::string_view>()(key);
    }
  };

  static bool ends_after(const KeyInterval& interval, std::string_view key) {
    return !interval.end || key < *interval.end;
  }
  template <class Visit>
  static void visit_all(const Watchers& watchers, Visit&& visit) {
    for (const auto& [id, watcher] : watchers) visit(*watcher);
  }
  template <class Visit>
  static void visit_below(const Node* node, std::string_view key, Visit&& visit) {
    if (node == nullptr || !ends_after(node->farthest->interval, key)) return;
    visit_below(node->left.get(), key, visit);
    if (key < node->interval.begin) return;
    if (ends_after(node->interval, key)) visit_all(node->watchers, visit);
    visit_below(node->right.get(), key, visit);
  }
  static bool any_below(const Node* node, std::string_view key);

  Watchers& node_for(std::unique_ptr<Node>& root, const KeyInterval& interval);
  static void remove_below(std::unique_ptr<Node>& root, const KeyInterval& interval, WatchId id);
  static std::unique_ptr<Node> merge(std::unique_ptr<Node> left, std::unique_ptr<Node> right);
  static void rotate_left(std::unique_ptr<Node>& root);
  static void rotate_right(std::unique_ptr<Node>& root);
  static void update(Node& node);

  std::unordered_map<std::string, Watchers, Hash, std::equal_to<>> singles_;
  std::unique_ptr<Node> root_;
  Prng priorities_;
};

}  // namespace coord::service
