# What clients and members say to each other: Coord's public API.
#
# Rules for changing this file: fields and enumerants are only ever added, at the end; numbers are
# never reused. A server ignores what it does not know only where the field's comment says so.
@0xc4c062f27a29ad87;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("coord::schema");

# ---------------------------------------------------------------------------------------------
# Common

struct Header {
  # In every response: who answered, and how far it had come.
  clusterId @0 :UInt64;
  memberId @1 :UInt64;
  revision @2 :UInt64;   # newest revision that the answering member had applied
  epoch @3 :UInt64;      # changes when a cluster is restored from a backup; revisions of different
                         # epochs cannot be compared
  term @4 :UInt64;
  members @5 :UInt64;    # grows when the members change: ask for them again
}

enum Outcome {
  notApplied @0;  # it had no effect and never will
  applied @1;     # it took effect, but its answer is gone
  unknown @2;     # it may have taken effect, or may still
}

struct Failure {
  code @0 :UInt16;            # ErrorCode of raft/base/error.h, which has the list
  outcome @1 :Outcome;
  message @2 :Text;           # one sentence for a person
  leader @3 :Text;            # HOST:PORT of the leader's client address, if known
  retryAfterMs @4 :UInt32;    # not worth trying again before
  revision @5 :UInt64;        # compacted: the oldest one kept; futureRevision: the newest there is
}

struct KeyValue {
  key @0 :Data;
  value @1 :Data;
  createRevision @2 :UInt64;
  modRevision @3 :UInt64;
  version @4 :UInt64;         # 1 when created, one more with each put
  lease @5 :UInt64;           # 0: none
}

struct KeyRange {
  # Keys are byte strings, ordered bytewise.
  begin @0 :Data;
  union {
    single @1 :Void;          # just `begin`, which must not be empty
    prefix @2 :Void;          # every key that starts with `begin`; empty: every key
    end @3 :Data;             # begin <= key < end; `end` before `begin` is an error
    toEnd @4 :Void;           # begin <= key
  }
}

# ---------------------------------------------------------------------------------------------
# Writes

struct Guard {
  # The write applies only while `token` is the current holder's (or one of the holders') of the lock.
  lock @0 :LockName;
  token @1 :UInt64;
}

struct LockName {
  name @0 :Data;
  election @1 :Bool;          # elections and locks have separate namespaces
}

struct Write {
  # One write with an outcome of its own. The writes of a call are applied in order, one after the
  # other, each whether or not those before it failed.
  session @0 :UInt64;         # 0: none; a retry may then apply twice
  sequence @1 :UInt64;        # of this request in its session, from 1; a retry has the same
  firstOutstanding @2 :UInt64;  # every lower sequence has been answered: its reply may be dropped
  guard @3 :Guard;            # absent: none
  union {
    put @4 :Put;
    delete @5 :Delete;
    compareAndSwap @6 :CompareAndSwap;
    txn @7 :Txn;
    leaseGrant @8 :LeaseGrant;
    leaseRevoke @9 :UInt64;
    lockAcquire @10 :LockAcquire;
    lockRelease @11 :LockRelease;
    lockCancel @12 :LockCancel;
    proclaim @13 :Proclaim;
    lockBreak @14 :LockBreak;
  }
}

struct Put {
  key @0 :Data;
  value @1 :Data;
  lease @2 :UInt64;           # attach to; 0: none (a put always replaces the attachment)
  wantPrevious @3 :Bool;
}

struct Delete {
  range @0 :KeyRange;
  wantPrevious @1 :Bool;
}

struct CompareAndSwap {
  key @0 :Data;
  value @1 :Data;
  lease @2 :UInt64;
  union {
    expectAbsent @3 :Void;
    expectValue @4 :Data;
    expectModRevision @5 :UInt64;
  }
}

