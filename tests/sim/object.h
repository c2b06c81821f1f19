// The objects that clients of a simulation work on: registers with compare-and-swap, and sets. Each
// carries a version, which every answer names: it grows by one with each change. The sequential
// specification that the state machine follows and the linearizability checker judges by.
#pragma once

#include <cstdint>

namespace coord::sim {

enum class Op : std::uint8_t {
  kNothing,  // takes its place in the log
  kPut,
  kCompareAndSwap,  // if the version is as expected
  kAdd,             // an element, 0 to 63, to the set
  kGet,
};

struct Object {
  std::uint64_t version = 0;
  std::uint64_t value = 0;  // of a set: a bit for each element

  friend bool operator==(const Object&, const Object&) = default;
};

struct Request {
  Op op = Op::kNothing;
  std::uint64_t value = 0;             // to write; the element to add
  std::uint64_t expected_version = 0;  // of a compare-and-swap

  friend bool operator==(const Request&, const Request&) = default;
};

// The object as it is afterwards.
struct Answer {
  bool done = false;
  Object object = {};

  friend bool operator==(const Answer&, const Answer&) = default;
};

inline bool is_write(Op op) {
  return op == Op::kPut || op == Op::kCompareAndSwap || op == Op::kAdd;
}

inline Answer perform(const Request& request, Object& object) {
  switch (request.op) {
    case Op::kPut:
      object = {.version = object.version + 1, .value = request.value};
      return {.done = true, .object = object};
    case Op::kCompareAndSwap:
      if (object.version != request.expected_version) return {.done = false, .object = object};
      object = {.version = object.version + 1, .value = request.value};
      return {.done = true, .object = object};
    case Op::kAdd:
      object = {.version = object.version + 1,
                .value = object.value | std::uint64_t{1} << request.value};
      return {.done = true, .object = object};
    case Op::kGet:
      return {.done = true, .object = object};
    case Op::kNothing:
      break;
  }
  return {};
}

}  // namespace coord::sim
