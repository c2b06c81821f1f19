#include "raft/base/duration.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace coord {
namespace {

milliseconds parsed(std::string_view text) {
  const Result<milliseconds> duration = parse_duration(text);
  EXPECT_TRUE(duration.ok()) << text;
  return duration ? *duration : milliseconds(-1);
}

TEST(Duration, NumberWithUnit_IsRead) {
  EXPECT_EQ(parsed("500ms"), milliseconds(500));
  EXPECT_EQ(parsed("10s"), milliseconds(10'000));
  EXPECT_EQ(parsed("2m"), milliseconds(120'000));
  EXPECT_EQ(parsed("1h"), milliseconds(3'600'000));
  EXPECT_EQ(parsed("1d"), milliseconds(86'400'000));
  EXPECT_EQ(parsed("1.5s"), milliseconds(1500));
  EXPECT_EQ(parsed("1h30m"), milliseconds(5'400'000));
  EXPECT_EQ(parsed("0"), milliseconds(0));
  EXPECT_EQ(parsed("0s"), milliseconds(0));
}

TEST(Duration, AnythingElse_IsRefusedWithTheReason) {
  for (const auto& [text, reason] : std::initializer_list<std::pair<const char*, const char*>>{
           {"", "empty"},
           {"10", "unit is missing"},
           {"10x", "unit is unknown"},
           {"10 s", "unit is unknown"},
           {"10S", "unit is unknown"},
           {"s", "number is missing"},
           {"-1s", "negative"},
           {"1s-1s", "negative"},
           {"1e3s", "unit is unknown"},
           {"infs", "number is missing"},
           {"0x10s", "unit is unknown"},
           {"99999999999999999999d", "thousand years"},
       }) {
    const Result<milliseconds> duration = parse_duration(text);
    ASSERT_FALSE(duration.ok()) << text;
    EXPECT_NE(duration.error().message.find(reason), std::string::npos)
        << text << ": " << duration.error().message;
  }
}

RC_GTEST_PROP(Duration, WhatIsFormatted_IsReadBackTheSame, ()) {
  const milliseconds duration(*rc::gen::inRange<std::int64_t>(0, std::int64_t{1} << 40));
  const Result<milliseconds> back = parse_duration(format_duration(duration));
  RC_ASSERT(back.ok());
  RC_ASSERT(*back == duration);
}

TEST(Duration, Format_IsShort) {
  EXPECT_EQ(format_duration(milliseconds(0)), "0s");
  EXPECT_EQ(format_duration(milliseconds(250)), "250ms");
  EXPECT_EQ(format_duration(milliseconds(10'000)), "10s");
  EXPECT_EQ(format_duration(milliseconds(9'250)), "9.25s");
  EXPECT_EQ(format_duration(milliseconds(90'000)), "1m30s");
}

}  // namespace
}  // namespace coord
