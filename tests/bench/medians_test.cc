// medians.awk decides whether what is required of a comparison was reached: a mistake in it would
// let everything pass.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <string>

namespace coord::bench {
namespace {

struct Ran {
  int code = -1;
  std::string output;
};

// Three runs, whose medians are 900 and 100 operations a second, and 20 and 50 us.
constexpr const char* kResults =
    "put@1 coord 1000 20 40 0 1\\nput@1 etcd 100 50 90 0 1\\n"
    "put@1 coord 900 10 50 0 1\\nput@1 etcd 90 60 80 1 1\\n"
    "put@1 coord 800 30 60 0 1\\nput@1 etcd 120 40 70 2 1\\n";

Ran medians_of(const std::string& results, const std::string& variables) {
  const std::string command = "printf '" + results + "' | awk " + variables +
                              " -f " COORD_SOURCE_DIR "/tests/bench/medians.awk 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  Ran ran;
  if (pipe == nullptr) return ran;
  std::array<char, 4096> buffer{};
  while (const std::size_t size = fread(buffer.data(), 1, buffer.size(), pipe)) {
    ran.output.append(buffer.data(), size);
  }
  ran.code = WEXITSTATUS(pclose(pipe));
  return ran;
}

int code_with(const std::string& requirements) {
  return medians_of(kResults, "-v requirements='" + requirements + "'").code;
}

TEST(Medians, Json_HasMediansAndRatios) {
  const Ran ran = medians_of(kResults, "-v json=1 -v runs=3");
  EXPECT_EQ(ran.code, 0);
  EXPECT_EQ(ran.output,
            R"({"op":"put","outstanding":1,"runs":3,)"
            R"("coord":{"ops_s":900,"p50_us":20,"p99_us":50,"fails":0,"connections":1},)"
            R"("etcd":{"ops_s":100,"p50_us":50,"p99_us":80,"fails":3,"connections":1,)"
            R"("ratio":9.00,"p50_ratio":2.50}})"
            "\n");
}

TEST(Medians, EvenNumberOfRuns_MeansTheMiddleTwo) {
  const Ran ran = medians_of(
      "put@1 coord 100 7 9 0 1\\nput@1 coord 20 7 9 0 1\\nput@1 coord 9 7 9 0 1\\nput@1 coord 30 7 "
      "9 0 1\\n",
      "-v json=1 -v runs=4");
  EXPECT_NE(ran.output.find(R"("ops_s":25,)"), std::string::npos) << ran.output;
}

TEST(Medians, RequiredRatio_IsReachedOrNot) {
  EXPECT_EQ(code_with("put@1:etcd:9"), 0);
  EXPECT_EQ(code_with("put@1:etcd:9.01"), 1);
  EXPECT_EQ(code_with("put@1:etcd:2.5:p50"), 0);
  EXPECT_EQ(code_with("put@1:etcd:2.6:p50"), 1);
}

TEST(Medians, OneOfSeveralRequirementsMissed_Fails) {
  EXPECT_EQ(code_with("put@1:etcd:9 put@1:etcd:2:p50"), 0);
  EXPECT_EQ(code_with("put@1:etcd:10 put@1:etcd:2:p50"), 1);
  EXPECT_EQ(code_with("put@1:etcd:9 put@1:etcd:3:p50"), 1);
}

TEST(Medians, RequirementOfWhatWasNotMeasured_Fails) {
  EXPECT_EQ(code_with("put@2:etcd:1"), 1);
  EXPECT_EQ(code_with("put@1:zookeeper:1"), 1);
}

}  // namespace
}  // namespace coord::bench
