# What is kept in the log: the commands that the state machine applies. Every member of every later
# version has to be able to apply these as they were meant, for as long as a log may hold them.
@0xf5b6119b63bdfbea;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("coord::schema");
using Api = import "coord.capnp";

struct Command {
  version @0 :UInt16;         # of the command's meaning; a member that does not know it stops
  stampMs @1 :UInt64;         # the proposing leader's wall clock, since 1970: the only time that
                              # applying knows
  union {
    writes @2 :List(Api.Write);
    renew @3 :List(UInt64);   # leases, gathered
    expire @4 :List(Expiry);  # proposed by the leader only
    publishMember @5 :Api.MemberInfo;
    compact @6 :UInt64;       # history before this revision may go
  }
}

struct Expiry {
  lease @0 :UInt64;
  renewedAt @1 :UInt64;       # the entry that had granted it or renewed it last when the leader
                              # decided: one that was renewed since, or is another one by now that
                              # has the same number, is left alone
}
