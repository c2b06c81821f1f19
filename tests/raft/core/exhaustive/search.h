// All that a small cluster of real cores can come to, within bounds: breadth first, each state
// once, every safety property in every state.
//
// A state is its members' states, the messages that were ever sent (each of which may be delivered
// next, again, or never: so every order, loss and duplicate is in it), what is left of the bounds,
// and what is known of the past: who led which term, and what was committed. Members are few and
// met again and again, so each is kept once, and what a member does about a message is worked out
// once.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include "tests/raft/core/exhaustive/member.h"
#include "tests/raft/core/exhaustive/seen.h"

namespace coord::raft::exhaustive {

constexpr std::size_t kMembers = 3;

struct Bounds {
  std::uint8_t timeouts = 0;  // of all members together; a heartbeat is one
  std::uint8_t proposals = 0;
  std::uint8_t changes = 0;
  std::uint8_t crashes = 0;
  std::uint8_t transfers = 0;
  Term term_max{};
};

struct Scenario {
  std::string name;
  std::string what;
  Bounds bounds;
  std::array<Disk, kMembers> disks;
  bool small_appends = false;  // one entry a message
  // A leader is elected, and everything delivered, before the search begins.
  bool with_leader = false;
  // Members are alike at the beginning: the first timeout is the first one's, as any other would
  // lead to the same states under other names.
  bool symmetric = false;
  std::vector<Configuration> targets;  // of changes
};

struct Limits {
  std::uint64_t states_max = UINT64_MAX;
  double seconds_max = 1e9;
};

struct Report {
  std::uint64_t states = 0;
  std::uint64_t transitions = 0;
  std::uint64_t member_states = 0;
  std::uint64_t messages = 0;
  std::uint64_t depth = 0;  // all states that so many steps lead to were looked at
  bool complete = false;    // there are no others
  double seconds = 0;
  std::string broken;              // what was found; empty: nothing
  std::vector<std::string> trace;  // the shortest way to it
};

class Search {
 public:
  explicit Search(Scenario scenario);

  Report run(const Limits& limits);

 private:
  using MemberIndex = std::uint32_t;
  using MessageIndex = std::uint32_t;

  struct State {
    std::array<MemberIndex, kMembers> members{};
    std::uint32_t past = 0;
    std::array<std::uint8_t, 6> left{};  // timeouts, proposals, changes, crashes, transfers
    std::uint32_t number = 0;
    std::vector<MessageIndex> messages;  // that were ever sent, sorted
  };
  struct Past {
    std::vector<MemberId> leaders;  // by term
    struct Committed {
      LogId id;
      std::uint64_t word;
      Term seen_in;
      friend bool operator==(const Committed&, const Committed&) = default;
    };
    std::vector<Committed> committed;
    friend bool operator==(const Past&, const Past&) = default;
  };
  struct Origin {
    std::uint32_t state;
    std::uint64_t move;
  };
  struct Result {
    MemberIndex member = 0;
    bool changes = false;
    bool refused = false;
    std::vector<MessageIndex> sent;
    std::string broken;
  };
  enum Left : std::size_t { kTimeouts, kProposals, kChanges, kCrashes, kTransfers };

  MemberIndex keep(std::unique_ptr<Member> member);
  MessageIndex keep(Message message);
  std::uint32_t keep(Past past);
  State begin();
  void expand(const State& state);
  // What the member at that place does; worked out once.
  const Result& result(const State& state, std::size_t place, StepKind kind,
                       std::uint32_t argument);
  void move(const State& state, std::size_t place, StepKind kind, std::uint32_t argument);
  void deliveries(const State& state);
  bool has_no_effect_any_more(const Message& message, const State& state) const;
  std::string judge(const State& before, State& after, std::size_t place);
  std::string judge_commit(const State& before, const State& after, std::size_t place, Past& past);
  std::string judge_pair(const View& one, const View& other) const;
  std::uint64_t hash(const State& state) const;
  void add(State state, std::uint32_t from, std::uint64_t move);
  std::vector<std::string> trace_to(std::uint32_t number, std::uint64_t last_move);
  std::string describe_move(std::size_t place, StepKind kind, std::uint32_t argument) const;
  const View& view(const State& state, std::size_t place) const {
    return members_[state.members[place]]->view();
  }

  Scenario scenario_;
  std::vector<std::unique_ptr<Member>> members_;
  std::unordered_map<std::uint64_t, MemberIndex> member_index_;
  std::vector<std::uint64_t> member_keys_;  // the second word, to tell a collision
  std::deque<Message> messages_;            // stay where they are
  std::vector<std::uint64_t> message_words_;
  std::unordered_map<std::uint64_t, MessageIndex> message_index_;
  std::vector<Past> pasts_;
  std::unordered_map<std::uint64_t, Result> results_;
  std::unordered_map<std::uint64_t, bool> pairs_;
  Seen seen_;
  std::vector<Origin> origins_;
  std::deque<State> queue_;
  std::uint64_t transitions_ = 0;
  std::string broken_;
  Origin broken_at_{};
};

}  // namespace coord::raft::exhaustive
