// Numbers that cannot be mistaken for each other.
#pragma once

#include <fmt/format.h>

#include <compare>
#include <cstdint>
#include <functional>
#include <limits>

#include "raft/base/check.h"

namespace coord {

// A 64-bit quantity of its own type. Arithmetic that would wrap is a bug of ours and is CHECKed:
// a wrapped index or term is silent corruption.
template <class Tag>
class Strong {
 public:
  constexpr Strong() = default;
  constexpr explicit Strong(std::uint64_t value) : value_(value) {}

  constexpr std::uint64_t value() const { return value_; }
  constexpr bool is_zero() const { return value_ == 0; }

  static constexpr Strong max() { return Strong(std::numeric_limits<std::uint64_t>::max()); }

  Strong next() const { return *this + 1; }
  Strong prev() const { return *this - 1; }

  Strong operator+(std::uint64_t n) const {
    CHECK(value_ <= std::numeric_limits<std::uint64_t>::max() - n, "{} + {} wraps", value_, n);
    return Strong(value_ + n);
  }
  Strong operator-(std::uint64_t n) const {
    CHECK(value_ >= n, "{} - {} wraps", value_, n);
    return Strong(value_ - n);
  }
  // The distance from `other` up to this one; `other` must not be greater.
  std::uint64_t operator-(Strong other) const {
    CHECK(value_ >= other.value_, "{} - {} wraps", value_, other.value_);
    return value_ - other.value_;
  }
  Strong& operator++() { return *this = next(); }

  friend constexpr auto operator<=>(Strong, Strong) = default;

 private:
  std::uint64_t value_ = 0;
};

}  // namespace coord

template <class Tag>
struct std::hash<coord::Strong<Tag>> {
  std::size_t operator()(coord::Strong<Tag> id) const noexcept {
    return std::hash<std::uint64_t>()(id.value());
  }
};

template <class Tag>
struct fmt::formatter<coord::Strong<Tag>> : fmt::formatter<std::uint64_t> {
  template <class Context>
  auto format(coord::Strong<Tag> id, Context& context) const {
    return fmt::formatter<std::uint64_t>::format(id.value(), context);
  }
};
