#include "client/lib/directory.h"

#include <algorithm>
#include <utility>

namespace coord::internal {
namespace {

// A second endpoint is tried when the first has not answered within that time.
constexpr Duration kStagger = milliseconds(30);
constexpr Duration kConnectTimeout = milliseconds(2000);
constexpr Duration kBackoffMin = milliseconds(20);
constexpr Duration kBackoffMax = milliseconds(500);

}  // namespace

Directory::Directory(Environment& environment, std::vector<std::string> endpoints,
                     std::string client_name, std::function<void()> changed)
    : environment_(environment),
      client_name_(std::move(client_name)),
      changed_(std::move(changed)),
      tasks_(*this) {
  for (std::string& address : endpoints) {
    if (find(address) != nullptr) continue;
    endpoints_.push_back(std::make_unique<Endpoint>());
    endpoints_.back()->address = std::move(address);
    endpoints_.back()->configured = true;
  }
  // Clients that were given the same list spread over it.
  if (!endpoints_.empty()) turn_ = environment_.random() % endpoints_.size();
  keep_up_with_members();
}

Directory::~Directory() {
  close();
}

void Directory::close() {
  closed_ = true;
  waiters_.clear();
  for (auto& endpoint : endpoints_) {
    if (endpoint->connection != nullptr) endpoint->connection->close();
    endpoint->connection.reset();
  }
}

std::shared_ptr<Connection> Directory::pick(Route route) {
  if (closed_) return nullptr;
  auto connection = route == Route::kLeader ? pick_leader() : pick_voter();
  if (connection == nullptr) seek_others();
  return connection;
}

void Directory::seek_others() {
  wanted_ = true;
  race();
}

rpc::Task<std::shared_ptr<Connection>> Directory::wait_for(Route route) {
  while (true) {
    auto connection = pick(route);
    if (connection != nullptr) co_return connection;
    auto paf = kj::newPromiseAndFulfiller<void>();
    waiters_.push_back(kj::mv(paf.fulfiller));
    co_await kj::mv(paf.promise);
  }
}

std::shared_ptr<Connection> Directory::pick_leader() {
  // While it is being connected for the first time: null for a moment, after which it is known or
  // given up.
  if (leader_ != nullptr && (leader_->connection != nullptr || leader_->failures == 0)) {
    return leader_->connection;
  }
  auto stand_in = pick_any();
  if (stand_in != nullptr && leader_ == nullptr) look_for_leader();
  return stand_in;
}

std::shared_ptr<Connection> Directory::pick_any() {
  for (const bool learner : {false, true}) {
    for (std::size_t i = 0; i < endpoints_.size(); ++i) {
      Endpoint& endpoint = *endpoints_[(turn_ + i) % endpoints_.size()];
      if (endpoint.connection == nullptr || is_learner(endpoint) != learner) continue;
      turn_ = (turn_ + i + 1) % endpoints_.size();
      return endpoint.connection;
    }
  }
  return nullptr;
}

// Or a learner, if no other one can be had soon.
std::shared_ptr<Connection> Directory::pick_voter() {
  auto connection = pick_any();
  if (connection == nullptr || !is_learner(*endpoint_of(*connection))) return connection;
  seek_others();
  if (!is_voter_coming()) return connection;
  wait_for_voter();
  return nullptr;
}

// ------------------------------------------------------------------------------------------------
// Connecting

void Directory::race() {
  if (closed_ || !wanted_ || (racing_ && !urgent_)) return;
  while (Endpoint* candidate = next_candidate()) {
    start_connecting(*candidate);
    if (!urgent_) break;
  }
  urgent_ = false;
  if (racing_) return;
  racing_ = true;
  // Also when nobody could be tried now: an endpoint comes out of its backoff.
  after(kStagger, [this] {
    racing_ = false;
    race();
  });
}

Directory::Endpoint* Directory::next_candidate() {
  const Instant now = environment_.clock();
  bool voters = false;  // connected, or about to be
  for (const bool learner : {false, true}) {
    if (learner && voters) break;
    for (std::size_t i = 0; i < endpoints_.size(); ++i) {
      Endpoint& endpoint = *endpoints_[(turn_ + i) % endpoints_.size()];
      if (is_learner(endpoint) != learner) continue;
      if (endpoint.connection != nullptr || endpoint.connecting) {
        voters = true;
      } else if (endpoint.not_before <= now) {
        turn_ = (turn_ + i + 1) % endpoints_.size();
        return &endpoint;
      }
    }
  }
  return nullptr;
}

void Directory::start_connecting(Endpoint& endpoint) {
  endpoint.connecting = true;
  endpoint.connecting_since = environment_.clock();
  tasks_.add(connect_to(endpoint));
}

rpc::Task<void> Directory::connect_to(Endpoint& endpoint) {
  // Endpoints live as long as the directory (learned ones are dropped only when idle).
  std::optional<Error> error;
  try {
    auto attempt = connect(environment_, endpoint.address, client_name_).promise();
    auto result = co_await environment_.timer.timeoutAfter(to_kj(kConnectTimeout), kj::mv(attempt));
    Status status = result.ok() ? check_cluster(**result) : Status(result.error());
    if (status.ok()) {
      connected(endpoint, std::move(result).value());
      co_return;
    }
    error = status.error();
  } catch (const kj::Exception&) {
    error = make_error(ErrorCode::kUnreachable, "{} does not answer", endpoint.address);
  }
  failed(endpoint, std::move(*error));
}

// An address may come to belong to another cluster: one that was begun anew on an empty disk, for
// example. What that one says would be wrong, and what it is told would be lost.
Status Directory::check_cluster(const Connection& connection) const {
  const ClusterId theirs = connection.greeting().header.cluster;
  if (cluster_.is_zero() || theirs == cluster_) return {};
  return make_error(ErrorCode::kWrongCluster,
                    "{} belongs to another cluster ({:016x}) than the members that were met before "
                    "({:016x})",
                    connection.address(), theirs.value(), cluster_.value());
}

void Directory::connected(Endpoint& endpoint, std::shared_ptr<Connection> connection) {
  endpoint.connecting = false;
  endpoint.failures = 0;
  endpoint.trouble.clear();
  endpoint.connection = connection;
  cluster_ = connection->greeting().header.cluster;
  tasks_.add(watch_connection(connection));
  const auto& greeting = connection->greeting();
  learn({greeting.members, greeting.members_version, greeting.leader, greeting.header.term});
  wanted_ = false;
  wake();
}

void Directory::failed(Endpoint& endpoint, Error error) {
  endpoint.connecting = false;
  endpoint.trouble = std::move(error.message);
  const Duration backoff =
      std::min(kBackoffMax, kBackoffMin * (1u << std::min(endpoint.failures, 5u)));
  ++endpoint.failures;
  // Half of it at random, so that clients which failed together do not come back together.
  const auto jitter =
      Duration(environment_.random() % static_cast<std::uint64_t>(backoff.count() / 2));
  endpoint.not_before = environment_.clock() + backoff / 2 + jitter;
  if (leader_ == &endpoint) lose_leader();
  // The next one is tried at once, not when the stagger has passed.
  if (wanted_) {
    if (Endpoint* candidate = next_candidate()) start_connecting(*candidate);
  }
  wake();
}

rpc::Task<void> Directory::watch_connection(std::shared_ptr<Connection> connection) {
  try {
    co_await connection->on_disconnect();
  } catch (const kj::Exception&) {
    // Reset instead of closed: gone all the same.
  }
  lost(connection);
}

void Directory::lost(const std::shared_ptr<Connection>& connection) {
  Endpoint* endpoint = endpoint_of(*connection);
  if (endpoint == nullptr) return;
  drop(*endpoint);
  // It may be back at once (a restart), but the others are the better bet.
  endpoint->not_before = environment_.clock() + kBackoffMin;
  urgent_ = true;
  wanted_ = true;
  race();
  wake();
}

void Directory::drop(Endpoint& endpoint) {
  if (leader_ == &endpoint) leader_ = nullptr;
  // Closed when nothing of it is on the stack any more.
  tasks_.add(kj::evalLater([connection = std::move(endpoint.connection)] { connection->close(); }));
  endpoint.connection = nullptr;
}

// ------------------------------------------------------------------------------------------------

std::string Directory::trouble() const {
  std::string all;
  for (const auto& endpoint : endpoints_) {
    if (endpoint->connection != nullptr) return {};
    if (endpoint->trouble.empty()) continue;
    if (!all.empty()) all += "; ";
    all += endpoint->trouble;
  }
  return all;
}

std::vector<std::string> Directory::addresses() const {
  std::vector<std::string> result;
  for (const auto& endpoint : endpoints_) result.push_back(endpoint->address);
  return result;
}

std::shared_ptr<Connection> Directory::connected(const std::string& address) const {
  for (const auto& endpoint : endpoints_) {
    if (endpoint->address == address) return endpoint->connection;
  }
  return nullptr;
}

Directory::Endpoint* Directory::find(const std::string& address) {
  for (auto& endpoint : endpoints_) {
    if (endpoint->address == address) return endpoint.get();
  }
  return nullptr;
}

Directory::Endpoint* Directory::endpoint_of(const Connection& connection) {
  for (auto& endpoint : endpoints_) {
    if (endpoint->connection.get() == &connection) return endpoint.get();
  }
  return nullptr;
}

void Directory::wake() {
  auto waiters = std::exchange(waiters_, {});
  for (auto& waiter : waiters) waiter->fulfill();
  changed_();
}

void Directory::after(Duration delay, std::function<void()> work) {
  tasks_.add(
      environment_.timer.afterDelay(to_kj(delay)).then([work = std::move(work)] { work(); }));
}

void Directory::taskFailed(kj::Exception&& exception) {
  CHECK(false, "a task of the directory failed: {}", exception.getDescription().cStr());
}

}  // namespace coord::internal
