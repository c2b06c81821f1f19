// The inside of a core. One class, because every decision is about the same few variables; its
// functions live in one file per concern: core.cc (the doors), receive.cc (the door for messages),
// election.cc, follower.cc, leader.cc, membership.cc, transfer.cc, snapshot.cc, read_index.cc.
//
// The order within a step: the event is handled, then the timers that are due. What can be shared
// by several events (appends to peers, read rounds, batches for the disk) is made when the output
// is taken.
#pragma once

#include <optional>
#include <set>
#include <variant>

#include "raft/base/prng.h"
#include "raft/core/configurations.h"
#include "raft/core/core.h"
#include "raft/core/durability.h"
#include "raft/core/fingerprint.h"
#include "raft/core/memory_log.h"
#include "raft/core/quorum.h"
#include "raft/core/roles.h"

namespace coord::raft {

// No cluster gets anywhere near these; beyond them lies only what a broken or hostile sender made
// up to have our arithmetic wrap.
inline constexpr std::uint64_t kBeyondAllTerms = std::uint64_t{1} << 62;
inline constexpr std::uint64_t kBeyondAllIndexes = std::uint64_t{1} << 62;

class Core::Impl {
 public:
  Impl(CoreOptions options, Restored restored, Instant now);

  void step(Instant now, Event event);
  // Steps an event that is answered in the same step, and takes its answer out of the output.
  template <class Question>
  std::variant<LogId, Refusal> ask(Instant now, Question event);
  Output take_output();
  Instant deadline() const;

  CoreStatus status() const;
  RoleName role() const;
  MemberId leader() const;
  bool confirmed() const;
  Term term() const { return hard_state_.term; }
  Index commit() const { return commit_; }
  std::optional<LogId> at(Index index) const;
  std::uint64_t fingerprint() const;

 private:
  // --- core.cc: events ---
  void on(Tick) {}
  void on(Receive event);
  void on(Propose event);
  void on(ChangeConfiguration event);
  void on(const TransferLeadership& event);
  void on(const Read& event);
  void on(const Persisted& event);
  void on(const Applied& event);
  void on(const PeerClosed& event);
  void on(const PeerUnreachable& event);
  void on(Loaded event);
  void on(const LogCut& event);
  void on(SnapshotRead event);
  void on(const SnapshotFailed& event);
  void on(const SnapshotStored& event);
  void on(SnapshotReceived event);
  void on(const SnapshotInstalled& event);
  void run_timers();
  void hand_out_committed();
  void advance_commit(Index index);

  // --- receive.cc: the door for messages ---
  using Reason = MessageRefused::Reason;
  std::optional<Reason> reason_to_refuse(const Message& message) const;
  void refuse(const Message& message, Reason reason);
  // Brings our term and the message's together (Raft §3.3). False: there is nothing more to do.
  bool settle_term(const Message& message);
  void answer_from_the_past(const Message& message);
  void send(MemberId to, Term term, MessageBody body);
  void reply(const Message& message, MessageBody body);
  // Sends once the log and hard state of this moment are durable.
  void send_when_durable(MemberId to, MessageBody body);

  // --- election.cc ---
  void on(const Message& message, const VoteRequest& request);
  void on(const Message& message, const VoteReply& reply);
  void on(const Message& message, const TimeoutNow& request);
  void answer_pre_vote(const Message& message, const VoteRequest& request);
  // Why a leadership ended, if one does.
  enum class Loss { kQuorum, kOther };
  void become_follower(Term term, MemberId leader, Loss loss = Loss::kOther);
  void start_pre_vote(int hurried_tries);
  void campaign(bool transfer, int hurried_tries);
  void become_leader();
  void check_pre_vote();
  void check_election();
  template <class Campaigner>
  void hurry_after_refusal(Campaigner& campaigner);
  void election_timeout();
  bool sticks_to_leader() const;
  bool is_up_to_date(LogId last) const { return last >= log_.last(); }
  void set_hard_state(Term term, MemberId vote);
  void ask_for_votes(const VoteRequest& request, Term term, bool when_durable);
  Instant draw_election_deadline();
  Instant draw_closed_deadline();

  // --- follower.cc: what a leader tells us ---
  void on(const Message& message, AppendRequest& request);
  void on(const Message& message, const Heartbeat& request);
  // The sender leads this term. False: it cannot.
  bool follow(const Message& message);
  bool is_well_formed(const Message& message, const AppendRequest& request) const;
  void store_entries(AppendRequest& request, Index first_new);
  void reject_append(const Message& message, const AppendRequest& request);

