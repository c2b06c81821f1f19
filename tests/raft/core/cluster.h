// A small cluster of real cores for tests that read like a story: messages and disk writes wait
// until the test lets them go, time passes when the test says so. After every step of a member its
// invariants and the cluster's safety are checked.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "raft/core/core.h"
#include "raft/core/invariants.h"
#include "tests/raft/core/member_disk.h"
#include "tests/raft/core/safety.h"

namespace coord::raft {

class Cluster {
 public:
  struct Options {
    // Voters from 1 on, then learners, then members that were given no configuration.
    std::uint64_t members = 3;
    CoreOptions core = {};
    // Disk writes complete as soon as they are asked for.
    bool fast_disk = true;
    std::uint64_t learners = 0;
    std::uint64_t joining = 0;
    // Entries that are no longer in memory are loaded as soon as they are asked for.
    bool fast_loads = false;
    // Snapshots travel by themselves, a piece after the other; otherwise by send_chunk().
    bool fast_transfers = true;
    // A snapshot that was received is installed at once; otherwise by install().
    bool fast_installs = true;
    std::size_t chunk_bytes = 64;
    // What is broken makes the test fail, and is not only kept for broken().
    bool fail_test = true;
  };

  explicit Cluster(Options options);

  // --- time ---
  Instant now() const { return now_; }
  // Time passes, timers fire when they are due, and whatever is sent arrives at once.
  void run(Duration duration);
  // Time passes for one member only as far as its timers go; nothing is delivered.
  void pass(Duration duration);
  // Time passes up to that member's next timer, which fires; the others' do not.
  void fire(int member);

  // --- members ---
  Core& core(int member) { return *nodes_.at(id(member)).core; }
  bool is_up(int member) const { return nodes_.at(id(member)).core.has_value(); }
  int size() const { return static_cast<int>(nodes_.size()); }
  void step(int member, Event event);
  // Runs timers of that member until it campaigns, delivering everything, until it leads.
  void elect(int member);
  void crash(int member);
  void restart(int member);
  // The member's timers do not fire any more while the others' do.
  void put_to_sleep(int member) { nodes_.at(id(member)).asleep = true; }
  void wake_up(int member) { nodes_.at(id(member)).asleep = false; }

  // --- disk ---
  // With a slow disk: the batches of that member that were submitted are done.
  void persist(int member);
  // Only the oldest ones.
  void persist(int member, std::size_t batches);
  bool has_unpersisted(int member) const { return !nodes_.at(id(member)).batches.empty(); }

  // --- network ---
  // Delivers until nothing is under way.
  void deliver();
  // Delivers what is under way now from one to the other, and nothing that it leads to.
  void deliver(int from, int to);
  // Delivers one of them, counted from the oldest; keeps it under way too if `again`. False: there
  // is none.
  bool deliver_one(int from, int to, std::size_t place, bool again);
  // Takes what is under way without delivering it.
  std::vector<Message> take(int from, int to);
  void drop(int from, int to) { (void)take(from, to); }
  bool drop_one(int from, int to, std::size_t place);
  void cut(int a, int b);
  void cut_one_way(int from, int to) { cut_.emplace_back(id(from), id(to)); }
  void isolate(int member);
  void heal() { cut_.clear(); }
  const std::vector<Message>& under_way() const { return network_; }
  // A message as if from another member, in that member's name.
  Message message(int from, int to, Term term, MessageBody body) const;
  // From here on members may be lied to: only what holds within each of them is checked.
  void receive(int to, Message message);

  // --- service ---
  std::optional<LogId> propose(int member, std::string command);
  std::optional<LogId> change(int member, Configuration target);
  std::optional<LogId> transfer(int member, int target);
  // Why the last proposal, change or transfer was refused.
  std::optional<Refusal> refusal(int member) const;
  const std::vector<std::string>& commands(int member) const;  // applied
  const std::vector<ReadAnswer>& reads(int member) { return nodes_.at(id(member)).reads; }
  const std::vector<ProposalAnswer>& proposals(int member) {
    return nodes_.at(id(member)).proposals;
  }
  const std::vector<Fact>& facts(int member) { return nodes_.at(id(member)).facts; }
  template <class FactType>
  int count(int member) {
    int n = 0;
    for (const Fact& fact : facts(member)) n += std::holds_alternative<FactType>(fact) ? 1 : 0;
    return n;
  }
  std::vector<Load>& loads(int member) { return nodes_.at(id(member)).loads; }
  const Disk& disk(int member) { return nodes_.at(id(member)).disk; }
  Disk& edit_disk(int member) { return nodes_.at(id(member)).disk; }
  std::optional<int> leader() const;
  // What is in a member's log, as "1 1 2": terms from the first one on.
  std::string terms(int member) const;
  const Configuration& configuration(int member) const { return before(member).configuration; }
  const CoreStatus& before(int member) const { return *nodes_.at(id(member)).before; }

