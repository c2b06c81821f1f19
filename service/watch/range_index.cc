#include "service/watch/range_index.h"

#include <utility>

#include "raft/base/check.h"

namespace coord::service {

namespace {

// The order of ends: no end is the last one.
bool ends_before(const KeyInterval& a, const KeyInterval& b) {
  return a.end && (!b.end || *a.end < *b.end);
}

bool comes_before(const KeyInterval& a, const KeyInterval& b) {
  const int order = a.begin.compare(b.begin);
  return order < 0 || (order == 0 && ends_before(a, b));
}

}  // namespace

// Any constant seed will do: nobody chooses priorities but we.
RangeIndex::RangeIndex() : priorities_(0x7261'6e67'6573) {}
RangeIndex::~RangeIndex() = default;

void RangeIndex::add(const KeyInterval& interval, WatchId id, Watcher& watcher) {
  Watchers& watchers = interval.is_single() ? singles_[interval.begin] : node_for(root_, interval);
  const bool added = watchers.emplace(id, &watcher).second;
  CHECK(added, "watch {} is in the index already", id);
}

void RangeIndex::remove(const KeyInterval& interval, WatchId id) {
  if (!interval.is_single()) return remove_below(root_, interval, id);
  const auto single = singles_.find(interval.begin);
  CHECK(single != singles_.end() && single->second.erase(id) == 1, "watch {} is not there", id);
  if (single->second.empty()) singles_.erase(single);
}

bool RangeIndex::concerns_any(std::string_view key) const {
  return singles_.find(key) != singles_.end() || any_below(root_.get(), key);
}

bool RangeIndex::any_below(const Node* node, std::string_view key) {
  if (node == nullptr || !ends_after(node->farthest->interval, key)) return false;
  if (any_below(node->left.get(), key)) return true;
  if (key < node->interval.begin) return false;
  return ends_after(node->interval, key) || any_below(node->right.get(), key);
}

RangeIndex::Watchers& RangeIndex::node_for(std::unique_ptr<Node>& root,
                                           const KeyInterval& interval) {
  if (root == nullptr) {
    root = std::make_unique<Node>(Node{.interval = interval, .priority = priorities_.next()});
    update(*root);
    return root->watchers;
  }
  if (comes_before(interval, root->interval)) {
    Watchers& found = node_for(root->left, interval);
    if (root->left->priority > root->priority) rotate_right(root);
    update(*root);
    return found;
  }
  if (comes_before(root->interval, interval)) {
    Watchers& found = node_for(root->right, interval);
    if (root->right->priority > root->priority) rotate_left(root);
    update(*root);
    return found;
  }
  return root->watchers;
}

void RangeIndex::remove_below(std::unique_ptr<Node>& root, const KeyInterval& interval,
                              WatchId id) {
  CHECK(root != nullptr, "watch {} is not there", id);
  if (comes_before(interval, root->interval)) {
    remove_below(root->left, interval, id);
  } else if (comes_before(root->interval, interval)) {
    remove_below(root->right, interval, id);
  } else {
    CHECK_EQ(root->watchers.erase(id), 1u);
    if (!root->watchers.empty()) return;
    root = merge(std::move(root->left), std::move(root->right));
  }
  if (root != nullptr) update(*root);
}

std::unique_ptr<RangeIndex::Node> RangeIndex::merge(std::unique_ptr<Node> left,
                                                    std::unique_ptr<Node> right) {
  if (left == nullptr) return right;
  if (right == nullptr) return left;
  if (left->priority > right->priority) {
    left->right = merge(std::move(left->right), std::move(right));
    update(*left);
    return left;
  }
  right->left = merge(std::move(left), std::move(right->left));
  update(*right);
  return right;
}

void RangeIndex::rotate_left(std::unique_ptr<Node>& root) {
  std::unique_ptr<Node> up = std::move(root->right);
  root->right = std::move(up->left);
  update(*root);
  up->left = std::move(root);
  root = std::move(up);
}

void RangeIndex::rotate_right(std::unique_ptr<Node>& root) {
  std::unique_ptr<Node> up = std::move(root->left);
  root->left = std::move(up->right);
  update(*root);
  up->right = std::move(root);
  root = std::move(up);
}

void RangeIndex::update(Node& node) {
  node.farthest = &node;
  for (const Node* child : {node.left.get(), node.right.get()}) {
    if (child != nullptr && ends_before(node.farthest->interval, child->farthest->interval)) {
      node.farthest = child->farthest;
    }
  }
}

}  // namespace coord::service
