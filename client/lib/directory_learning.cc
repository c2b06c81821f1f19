// What the directory learns from answers: which members there are, and who leads.
#include <algorithm>
#include <iterator>
#include <utility>

#include "client/lib/convert.h"
#include "client/lib/directory.h"

namespace coord::internal {
namespace {

// How long a request waits for a connection to the leader before it goes to a member that forwards.
constexpr Duration kLeaderPatience = milliseconds(200);
// How long a request that any member can answer waits for one that votes before it goes to a
// learner.
constexpr Duration kVoterPatience = milliseconds(200);
// How often members are asked for the leader while nobody knows it.
constexpr Duration kAskInterval = milliseconds(20);
// And while all that they know is one that cannot be reached.
constexpr Duration kAskIntervalMax = milliseconds(200);
constexpr Duration kAskTimeout = milliseconds(500);
// How long nothing at all is heard from the one that leads before it is left for those that
// forward: what was sent to it once may then be in doubt. Where any other will do, half of it.
constexpr Duration kSilenceMax = 2 * kAskTimeout;
// Between two questions for members that were heard of, at first: whoever knows of them may be out
// of reach for good.
constexpr Duration kRefreshInterval = milliseconds(50);
// How often a member is asked for the others where no answer brings news of them.
constexpr Duration kMembersInterval = seconds(10);
// Configured and learned together; a server that tells of more is not believed.
constexpr std::size_t kEndpointsMax = 64;

}  // namespace

void Directory::learn(const News& news) {
  if (news.members_version >= members_version_) learn_members(news);
  if (news.leader.is_zero() || news.term < term_) return;
  if (news.term > term_) leader_is_out_of_reach_ = false;
  term_ = news.term;
  for (auto& endpoint : endpoints_) {
    if (endpoint->connection != nullptr && endpoint->connection->member() == news.leader) {
      return lead(endpoint.get());
    }
  }
  for (const MemberInfo& member : news.members) {
    if (member.id == news.leader && !member.client_address.empty()) {
      return lead(find(member.client_address));
    }
  }
}

void Directory::learn_members(const News& news) {
  members_version_ = news.members_version;
  learners_.clear();
  std::copy_if(news.members.begin(), news.members.end(), std::back_inserter(learners_),
               [](const MemberInfo& member) { return member.learner; });
  const auto tells_of = [&](const std::string& address) {
    return std::any_of(news.members.begin(), news.members.end(),
                       [&](const MemberInfo& member) { return member.client_address == address; });
  };
  // What the caller gave stays: it may be another name of a member, or of all of them. So does what
  // somebody is connected to, or is just about to be.
  std::erase_if(endpoints_, [&](const auto& endpoint) {
    return !endpoint->configured && endpoint->connection == nullptr && !endpoint->connecting &&
           leader_ != endpoint.get() && !news.members.empty() && !tells_of(endpoint->address);
  });
  for (const MemberInfo& member : news.members) {
    const std::string& address = member.client_address;
    if (address.empty() || endpoints_.size() >= kEndpointsMax || find(address) != nullptr) continue;
    // A member that is connected under another name of its address needs no second connection.
    const bool known = std::any_of(endpoints_.begin(), endpoints_.end(), [&](const auto& endpoint) {
      return endpoint->connection != nullptr && endpoint->connection->member() == member.id;
    });
    if (known) continue;
    endpoints_.push_back(std::make_unique<Endpoint>());
    endpoints_.back()->address = address;
  }
}

bool Directory::is_learner(const Endpoint& endpoint) const {
  return std::any_of(learners_.begin(), learners_.end(), [&](const MemberInfo& learner) {
    return endpoint.connection != nullptr ? endpoint.connection->member() == learner.id
                                          : endpoint.address == learner.client_address;
  });
}

bool Directory::is_voter_coming() const {
  const Instant now = environment_.clock();
  return std::any_of(endpoints_.begin(), endpoints_.end(), [&](const auto& endpoint) {
    if (endpoint->connection != nullptr || is_learner(*endpoint)) return false;
    return endpoint->connecting ? now < endpoint->connecting_since + kVoterPatience
                                : endpoint->failures == 0;
  });
}

void Directory::wait_for_voter() {
  if (std::exchange(waiting_for_voter_, true)) return;
  after(kVoterPatience, [this] {
    waiting_for_voter_ = false;
    wake();
  });
}

// Until they are as new as was heard of: the member that is asked may be behind the one whose
// answer it has passed on.
void Directory::refresh_members() {
  if (refreshing_ || closed_ || members_heard_of_ <= members_version_) return;
  refreshing_ = true;
  if (const auto connection = pick_any()) tasks_.add(ask(connection, nullptr));
  after(refresh_pause_, [this] {
    refreshing_ = false;
    refresh_members();
  });
  refresh_pause_ = std::min(2 * refresh_pause_, kMembersInterval);
}

void Directory::keep_up_with_members() {
  after(kMembersInterval, [this] {
    if (closed_) return;
    if (const auto connection = pick_any()) tasks_.add(ask(connection, nullptr));
    keep_up_with_members();
  });
}

void Directory::lead(Endpoint* endpoint) {
  leader_ = endpoint;
  if (leader_ == nullptr) return;
  if (leader_->connection != nullptr) {
    leader_is_out_of_reach_ = false;
    return;
  }
  // One that cannot be reached just now is of no use: its followers forward.
  const Instant now = environment_.clock();
  if (leader_->connecting ? leader_->connecting_since + kLeaderPatience <= now
                          : leader_->not_before > now) {
    return lose_leader();
  }
  if (!leader_->connecting) start_connecting(*leader_);
  after(kLeaderPatience, [this, endpoint] {
    if (leader_ != endpoint || endpoint->connection != nullptr) return;
    lose_leader();
    wake();
  });
}

void Directory::lose_leader() {
  leader_ = nullptr;
  leader_is_out_of_reach_ = true;
}

void Directory::answered(const Connection& connection, schema::Header::Reader header) {
  if (const Index members(header.getMembers()); members > members_heard_of_) {
    members_heard_of_ = members;
    refresh_pause_ = kRefreshInterval;
    refresh_members();
  }
  // A refusal may come without a header.
  const MemberId member(header.getMemberId());
  const bool news =
      !member.is_zero() && (Term(header.getTerm()) > term_ || member != connection.member());
  if (!news || endpoint_of(connection) == nullptr) return;
  // Somebody else may lead now: that is not to wait until it is time to ask again.
  if (Term(header.getTerm()) > term_ && std::exchange(leader_is_out_of_reach_, false)) {
    asking_ = false;
  }
  look_for_leader();
}

bool Directory::not_leader(const std::shared_ptr<Connection>& connection, const std::string& hint) {
  Endpoint* endpoint = endpoint_of(*connection);
  if (leader_ == endpoint) leader_ = nullptr;
  if (!hint.empty() && hint != connection->address()) {
    if (find(hint) == nullptr && endpoints_.size() < kEndpointsMax) {
      endpoints_.push_back(std::make_unique<Endpoint>());
      endpoints_.back()->address = hint;
    }
    lead(find(hint));
  }
  if (leader_ == nullptr) look_for_leader();
  return leader_ != nullptr && (leader_->connection != nullptr || leader_->failures == 0);
}

void Directory::look_for_leader() {
  if (asking_ || closed_) return;
  asking_ = true;
  for (auto& endpoint : endpoints_) {
    if (endpoint->connection != nullptr) {
      tasks_.add(ask(endpoint->connection, nullptr));
    } else if (!endpoint->connecting && endpoint->not_before <= environment_.clock()) {
      start_connecting(*endpoint);
    }
  }
  ask_pause_ = leader_is_out_of_reach_ ? std::clamp(2 * ask_pause_, kAskInterval, kAskIntervalMax)
                                       : kAskInterval;
  after(ask_pause_, [this] {
    asking_ = false;
    if (leader_ == nullptr) wake();
  });
}

void Directory::suspect(const std::shared_ptr<Connection>& connection, Route route) {
  if (endpoint_of(*connection) == nullptr) return;
  if (!std::exchange(connection->probed, true)) {
    tasks_.add(probe(connection, route == Route::kLeader ? kSilenceMax : kAskTimeout));
  }
  if (route == Route::kAny) return;
  for (auto& endpoint : endpoints_) {
    if (endpoint->connection == connection) continue;
    if (endpoint->connection != nullptr) {
      tasks_.add(ask(endpoint->connection, connection));
    } else if (!endpoint->connecting && endpoint->not_before <= environment_.clock()) {
      start_connecting(*endpoint);
    }
  }
}

// A member that is there answers this at once, whatever else it has to wait for.
rpc::Task<void> Directory::probe(std::shared_ptr<Connection> connection, Duration patience) {
  const kj::TimePoint asked = environment_.timer.now();
  bool answered = false;
  try {
    co_await environment_.timer.timeoutAfter(
        to_kj(patience), connection->cluster().membersRequest().send().ignoreResult());
    answered = true;
  } catch (const kj::Exception&) {
    // Its answer may still stand behind a long one that is being received.
  }
  // If this process was held up itself, what has arrived meanwhile is to be seen first.
  co_await kj::evalLast([] {});
  connection->probed = false;
  if (!answered && !connection->closed() && connection->heard() <= asked) lost(connection);
}

rpc::Task<void> Directory::ask(std::shared_ptr<Connection> connection,
                               std::shared_ptr<Connection> suspected) {
  try {
    auto answer = co_await environment_.timer.timeoutAfter(
        to_kj(kAskTimeout), kj::Promise<capnp::Response<schema::Cluster::MembersResults>>(
                                connection->cluster().membersRequest().send()));
    // One that is no member knows of none.
    if (answer.hasFailure()) co_return;
    News news{.members = {},
              .members_version = Index(answer.getHeader().getMembers()),
              .leader = MemberId(answer.getLeader()),
              .term = Term(answer.getHeader().getTerm())};
    // Left only for somebody who can do better: while the others have no leader, or the same one,
    // to wait is all that can be done.
    if (suspected != nullptr &&
        (news.leader.is_zero() || news.leader == suspected->member() || news.term < term_)) {
      co_return;
    }
    for (const auto member : answer.getMembers()) {
      news.members.push_back(to_member_info(member));
    }
    if (suspected != nullptr) lost(suspected);
    Endpoint* const before = leader_;
    learn(news);
    if (leader_ != before) wake();
  } catch (const kj::Exception&) {
    // Another one may know; a closed connection is noticed elsewhere.
  }
}

}  // namespace coord::internal
