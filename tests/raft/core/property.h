// A rapidcheck property with a number of cases of its own, as a test.
#pragma once

#include <gtest/gtest.h>

#include <rapidcheck/detail/TestListenerAdapter.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <iostream>
#include <sstream>
#include <string>

namespace coord {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr int kCasesDivisor = 10;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
inline constexpr int kCasesDivisor = 10;
#else
inline constexpr int kCasesDivisor = 1;
#endif
#else
inline constexpr int kCasesDivisor = 1;
#endif

// What a property is to be tried with, if nothing more is worth its time.
inline constexpr int kCases = 1000;

// `cases` is what is run in a build without sanitizers; RC_PARAMS may ask for more.
inline void check_property(int cases, void (*property)()) {
  const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
  rc::detail::TestMetadata metadata;
  metadata.id = std::string(info->test_suite_name()) + "/" + info->name();
  metadata.description = info->name();
  rc::detail::TestParams params = rc::detail::configuration().testParams;
  params.maxSuccess = std::max(params.maxSuccess, cases / kCasesDivisor);
  rc::detail::TestListenerAdapter listener;
  const auto result = rc::detail::checkTestable(property, metadata, params, listener,
                                                rc::detail::configuration().reproduce);
  std::ostringstream text;
  rc::detail::printResultMessage(result, text);
  if (!result.template is<rc::detail::SuccessResult>()) {
    FAIL() << text.str();
  } else if (!result.template get<rc::detail::SuccessResult>().distribution.empty()) {
    std::cout << text.str() << std::endl;
  }
}

}  // namespace coord

#define COORD_PROPERTY(Suite, Name, cases)                      \
  void property_##Suite##_##Name();                             \
  TEST(Suite, Name) {                                           \
    ::coord::check_property(cases, &property_##Suite##_##Name); \
  }                                                             \
  void property_##Suite##_##Name()
