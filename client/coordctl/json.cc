#include "client/coordctl/json.h"

#include <capnp/compat/json.h>
#include <capnp/message.h>
#include <fmt/format.h>
#include <kj/encoding.h>

#include <cstddef>

namespace coord::ctl {

namespace {

// The integers up to there are exact in a double.
constexpr std::uint64_t kExactMax = std::uint64_t{1} << 53;

template <class... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};
template <class... Handlers>
Overloaded(Handlers...) -> Overloaded<Handlers...>;

kj::StringPtr kj_text(const std::string& text) {
  return {text.c_str(), text.size()};
}

// How many bytes the UTF-8 sequence at the start of `bytes` has (RFC 3629, table 3-7 of Unicode);
// 0 if there is none.
std::size_t sequence_size(std::string_view bytes) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned lead = at(0);
  if (lead < 0x80) return 1;
  std::size_t size = 0;
  unsigned second_min = 0x80;
  unsigned second_max = 0xbf;
  if (lead >= 0xc2 && lead <= 0xdf) {
    size = 2;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    size = 3;
    if (lead == 0xe0) second_min = 0xa0;  // shorter forms exist
    if (lead == 0xed) second_max = 0x9f;  // surrogates
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    size = 4;
    if (lead == 0xf0) second_min = 0x90;
    if (lead == 0xf4) second_max = 0x8f;  // beyond U+10FFFF
  }
  if (size == 0 || bytes.size() < size) return 0;
  if (at(1) < second_min || at(1) > second_max) return 0;
  for (std::size_t i = 2; i < size; ++i) {
    if (at(i) < 0x80 || at(i) > 0xbf) return 0;
  }
  return size;
}

}  // namespace

bool is_utf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t size = sequence_size(bytes);
    if (size == 0) return false;
    bytes.remove_prefix(size);
  }
  return true;
}

Json Json::number(std::int64_t number) {
  if (number >= 0) return Json::number(static_cast<std::uint64_t>(number));
  Json json(fmt::to_string(number));
  if (-(number + 1) < static_cast<std::int64_t>(kExactMax)) {
    json.value_ = static_cast<double>(number);
  }
  return json;
}

Json Json::number(std::uint64_t number) {
  Json json(fmt::to_string(number));
  if (number <= kExactMax) json.value_ = static_cast<double>(number);
  return json;
}

Json Json::bytes(std::string_view bytes) {
  if (is_utf8(bytes)) return bytes;
  const auto encoded =
      kj::encodeBase64(kj::arrayPtr(reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()));
  return object({{"base64", std::string_view(encoded.cStr(), encoded.size())}});
}

// Turns the tree into Cap'n Proto's.
class JsonWriter {
 public:
  static void write(const Json& json, capnp::JsonValue::Builder target) {
    std::visit(Overloaded{
                   [&](std::nullptr_t) { target.setNull(); },
                   [&](bool value) { target.setBoolean(value); },
                   [&](double value) { target.setNumber(value); },
                   [&](const std::string& value) { target.setString(kj_text(value)); },
                   [&](const Json::Array& items) {
                     auto list = target.initArray(static_cast<unsigned>(items.size()));
                     for (unsigned i = 0; i < list.size(); ++i) write(items[i], list[i]);
                   },
                   [&](const Json::Object& members) {
                     auto list = target.initObject(static_cast<unsigned>(members.size()));
                     for (unsigned i = 0; i < list.size(); ++i) {
                       list[i].setName(kj_text(members[i].first));
                       write(members[i].second, list[i].initValue());
                     }
                   },
               },
               json.value_);
  }
};

std::string Json::text() const {
  capnp::MallocMessageBuilder message;
  auto root = message.initRoot<capnp::JsonValue>();
  JsonWriter::write(*this, root);
  const kj::String text = capnp::JsonCodec().encodeRaw(root);
  return std::string(text.cStr(), text.size());
}

}  // namespace coord::ctl
