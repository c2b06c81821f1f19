#include "service/api/read_gate.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace coord::service {

namespace {

Error no_round() {
  Error error = make_error(ErrorCode::kNoQuorum,
                           "no majority of the members confirmed the read before its deadline");
  error.retry_after = milliseconds(100);
  return error;
}

// Refusals that another leader, or the same one a little later, may take back.
bool passing(const Status& status) {
  if (status.ok()) return false;
  const ErrorCode code = status.error().code;
  return code == ErrorCode::kNotLeader || code == ErrorCode::kNoQuorum ||
         code == ErrorCode::kCancelled;
}

// Between two questions to a leader that is known and does not answer for reads yet.
constexpr milliseconds kAskAgain{2};

}  // namespace

ReadGate::ReadGate(raft::Node& node, LeaderDoor& leader, Clock clock, std::size_t waiting_max)
    : node_(node),
      leader_(leader),
      clock_(std::move(clock)),
      waiting_max_(waiting_max),
      table_(std::make_shared<Table>()),
      sweeper_(clock_.timer, [this] { return sweep(); }) {}

void ReadGate::Table::settle(std::uint64_t id, Status status) {
  const auto it = waiting.find(id);
  if (it == waiting.end()) return;
  it->second.answer->fulfill(std::move(status));
  waiting.erase(it);
}

kj::Promise<Status> ReadGate::ask(Instant deadline) {
  auto waiter = kj::newPromiseAndFulfiller<Status>();
  const std::uint64_t id = ++table_->last;
  table_->waiting.emplace(id, Waiting{kj::mv(waiter.fulfiller), deadline});
  sweeper_.wake();
  node_.read_gate([weak = std::weak_ptr<Table>(table_), id](Status status) {
    if (const auto table = weak.lock()) table->settle(id, std::move(status));
  });
  return kj::mv(waiter.promise);
}

rpc::Task<Status> ReadGate::pass(Instant deadline) {
  for (;;) {
    if (shut_down_) co_return make_error(ErrorCode::kShuttingDown, "this member is shutting down");
    if (table_->waiting.size() >= waiting_max_) {
      co_return make_error(ErrorCode::kOverloaded, "{} reads are waiting", table_->waiting.size());
    }
    if (node_.leader().is_zero()) {
      // The node would wait for one, too, but does not know when to give up.
      auto waiting = leader_.known(deadline);
      const Status known = co_await kj::mv(waiting);
      if (!known.ok()) co_return known;
    }
    const Instant asked = clock_.now();
    Status status = co_await ask(deadline);
    if (status.ok()) fresh_as_of_ = std::max(fresh_as_of_.value_or(asked), asked);
    if (!passing(status) || clock_.now() >= deadline) co_return status;
    co_await clock_.timer.afterDelay(kAskAgain.count() * kj::MILLISECONDS);
  }
}

bool ReadGate::sweep() {
  const Instant now = clock_.now();
  auto& waiting = table_->waiting;
  for (auto it = waiting.begin(); it != waiting.end();) {
    const bool over = it->second.deadline <= now || !it->second.answer->isWaiting();
    if (over) it->second.answer->fulfill(Status(no_round()));
    it = over ? waiting.erase(it) : std::next(it);
  }
  return !waiting.empty();
}

void ReadGate::shut_down() {
  shut_down_ = true;
  for (auto& [id, waiting] : table_->waiting) {
    waiting.answer->fulfill(
        Status(make_error(ErrorCode::kShuttingDown, "this member is shutting down")));
  }
  table_->waiting.clear();
}

}  // namespace coord::service
