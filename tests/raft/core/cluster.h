// A small cluster of real cores for tests that read like a story: messages and disk writes wait
// until the test lets them go, time passes when the test says so.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "raft/core/core.h"
#include "raft/core/invariants.h"

namespace coord::raft {

// What survives a crash of a member.
struct Disk {
  HardState hard_state;
  std::vector<Entry> entries;  // from index 1
};

class Cluster {
 public:
  struct Options {
    std::uint64_t members = 3;
    CoreOptions core = {};
    // Disk writes complete as soon as they are asked for.
    bool fast_disk = true;
  };

  explicit Cluster(Options options);

  // --- time ---
  Instant now() const { return now_; }
  // Time passes, timers fire when they are due, and whatever is sent arrives at once.
  void run(Duration duration);
  // Time passes for one member only as far as its timers go; nothing is delivered.
  void pass(Duration duration);

  // --- members ---
  Core& core(int member) { return *nodes_.at(id(member)).core; }
  void step(int member, Event event);
  // Runs timers of that member until it campaigns, delivering everything, until it leads.
  void elect(int member);
  void crash(int member);
  void restart(int member);
  // The member's timers do not fire any more while the others' do.
  void put_to_sleep(int member) { nodes_.at(id(member)).asleep = true; }

  // --- disk ---
  // With a slow disk: the batches of that member that were submitted are done.
  void persist(int member);
  bool has_unpersisted(int member) const { return !nodes_.at(id(member)).batches.empty(); }

  // --- network ---
  // Delivers until nothing is under way.
  void deliver();
  // Delivers what is under way now from one to the other, and nothing that it leads to.
  void deliver(int from, int to);
  // Takes what is under way without delivering it.
  std::vector<Message> take(int from, int to);
  void drop(int from, int to) { (void)take(from, to); }
  void cut(int a, int b);
  void isolate(int member);
  void heal() { cut_.clear(); }
  const std::vector<Message>& under_way() const { return network_; }
  // A message as if from another member, in that member's name.
  Message message(int from, int to, Term term, MessageBody body) const;
  void receive(int to, Message message) { step(to, Receive{std::move(message)}); }

  // --- service ---
  std::optional<LogId> propose(int member, std::string command);
  std::vector<std::string> commands(int member) const;  // applied
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

  // What is in a member's log, as "1 1 2": terms from index 1 on.
  std::string terms(int member) const;

  static MemberId id(int member) { return MemberId(static_cast<std::uint64_t>(member)); }

 private:
  struct Node {
    std::optional<Core> core;  // nothing while crashed
    Disk disk;
    std::vector<Durable> batches;  // submitted, not durable
    std::vector<HeldMessage> held;
    std::vector<Entry> log;  // as the outputs say
    std::vector<Entry> applied;
    std::vector<ReadAnswer> reads;
    std::vector<ProposalAnswer> proposals;
    std::vector<Fact> facts;
    std::vector<Load> loads;
    std::optional<CoreStatus> before;
    bool asleep = false;
  };

  void drain(MemberId id);
  void persist_all(MemberId id);
  void route(Message message);
  void start(MemberId id);
  bool is_cut(MemberId from, MemberId to) const;

  Options options_;
  Instant now_{};
  std::map<MemberId, Node> nodes_;
  std::vector<Message> network_;
  std::vector<std::pair<MemberId, MemberId>> cut_;
};

inline Bytes text(std::string_view bytes) {
  return Bytes::copy_of(bytes);
}

}  // namespace coord::raft