  // --- leader.cc: replication ---
  void on(const Message& message, const AppendReply& reply);
  void on(const Message& message, const HeartbeatReply& reply);
  void append_as_leader(EntryType type, Bytes payload);
  void feed_peers(Leader& leader);
  void feed(Leader& leader, MemberId id, Progress& peer);
  bool send_next(Leader& leader, MemberId id, Progress& peer);
  void send_append(Leader& leader, MemberId id, Progress& peer, LogId previous,
                   std::vector<Entry> entries);
  void send_heartbeat(Leader& leader, MemberId id, Progress& peer, Round round);
  void ask_whether_arrived(Leader& leader, MemberId id, Progress& peer);
  void load_for(MemberId id, Progress& peer);
  void go_back(Progress& peer, const AppendReply& reply);
  void count_replicas(Leader& leader);
  void leader_tick(Leader& leader);
  bool quorum_is_heard(const Leader& leader) const;
  bool disk_is_stuck() const;
  Index match_of(const Leader& leader, MemberId id) const;
  Progress* peer_of_leader(MemberId id);

  // Entries stay in memory until they are applied. Only while some wait for just that is it full:
  // those that wait to be committed may need the ones that would be refused (Raft §3.6.2).
  bool log_is_full() const {
    return applied_ < commit_ &&
           log_.bytes() >= options_.cached_log_bytes_max + options_.uncommitted_bytes_max;
  }

  // --- membership.cc: who takes part (Raft §4) ---
  const Configuration& configuration() const { return configurations_.latest(); }
  std::optional<Refusal> why_not(const Configuration& target) const;
  std::optional<Refusal> why_not_heard(const Leader& leader, const Configuration& target) const;
  void append_configuration(Configuration configuration);
  // Another configuration is in force.
  void configuration_changed();
  void add_peers(Leader& leader);
  // The commit index has grown past a configuration.
  void committed_configuration(Index before);
  bool may_campaign() const;
  void finish_change(Leader& leader);
  void drop_departed_peers(Leader& leader);
  void go_voted_out(Leader& leader);

  // --- transfer.cc: leadership for another member (Raft §3.10) ---
  bool may_lead(const Leader& leader, MemberId id) const;
  MemberId best_prepared(const Leader& leader) const;
  void tell_target(Leader& leader);
  void end_handover(Leader& leader);

  // --- snapshot.cc (Raft §5.1) ---
  void on(const Message& message, SnapshotChunk& chunk);
  void on(const Message& message, const SnapshotReply& reply);
  void begin_snapshot(MemberId id, Progress& peer);
  void holds_already(MemberId leader, LogId last);

  // --- read_index.cc ---
  void on(const Message& message, const ReadIndexRequest& request);
  void on(const Message& message, const ReadIndexReply& reply);
  void begin_round(Leader& leader);
  void start_read_round(Leader& leader);
  std::optional<Instant> lease_end(const Leader& leader) const;
  Round quorum_round(const Leader& leader) const;
  void answer(const LeaderReads::Ready& reads);
  void count_acknowledgements(Leader& leader);
  void answer_reads(Leader& leader, Round round);
  void refuse_reads(Leader& leader);
  void ask_leader_for_reads();
  void expire_asked_reads();
  void take_over_asked_reads(Leader& leader);

  template <class FactType>
  void report(FactType fact) {
    out_.facts.push_back(std::move(fact));
  }

  const CoreOptions options_;
  Prng prng_;
  Instant now_;

  HardState hard_state_;  // as it is to be; durability_ knows how far the disk has followed
  Configurations configurations_;
  bool was_member_;       // a committed configuration has had this member in it
  bool removed_ = false;  // and a later one has not
  MemoryLog log_;
  Durability durability_;
  Index commit_;      // known to be committed; never falls
  Index handed_out_;  // entries up to here were given to the state machine
  Index applied_;     // and it has applied these
  Index log_first_;   // the oldest entry that the durable log still holds
  Index held_by_all_{};
  // The snapshot that is taking the state's place; until it has, nothing is handed out.
  std::optional<SnapshotReceived> installing_;
  // With reads under a lease: until then nobody else is helped to leadership. Outlasts the term in
  // which it was promised, and at the start stands for what a former life may have promised.
  Instant promised_until_;

  Role role_;
  AskedReads asked_reads_;
  std::set<MemberId> loading_;  // peers for which a Load is outstanding, across leaderships

  Output out_;
};

}  // namespace coord::raft
