// member list, remove, promote, update; leader show, transfer. (member add and replace:
// member_add.cc)
#include "client/coordctl/members.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "client/coordctl/commands.h"
#include "client/coordctl/escape.h"
#include "client/coordctl/table.h"

namespace coord::ctl {

std::string shown_name(const MemberInfo& member) {
  return member.name.empty() ? fmt::to_string(member.id) : escape(member.name);
}

std::string shown_name(const std::vector<MemberInfo>& members, MemberId id) {
  const MemberInfo* member = find(members, id);
  return member != nullptr ? shown_name(*member) : fmt::to_string(id);
}

Result<MemberInfo> find_member(const std::vector<MemberInfo>& members, const std::string& name) {
  for (const MemberInfo& member : members) {
    if (member.name == name) return member;
  }
  // People are shown hexadecimal numbers, programs decimal ones: one that could be either is none.
  const MemberInfo* found = nullptr;
  for (const MemberInfo& member : members) {
    if (fmt::to_string(member.id) != name && fmt::to_string(member.id.value()) != name) continue;
    if (found != nullptr) {
      return make_error(ErrorCode::kInvalidArgument, "{} is the number of two members", name);
    }
    found = &member;
  }
  if (found != nullptr) return *found;
  return make_error(ErrorCode::kMemberNotFound, "the cluster has no member named {}", name);
}

Result<MemberInfo> find_member(Client& client, const std::string& name) {
  const Result<MembersResult> members = client.members();
  if (!members) return members.error();
  return find_member(members->members, name);
}

const MemberInfo* find(const std::vector<MemberInfo>& members, MemberId id) {
  const auto found = std::find_if(members.begin(), members.end(),
                                  [&](const MemberInfo& member) { return member.id == id; });
  return found == members.end() ? nullptr : &*found;
}

const MemberProgress* progress_of(const MembersProgress& all, MemberId id) {
  const auto found = std::find_if(all.members.begin(), all.members.end(),
                                  [&](const MemberProgress& member) { return member.id == id; });
  return found == all.members.end() ? nullptr : &*found;
}

void tell_done(const Printer& out, std::string_view done, const std::string& name, MemberId id,
               const std::string& text) {
  if (out.json()) {
    out.object(
        Json::object({{"done", done}, {"name", Json::bytes(name)}, {"id", Json::number(id)}}));
  } else {
    out.line(text);
  }
}

namespace {

std::string_view role_of(const MembersResult& members, const MemberInfo& member) {
  if (member.learner) return "learner";
  return member.id == members.leader ? "leader" : "voter";
}

const MemberProgress* progress_if_known(const Result<MembersProgress>& all, MemberId id) {
  return all ? progress_of(*all, id) : nullptr;
}

std::uint64_t behind(Index last, const MemberProgress& progress) {
  return last.value() - std::min(last.value(), progress.match_index.value());
}

Json json_of_listed(const MembersResult& members, const MemberInfo& member,
                    const Result<MembersProgress>& all) {
  Json::Object object = {{"name", Json::bytes(member.name)},
                         {"id", Json::number(member.id)},
                         {"role", role_of(members, member)},
                         {"peer", Json::bytes(member.peer_address)},
                         {"endpoint", Json::bytes(member.client_address)}};
  if (const MemberProgress* progress = progress_if_known(all, member.id)) {
    object.emplace_back("active", progress->recently_active);
    object.emplace_back("replication", to_string(progress->replication));
    object.emplace_back("match_index", Json::number(progress->match_index));
    object.emplace_back("behind", Json::number(behind(all->last_index, *progress)));
    object.emplace_back("caught_up", progress->caught_up);
  }
  return object;
}

TableRow row_of(const MembersResult& members, const MemberInfo& member,
                const Result<MembersProgress>& all) {
  const MemberProgress* progress = progress_if_known(all, member.id);
  const auto field = [](const std::string& text) { return text.empty() ? "-" : escape(text); };
  return {shown_name(member),
          fmt::to_string(member.id),
          std::string(role_of(members, member)),
          field(member.peer_address),
          field(member.client_address),
          progress == nullptr         ? "-"
          : progress->recently_active ? "yes"
                                      : "no",
          progress == nullptr ? "-" : fmt::to_string(behind(all->last_index, *progress))};
}

}  // namespace

ExitCode member_list(Context& context) {
  const Result<MembersResult> members = context.client().members();
  if (!members) return context.out().fail(members.error());
  // The list does not need a leader; how far each has come only a leader knows.
  const bool led = !members->leader.is_zero();
  const Result<MembersProgress> progress =
      led ? context.client().members_progress() : Result<MembersProgress>(MembersProgress());
  std::vector<TableRow> rows = {{"NAME", "ID", "ROLE", "PEER", "ENDPOINT", "HEARD", "BEHIND"}};
  for (const MemberInfo& member : members->members) {
    if (context.out().json()) {
      context.out().object(json_of_listed(*members, member, progress));
    } else {
      rows.push_back(row_of(*members, member, progress));
    }
  }
  if (!context.out().json()) print_table(context.out(), rows);
  return ExitCode::kOk;
}

ExitCode member_remove(Context& context, std::string name) {
  const Result<MemberInfo> member = find_member(context.client(), name);
  if (!member) return context.out().fail(member.error());
  const Result<MemberChanged> removed = context.client().remove_member(member->id);
  if (!removed) return context.out().fail(removed.error());
  tell_done(context.out(), "removed", member->name, member->id,
            fmt::format("{} is no member any more", shown_name(*member)));
  return ExitCode::kOk;
}

ExitCode member_promote(Context& context, std::string name) {
  const Result<MemberInfo> member = find_member(context.client(), name);
  if (!member) return context.out().fail(member.error());
  const Result<MemberChanged> promoted = context.client().promote_member(member->id);
  if (!promoted) return context.out().fail(promoted.error());
  tell_done(context.out(), "promoted", member->name, member->id,
            fmt::format("{} votes", shown_name(*member)));
  return ExitCode::kOk;
}

ExitCode member_update(Context& context, const MemberUpdateArguments& arguments) {
  const Result<MemberInfo> member = find_member(context.client(), arguments.name);
  if (!member) return context.out().fail(member.error());
  const Result<MemberChanged> updated = context.client().update_member(member->id, arguments.peer);
  if (!updated) return context.out().fail(updated.error());
  tell_done(context.out(), "updated", member->name, member->id,
            fmt::format("the members reach {} at {}", shown_name(*member), escape(arguments.peer)));
  return ExitCode::kOk;
}

ExitCode leader_show(Context& context) {
  const Result<MembersResult> members = context.client().members();
  if (!members) return context.out().fail(members.error());
  if (members->leader.is_zero()) {
    return context.out().fail(make_error(ErrorCode::kNoQuorum, "no member leads"));
  }
  const std::string name = shown_name(members->members, members->leader);
  if (context.out().json()) {
    context.out().object(Json::object({{"name", Json::bytes(name)},
                                       {"id", Json::number(members->leader)},
                                       {"term", Json::number(members->header.term)}}));
  } else {
    context.out().line(name);
  }
  return ExitCode::kOk;
}

ExitCode leader_transfer(Context& context, std::string name) {
  const Result<MembersResult> members = context.client().members();
  if (!members) return context.out().fail(members.error());
  MemberId target;
  if (!name.empty()) {
    const Result<MemberInfo> member = find_member(members->members, name);
    if (!member) return context.out().fail(member.error());
    target = member->id;
  }
  const Result<MemberId> leader = context.client().transfer_leadership(target);
  if (!leader) return context.out().fail(leader.error());
  const std::string leads = shown_name(members->members, *leader);
  tell_done(context.out(), "transferred", leads, *leader, fmt::format("{} leads", leads));
  return ExitCode::kOk;
}

}  // namespace coord::ctl
