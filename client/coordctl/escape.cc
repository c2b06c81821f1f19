#include "client/coordctl/escape.h"

#include <fmt/format.h>

#include "client/coordctl/json.h"

namespace coord::ctl {

namespace {

std::string escape_all(std::string_view bytes, bool text, char quote) {
  std::string escaped;
  escaped.reserve(bytes.size());
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      escaped += "\\n";
    } else if (c == '\t') {
      escaped += "\\t";
    } else if (c == '\r') {
      escaped += "\\r";
    } else if (c == '\\' || (c == quote && quote != '\0')) {
      escaped += '\\';
      escaped += c;
    } else if (byte < 0x20 || byte == 0x7f || (byte >= 0x80 && !text)) {
      escaped += fmt::format("\\x{:02x}", byte);
    } else {
      escaped += c;
    }
  }
  return escaped;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string escape(std::string_view bytes) {
  return escape_all(bytes, is_utf8(bytes), '\0');
}

std::string quote(std::string_view bytes) {
  return '"' + escape_all(bytes, is_utf8(bytes), '"') + '"';
}

std::string brief(std::string_view bytes) {
  constexpr std::size_t kBriefBytes = 60;
  if (bytes.size() <= kBriefBytes) return quote(bytes);
  std::size_t size = kBriefBytes;
  // Not in the middle of a character: back to where one begins.
  while (size > kBriefBytes - 4 && (static_cast<unsigned char>(bytes[size]) & 0xc0) == 0x80) --size;
  return fmt::format("{}... ({} bytes)", quote(bytes.substr(0, size)), bytes.size());
}

Result<std::string> unescape(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      bytes += text[i];
      continue;
    }
    const char kind = i + 1 < text.size() ? text[i + 1] : '\0';
    if (kind == 'n') {
      bytes += '\n';
    } else if (kind == 't') {
      bytes += '\t';
    } else if (kind == 'r') {
      bytes += '\r';
    } else if (kind == '\\' || kind == '"') {
      bytes += kind;
    } else if (kind == 'x' && i + 3 < text.size() && hex_digit(text[i + 2]) >= 0 &&
               hex_digit(text[i + 3]) >= 0) {
      bytes += static_cast<char>(hex_digit(text[i + 2]) * 16 + hex_digit(text[i + 3]));
      i += 2;
    } else {
      return make_error(ErrorCode::kInvalidArgument,
                        "'{}' is no escape: there are \\n \\t \\r \\\\ \\\" and \\xHH",
                        text.substr(i, kind == 'x' ? 4 : 2));
    }
    ++i;
  }
  return bytes;
}

}  // namespace coord::ctl
