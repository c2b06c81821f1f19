#include "service/api/leader_door.h"

#include <iterator>
#include <utility>

namespace coord::service {

namespace {
constexpr milliseconds kRetryAfter{200};

bool moves_leadership(const raft::Fact& fact) {
  return std::holds_alternative<raft::BecameFollower>(fact) ||
         std::holds_alternative<raft::BecameLeader>(fact) ||
         std::holds_alternative<raft::LeadershipConfirmed>(fact) ||
         std::holds_alternative<raft::SteppedDown>(fact) ||
         std::holds_alternative<raft::LeaderLearned>(fact) ||
         std::holds_alternative<raft::TransferFailed>(fact);
}
}  // namespace

LeaderDoor::LeaderDoor(Dependencies dependencies, MemberId self, Duration patience,
                       std::size_t waiting_max)
    : deps_(std::move(dependencies)),
      self_(self),
      patience_(patience),
      waiting_max_(waiting_max),
      moved_(next_move()),
      sweeper_(deps_.clock.timer, [this] { return sweep(); }) {
  note_leader();
}

void LeaderDoor::note_leader() {
  if (!deps_.node.leader().is_zero()) {
    leaderless_since_.reset();
  } else if (!leaderless_since_) {
    leaderless_since_ = deps_.clock.now();
  }
}

kj::ForkedPromise<void> LeaderDoor::next_move() {
  auto pair = kj::newPromiseAndFulfiller<void>();
  moving_ = kj::mv(pair.fulfiller);
  return pair.promise.fork();
}

bool LeaderDoor::satisfied(bool reachable) {
  const MemberId leader = deps_.node.leader();
  if (leader.is_zero()) return false;
  if (!reachable || leader == self_) return true;
  return deps_.peer_service(leader) != nullptr;
}

std::optional<Error> LeaderDoor::refusal(Instant deadline) {
  if (shut_down_) return make_error(ErrorCode::kShuttingDown, "this member is shutting down");
  const Instant now = deps_.clock.now();
  const bool hopeless = leaderless_since_ && now - *leaderless_since_ >= patience_;
  if (!hopeless && now < deadline) return std::nullopt;
  Error error = leaderless_since_
                    ? make_error(ErrorCode::kNoQuorum,
                                 "no leader is known: a majority of the members is out of reach")
                    : make_error(ErrorCode::kNoQuorum, "the leader, member {}, cannot be reached",
                                 deps_.node.leader());
  error.retry_after = kRetryAfter;
  return error;
}

kj::Promise<Status> LeaderDoor::wait(bool reachable, Instant deadline) {
  note_leader();
  if (satisfied(reachable) && !shut_down_) return Status::success();
  if (auto error = refusal(deadline)) return Status(std::move(*error));
  if (waiting_.size() >= waiting_max_) {
    return Status(make_error(ErrorCode::kOverloaded, "{} requests are waiting for a leader",
                             waiting_.size()));
  }
  auto waiter = kj::newPromiseAndFulfiller<Status>();
  waiting_.push_back(Waiting{kj::mv(waiter.fulfiller), reachable, deadline});
  sweeper_.wake();
  return kj::mv(waiter.promise);
}

kj::Promise<Status> LeaderDoor::known(Instant deadline) {
  return wait(false, deadline);
}

kj::Promise<Result<LeaderDoor::Place>> LeaderDoor::find(Instant deadline) {
  if (here() && !shut_down_) return Result<Place>(Place(Here{}));
  return wait(true, deadline).then([this](Status status) -> Result<Place> {
    if (!status.ok()) return status.error();
    if (here()) return Place(Here{});
    const MemberId leader = deps_.node.leader();
    KJ_IF_MAYBE (service, deps_.peer_service(leader)) {
      return Place(There{leader, service->castAs<schema::Forward>()});
    }
    // Gone within the turn that found it.
    return make_error(ErrorCode::kNotLeader, "the leader changed while the request was under way");
  });
}

void LeaderDoor::on_fact(const raft::Fact& fact) {
  note_leader();
  if (moves_leadership(fact)) {
    moving_->fulfill();
    moved_ = next_move();
  }
  if (!waiting_.empty()) sweep();
}

bool LeaderDoor::sweep() {
  note_leader();
  const bool known = satisfied(false);
  const bool reachable = satisfied(true);
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    std::optional<Error> error;
    bool over = !it->answer->isWaiting();
    if (!shut_down_ && (it->reachable ? reachable : known)) {
      it->answer->fulfill(Status::success());
      over = true;
    } else if ((error = refusal(it->deadline))) {
      it->answer->fulfill(Status(std::move(*error)));
      over = true;
    }
    it = over ? waiting_.erase(it) : std::next(it);
  }
  return !waiting_.empty();
}

void LeaderDoor::shut_down() {
  shut_down_ = true;
  sweep();
}

}  // namespace coord::service
