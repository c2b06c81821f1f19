#include "service/state/reply_codec.h"

#include <array>
#include <type_traits>
#include <utility>

#include "raft/base/limits.h"

namespace coord::service {

namespace {

// Each shape is described once, by a function that visits its fields in order; the three archives
// below write, read and weigh what they are shown.

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}
  bool u8(const std::uint8_t& n) { return out_.u8(n), true; }
  bool u32(const std::uint32_t& n) { return out_.u32(n), true; }
  bool u64(const std::uint64_t& n) { return out_.u64(n), true; }
  bool text(const std::string& s) { return out_.bytes(s), true; }

 private:
  Encoder out_;
};

class Reader {
 public:
  explicit Reader(Decoder& in) : in_(in) {}
  bool u8(std::uint8_t& n) { return n = in_.u8(), in_.ok(); }
  bool u32(std::uint32_t& n) { return n = in_.u32(), in_.ok(); }
  bool u64(std::uint64_t& n) { return n = in_.u64(), in_.ok(); }
  bool text(std::string& s) { return s = in_.bytes(), in_.ok(); }

 private:
  Decoder& in_;
};

class Scale {
 public:
  bool u8(const std::uint8_t&) { return add(1); }
  bool u32(const std::uint32_t&) { return add(4); }
  bool u64(const std::uint64_t&) { return add(8); }
  bool text(const std::string& s) { return add(32 + s.size()); }
  std::size_t total() const { return total_; }

 private:
  bool add(std::size_t n) { return total_ += n, true; }
  std::size_t total_ = 128;  // a map's node and the result itself
};

template <class A>
constexpr bool kReads = std::is_same_v<A, Reader>;

// What is visited is changed by a Reader and by nobody else.
template <class A, class T>
using Field = std::conditional_t<kReads<A>, T, const T>;

template <class A, class Id>
requires requires(Id id) {
  id.value();
}
bool visit_id(A& a, Id& id) {
  std::uint64_t n = id.value();
  if (!a.u64(n)) return false;
  if constexpr (kReads<A>) id = std::remove_const_t<Id>(n);
  return true;
}

template <class A>
bool visit_bool(A& a, Field<A, bool>& flag) {
  std::uint8_t n = flag ? 1 : 0;
  if (!a.u8(n)) return false;
  if constexpr (kReads<A>) flag = n == 1;
  return n <= 1;
}

template <class A>
bool visit_ms(A& a, Field<A, milliseconds>& duration) {
  auto n = static_cast<std::uint64_t>(duration.count());
  if (!a.u64(n)) return false;
  if constexpr (kReads<A>) duration = milliseconds(static_cast<milliseconds::rep>(n));
  return true;
}

template <class A>
bool visit(A& a, Field<A, KeyValue>& item) {
  return a.text(item.key) && a.text(item.value) && visit_id(a, item.create_revision) &&
         visit_id(a, item.mod_revision) && a.u64(item.version) && visit_id(a, item.lease);
}

template <class A>
bool visit(A& a, Field<A, std::optional<KeyValue>>& item) {
  bool present = item.has_value();
  if (!visit_bool<A>(a, present)) return false;
  if constexpr (kReads<A>) {
    if (present) item.emplace();
  }
  return !present || visit<A>(a, *item);
}

template <class A, class List, class VisitItem>
bool visit_list(A& a, List& items, VisitItem&& visit_item) {
  auto size = static_cast<std::uint32_t>(items.size());
  if (!a.u32(size)) return false;
  if constexpr (kReads<A>) {
    // Not resized at once: a damaged length must not ask for more memory than there are bytes.
    items.clear();
    for (std::uint32_t i = 0; i < size; ++i) {
      items.emplace_back();
      if (!visit_item(items.back())) return false;
    }
  } else {
    for (auto& item : items) {
      if (!visit_item(item)) return false;
    }
  }
  return true;
}

template <class A>
bool visit(A& a, Field<A, std::vector<KeyValue>>& items) {
  return visit_list(a, items, [&](auto& item) { return visit<A>(a, item); });
}

template <class A>
bool visit(A& a, Field<A, RangeResult>& range) {
  return visit<A>(a, range.items) && a.u64(range.count) && visit_bool<A>(a, range.more) &&
         a.text(range.cursor) && visit_id(a, range.revision);
}

