// Result<T>: a value or an Error. Status: nothing or an Error.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "raft/base/check.h"
#include "raft/base/error.h"

namespace coord {

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Asking a failed Result for its value is a bug of the caller.
  T& value() & {
    require_ok();
    return *std::get_if<0>(&state_);
  }
  const T& value() const& {
    require_ok();
    return *std::get_if<0>(&state_);
  }
  // By value: `for (auto& x : *f())` must not iterate over what died with the Result.
  T value() && {
    require_ok();
    return std::move(*std::get_if<0>(&state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const& {
    CHECK(!ok(), "error() of a Result that holds a value");
    return *std::get_if<1>(&state_);
  }
  Error&& error() && {
    CHECK(!ok(), "error() of a Result that holds a value");
    return std::move(*std::get_if<1>(&state_));
  }

 private:
  void require_ok() const {
    if (!ok()) [[unlikely]] {
      const Error& error = *std::get_if<1>(&state_);
      check_failed(__FILE__, __LINE__, "Result::ok()",
                   fmt::format("{}: {}", to_string(error.code), error.message));
    }
  }

  std::variant<T, Error> state_;
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::move(error)) {}

  static Status success() { return {}; }
  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const {
    CHECK(error_.has_value(), "error() of a Status that is ok");
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

// make_error(ErrorCode::kKeyTooLarge, "the key has {} bytes, {} are allowed", n, limit)
template <class... Args>
Error make_error(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  Error error;
  error.code = code;
  error.message = fmt::format(format, std::forward<Args>(args)...);
  return error;
}

}  // namespace coord