struct Compare {
  enum Operator { equal @0; notEqual @1; less @2; lessOrEqual @3; greater @4; greaterOrEqual @5; }
  key @0 :Data;
  operator @1 :Operator;
  union {
    # What is compared, on the left of the operator, with the value given. A key that does not exist
    # has revisions and version 0, lease 0, and no value: comparing its value always fails, except
    # notEqual, which always holds.
    value @2 :Data;
    version @3 :UInt64;
    createRevision @4 :UInt64;
    modRevision @5 :UInt64;
    lease @6 :UInt64;
    exists @7 :Bool;          # operator equal or notEqual
    count @8 :Count;          # number of keys in a range; `key` is unused
  }
  struct Count { range @0 :KeyRange; count @1 :UInt64; }
}

struct Txn {
  # If all compares hold, `then`, otherwise `else`: all operations of a branch or, if one of them
  # fails, nothing of the whole write. Operations see the effects of those before them.
  compares @0 :List(Compare);
  then @1 :List(Operation);
  else @2 :List(Operation);
}

struct Operation {
  union {
    get @0 :Get;
    put @1 :Put;
    delete @2 :Delete;
    increment @3 :Increment;
    sequentialPut @4 :SequentialPut;
    txn @5 :Txn;
  }
}

struct Get {
  range @0 :KeyRange;
  limit @1 :UInt32;           # 0: as many as a response may hold
  keysOnly @2 :Bool;
  countOnly @3 :Bool;
}

struct Increment {
  # The value is a decimal integer of 64 bits with sign; a key that does not exist counts as 0.
  key @0 :Data;
  by @1 :Int64;
  lease @2 :UInt64;
}

struct SequentialPut {
  # The key becomes `prefix` and a number of 20 digits, greater than that of every earlier one.
  prefix @0 :Data;
  value @1 :Data;
  lease @2 :UInt64;
}

struct LeaseGrant {
  id @0 :UInt64;              # chosen by the client, at random; 0: the server chooses
  ttlMs @1 :UInt64;
  nonce @2 :UInt64;           # a grant of an id that exists succeeds again if the nonce is the same
  session @3 :Bool;           # its holder numbers its requests
  name @4 :Text;              # who holds it, for people
  host @5 :Text;
  pid @6 :UInt32;
}

struct LockAcquire {
  enum Mode { exclusive @0; shared @1; }
  lock @0 :LockName;
  lease @1 :UInt64;           # whose end gives the lock back (usually the session); must not be 0
  mode @2 :Mode;
  wait @3 :Bool;              # false: fail with lockBusy instead of queueing
  value @4 :Data;             # elections: what the leader publishes
}
# A lease has at most one hold or one place in the queue of a lock; acquiring again what is held or
# waited for, in the same mode, is answered with what there is.

struct LockRelease {
  lock @0 :LockName;
  lease @1 :UInt64;
  token @2 :UInt64;           # 0: whatever this lease holds
}

struct LockCancel {
  # Leaves the queue. If the lock was granted meanwhile it stays held, and the answer says so.
  lock @0 :LockName;
  lease @1 :UInt64;
}

struct LockBreak {
  # An operator takes the lock away from whoever has that token.
  lock @0 :LockName;
  token @1 :UInt64;
}

struct Proclaim {
  # The leader of an election publishes another value, without a new campaign.
  election @0 :Data;
  lease @1 :UInt64;
  token @2 :UInt64;
  value @3 :Data;
}

struct WriteResult {
  revision @0 :UInt64;        # of this write if it changed something, else of the state it saw
  union {
    failure @1 :Failure;
    put @2 :PutResult;
    delete @3 :DeleteResult;
    compareAndSwap @4 :CompareAndSwapResult;
    txn @5 :TxnResult;
    leaseGrant @6 :LeaseGrantResult;
    leaseRevoke @7 :Void;
    lockAcquire @8 :LockAcquireResult;
    lockRelease @9 :Void;
    lockCancel @10 :LockAcquireResult;
    proclaim @11 :Void;
    lockBreak @12 :Void;
  }
}

