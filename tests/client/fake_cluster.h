// Members that behave as a test tells them to: a small true state (keys, sessions with their
// replies, leases, locks, a history to watch) behind faults that are scripted call by call.
//
// One thread, that of the KJ loop it was made on; every member answers from the one state at once.
#pragma once

#include <capnp/message.h>
#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>
#include <kj/timer.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "raft/base/error.h"
#include "schema/coord.capnp.h"

namespace coord::fake {

// What becomes of one call that changes something.
enum class Fault {
  kServe,
  kDropBefore,        // the connection is cut, and nothing applied
  kApplyThenDrop,     // applied, and the connection cut instead of an answer
  kApplyThenUnknown,  // applied, and answered that nobody knows
  kNotLeaderHint,     // refused, naming the leader
  kNotLeader,         // refused, naming nobody
  kNoQuorum,
  kStall,           // never answered
  kApplyThenStall,  // applied, and never answered
  kChangeInFlight,  // refused: another change of the members is not finished
  kServeLate,       // applied, and answered after a while
};

struct Record {
  std::string value;
  std::uint64_t create_revision = 0;
  std::uint64_t mod_revision = 0;
  std::uint64_t version = 0;
};

struct Change {
  std::uint64_t revision = 0;
  std::string key;
  std::string value;
  bool deleted = false;
};

struct SessionRecord {
  std::map<std::uint64_t, kj::Own<capnp::MallocMessageBuilder>> replies;
  std::uint64_t ttl_ms = 0;
};

struct LockState {
  std::deque<std::uint64_t> queue;  // the first one holds it
  std::uint64_t token = 0;
};

class State {
 public:
  void apply(schema::Write::Reader write, schema::WriteResult::Builder result);
  void read(schema::Read::Reader read, schema::ReadResult::Builder result) const;
  // Expiry, as the leader would do it.
  void end_session(std::uint64_t id);
  // An operator's break.
  void break_lock(const std::string& name);

  std::uint64_t revision = 0;
  std::uint64_t compacted = 0;
  std::map<std::string, Record> keys;
  std::map<std::uint64_t, SessionRecord> sessions;
  std::map<std::string, LockState> locks;
  std::vector<Change> history;
  std::vector<std::string> applied;  // "put KEY=VALUE" and the like, in order
  std::uint64_t renewals = 0;

  kj::Promise<void> changed();

 private:
  void apply_once(schema::Write::Reader write, schema::WriteResult::Builder result);
  void put(const std::string& key, const std::string& value);
  void notify();

  std::vector<kj::Own<kj::PromiseFulfiller<void>>> waiters_;
};

// Who takes part, as far as Membership calls ask and change it. Cluster.members tells of those who
// are not Members, too, and of a Member only while it is among these.
class Membership {
 public:
  void change(schema::MemberChange::Reader change,
              schema::Membership::ChangeResults::Builder result);
  bool contains(std::uint64_t id) const { return voters.contains(id) || learners.contains(id); }

  std::set<std::uint64_t> voters;
  std::set<std::uint64_t> learners;
  // Who waits to be added, by peer address; named "n" and its number.
  std::map<std::string, std::uint64_t> waiting;
  bool caught_up = true;  // the learners
  // For each change and transfer to come, at whichever member; then kServe.
  std::deque<Fault> faults;
  std::vector<std::string> made;  // "add 4", "replace 2 4" and the like, in order
  std::size_t asked_for_progress = 0;
};

// Compaction as far as it is asked for: nothing but the line is moved.
struct Compaction {
  // For each call to come, at whichever member; then kServe.
  std::deque<Fault> faults;
  // What each call was given, in order.
  std::vector<std::uint32_t> deadlines_ms;
};

class Cluster;

class Member final {
 public:
  Member(Cluster& cluster, std::uint64_t id, std::string address);
  ~Member();

  void serve(kj::Own<kj::AsyncIoStream> stream);
  // Cuts every connection, as the end of its process would.
  void cut();

 private:
  Cluster& cluster_;

 public:
  const std::uint64_t id;
  std::string address;
  bool up = true;
  // Connections are accepted, and nothing is ever answered (a process that was stopped).
  bool stopped = false;
  // For each write call to come; then kServe.
  std::deque<Fault> faults;
  // Refuses writes while another one leads, instead of forwarding.
  bool refuses = true;
  bool renews = true;  // false: renewals are never answered
  // The newest revision that it knows of, where it lags.
  std::optional<std::uint64_t> lags_at;
  // What it delivers to a watch is on its way for so long, and comes whatever has become of the
  // watch.
  milliseconds deliveries_take{0};
  std::uint64_t cluster_id = 1;
  std::size_t write_calls = 0;
  std::size_t read_calls = 0;
  std::size_t writes = 0;
  std::size_t connections = 0;
  std::size_t asked_for_members = 0;
  std::size_t watch_calls = 0;

  std::uint64_t revision() const;
  Cluster& cluster() { return cluster_; }
  // Never fulfilled.
  kj::Promise<void> silence() { return kj::NEVER_DONE; }

 private:
  struct Link;
  std::vector<kj::Own<Link>> links_;
};

class Cluster final : private kj::TaskSet::ErrorHandler {
 public:
  Cluster(kj::Timer& timer, std::size_t members);
  ~Cluster();

  Member& member(std::size_t index) { return *members_[index]; }
  std::size_t size() const { return members_.size(); }
  Member* at(const std::string& address);
  // Of all who take part, whether or not there is a Member for them.
  std::vector<std::uint64_t> member_ids() const;
  // None: nobody leads.
  Member* leader() { return leader_; }
  void elect(Member* member) {
    leader_ = member;
    if (member != nullptr) ++term_;
  }
  std::uint64_t term() const { return term_; }

  kj::Timer& timer() { return timer_; }
  void later(std::function<void()> work);
  void add(kj::Promise<void> task) { tasks_.add(kj::mv(task)); }

  State state;
  Membership membership;
  Compaction compaction;
  // Who of them is a member at the moment: from the first to before the second.
  std::pair<std::size_t, std::size_t> present{0, SIZE_MAX};
  // To be raised when that changes.
  std::uint64_t members_version = 1;

 private:
  void taskFailed(kj::Exception&&) override {}

  kj::Timer& timer_;
  std::vector<std::unique_ptr<Member>> members_;
  Member* leader_ = nullptr;
  std::uint64_t term_ = 1;
  kj::TaskSet tasks_;
};

}  // namespace coord::fake
