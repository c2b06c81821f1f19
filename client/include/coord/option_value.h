// A value of class type inside an options aggregate.
//
// g++ 12 copies an aggregate that is made within a co_await expression, as options are in
//   co_await client.async_put("a", "1", {.guard = lock.guard()}, asio::use_awaitable),
// byte by byte, and destroys both the copy and the original at the end of the expression. A
// std::string does not survive that. An OptionValue does: it knows its own address, so a copy made
// byte by byte reads the original, and leaves the destruction to it.
#pragma once

#include <concepts>
#include <type_traits>
#include <utility>

namespace coord {

template <class T>
class OptionValue final {
 public:
  OptionValue() : value_(), self_(this) {}
  template <class U>
  requires(std::convertible_to<U, T> && !std::same_as<std::remove_cvref_t<U>, OptionValue>)
      OptionValue(U&& value)
      : value_(std::forward<U>(value)), self_(this) {}
  OptionValue(const OptionValue& other) : value_(other.get()), self_(this) {}
  OptionValue(OptionValue&& other) noexcept : value_(std::move(other.self_->value_)), self_(this) {}
  OptionValue& operator=(OptionValue other) noexcept {
    self_->value_ = std::move(other.value_);
    return *this;
  }
  ~OptionValue() {
    if (self_ == this) value_.~T();
  }

  const T& get() const { return self_->value_; }
  operator const T&() const { return get(); }
  const T* operator->() const { return &get(); }

 private:
  union {
    T value_;
  };
  OptionValue* self_;
};

}  // namespace coord
