// member add, member replace: from a coordd that waits to be added to a member that votes. What was
// begun and cannot be finished is undone, also on a signal; what turns out to be done is done.
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "client/coordctl/commands.h"
#include "client/coordctl/escape.h"
#include "client/coordctl/interrupts.h"
#include "client/coordctl/members.h"

namespace coord::ctl {

namespace {

constexpr milliseconds kLookAgain{200};
// A new member that is not heard for so long is given up.
constexpr milliseconds kPatience{30'000};

// A line that moves on a terminal; elsewhere a line when there is news, and not too many of them.
class ProgressLine {
 public:
  explicit ProgressLine(const Printer& out) : out_(out), moves_(::isatty(STDOUT_FILENO) != 0) {}
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;

  void show(const std::string& name, const MembersProgress& all, const MemberProgress& member) {
    const std::uint64_t last = all.last_index.value();
    const std::uint64_t match = std::min(last, member.match_index.value());
    if (!moves_ && looks_++ % kLinesEvery != 0) return;
    if (out_.json()) {
      out_.object(Json::object({{"progress", Json::bytes(name)},
                                {"match_index", Json::number(match)},
                                {"last_index", Json::number(last)},
                                {"replication", to_string(member.replication)},
                                {"active", member.recently_active}}));
      return;
    }
    const std::string text =
        fmt::format("{} has {} of {} entries ({} %){}", escape(name), match, last,
                    last == 0 ? 100 : match * 100 / last, state_of(member));
    if (!moves_) return out_.line(text);
    out_.raw("\r\x1b[K" + text);
    shown_ = true;
  }
  void clear() {
    if (std::exchange(shown_, false)) out_.raw("\r\x1b[K");
  }

 private:
  static constexpr unsigned kLinesEvery = 5;

  static std::string_view state_of(const MemberProgress& member) {
    if (!member.recently_active) return ", not heard at the moment";
    return member.replication == Replication::kSnapshot ? ", is sent the state" : "";
  }

  const Printer& out_;
  const bool moves_;
  bool shown_ = false;
  unsigned looks_ = 0;
};

// What has to be done with a new member that has caught up, and how it is told.
struct Goal {
  std::function<Result<MemberChanged>(Client&, MemberId)> reach;
  std::string_view done;
  std::string text;
  // Whose place it takes; zero: nobody's.
  MemberId old = {};
  // Of a learner: then it becomes no more than that itself.
  bool old_is_learner = false;
};

// Where the new member is.
enum class Standing {
  kGone,
  kLearner,
  kBeside,   // it votes, and so does the one whose place it is to take
  kReached,  // the goal
};

// One new member, from the beginning to the end or back.
class Newcomer {
 public:
  Newcomer(Context& context, std::string name, std::string peer)
      : context_(context), name_(std::move(name)), peer_(std::move(peer)) {
    // Whoever reads what is printed may stop (`| head`): that must not end this half way.
    std::signal(SIGPIPE, SIG_IGN);
  }
  // What came too late to be heeded must not end the process when signals are let through again.
  ~Newcomer() {
    while (interrupts_.wait(milliseconds(0)) != 0) continue;
  }
  Newcomer(const Newcomer&) = delete;

  // Ends with its promotion, or with its taking the place of another.
  ExitCode add(bool learner) {
    const auto promote = [](Client& client, MemberId id) { return client.promote_member(id); };
    goal_ = {promote, "added", fmt::format("{} is a member and votes", shown())};
    if (const auto failed = enter()) return *failed;
    if (learner) {
      if (interrupted(milliseconds(0))) return undo(interruption());
      tell_done(out(), "added", name_, id_, fmt::format("{} is a learner", shown()));
      return ExitCode::kOk;
    }
    return finish();
  }
  ExitCode replace(const MemberInfo& old) {
    const auto take_place = [old_id = old.id](Client& client, MemberId id) {
      return client.replace_member({old_id, id});
    };
    goal_ = {take_place, "replaced",
             fmt::format("{} has taken the place of {}", shown(), shown_name(old)), old.id,
             old.learner};
    if (const auto failed = enter()) return *failed;
    return finish();
  }

 private:
  // Becomes a learner.
  std::optional<ExitCode> enter() {
    // Whoever takes part already is not ours to remove again.
    const Result<MemberIdentity> waiting = client().probe_member(peer_);
    if (!waiting) return out().fail(waiting.error());
    const Result<MembersProgress> before = client().members_progress();
    if (!before) return out().fail(before.error());
    id_ = waiting->id;
    const bool there = progress_of(*before, id_) != nullptr;
    const Instant begun = now();
    // A signal may have come while a leader was waited for.
    for (milliseconds pause(0); !interrupted(pause); pause = kLookAgain) {
      const Result<MemberChanged> added = client().add_learner(name_, peer_);
      if (added) {
        id_ = added->member;
        entered_ = true;
        ours_ = ours_ || (!there && added->made);
        return std::nullopt;
      }
      if (added.error().outcome == Outcome::kUnknown) ours_ = !there;
      // Once it may have been added, only that it is, or that it is not, ends this.
      if (!ours_) return out().fail(added.error());
      if (!may_pass(added.error()) || now() - begun > kPatience) return undo(added.error());
    }
    return ours_ ? undo(interruption()) : out().fail(interruption());
  }

  ExitCode finish() {
    ProgressLine line(out());
    Instant heard = now();
    Instant caught_up = now();  // since then
    while (true) {
      if (interrupted()) {
        line.clear();
        return undo(interruption());
      }
      const Result<MembersProgress> all = client().members_progress();
      const MemberProgress* progress = all ? progress_of(*all, id_) : nullptr;
      if (all && progress == nullptr) {
        line.clear();
        return tell_gone();
      }
      if (progress != nullptr && progress->recently_active) heard = now();
      if (now() - heard > kPatience) {
        line.clear();
        return undo(
            all ? make_error(ErrorCode::kUnreachable, "the leader does not hear {}", shown())
                : all.error());
      }
      if (progress == nullptr) continue;
      line.show(name_, *all, *progress);
      if (!progress->caught_up) {
        caught_up = now();
        continue;
      }
      const Result<MemberChanged> reached = goal_.reach(client(), id_);
      if (!reached) in_doubt_ = in_doubt_ || reached.error().outcome == Outcome::kUnknown;
      if (!reached && may_pass(reached.error()) && now() - caught_up < kPatience) continue;
      line.clear();
      return reached ? tell_reached() : undo(reached.error());
    }
  }

  // What may not be so a moment later. A change whose outcome is unknown may be asked for again.
  static bool may_pass(const Error& error) {
    if (exit_code_of(error) == ExitCode::kUnavailable || error.outcome == Outcome::kUnknown) {
      return true;
    }
    return error.code == ErrorCode::kNotCaughtUp || error.code == ErrorCode::kChangeInFlight ||
           error.code == ErrorCode::kOverloaded;
  }

  // Removes it again if it is ours, unless it turns out that nothing is left to be undone.
  ExitCode undo(const Error& error) {
    const Instant begun = now();
    while (true) {
      const Result<Standing> standing = look_if_in_doubt();
      if (standing && *standing == Standing::kReached) return tell_reached();
      if (standing && *standing == Standing::kGone) return tell_absent(error);
      if (standing && *standing == Standing::kLearner && !ours_) return tell_stays(error);
      const Status removed = standing ? remove() : standing.error();
      if (removed.ok()) return tell_undone(error);
      if (removed.error().code == ErrorCode::kMemberNotFound) return tell_absent(error);
      const bool again = may_pass(removed.error()) && now() - begun < kPatience;
      if (!again || interrupted()) return tell_left(error, removed.error());
    }
  }

  // The last step may have been made although no answer said so: then to remove the new member,
  // too, could leave the cluster without either. If no attempt of it is in doubt, it was not made.
  Result<Standing> look_if_in_doubt() {
    if (!in_doubt_) return Standing::kLearner;
    // Confirms that it leads: one that was deposed would tell of who took part then.
    const Result<MembersProgress> confirmed = client().members_progress();
    if (!confirmed) return confirmed.error();
    const Result<MembersResult> all = client().members();
    if (!all) return all.error();
    if (all->header.member != confirmed->header.member ||
        all->header.term != confirmed->header.term) {
      return make_error(ErrorCode::kNotLeader, "it was not the leader that told who takes part");
    }
    const MemberInfo* self = find(all->members, id_);
    if (self == nullptr) return Standing::kGone;
    const bool alone = goal_.old.is_zero() || find(all->members, goal_.old) == nullptr;
    if (alone && self->learner == goal_.old_is_learner) return Standing::kReached;
    return self->learner ? Standing::kLearner : Standing::kBeside;
  }

  Status remove() {
    if (!ours_) {
      return make_error(ErrorCode::kChangeInFlight, "a change of the members is not finished");
    }
    const Result<MemberChanged> removed = client().remove_member(id_);
    if (removed) return {};
    removal_in_doubt_ = removal_in_doubt_ || removed.error().outcome == Outcome::kUnknown;
    return removed.error();
  }

  ExitCode tell_reached() {
    tell_done(out(), goal_.done, name_, id_, goal_.text);
    return ExitCode::kOk;
  }
  // It is no member: by ours, by somebody else's doing, or it never was.
  ExitCode tell_absent(const Error& error) {
    if (removal_in_doubt_) return tell_undone(error);
    return entered_ ? tell_gone() : tell_never_added(error);
  }
  ExitCode tell_gone() {
    Error error = make_error(ErrorCode::kMemberRemoved, "somebody else has removed {}", shown());
    if (in_doubt_) error.outcome = Outcome::kUnknown;
    return out().fail(error);
  }
  ExitCode tell_undone(Error error) {
    error.message +=
        fmt::format("; {} was removed again; empty its data directory before another try", shown());
    error.outcome = Outcome::kNotApplied;
    return out().fail(error);
  }
  ExitCode tell_never_added(Error error) {
    error.message += fmt::format("; {} was not added", shown());
    error.outcome = Outcome::kNotApplied;
    return out().fail(error);
  }
  ExitCode tell_stays(Error error) {
    error.message += fmt::format("; {} stays the learner that it was before", shown());
    error.outcome = Outcome::kNotApplied;
    return out().fail(error);
  }
  ExitCode tell_left(Error error, const Error& trouble) {
    error.message +=
        ours_
            ? fmt::format(", and {} could not be removed again: {}", shown(), trouble.message)
            : fmt::format(", and whether {} votes now is not known: {}", shown(), trouble.message);
    error.outcome = Outcome::kUnknown;
    return out().fail(error);
  }

  // Waits a little; true: a signal has come.
  bool interrupted(milliseconds pause = kLookAgain) {
    const int signal = interrupts_.wait(pause);
    return signal != 0 && signal != SIGCHLD;
  }
  static Error interruption() { return make_error(ErrorCode::kCancelled, "interrupted"); }

  static Instant now() { return Instant(std::chrono::steady_clock::now().time_since_epoch()); }
  Client& client() { return context_.client(); }
  const Printer& out() const { return context_.out(); }
  std::string shown() const { return escape(name_); }

  Context& context_;
  // Before the client's thread, which must not take the signals.
  Interrupts interrupts_;
  const std::string name_;
  const std::string peer_;
  Goal goal_;
  MemberId id_;
  // It was said that it is a learner.
  bool entered_ = false;
  // This command has added it, or may have: what it has begun it also undoes.
  bool ours_ = false;
  // An attempt of the last step may have made it, or may still.
  bool in_doubt_ = false;
  // The same of its removal.
  bool removal_in_doubt_ = false;
};

}  // namespace

ExitCode member_add(Context& context, const MemberAddArguments& arguments) {
  return Newcomer(context, arguments.name, arguments.peer).add(arguments.learner);
}

ExitCode member_replace(Context& context, const MemberReplaceArguments& arguments) {
  Newcomer newcomer(context, arguments.new_name, arguments.peer);
  const Result<MemberInfo> old = find_member(context.client(), arguments.old_name);
  if (!old) return context.out().fail(old.error());
  return newcomer.replace(*old);
}

}  // namespace coord::ctl
