// member add, member replace: from a coordd that waits to be added to a member that votes. What was
// begun and cannot be finished is undone, also on a signal.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
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

// One new member, from the beginning to the end or back.
class Newcomer {
 public:
  Newcomer(Context& context, std::string name, std::string peer)
      : context_(context), name_(std::move(name)), peer_(std::move(peer)) {}

  // Ends with its promotion, or with its taking the place of another.
  ExitCode add(bool learner) {
    if (const auto failed = enter()) return *failed;
    if (learner) {
      tell_done(out(), "added", name_, id_, fmt::format("{} is a learner", shown()));
      return ExitCode::kOk;
    }
    return finish_by([this] { return client().promote_member(id_); }, "added",
                     fmt::format("{} is a member and votes", shown()));
  }
  ExitCode replace(const MemberInfo& old) {
    if (const auto failed = enter()) return *failed;
    return finish_by(
        [&] {
          return client().replace_member({old.id, id_});
        },
        "replaced", fmt::format("{} has taken the place of {}", shown(), shown_name(old)));
  }

 private:
  std::optional<ExitCode> enter() {
    const Result<MemberChanged> added = client().add_learner(name_, peer_);
    if (added) {
      id_ = added->member;
      return std::nullopt;
    }
    if (added.error().outcome != Outcome::kUnknown) return out().fail(added.error());
    // It may be a learner by now.
    const Result<MemberInfo> member = find_member(client(), name_);
    if (!member || member->peer_address != peer_) return out().fail(added.error());
    id_ = member->id;
    return undo(added.error());
  }

  template <class Finish>
  ExitCode finish_by(Finish finish, std::string_view done, const std::string& text) {
    ProgressLine line(out());
    Instant heard = now();
    Instant caught_up = now();  // since then
    while (true) {
      const int signal = interrupts_.wait(kLookAgain);
      if (signal != 0 && signal != SIGCHLD) {
        line.clear();
        return undo(make_error(ErrorCode::kCancelled, "interrupted"));
      }
      const Result<MembersProgress> all = client().members_progress();
      const MemberProgress* progress = all ? own(*all) : nullptr;
      if (all && progress == nullptr) {
        line.clear();
        return out().fail(
            make_error(ErrorCode::kMemberRemoved, "somebody else has removed {}", shown()));
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
      const Result<MemberChanged> finished = finish();
      if (!finished && may_pass(finished.error()) && now() - caught_up < kPatience) continue;
      line.clear();
      if (!finished) return undo(finished.error());
      tell_done(out(), done, name_, id_, text);
      return ExitCode::kOk;
    }
  }

  // What may not be so a moment later. A change whose outcome is unknown may be asked for again.
  static bool may_pass(const Error& error) {
    if (exit_code_of(error) == ExitCode::kUnavailable || error.outcome == Outcome::kUnknown) {
      return true;
    }
    return error.code == ErrorCode::kNotCaughtUp || error.code == ErrorCode::kChangeInFlight;
  }

  ExitCode undo(const Error& error) {
    const Result<MemberChanged> removed = client().remove_member(id_);
    const bool gone = removed || removed.error().code == ErrorCode::kMemberNotFound;
    const std::string then =
        gone ? fmt::format("{} was removed again; empty its data directory before another try",
                           shown())
             : fmt::format("and {} could not be removed again: {}", shown(),
                           removed.error().message);
    Error told = error;
    told.message += (gone ? "; " : ", ") + then;
    if (gone) told.outcome = Outcome::kNotApplied;
    return out().fail(told);
  }

  const MemberProgress* own(const MembersProgress& all) const {
    for (const MemberProgress& each : all.members) {
      if (each.id == id_) return &each;
    }
    return nullptr;
  }

  static Instant now() { return Instant(std::chrono::steady_clock::now().time_since_epoch()); }
  Client& client() { return context_.client(); }
  const Printer& out() const { return context_.out(); }
  std::string shown() const { return escape(name_); }

  Context& context_;
  // Before the client's thread, which must not take the signals.
  Interrupts interrupts_;
  const std::string name_;
  const std::string peer_;
  MemberId id_;
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
