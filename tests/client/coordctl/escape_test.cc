#include "client/coordctl/escape.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace coord::ctl {
namespace {

TEST(Escape, PrintableText_StaysAsItIs) {
  EXPECT_EQ(escape("a \"b\" ü €"), "a \"b\" ü €");
  EXPECT_EQ(quote("a \"b\""), "\"a \\\"b\\\"\"");
}

TEST(Escape, BytesThatAreNotText_BecomeHex) {
  EXPECT_EQ(escape(std::string_view("\xff\x00", 2)), "\\xff\\x00");
  EXPECT_EQ(escape("tab\tline\nback\\"), "tab\\tline\\nback\\\\");
}

RC_GTEST_PROP(Escape, AnyBytes_FillOneFieldOfOneLine_AndComeBack,
              (const std::vector<char>& content)) {
  const std::string bytes(content.begin(), content.end());
  const std::string escaped = escape(bytes);
  RC_ASSERT(escaped.find('\n') == std::string::npos);
  RC_ASSERT(escaped.find('\t') == std::string::npos);
  const Result<std::string> back = unescape(escaped);
  RC_ASSERT(back.ok());
  RC_ASSERT(*back == bytes);
}

TEST(Escape, UnknownEscape_IsNamed) {
  for (const char* text : {"\\", "\\q", "\\x", "\\x1", "\\xg0"}) {
    EXPECT_FALSE(unescape(text).ok()) << text;
  }
  EXPECT_NE(unescape("ab\\qcd").error().message.find("'\\q'"), std::string::npos);
}

TEST(Escape, LongBytes_AreCutBetweenCharacters) {
  std::string text;
  for (int i = 0; i < 50; ++i) text += "ü";
  EXPECT_EQ(brief(text).substr(0, 5), "\"üü");
  EXPECT_NE(brief(text).find("(100 bytes)"), std::string::npos);
  EXPECT_EQ(brief(text).find("\\x"), std::string::npos);
}

}  // namespace
}  // namespace coord::ctl
