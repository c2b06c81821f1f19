// A list whose links are inside its elements: no allocation to insert, constant time to remove.
// Does not own its elements. An element must be out of the list before it is destroyed.
#pragma once

#include <cstddef>

#include "raft/base/check.h"

namespace coord::internal {

template <class T>
struct Link {
  T* previous = nullptr;
  T* next = nullptr;
  bool linked = false;
};

template <class T, Link<T> T::*kLink>
class List {
 public:
  bool empty() const { return first_ == nullptr; }
  std::size_t size() const { return size_; }
  T* first() const { return first_; }
  static T* after(const T& element) { return (element.*kLink).next; }

  void push_back(T& element) { insert_before(nullptr, element); }

  // Before `position`; null: at the end.
  void insert_before(T* position, T& element) {
    Link<T>& link = element.*kLink;
    CHECK(!link.linked);
    T* previous = position == nullptr ? last_ : (position->*kLink).previous;
    link = {previous, position, true};
    (previous == nullptr ? first_ : (previous->*kLink).next) = &element;
    (position == nullptr ? last_ : (position->*kLink).previous) = &element;
    ++size_;
  }

  void remove(T& element) {
    Link<T>& link = element.*kLink;
    CHECK(link.linked);
    (link.previous == nullptr ? first_ : (link.previous->*kLink).next) = link.next;
    (link.next == nullptr ? last_ : (link.next->*kLink).previous) = link.previous;
    link = {};
    --size_;
  }

  T* pop_front() {
    T* element = first_;
    if (element != nullptr) remove(*element);
    return element;
  }

 private:
  T* first_ = nullptr;
  T* last_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace coord::internal