struct PutResult { previous @0 :KeyValue; }       # absent: not wanted, or there was none
struct DeleteResult {
  deleted @0 :UInt64;
  previous @1 :List(KeyValue);
}
struct CompareAndSwapResult {
  succeeded @0 :Bool;
  current @1 :KeyValue;       # when it did not succeed: what was there; absent if nothing was
}
struct TxnResult {
  succeeded @0 :Bool;         # the compares held
  failedCompare @1 :UInt32;   # when not: the first that did not, and the key it met (absent: none)
  met @2 :KeyValue;
  metCount @3 :UInt64;
  results @4 :List(OperationResult);
}
struct OperationResult {
  union {
    get @0 :RangeResult;
    put @1 :PutResult;
    delete @2 :DeleteResult;
    increment @3 :Int64;
    sequentialPut @4 :Data;   # the key
    txn @5 :TxnResult;
  }
}
struct LeaseGrantResult {
  id @0 :UInt64;
  ttlMs @1 :UInt64;
}
struct LockAcquireResult {
  union {
    granted @0 :UInt64;       # the fencing token
    queued @1 :UInt64;        # how many are ahead, holders not counted
    absent @2 :Void;          # lockCancel: neither held nor queued any more
  }
}

# ---------------------------------------------------------------------------------------------
# Reads

struct Read {
  range @0 :KeyRange;
  revision @1 :UInt64;        # 0: the newest
  limit @2 :UInt32;           # 0: as many as a response may hold
  cursor @3 :Data;            # from an earlier result: go on there; absent: from the beginning
  keysOnly @4 :Bool;
  countOnly @5 :Bool;
}

struct ReadResult {
  union {
    failure @0 :Failure;
    range @1 :RangeResult;
  }
}

struct RangeResult {
  items @0 :List(KeyValue);
  count @1 :UInt64;           # keys in the range; with `more`, only those of this and earlier pages
                              # may have been counted
  more @2 :Bool;
  cursor @3 :Data;            # with `more`: where to go on, at `revision`
  revision @4 :UInt64;        # that was read
}

struct Consistency {
  union {
    linearizable @0 :Void;
    atLeast @1 :UInt64;       # whatever the member has, once it has applied that revision
    maxStalenessMs @2 :UInt32;  # with all that was acknowledged until that long ago
    local @3 :Void;           # whatever the member has
  }
}

interface Kv {
  write @0 (writes :List(Write), deadlineMs :UInt32)
        -> (header :Header, results :List(WriteResult), failure :Failure);
  # `deadlineMs`: from when the server received it; 0: the server's own. After it, what has not been
  # answered is a failure, of outcome unknown if it was proposed. `failure`, when present, is that of
  # every write of the call.

  read @1 (reads :List(Read), consistency :Consistency, deadlineMs :UInt32)
       -> (header :Header, results :List(ReadResult), failure :Failure, got :Consistency);
  # `got`: what the answer is in truth, which is never less than asked. All reads of a call see
  # the same state.
}

# ---------------------------------------------------------------------------------------------
# Watches

struct WatchRequest {
  ranges @0 :List(KeyRange);
  fromRevision @1 :UInt64;    # the first revision wanted; 0: from now on
  list @2 :Bool;              # first the state, at a revision that is told, then what comes after it
  wantPrevious @3 :Bool;      # ends with compacted where the line overtakes an event
  noPut @4 :Bool;             # filters
  noDelete @5 :Bool;
  progressMs @6 :UInt32;      # tell the revision reached at least so often; 0: server's default
}

struct WatchEvent {
  # A put, or a delete if `deleted`: `current` then holds just key and modRevision.
  current @0 :KeyValue;
  deleted @1 :Bool;
  previous @2 :KeyValue;      # if wanted and there was one
}

struct WatchBatch {
  header @0 :Header;
  union {
    listed @1 :List(KeyValue);  # part of the list, in order of keys
    listEnd @2 :UInt64;       # the list is whole, as of that revision; events follow
    events @3 :List(WatchEvent);  # whole revisions only, in order; a revision that does not fit a
                              # batch is followed by its rest with `partial`
    progress @4 :UInt64;      # everything up to that revision has been delivered
    failure @5 :Failure;      # the watch is over, e.g. compacted
  }
  partial @6 :Bool;           # the next batch goes on with the last revision of this one
}

interface WatchSink {
  deliver @0 (batch :WatchBatch) -> stream;
  done @1 ();
}

