// What is too large is refused by an error that says so, at the defaults and as configured; and
// what the configuration allows goes all the way through.
#include <gtest/gtest.h>

#include "tests/integration/cluster.h"

namespace coord::test {
namespace {

constexpr std::size_t kMiB = 1024 * 1024;

std::string block_of_puts(int count) {
  std::string text = "then\n";
  for (int i = 0; i < count; ++i) text += "  put many" + std::to_string(i) + " x\n";
  return text;
}

class Limits : public testing::Test {
 protected:
  void start(std::vector<std::string> flags) {
    cluster_.emplace(ClusterOptions{.extra_flags = std::move(flags)});
    cluster_->start_all();
    cluster_->wait_until_serving();
  }

  // By every member in turn: each of them forwards, and one of them leads.
  void expect_refused(const std::vector<std::string>& arguments, const std::string& input,
                      const std::string& words) {
    for (int member = 0; member < cluster_->size(); ++member) {
      std::vector<std::string> at{"--endpoints", cluster_->endpoint(member), "-o", "json"};
      at.insert(at.end(), arguments.begin(), arguments.end());
      const RunResult refused = cluster_->ctl(at, input);
      EXPECT_EQ(refused.exit_code, 8) << refused.err;
      EXPECT_NE(json_field(refused.err, "message").find(words), std::string::npos) << refused.err;
      EXPECT_EQ(json_field(refused.err, "outcome"), "notApplied");
    }
  }

  std::optional<Cluster> cluster_;
};

TEST_F(Limits, AtTheirDefaults_AreRefusedBeyondAndTakenUpTo) {
  start({});
  const std::string key(4096, 'k');
  EXPECT_EQ(cluster_->ctl({"put", key, "x"}).exit_code, 0);
  expect_refused({"put", key + "k", "x"}, {}, "the key has 4097 bytes, 4096 are allowed");
  EXPECT_EQ(cluster_->ctl({"put", "value", "-"}, std::string(kMiB, 'v')).exit_code, 0);
  expect_refused({"put", "value", "-"}, std::string(kMiB + 1, 'v'), "1048576 are allowed");
  expect_refused({"put", "value", "-"}, std::string(7 * kMiB, 'v'), "1572864 are allowed");
  expect_refused({"put", "value", "-"}, std::string(9 * kMiB, 'v'), "more than 8388608");
  EXPECT_EQ(cluster_->ctl({"txn"}, block_of_puts(128)).exit_code, 0);
  expect_refused({"txn"}, block_of_puts(129), "128 are allowed");
  EXPECT_EQ(cluster_->ctl({"get", "value", "--value-only"}).out.size(), kMiB);
}

TEST_F(Limits, Raised_TakeWhatTheyAllowThroughLogRestartReadsAndWatches) {
  start({"--max-key-bytes=8192", "--max-value-bytes=8000000", "--max-request-bytes=8388608",
         "--max-txn-operations=4096"});
  const std::string key(8192, 'k');
  const std::string value(8'000'000, 'v');
  ASSERT_EQ(cluster_->ctl({"put", key, "-"}, value).exit_code, 0);
  const RunResult replaced = cluster_->ctl({"-o", "json", "put", key, "-", "--prev"}, value);
  EXPECT_EQ(replaced.exit_code, 0) << replaced.err;
  EXPECT_GT(replaced.out.size(), value.size());
  const RunResult differs = cluster_->ctl({"cas", key, "--set", "new", "--expect", "old"});
  EXPECT_EQ(differs.exit_code, 4) << differs.err;
  EXPECT_EQ(cluster_->ctl({"txn"}, block_of_puts(4096)).exit_code, 0);
  expect_refused({"txn"}, block_of_puts(4097), "4096 are allowed");

  cluster_->kill_all();
  cluster_->start_all();
  cluster_->wait_until_serving();
  for (int member = 0; member < cluster_->size(); ++member) {
    const auto& at = cluster_->endpoint(member);
    const RunResult got = cluster_->ctl({"--endpoints", at, "get", key, "--value-only"});
    EXPECT_TRUE(got.out == value) << got.out.size() << " bytes; " << got.err;
    const RunResult seen = cluster_->ctl(
        {"--endpoints", at, "-o", "json", "watch", key, "--rev", "1", "--count", "2"});
    EXPECT_EQ(seen.exit_code, 0) << seen.err;
    EXPECT_EQ(lines(seen.out).size(), 2u);
  }
}

}  // namespace
}  // namespace coord::test
