// Members by name, for the commands that change them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "client/coordctl/context.h"

namespace coord::ctl {

// For messages: its name, or its number if nobody knows the name.
std::string shown_name(const MemberInfo& member);
std::string shown_name(const std::vector<MemberInfo>& members, MemberId id);

// By name, or by number as it is shown to people or to programs; kMemberNotFound.
Result<MemberInfo> find_member(const std::vector<MemberInfo>& members, const std::string& name);
Result<MemberInfo> find_member(Client& client, const std::string& name);

// Null: there is none.
const MemberInfo* find(const std::vector<MemberInfo>& members, MemberId id);
const MemberProgress* progress_of(const MembersProgress& all, MemberId id);

// Tells what was done: a line for people, or an object with `done` and the member.
void tell_done(const Printer& out, std::string_view done, const std::string& name, MemberId id,
               const std::string& text);

}  // namespace coord::ctl
