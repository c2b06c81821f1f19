// Members that compare their digests: who is told, and who has to go.
#include "service/api/digest_watch.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include "tests/service/api/cluster.h"

namespace coord::service {
namespace {

constexpr MemberId kSecond{2};
constexpr MemberId kThird{3};

StatePosition at(std::uint64_t index, std::uint64_t digest) {
  return {.applied = {.term = Term(1), .index = Index(index)}, .digest = digest};
}

TEST(DigestTrail, Remembers_TheSamePlacesOnEveryMember) {
  DigestTrail trail;
  constexpr std::uint64_t kEntries = 100 * DigestTrail::kLongInterval;
  for (std::uint64_t i = 1; i <= kEntries; ++i) trail.note(at(i, i * 3));
  EXPECT_EQ(trail.at(Index(kEntries)), kEntries * 3);
  EXPECT_EQ(trail.at(Index(kEntries - DigestTrail::kInterval)),
            (kEntries - DigestTrail::kInterval) * 3);
  EXPECT_EQ(trail.at(Index(kEntries - 1)), std::nullopt);
  EXPECT_EQ(trail.at(Index(kEntries - 60 * DigestTrail::kLongInterval)),
            (kEntries - 60 * DigestTrail::kLongInterval) * 3);
  EXPECT_EQ(trail.at(Index(DigestTrail::kLongInterval)), std::nullopt) << "too long ago";
  EXPECT_LE(trail.all().size(), 2 * DigestTrail::kKept);
}

class FakeMember final : public schema::Forward::Server {
 public:
  explicit FakeMember(DigestTrail trail) : trail_(std::move(trail)) {}
  kj::Promise<void> digests(DigestsContext call) override {
    if (hangs) return kj::NEVER_DONE;
    const auto all = trail_.all();
    auto list = call.getResults().initDigests(static_cast<unsigned>(all.size()));
    unsigned next = 0;
    for (const auto& [index, digest] : all) {
      list[next].setIndex(index.value());
      list[next++].setDigest(digest);
    }
    return kj::READY_NOW;
  }
  bool hangs = false;

 private:
  DigestTrail trail_;
};

class DigestWatchTest : public testing::Test {
 protected:
  ~DigestWatchTest() noexcept override {}

  static DigestTrail trail_to(std::uint64_t last, std::uint64_t spoilt_from = UINT64_MAX) {
    DigestTrail trail;
    for (std::uint64_t i = 1; i <= last; ++i) trail.note(at(i, i >= spoilt_from ? i + 1 : i));
    return trail;
  }

  FakeMember& add(MemberId id, DigestTrail trail) {
    auto member = kj::heap<FakeMember>(std::move(trail));
    FakeMember& added = *member;
    members_.emplace(id, schema::Forward::Client(kj::mv(member)));
    return added;
  }

  void watch(DigestTrail own) {
    own_ = std::move(own);
    watch_.emplace(
        own_, timer_,
        [this](MemberId id) -> kj::Maybe<capnp::Capability::Client> {
          const auto found = members_.find(id);
          if (found == members_.end()) return nullptr;
          return capnp::Capability::Client(found->second);
        },
        DigestWatch::Handlers{.differs = [this](const Error&) { ++differs_; },
                              .outvoted = [this](const Error&) { ++outvoted_; }});
    watch_->set_others({kSecond, kThird});
  }

  void pass(milliseconds time) {
    for (milliseconds passed{0}; passed < time; passed += milliseconds(100)) {
      now_ = now_ + 100 * kj::MILLISECONDS;
      timer_.advanceTo(now_);
      for (int i = 0; i < 20; ++i) kj::evalLater([] {}).wait(scope_);
    }
  }

  kj::EventLoop loop_;
  kj::WaitScope scope_{loop_};
  kj::TimePoint now_ = kj::origin<kj::TimePoint>();
  kj::TimerImpl timer_{now_};
  DigestTrail own_;
  std::map<MemberId, schema::Forward::Client> members_;
  int differs_ = 0;
  int outvoted_ = 0;
  std::optional<DigestWatch> watch_;
};

TEST_F(DigestWatchTest, StatesThatAgree_AlsoOfAMemberThatIsBehind_AreWell) {
  add(kSecond, trail_to(1000));
  add(kThird, trail_to(300));
  watch(trail_to(900));
  pass(milliseconds(5000));
  EXPECT_EQ(differs_, 0);
}

TEST_F(DigestWatchTest, OneOtherThatDiffers_IsTold_AndNoReasonToGo) {
  add(kSecond, trail_to(1000, 500));
  add(kThird, trail_to(1000));
  watch(trail_to(900));
  pass(milliseconds(3500));
  EXPECT_GE(differs_, 3);
  EXPECT_EQ(outvoted_, 0);
}

TEST_F(DigestWatchTest, MajorityThatDiffers_OutvotesThisMember) {
  add(kSecond, trail_to(1000));
  add(kThird, trail_to(2000));
  watch(trail_to(900, 500));
  pass(milliseconds(1500));
  EXPECT_EQ(outvoted_, 1);
}

TEST_F(DigestWatchTest, DifferenceBehindWhatTheOtherHas_IsNotSeenYet) {
  add(kSecond, trail_to(400));
  add(kThird, trail_to(400));
  watch(trail_to(900, 500));
  pass(milliseconds(3000));
  EXPECT_EQ(differs_, 0);
}

TEST_F(DigestWatchTest, MemberThatHangsOrCannotBeReached_DoesNotKeepFromAskingTheOther) {
  add(kSecond, trail_to(1000)).hangs = true;
  watch(trail_to(900, 500));
  pass(milliseconds(3000));
  EXPECT_EQ(differs_, 0);
  add(kThird, trail_to(1000));
  pass(milliseconds(3000));
  EXPECT_GE(differs_, 1);
  EXPECT_EQ(outvoted_, 0) << "one other is no majority";
}

TEST(DigestCall, OfAMember_TellsWhatItsStateWas) {
  TestCluster cluster(3);
  auto& leader = cluster.leader();
  const std::uint64_t wanted = 3 * DigestTrail::kInterval;
  while (leader.state().position().applied.index.value() < wanted) {
    auto request = leader.kv().writeRequest();
    auto put = request.initWrites(1)[0].initPut();
    put.setKey(kj::StringPtr("k").asBytes());
    cluster.wait(request.send());
  }
  cluster.run(milliseconds(500));
  std::vector<std::uint64_t> digests;
  for (std::size_t number = 1; number <= 3; ++number) {
    auto answer = cluster.wait(cluster.member(number).forward().digestsRequest().send());
    ASSERT_GE(answer.getDigests().size(), 3u);
    EXPECT_EQ(answer.getDigests()[2].getIndex(), wanted);
    digests.push_back(answer.getDigests()[2].getDigest());
  }
  EXPECT_EQ(digests[0], digests[1]);
  EXPECT_EQ(digests[0], digests[2]);
  EXPECT_NE(digests[0], 0u);
}

}  // namespace
}  // namespace coord::service
