// Json: one value of coordctl's machine-readable output, and its text.
//
// A tree of plain values, written by Cap'n Proto's JSON codec. Keys and values of the namespace are
// bytes: those that are UTF-8 come as strings, others as {"base64": "..."}.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "raft/base/strong.h"

namespace coord::ctl {

class Json {
 public:
  using Array = std::vector<Json>;
  using Member = std::pair<std::string, Json>;
  using Object = std::vector<Member>;  // in the order of writing

  Json() = default;  // null
  Json(bool value) : value_(value) {}
  Json(const char* text) : value_(std::string(text)) {}
  Json(std::string text) : value_(std::move(text)) {}
  Json(std::string_view text) : value_(std::string(text)) {}
  Json(Array items) : value_(std::move(items)) {}
  Json(Object members) : value_(std::move(members)) {}
  // Most readers keep a number in a double: an integer that a double cannot hold comes as a string
  // of its digits, so that no reader rounds it.
  static Json number(std::int64_t number);
  static Json number(std::uint64_t number);
  template <class Tag>
  static Json number(Strong<Tag> number) {
    return Json::number(number.value());
  }
  static Json bytes(std::string_view bytes);
  static Json object(std::initializer_list<Member> members) { return Object(members); }

  // On one line, without spaces.
  std::string text() const;

 private:
  friend class JsonWriter;

  std::variant<std::nullptr_t, bool, double, std::string, Array, Object> value_ = nullptr;
};

bool is_utf8(std::string_view bytes);

}  // namespace coord::ctl
