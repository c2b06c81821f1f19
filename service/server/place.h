// This member's place among the others: whom it has to do with, whether it takes part, and its end
// when it has no place any more.
//
// Loop thread.
#pragma once

#include <kj/async.h>
#include <kj/timer.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "raft/node/node.h"
#include "raft/transport/transport.h"
#include "service/server/data_directory.h"
#include "service/server/incarnations.h"
#include "service/server/probation.h"
#include "service/state/state.h"

namespace coord::service {

class Place {
 public:
  // From the moment that this member knows of its removal: so that the answers to requests that it
  // has, and its last messages, leave.
  static constexpr milliseconds kGrace{200};

  struct Handlers {
    // Where every member of the configuration is to be dialled.
    std::function<void(const std::map<MemberId, std::string>&)> peers;
    std::function<void(std::vector<MemberId>)> other_voters;
    // This member has no place in the cluster any more: kMemberRemoved or kWrongIncarnation. Once.
    std::function<void(const Error&)> ended;
    // The disk has failed.
    std::function<void(const Error&)> failed;
  };

  // `disk`, which has to outlive this, is for writing what the loop may not wait for.
  Place(DataDirectory& data, Identity identity, const Incarnations::Known& met, Probation probation,
        const State& state, kj::Timer& timer, Worker& disk, Handlers handlers);
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  const Identity& identity() const { return identity_; }

  // The configuration in force, as of the start; then it follows by itself.
  void begin(const raft::Configuration& configuration);
  void on_fact(const raft::Fact& fact);

  // See raft::Transport::Handlers.
  rpc::Task<Status> meet(raft::Introduction other);
  void greeted(MemberId other);
  void refused(MemberId other, const Error& error);
  void claimed(ClusterId other);

  // Consensus hears and says nothing before.
  bool takes_part() const { return probation_.over(); }
  // Consensus hears what that member says; else it is as good as lost.
  bool hears(MemberId member) const { return takes_part() && incarnations_.hears(member); }
  // Nothing: it does.
  std::optional<std::string> why_it_does_not_serve() const;

 private:
  void take_part();
  void follow(const raft::Configuration& configuration);
  bool is_a_new_cluster_of_one() const;
  void tell_of_claim(ClusterId other);
  void removed();
  void end(Error error);
  rpc::Task<void> leave(Error error);

  DataDirectory& data_;
  const Identity identity_;
  const Handlers handlers_;
  Incarnations incarnations_;
  Probation probation_;
  const State& state_;
  kj::Timer& timer_;
  Worker& disk_;
  bool is_member_ = false;
  bool is_alone_ = false;
  std::optional<kj::TimePoint> claim_told_;
  bool ending_ = false;
  kj::Own<kj::PromiseFulfiller<Status>> marked_;  // by leave()
  kj::Promise<void> end_;
};

}  // namespace coord::service