template <class A>
bool visit(A& a, Field<A, PutResult>& result) {
  return visit<A>(a, result.previous);
}
template <class A>
bool visit(A& a, Field<A, DeleteResult>& result) {
  return a.u64(result.deleted) && visit<A>(a, result.previous);
}
template <class A>
bool visit(A& a, Field<A, CompareAndSwapResult>& result) {
  return visit_bool<A>(a, result.succeeded) && visit<A>(a, result.current);
}
template <class A>
bool visit(A& a, Field<A, LeaseGrantResult>& result) {
  return visit_id(a, result.id) && visit_ms<A>(a, result.ttl);
}
template <class A>
bool visit(A& a, Field<A, std::int64_t>& number) {
  auto n = static_cast<std::uint64_t>(number);
  if (!a.u64(n)) return false;
  if constexpr (kReads<A>) number = static_cast<std::int64_t>(n);
  return true;
}
template <class A>
bool visit(A& a, Field<A, std::string>& text) {
  return a.text(text);
}

// Results that say nothing but that they are there.
template <class A, class T>
requires std::is_empty_v<T>
bool visit(A&, T&) {
  return true;
}

template <class A>
bool visit(A& a, Field<A, Granted>& granted) {
  return visit_id(a, granted.token);
}
template <class A>
bool visit(A& a, Field<A, Queued>& queued) {
  return a.u64(queued.ahead);
}

// The kinds of a variant are numbered by their place in it: alternatives are only ever added at the
// end.
template <class A, std::size_t I = 0, class Variant>
bool visit_alternative(A& a, Variant& variant, std::size_t kind) {
  using Plain = std::remove_const_t<Variant>;
  if constexpr (I == std::variant_size_v<Plain>) {
    return false;
  } else {
    if (kind != I) return visit_alternative<A, I + 1>(a, variant, kind);
    if constexpr (kReads<A>) variant.template emplace<I>();
    return visit<A>(a, *std::get_if<I>(&variant));
  }
}
template <class A, class Variant>
bool visit_variant(A& a, Variant& variant) {
  auto kind = static_cast<std::uint8_t>(variant.index());
  return a.u8(kind) && visit_alternative<A>(a, variant, kind);
}

template <class A>
bool visit(A& a, Field<A, LockAcquireResult>& result) {
  return visit_variant(a, result.standing);
}
template <class A>
bool visit(A& a, Field<A, LockCancelResult>& result) {
  return visit_variant(a, result.standing);
}

template <class A>
bool visit(A& a, Field<A, TxnResult>& result);

template <class A>
bool visit(A& a, Field<A, std::vector<TxnResult>>& results) {
  return visit_list(a, results, [&](auto& result) { return visit<A>(a, result); });
}
template <class A>
bool visit(A& a, Field<A, OperationResult>& result) {
  return visit_variant(a, result.value);
}
template <class A>
bool visit(A& a, Field<A, TxnResult>& result) {
  return visit_bool<A>(a, result.succeeded) && a.u32(result.failed_compare) &&
         visit<A>(a, result.met) && a.u64(result.met_count) &&
         visit_list(a, result.results, [&](auto& item) { return visit<A>(a, item); });
}

template <class A>
bool visit(A& a, Field<A, Error>& error) {
  auto code = static_cast<std::uint32_t>(error.code);
  auto outcome = static_cast<std::uint8_t>(error.outcome);
  if (!a.u32(code) || !a.u8(outcome)) return false;
  if constexpr (kReads<A>) {
    error.code = static_cast<ErrorCode>(code);
    error.outcome = static_cast<Outcome>(outcome);
  }
  return outcome <= static_cast<std::uint8_t>(Outcome::kUnknown) && a.text(error.message) &&
         visit_id(a, error.revision);
}

template <class A>
bool visit(A& a, Field<A, WriteResult>& result) {
  return visit_id(a, result.revision) && visit_variant(a, result.value);
}

}  // namespace

void encode_result(const WriteResult& result, std::string& out) {
  Writer writer(out);
  CHECK(visit<Writer>(writer, result), "a result cannot be written");
}

bool decode_result(Decoder& in, WriteResult& result) {
  Reader reader(in);
  return visit<Reader>(reader, result);
}

std::size_t weight(const WriteResult& result) {
  Scale scale;
  visit<Scale>(scale, result);
  return scale.total();
}

}  // namespace coord::service
