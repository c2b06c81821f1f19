#include "client/coordctl/json.h"

#include <gtest/gtest.h>

#include "raft/base/types.h"

namespace coord::ctl {
namespace {

TEST(Json, Object_IsOneLineInTheOrderOfWriting) {
  const Json json = Json::object({{"b", Json::number(std::uint64_t{7})},
                                  {"a", "text"},
                                  {"none", Json()},
                                  {"yes", true},
                                  {"list", Json::Array{Json::number(std::int64_t{-1}), "x"}}});
  EXPECT_EQ(json.text(), R"({"b":7,"a":"text","none":null,"yes":true,"list":[-1,"x"]})");
}

TEST(Json, IntegersThatADoubleHolds_AreNumbers_OthersAreStrings) {
  EXPECT_EQ(Json::number(std::uint64_t{9007199254740992}).text(), "9007199254740992");
  EXPECT_EQ(Json::number(std::uint64_t{9007199254740993}).text(), R"("9007199254740993")");
  EXPECT_EQ(Json::number(LeaseId::max()).text(), R"("18446744073709551615")");
  EXPECT_EQ(Json::number(INT64_MIN).text(), R"("-9223372036854775808")");
  EXPECT_EQ(Json::number(std::int64_t{-9007199254740992}).text(), "-9007199254740992");
  EXPECT_EQ(Json::number(std::uint64_t{1234567890123}).text(), "1234567890123");
}

TEST(Json, Bytes_AreTextIfTheyCanBe_ElseBase64) {
  EXPECT_EQ(Json::bytes("grün").text(), "\"grün\"");
  EXPECT_EQ(Json::bytes("").text(), "\"\"");
  EXPECT_EQ(Json::bytes("\xff\xfe").text(), R"({"base64":"//4="})");
}

TEST(Json, Text_IsEscaped) {
  EXPECT_EQ(Json::bytes(std::string_view("q\" b\\ n\n z\0", 11)).text(),
            R"("q\" b\\ n\n z\u0000")");
}

TEST(Json, Utf8_IsWhatTheStandardSays) {
  for (const char* good : {"", "a", "ü", "€", "😀", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(is_utf8(good)) << good;
  }
  for (const char* bad : {"\x80", "\xc0\x80", "\xc3", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xe2\x82",
                          "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xff", "a\xfe"}) {
    EXPECT_FALSE(is_utf8(bad)) << bad;
  }
}

}  // namespace
}  // namespace coord::ctl
