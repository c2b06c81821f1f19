// The commands of coordctl, each as a function of its arguments. Where the arguments come from is
// the business of cli.cc alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/coordctl/context.h"

namespace coord::ctl {

// "-": the value is what standard input has, to its end.
struct PutArguments {
  std::string key;
  std::string value;
  LeaseId lease;
  bool want_previous = false;
};
ExitCode put(Context& context, const PutArguments& arguments);

struct GetArguments {
  std::string key;
  bool prefix = false;
  std::uint64_t limit = 0;  // 0: all
  Revision revision;        // 0: the newest
  bool stale = false;
  bool keys_only = false;
  bool value_only = false;
};
ExitCode get(Context& context, const GetArguments& arguments);

struct DeleteArguments {
  std::string key;
  bool prefix = false;
};
ExitCode del(Context& context, const DeleteArguments& arguments);

struct CasArguments {
  std::string key;
  std::string value;
  // Exactly one of the three.
  std::optional<std::string> expect_value;
  std::optional<std::uint64_t> expect_revision;
  bool expect_absent = false;
};
ExitCode cas(Context& context, const CasArguments& arguments);

// The transaction is on standard input.
ExitCode txn(Context& context);

struct WatchArguments {
  std::string key;
  bool prefix = false;
  Revision revision;  // 0: from now on
  bool list = false;
  std::uint64_t count = 0;  // events; 0: without end
};
ExitCode watch(Context& context, const WatchArguments& arguments);

ExitCode lease_grant(Context& context, milliseconds ttl);
ExitCode lease_revoke(Context& context, LeaseId id);
struct KeepaliveArguments {
  LeaseId id;
  bool once = false;
};
ExitCode lease_keepalive(Context& context, const KeepaliveArguments& arguments);
ExitCode lease_ttl(Context& context, LeaseId id);
ExitCode lease_list(Context& context);
ExitCode session_list(Context& context);

struct LockArguments {
  std::string name;
  bool shared = false;
  milliseconds ttl{10'000};
  std::optional<milliseconds> wait;  // none: as long as it takes; 0: not at all
  std::vector<std::string> command;  // empty: hold until a signal or the loss
};
ExitCode lock(Context& context, const LockArguments& arguments);
ExitCode lock_list(Context& context);
ExitCode lock_show(Context& context, const std::string& name);

struct ElectArguments {
  std::string name;
  std::string value;
  milliseconds ttl{10'000};
  std::vector<std::string> command;
};
ExitCode elect(Context& context, const ElectArguments& arguments);
struct ObserveArguments {
  std::string name;
  std::uint64_t count = 0;  // changes; 0: without end
};
ExitCode elect_observe(Context& context, const ObserveArguments& arguments);
ExitCode elect_leader(Context& context, const std::string& name);

ExitCode compact(Context& context, Revision revision);
// Members are named by their names, or by the numbers that member list shows.
ExitCode member_list(Context& context);
struct MemberAddArguments {
  std::string name;
  std::string peer;
  bool learner = false;
};
ExitCode member_add(Context& context, const MemberAddArguments& arguments);
ExitCode member_remove(Context& context, std::string name);
ExitCode member_promote(Context& context, std::string name);
struct MemberReplaceArguments {
  std::string old_name;
  std::string new_name;
  std::string peer;
};
ExitCode member_replace(Context& context, const MemberReplaceArguments& arguments);
struct MemberUpdateArguments {
  std::string name;
  std::string peer;
};
ExitCode member_update(Context& context, const MemberUpdateArguments& arguments);
ExitCode leader_show(Context& context);
// Empty: to whoever is best prepared.
ExitCode leader_transfer(Context& context, std::string name);

ExitCode status(Context& context);
ExitCode health(Context& context);
ExitCode version(Context& context);

}  // namespace coord::ctl