  // --- snapshots ---
  // The state is made durable as of now, as snapshots are taken from it.
  void flush(int member);
  // ... and the log is cut behind it, but for that many entries.
  void compact(int member, std::uint64_t entries_kept = 0);
  bool is_transferring(int from, int to) const;
  // The leader's next piece for that peer, again if it was lost. False: it needs none.
  bool send_chunk(int from, int to);
  // The snapshot cannot be read.
  void fail_snapshot(int from, int to);
  // The member has received that, from wherever.
  void offer_snapshot(int member, const State& state);
  bool is_installing(int member) const { return nodes_.at(id(member)).install.has_value(); }
  void install(int member);

  // --- what must hold ---
  // Entries known to be committed, by anyone, at any time.
  Index committed() const { return safety_.committed(); }
  const std::vector<std::string>& broken() const { return broken_; }
  // Called with a line for everything that happens.
  void listen(std::function<void(std::string)> listener) { listener_ = std::move(listener); }

  static MemberId id(int member) { return MemberId(static_cast<std::uint64_t>(member)); }

 private:
  // A snapshot on its way to a peer.
  struct Outgoing {
    LogId last;
    Bytes bytes;
    std::uint64_t stored = 0;  // by the peer
    Instant sent_at;
  };
  struct Incoming {
    LogId last;
    std::string bytes;
  };
  struct Node {
    std::optional<Core> core;  // nothing while crashed
    Disk disk;
    Disk planned;                  // its log is as it will be when all batches are done
    State state;                   // in memory
    std::vector<Durable> batches;  // submitted, not durable
    std::vector<HeldMessage> held;
    std::vector<ReadAnswer> reads;
    std::map<ReadId, Index> asked;  // what was committed when the read was asked for
    std::vector<ProposalAnswer> proposals;
    std::vector<Fact> facts;
    std::vector<Load> loads;
    std::optional<CoreStatus> before;
    bool asleep = false;
    std::map<MemberId, Outgoing> outgoing;
    Incoming incoming;
    std::map<LogId, State> received;
    std::optional<Install> install;
  };

  void start(MemberId id);
  // Carries out what the member wants done, until it wants nothing more.
  void drain(MemberId id);
  void carry_out(MemberId id, Node& node, Output output);
  void check(MemberId id, Node& node, const CoreStatus& status);
  void note(MemberId id, Node& node, Output& output);
  void persist_some(MemberId id, std::size_t batches);
  void release(MemberId id, Node& node, Message message);
  void fail(MemberId id, const std::string& what);
  void say(const std::string& line) const {
    if (listener_) listener_(line);
  }
  bool is_cut(MemberId from, MemberId to) const;
  std::map<MemberId, const Disk*> disks() const;
  Instant next_timer() const;

  // cluster_snapshots.cc: the driver's part of snapshots
  void serve(MemberId id, Node& node, const Load& load);
  void transfer_snapshots(MemberId id, Node& node, const Output& output);
  void store(MemberId id, Node& node, ArrivedChunk arrived);
  void resend_snapshots(Instant sent_before);

  Options options_;
  Instant now_{};
  std::map<MemberId, Node> nodes_;
  std::vector<Message> network_;
  std::vector<std::pair<MemberId, MemberId>> cut_;
  Safety safety_;
  bool forged_ = false;
  std::vector<std::string> broken_;
  std::function<void(std::string)> listener_;
};

// The configuration of those.
Configuration voters(std::vector<int> voters, std::vector<int> learners = {});

inline Bytes text(std::string_view bytes) {
  return Bytes::copy_of(bytes);
}

}  // namespace coord::raft