interface Watch {
  watch @0 (request :WatchRequest, sink :WatchSink)
        -> (header :Header, handle :WatchHandle, failure :Failure, startRevision :UInt64);
  # The first revision that will be delivered. Dropping the handle ends the watch.
}
interface WatchHandle {}

# ---------------------------------------------------------------------------------------------
# Leases and sessions

struct LeaseInfo {
  id @0 :UInt64;
  ttlMs @1 :UInt64;
  remainingMs @2 :UInt64;     # as the leader sees it
  session @3 :Bool;
  name @4 :Text;
  host @5 :Text;
  pid @6 :UInt32;
  keys @7 :UInt64;            # attached keys
  locks @8 :List(LockName);   # held
  grantedAtMs @9 :UInt64;     # wall clock of the leader that granted it, since 1970
}

interface Lease {
  renew @0 (ids :List(UInt64)) -> (header :Header, results :List(RenewResult), failure :Failure);
  # Answered when the renewals have been committed.
  get @1 (id :UInt64) -> (header :Header, info :LeaseInfo, keys :List(Data), failure :Failure);
  list @2 (sessionsOnly :Bool, after :UInt64)
       -> (header :Header, leases :List(LeaseInfo), failure :Failure, more :Bool);
  # In order of ids, those greater than `after`; with `more`, go on after the last one.
}
struct RenewResult {
  union {
    ttlMs @0 :UInt64;
    failure @1 :Failure;
  }
}

# ---------------------------------------------------------------------------------------------
# Locks and elections. Acquiring and the other writes are in Write; here is what waits and looks.

struct LockHolder {
  lease @0 :UInt64;
  token @1 :UInt64;
  sinceMs @2 :UInt64;         # wall clock of the leader that granted it, since 1970
  name @3 :Text;              # of the lease
  host @4 :Text;
  pid @5 :UInt32;
}
struct LockInfo {
  lock @0 :LockName;
  mode @1 :LockAcquire.Mode;
  holders @2 :List(LockHolder);
  waiters @3 :List(LockHolder);  # in order; token 0
  value @4 :Data;             # elections: what the leader published
  revision @5 :UInt64;        # of the last change
}

interface Lock {
  await @0 (lock :LockName, lease :UInt64, deadlineMs :UInt32)
        -> (header :Header, result :LockAcquireResult, failure :Failure);
  # Waits until that lease holds the lock, or has no place in its queue any more (absent), or the
  # deadline has passed (queued).
  show @1 (lock :LockName) -> (header :Header, info :LockInfo, failure :Failure);
  list @2 (elections :Bool, prefix :Data, cursor :Data)
       -> (header :Header, locks :List(LockInfo), more :Bool, cursor :Data, failure :Failure);
}
# Who holds a lock and who leads can be watched too: the holder's record is mirrored at the keys
# `_coord/lock/NAME` (a list of "TOKEN LEASE" lines) and `_coord/election/NAME` (the published
# value), which exist only while there is a holder. Keys under `_coord/` are read-only.

# ---------------------------------------------------------------------------------------------
# The cluster

enum Role { follower @0; precandidate @1; candidate @2; leader @3; learner @4; }

struct MemberInfo {
  id @0 :UInt64;
  name @1 :Text;
  peerAddress @2 :Text;
  clientAddress @3 :Text;     # empty until the member has said it
  learner @4 :Bool;
}

struct MemberStatus {
  info @0 :MemberInfo;
  role @1 :Role;
  term @2 :UInt64;
  leader @3 :UInt64;
  commitIndex @4 :UInt64;
  appliedIndex @5 :UInt64;
  lastIndex @6 :UInt64;
  revision @7 :UInt64;
  compactRevision @8 :UInt64;
  version @9 :Text;
  uptimeMs @10 :UInt64;
  logBytes @11 :UInt64;
  stateBytes @12 :UInt64;
  leases @13 :UInt64;
  watches @14 :UInt64;
  connections @15 :UInt64;
  digest @16 :UInt64;
  loopStallMaxUs @17 :UInt64; # longest turn of the loop in the last minute or so
}

