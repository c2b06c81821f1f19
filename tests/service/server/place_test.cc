// What a member makes of what others say about its place.
#include "service/server/place.h"

#include <gtest/gtest.h>
#include <kj/async.h>
#include <kj/timer.h>

#include "tests/service/state/machine.h"
#include "tests/service/store/fixture.h"
#include "tests/temporary_directory.h"

namespace coord::service {
namespace {

constexpr MemberId kSelf{1};
constexpr ClusterId kOther{78};

raft::Configuration configuration_of(std::vector<MemberId> voters) {
  raft::Configuration configuration;
  for (const MemberId id : voters) {
    configuration.voters.push_back(id);
    configuration.addresses.emplace(id, "127.0.0.1:1");
  }
  return configuration;
}

// A cluster of one that has just begun.
class NewClusterOfOne : public testing::Test {
 protected:
  explicit NewClusterOfOne(int starts = 1) : place_(make(starts)) {
    place_.begin(configuration_of({kSelf}));
  }
  ~NewClusterOfOne() noexcept override {}

  Place make(int starts) {
    Identity identity{.cluster = ClusterId(77), .member = kSelf, .name = "n1", .incarnation = {}};
    identity.initial.emplace(kSelf, InitialMember{"n1", "127.0.0.1:1"});
    for (int i = 0; i < starts; ++i) {
      data_.reset();
      data_.emplace(DataDirectory::open(directory_.path(), identity).value());
    }
    return Place(*data_, identity, Incarnations::read(data_->met()).value(),
                 Probation(identity, {}, false), machine_.state(), timer_, disk_,
                 {.peers = [](const auto&) {},
                  .other_voters = [](const auto&) {},
                  .ended = [this](const Error& error) { ended_ = error; },
                  .failed = [](const Error& error) { ADD_FAILURE() << error.message; }});
  }
  void claim() {
    place_.claimed(kOther);
    pass();
  }
  void pass() {
    timer_.advanceTo(timer_.now() + 1 * kj::SECONDS);
    scope_.poll();
  }
  bool marked() const { return std::filesystem::exists(directory_.path() / "removed"); }

  const test::TemporaryDirectory directory_;
  kj::EventLoop loop_;
  kj::WaitScope scope_{loop_};
  kj::TimerImpl timer_{kj::origin<kj::TimePoint>()};
  Machine machine_;
  PostQueue queue_;
  Worker disk_{queue_.post()};
  std::optional<DataDirectory> data_;
  std::optional<Error> ended_;
  Place place_;
};

// The same, started a second time.
class ClusterOfOneOfBefore : public NewClusterOfOne {
 protected:
  ClusterOfOneOfBefore() : NewClusterOfOne(2) {}
};

TEST_F(NewClusterOfOne, WithNothingInIt_GivesWayToTheClusterThatKnowsItsMember) {
  claim();
  ASSERT_TRUE(ended_);
  EXPECT_EQ(ended_->code, ErrorCode::kWrongIncarnation);
  EXPECT_TRUE(marked());
}

TEST_F(NewClusterOfOne, ThatIsRemoved_EndsOnceItIsMarkedAndHasSaidWhatItHadToSay) {
  place_.on_fact(raft::Removed{Index(2)});
  queue_.run_one();
  scope_.poll();
  EXPECT_TRUE(marked());
  EXPECT_FALSE(ended_) << "the answers that it has are to leave first";
  pass();
  ASSERT_TRUE(ended_);
  EXPECT_EQ(ended_->code, ErrorCode::kMemberRemoved);
}

TEST_F(ClusterOfOneOfBefore, WithNothingInIt_BelievesNobody) {
  claim();
  EXPECT_FALSE(ended_);
  EXPECT_FALSE(marked());
}

TEST_F(NewClusterOfOne, ThatGrows_HearsTheNewMemberOnceItsDiskIsWrittenDown) {
  const MemberId other(2);
  ASSERT_TRUE(place_.meet({other, Incarnation(7)}).promise().wait(scope_).ok());
  EXPECT_TRUE(place_.hears(other));
  place_.on_fact(raft::ConfigurationChanged{Index(2), configuration_of({kSelf, other})});
  EXPECT_FALSE(place_.hears(other));
  queue_.run_one();
  EXPECT_TRUE(place_.hears(other));
}

TEST_F(NewClusterOfOne, ThatRemovesWhomItIsStillMeeting_DoesNotLetItIn) {
  const MemberId other(2);
  const auto both = configuration_of({kSelf, other});
  place_.on_fact(raft::ConfigurationChanged{Index(2), both});
  auto meeting = place_.meet({other, Incarnation(7)}).promise();
  machine_.state().apply(machine_.next_configuration(both), nullptr);
  machine_.state().apply(machine_.next_configuration(configuration_of({kSelf})), nullptr);
  queue_.run_one();
  EXPECT_EQ(meeting.wait(scope_).error().code, ErrorCode::kMemberRemoved);
}

TEST_F(NewClusterOfOne, WithDataInIt_BelievesNobody) {
  machine_.write(commands::put("k", "v"));
  claim();
  EXPECT_FALSE(ended_);
  EXPECT_FALSE(marked());
}

TEST_F(NewClusterOfOne, WithALease_BelievesNobody) {
  machine_.write(commands::grant(1, {.ttl_ms = 60'000}));
  claim();
  EXPECT_FALSE(ended_);
  EXPECT_FALSE(marked());
}

TEST_F(NewClusterOfOne, ThatHasGrown_BelievesNobody) {
  place_.on_fact(raft::ConfigurationChanged{Index(2), configuration_of({kSelf, MemberId(2)})});
  claim();
  EXPECT_FALSE(ended_);
  EXPECT_FALSE(marked());
}

TEST_F(NewClusterOfOne, ThatHasGrownAndShrunk_BelievesNobody) {
  machine_.state().apply(machine_.next_configuration(configuration_of({kSelf})), nullptr);
  claim();
  EXPECT_FALSE(ended_);
  EXPECT_FALSE(marked());
}

}  // namespace
}  // namespace coord::service
