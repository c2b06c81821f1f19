#include "service/server/place.h"

#include <spdlog/spdlog.h>

#include <utility>
#include <variant>

namespace coord::service {

namespace {
constexpr kj::Duration kClaimAgain = 10 * kj::SECONDS;
}

Place::Place(DataDirectory& data, Identity identity, const Incarnations::Known& met,
             Probation probation, const State& state, kj::Timer& timer, Worker& disk,
             Handlers handlers)
    : data_(data),
      identity_(std::move(identity)),
      handlers_(std::move(handlers)),
      incarnations_(data.met(), met, disk, handlers_.failed),
      probation_(std::move(probation)),
      state_(state),
      timer_(timer),
      disk_(disk),
      end_(kj::READY_NOW) {}

void Place::begin(const raft::Configuration& configuration) {
  follow(configuration);
  if (probation_.over()) take_part();
  if (const auto why = why_it_does_not_serve()) spdlog::info("{}", *why);
}

void Place::on_fact(const raft::Fact& fact) {
  if (const auto* changed = std::get_if<raft::ConfigurationChanged>(&fact)) {
    follow(changed->configuration);
  }
  if (std::holds_alternative<raft::Removed>(fact)) removed();
}

void Place::follow(const raft::Configuration& configuration) {
  is_member_ = configuration.contains(identity_.member);
  is_alone_ = is_member_ && configuration.members().size() == 1;
  incarnations_.members_are(configuration);
  handlers_.peers(configuration.addresses);
  std::vector<MemberId> voters = configuration.voters;
  std::erase(voters, identity_.member);
  handlers_.other_voters(std::move(voters));
}

rpc::Task<Status> Place::meet(raft::Introduction other) {
  const auto removed = [&] {
    return make_error(ErrorCode::kMemberRemoved, "member {} was removed from the cluster",
                      other.member);
  };
  if (state_.was_removed(other.member)) co_return removed();
  auto meeting = incarnations_.meet(other.member, other.incarnation);
  Status met = co_await std::move(meeting);
  if (met.ok() && state_.was_removed(other.member)) co_return removed();
  co_return met;
}

void Place::greeted(MemberId other) {
  if (probation_.over()) return;
  const bool last = probation_.accepted_by(other);
  if (last) take_part();
  spdlog::info("{}",
               last ? "enough members have accepted this one: it takes part" : probation_.text());
}

void Place::refused(MemberId other, const Error& error) {
  if (error.code == ErrorCode::kMemberRemoved) return removed();
  if (error.code != ErrorCode::kWrongIncarnation || std::exchange(ending_, true)) return;
  Error why = make_error(
      error.code,
      "member {} knows this one, {}, with another disk: its data directory is not the one it had. "
      "What it has promised is lost, so it must not take part: remove it from the cluster "
      "(coordctl member remove {}), and let it enter again with an empty data directory and "
      "--join. (A cluster that has never had a leader has nothing to lose: empty the data "
      "directories of all its members, and start them again.)",
      other, identity_.name, identity_.name);
  end(std::move(why));
}

// A cluster of one that has grown and whose first member has lost its disk: to itself, that member
// is a new cluster of one. Only whoever is that new can be such a one. But anybody can say so, and
// what somebody has entrusted to this cluster is worth more than his word.
void Place::claimed(ClusterId other) {
  if (!is_a_new_cluster_of_one()) return tell_of_claim(other);
  if (std::exchange(ending_, true)) return;
  Error error = make_error(
      ErrorCode::kWrongIncarnation,
      "this member, {}, has begun a new cluster on an empty disk, but others know it as a member "
      "of "
      "the cluster {:016x}: it has lost its disk, and what it has promised is lost. This data "
      "directory is not used any more. Remove the member from that cluster (coordctl member remove "
      "{}), and let it enter again with an empty data directory and --join",
      identity_.name, other.value(), identity_.name);
  // The loop waits for the disk, so that nothing is written to it meanwhile.
  if (Status status = data_.mark_removed(error.message); !status.ok()) {
    return handlers_.failed(status.error());
  }
  end(std::move(error));
}

// Nothing is lost with it: it has begun in this very process, and nobody has written anything.
bool Place::is_a_new_cluster_of_one() const {
  return data_.is_new() && identity_.initial.size() == 1 && is_alone_ && !state_.configuration() &&
         state_.revision() == Revision() && state_.lease_count() == 0;
}

void Place::tell_of_claim(ClusterId other) {
  if (claim_told_ && timer_.now() - *claim_told_ < kClaimAgain) return;
  claim_told_ = timer_.now();
  spdlog::error("cluster {:016x} has a member at this one's address, with its name", other.value());
}

// Before the first message, vote or entry.
void Place::take_part() {
  if (Status status = data_.mark_begun(); !status.ok()) handlers_.failed(status.error());
}

void Place::removed() {
  if (std::exchange(ending_, true)) return;
  Error error = make_error(
      ErrorCode::kMemberRemoved,
      "this member, {}, was removed from the cluster. It does not start with this data directory "
      "any more; to have it back, empty the directory and start it with --join",
      identity_.name);
  end_ = leave(std::move(error));
}

void Place::end(Error error) {
  end_ = kj::evalLater([this, error = std::move(error)] {
           handlers_.ended(error);
         }).eagerlyEvaluate(nullptr);
}

rpc::Task<void> Place::leave(Error error) {
  const kj::TimePoint earliest = timer_.now() + kGrace.count() * kj::MILLISECONDS;
  auto marked = kj::newPromiseAndFulfiller<Status>();
  marked_ = kj::mv(marked.fulfiller);
  disk_.run([&data = data_, why = error.message] { return data.mark_removed(why); },
            [this](Status status) { marked_->fulfill(std::move(status)); });
  const Status status = co_await kj::mv(marked.promise);
  if (!status.ok()) {
    handlers_.failed(status.error());
    co_return;
  }
  co_await timer_.atTime(earliest);
  handlers_.ended(error);
}

std::optional<std::string> Place::why_it_does_not_serve() const {
  if (!probation_.over()) return probation_.text();
  if (is_member_) return std::nullopt;
  if (!identity_.joined()) return "this member is not in the cluster's configuration";
  return fmt::format(
      "this member waits to be added to the cluster: coordctl member add {} --peer HOST:PORT",
      identity_.name);
}

}  // namespace coord::service