interface Cluster {
  members @0 () -> (header :Header, members :List(MemberInfo), leader :UInt64, failure :Failure);
  status @1 () -> (header :Header, status :MemberStatus);        # of the answering member
  health @2 (linearizable :Bool, deadlineMs :UInt32) -> (header :Header, healthy :Bool, reason :Text);
  # Healthy: there is a leader, this member hears it, and (linearizable) a read gate opens in time.
}

interface Maintenance {
  compact @0 (revision :UInt64, deadlineMs :UInt32)
          -> (header :Header, compactRevision :UInt64, failure :Failure);
  # History before that revision goes: it becomes the oldest that can be read and watched. Answered
  # when it is gone on the leader; at the deadline with deadlineExceeded, outcome unknown, and it
  # goes on. Errors: futureRevision, compacted (it is no newer than the oldest one kept).
}

# ---------------------------------------------------------------------------------------------
# Who takes part. Every member takes these calls and passes them on to the leader.

struct MemberIdentity {
  # What a member says of itself, before it is one.
  cluster @0 :UInt64;
  id @1 :UInt64;
  name @2 :Text;
  clientAddress @3 :Text;
  version @4 :Text;
  empty @5 :Bool;             # it has no data and waits to be added
}

struct NewMember {
  name @0 :Text;
  peerAddress @1 :Text;       # where the leader reaches it
}
struct NewAddress {
  id @0 :UInt64;
  peerAddress @1 :Text;
}
struct Replacement {
  old @0 :UInt64;
  new @1 :UInt64;             # a learner that has caught up
}

struct MemberChange {
  # One at a time. Repeating one that was made already succeeds, except remove (memberNotFound).
  union {
    addLearner @0 :NewMember; # has to answer there under that name, empty, of this cluster
    promote @1 :UInt64;       # a learner that has caught up: from now on it votes
    remove @2 :UInt64;
    replace @3 :Replacement;  # promote and remove in one
    updateAddress @4 :NewAddress;
  }
}

struct MemberProgress {
  enum Replication { probe @0; replicate @1; snapshot @2; }
  id @0 :UInt64;
  matchIndex @1 :UInt64;      # its log is known to be the leader's up to there
  replication @2 :Replication;
  caughtUp @3 :Bool;          # may be made a voter
  recentlyActive @4 :Bool;    # the leader has heard from it within an election timeout
}

interface Membership {
  probe @0 (peerAddress :Text, deadlineMs :UInt32)
        -> (header :Header, identity :MemberIdentity, failure :Failure);
  # Whom the leader finds there.
  change @1 (change :MemberChange, deadlineMs :UInt32)
         -> (header :Header, member :UInt64, failure :Failure, made :Bool);
  # Answered when it is committed and the joint configuration, where there was one, has been left.
  # `member`: which one it was about. `made`: by this call; else it was so already, and that is
  # committed.
  progress @2 (deadlineMs :UInt32)
           -> (header :Header, lastIndex :UInt64, members :List(MemberProgress), failure :Failure);
  # As the leader sees it, which a majority has confirmed to be one. It is among them itself, and
  # the header is its own.
  transfer @3 (target :UInt64, deadlineMs :UInt32, from :UInt64)
           -> (header :Header, leader :UInt64, failure :Failure);
  # Leadership to that member, or to the one that is best prepared if it is zero. Answered when
  # another one leads. `from`, where there is no target: if another one than this leads, it is done;
  # zero: whoever leads.
}

# ---------------------------------------------------------------------------------------------
# The door

struct ClientInfo {
  name @0 :Text;
  version @1 :Text;
  host @2 :Text;
  pid @3 :UInt32;
}

interface Coord {
  # The bootstrap capability of the client port.
  login @0 (client :ClientInfo) -> (header :Header, services :Services, failure :Failure);
}

struct Services {
  kv @0 :Kv;
  watch @1 :Watch;
  lease @2 :Lease;
  lock @3 :Lock;
  cluster @4 :Cluster;
  maintenance @5 :Maintenance;
  membership @6 :Membership;
}
