// CHECK: the tool for our own bugs, and for nothing else (a peer's or a client's input gets a typed
// Error, a failed disk a clean stop). Always on, in release too: a coordination service that has
// lost its invariants must stop before it answers anyone.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace coord {

// Prints `file:line: CHECK failed: what (details)` to standard error and aborts. Any thread.
[[noreturn]] void check_failed(const char* file, int line, std::string_view what,
                               std::string_view details);

namespace internal {
template <class T>
std::string check_operand(const T& value) {
  if constexpr (fmt::is_formattable<T>::value) {
    return fmt::format("{}", value);
  } else {
    return "?";
  }
}
}  // namespace internal

}  // namespace coord

// CHECK(condition), CHECK(condition, "why it must hold: {}", operand)
#define CHECK(condition, ...)                                                              \
  do {                                                                                     \
    if (!(condition)) [[unlikely]]                                                         \
      ::coord::check_failed(__FILE__, __LINE__, #condition, ::fmt::format("" __VA_ARGS__)); \
  } while (false)

#define COORD_CHECK_OP(a, op, b)                                                             \
  do {                                                                                       \
    const auto& coord_check_a = (a);                                                         \
    const auto& coord_check_b = (b);                                                         \
    if (!(coord_check_a op coord_check_b)) [[unlikely]]                                      \
      ::coord::check_failed(__FILE__, __LINE__, #a " " #op " " #b,                           \
                            ::fmt::format("{} vs {}",                                        \
                                          ::coord::internal::check_operand(coord_check_a),   \
                                          ::coord::internal::check_operand(coord_check_b))); \
  } while (false)

#define CHECK_EQ(a, b) COORD_CHECK_OP(a, ==, b)
#define CHECK_NE(a, b) COORD_CHECK_OP(a, !=, b)
#define CHECK_LT(a, b) COORD_CHECK_OP(a, <, b)
#define CHECK_LE(a, b) COORD_CHECK_OP(a, <=, b)
#define CHECK_GT(a, b) COORD_CHECK_OP(a, >, b)
#define CHECK_GE(a, b) COORD_CHECK_OP(a, >=, b)
