// The clients of a simulation, what they ask of members, and what they were told: the history that
// is judged at the end.
//
// A client has one operation at a time. It sends it to a member, and when it hears nothing in time,
// or is refused, tries another one with the same session and sequence number, so that the operation
// takes effect once however often it is tried. An operation has failed if every try was refused by
// somebody who can tell; if nobody can, its outcome is unknown.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "tests/sim/linearizability.h"
#include "tests/sim/member.h"

namespace coord::sim {

class Clients {
 public:
  Clients(Stage& stage, Checker& checker, std::vector<std::unique_ptr<Member>>& members);

  void start();
  void handle(const ClientStep& action);

  // --- What members do ---
  void applied(Member& member, raft::LogId id, const Answer& answer);
  // What it proposed up to there is part of a snapshot now, or never will be: the outcome is
  // unknown for good, and the client finds out by waiting.
  void passed_over(Member& member, Index through);
  // The process is gone, and with it what it knew of requests.
  void ended(Member& member);

  // --- At the end ---
  // A fresh write and a fresh read, on any of these members, by their leader; true once both are
  // answered. To be called again until then.
  bool probe_progress(std::span<const MemberId> members);
  // Every object's history is linearizable; no watcher missed anything.
  void judge_history() const;
  std::uint64_t operations_answered() const { return answered_; }

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;

  struct Current {
    Command command = {};
    std::size_t history_key = 0;
    std::size_t history_place = 0;
    std::uint32_t tries = 0;
    bool maybe_done = false;  // the outcome of some try is unknown
    std::uint32_t number = 0;
  };
  struct Client {
    std::uint32_t session = 0;
    std::uint32_t sequence = 0;
    std::optional<Current> current;
    std::uint32_t newest_attempt = kNone;
    MemberId favourite;
    Object seen;  // the last answer, for compare-and-swap
  };
  struct Attempt {
    enum class Result : std::uint8_t { kNone, kAnswered, kRefused } result = Result::kNone;
    std::uint32_t client = 0;
    std::uint32_t operation = 0;
    Command command = {};
    MemberId member = {};
    MemberId leader = {};  // whom the refusing member takes for the leader
    Answer answer = {};
    Index floor{};  // of a read: what was committed when it was asked
    Term term{};
    bool on_follower = false;
  };
  struct Pending {
    Term term;
    std::uint32_t attempt;
  };
  struct Watcher {
    MemberId member;
    std::uint64_t next_revision = 1;
  };

  void begin(std::uint32_t number);
  Command draw_command(Client& client);
  void attempt(std::uint32_t number);
  void request_arrives(std::uint32_t attempt);
  void serve_write(Member& member, std::uint32_t attempt);
  void serve_read(Member& member, std::uint32_t attempt);
  void reply(std::uint32_t attempt);
  void reply_arrives(std::uint32_t attempt);
  void times_out(std::uint32_t attempt);
  void try_again_or_give_up(std::uint32_t number);
  void finish(std::uint32_t number, std::optional<Answer> answer, bool failed);
  void watch(std::uint32_t number);
  void load();
  void probe();
  Member* leader_or_anyone();
  Member& member(MemberId id) { return *members_[id.value() - 1]; }
  MemberId anyone();
  std::uint64_t next_moment() { return ++moments_; }
  std::uint64_t value_of_next_write() { return ++values_; }

  // A key is used for so many operations, then another takes its place: histories stay short enough
  // to be judged, and sets have as many elements as an object has bits.
  static constexpr std::uint32_t kOperationsPerKey = 64;

  Stage& stage_;
  Checker& checker_;
  std::vector<std::unique_ptr<Member>>& members_;
  std::vector<Client> clients_;
  std::deque<Attempt> attempts_;
  std::vector<std::multimap<Index, Pending>> pending_;  // by member
  std::vector<Watcher> watchers_;
  std::vector<std::uint32_t> key_uses_;  // of each key so far
  std::vector<std::uint32_t> live_keys_;
  std::vector<std::vector<Operation>> histories_;  // by key
  std::uint64_t moments_ = 0;
  std::uint64_t values_ = 0;
  std::uint64_t answered_ = 0;
  bool stopped_ = false;
  std::optional<std::uint32_t> fresh_write_;  // attempts of probe_progress()
  std::optional<std::uint32_t> fresh_read_;
};

}  // namespace coord::sim
