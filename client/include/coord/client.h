// The client of a Coord cluster.
//
//   coord::Client client({.endpoints = {"10.0.0.1:4701", "10.0.0.2:4701", "10.0.0.3:4701"}});
//   auto put = client.put("greeting", "hello");
//   if (!put) std::cerr << put.error().message << '\n';
//
// A Client owns its I/O thread and may be used from any number of threads. Operations come twice:
// blocking, returning a Result, and as an Asio asynchronous operation that takes a completion token
// (asio::use_future, asio::use_awaitable, a callback void(Result<T>)). Changes of who takes part,
// and a next() with a timeout, only block.
//
//   auto put = co_await client.async_put("greeting", "hello", {}, asio::use_awaitable);
//
// What all threads have outstanding travels together, many operations in a call; so the way to go
// fast is to have many outstanding.
//
// Failures. Requests go to the leader and are repeated at other endpoints until they are answered
// or their timeout has passed. Writes are numbered in a session, so that one that is repeated
// applies once. Error::outcome says of every failed write whether it was applied: kUnknown only
// where that cannot be known. Destroying the Client completes what is outstanding with kCancelled.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "coord/async.h"
#include "coord/lock.h"
#include "coord/operations.h"
#include "coord/session.h"
#include "coord/txn.h"
#include "coord/values.h"
#include "coord/watch.h"

namespace coord {

struct ClientOptions {
  // HOST:PORT of some members; the others are learned from them.
  std::vector<std::string> endpoints = {"127.0.0.1:4701"};
  // How long an operation may take, all its retries included.
  milliseconds timeout{5'000};
  // Who this is, for people: shown with its sessions and locks. Empty: the program's name.
  std::string name = {};
  // Of the session that locks are held by and writes are numbered in. It is opened with the first
  // of them and renewed in the background.
  milliseconds session_ttl{10'000};
  // False: writes are sent once, without a session; one whose answer is lost is kUnknown.
  bool exactly_once = true;
};

class Client {
 public:
  // Connects when it is first used.
  explicit Client(ClientOptions options);
  Client(Client&&) noexcept = default;
  Client& operator=(Client&& other) noexcept;
  ~Client();

  // ---- Keys

  Result<PutResult> put(std::string key, std::string value, PutOptions options = {}) {
    return call(op::Put{std::move(key), std::move(value), std::move(options)});
  }
  template <class Token>
  auto async_put(std::string key, std::string value, PutOptions options, Token&& token) {
    return async(op::Put{std::move(key), std::move(value), std::move(options)},
                 std::forward<Token>(token));
  }

  Result<GetResult> get(std::string key, GetOptions options = {}) {
    return call(op::Get{std::move(key), std::move(options)});
  }
  template <class Token>
  auto async_get(std::string key, GetOptions options, Token&& token) {
    return async(op::Get{std::move(key), std::move(options)}, std::forward<Token>(token));
  }

  // One page: go on with `cursor` (and nothing else changed) while `more`.
  Result<RangeResult> range(KeyRange range, RangeOptions options = {}) {
    return call(op::Range{std::move(range), std::move(options)});
  }
  template <class Token>
  auto async_range(KeyRange range, RangeOptions options, Token&& token) {
    return async(op::Range{std::move(range), std::move(options)}, std::forward<Token>(token));
  }

  Result<DeleteResult> del(std::string key, DeleteOptions options = {}) {
    return call(op::Delete{KeyRange::key(std::move(key)), std::move(options)});
  }
  template <class Token>
  auto async_del(std::string key, DeleteOptions options, Token&& token) {
    return async(op::Delete{KeyRange::key(std::move(key)), std::move(options)},
                 std::forward<Token>(token));
  }

  Result<DeleteResult> del_range(KeyRange range, DeleteOptions options = {}) {
    return call(op::Delete{std::move(range), std::move(options)});
  }
  template <class Token>
  auto async_del_range(KeyRange range, DeleteOptions options, Token&& token) {
    return async(op::Delete{std::move(range), std::move(options)}, std::forward<Token>(token));
  }

  // Sets the value if the key is as expected. A comparison that fails is a result, not an error.
  Result<CasResult> cas(std::string key, Expect expect, std::string value,
                        CasOptions options = {}) {
    return call(op::Cas{std::move(key), std::move(expect), std::move(value), std::move(options)});
  }
  template <class Token>
  auto async_cas(std::string key, Expect expect, std::string value, CasOptions options,
                 Token&& token) {
    return async(op::Cas{std::move(key), std::move(expect), std::move(value), std::move(options)},
                 std::forward<Token>(token));
  }

  Result<TxnResult> txn(Txn txn, TxnOptions options = {}) {
    return call(op::Transact{std::move(txn), std::move(options)});
  }
  template <class Token>
  auto async_txn(Txn txn, TxnOptions options, Token&& token) {
    return async(op::Transact{std::move(txn), std::move(options)}, std::forward<Token>(token));
  }

  // ---- Watches. Errors come with the first next().

  Watcher watch(KeyRange range, WatchOptions options = {});
  Watcher watch(std::vector<KeyRange> ranges, WatchOptions options = {});
  // The watch lasts as long as the Watcher, on which next() is not to be called.
  Watcher watch(std::vector<KeyRange> ranges, WatchOptions options, WatchCallback callback);

  // ---- Leases. Those granted here are the caller's to renew; a Session renews itself.

  Result<LeaseGrantResult> lease_grant(milliseconds ttl, LeaseGrantOptions options = {}) {
    return call(op::LeaseGrant{ttl, std::move(options)});
  }
  template <class Token>
  auto async_lease_grant(milliseconds ttl, LeaseGrantOptions options, Token&& token) {
    return async(op::LeaseGrant{ttl, std::move(options)}, std::forward<Token>(token));
  }

  // Its TTL, which counts from when the server received the renewal: later than when it was sent.
  Result<milliseconds> lease_renew(LeaseId id, milliseconds timeout = {}) {
    return call(op::LeaseRenew{id, timeout});
  }
  template <class Token>
  auto async_lease_renew(LeaseId id, milliseconds timeout, Token&& token) {
    return async(op::LeaseRenew{id, timeout}, std::forward<Token>(token));
  }

  Status lease_revoke(LeaseId id, milliseconds timeout = {}) {
    return call(op::LeaseRevoke{id, timeout});
  }
  template <class Token>
  auto async_lease_revoke(LeaseId id, milliseconds timeout, Token&& token) {
    return async(op::LeaseRevoke{id, timeout}, std::forward<Token>(token));
  }

  Result<LeaseInfo> lease_info(LeaseId id, milliseconds timeout = {}) {
    return call(op::LeaseGet{id, timeout});
  }
  template <class Token>
  auto async_lease_info(LeaseId id, milliseconds timeout, Token&& token) {
    return async(op::LeaseGet{id, timeout}, std::forward<Token>(token));
  }

  Result<std::vector<LeaseInfo>> lease_list(milliseconds timeout = {}) {
    return call(op::LeaseList{false, timeout});
  }
  template <class Token>
  auto async_lease_list(milliseconds timeout, Token&& token) {
    return async(op::LeaseList{false, timeout}, std::forward<Token>(token));
  }

  Result<std::vector<LeaseInfo>> session_list(milliseconds timeout = {}) {
    return call(op::LeaseList{true, timeout});
  }
  template <class Token>
  auto async_session_list(milliseconds timeout, Token&& token) {
    return async(op::LeaseList{true, timeout}, std::forward<Token>(token));
  }

  // ---- Sessions

  // A session of the caller's own, beside the client's.
  Result<Session> open_session(SessionOptions options = {}) {
    return call(op::OpenSession{std::move(options)});
  }
  template <class Token>
  auto async_open_session(SessionOptions options, Token&& token) {
    return async(op::OpenSession{std::move(options)}, std::forward<Token>(token));
  }

  // The client's own session, opened if there is none (or the last one has expired).
  Result<Session> session(milliseconds timeout = {}) { return call(op::DefaultSession{timeout}); }
  template <class Token>
  auto async_session(milliseconds timeout, Token&& token) {
    return async(op::DefaultSession{timeout}, std::forward<Token>(token));
  }

  // ---- Locks

  Result<Lock> lock(std::string name, LockOptions options = {}) {
    return call(op::AcquireLock{std::move(name), std::move(options)});
  }
  template <class Token>
  auto async_lock(std::string name, LockOptions options, Token&& token) {
    return async(op::AcquireLock{std::move(name), std::move(options)}, std::forward<Token>(token));
  }

  // Holders and waiters; kLockNotFound if nobody holds it.
  Result<LockInfo> lock_show(std::string name, milliseconds timeout = {}) {
    return call(op::ShowLock{{std::move(name), false}, timeout});
  }
  template <class Token>
  auto async_lock_show(std::string name, milliseconds timeout, Token&& token) {
    return async(op::ShowLock{{std::move(name), false}, timeout}, std::forward<Token>(token));
  }

  Result<std::vector<LockInfo>> lock_list(std::string prefix = {}, milliseconds timeout = {}) {
    return call(op::ListLocks{false, std::move(prefix), timeout});
  }
  template <class Token>
  auto async_lock_list(std::string prefix, milliseconds timeout, Token&& token) {
    return async(op::ListLocks{false, std::move(prefix), timeout}, std::forward<Token>(token));
  }

  // Takes the lock (or, with LockName::election, the leadership) away from whoever has that token.
  Status lock_break(LockName lock, LockToken token, milliseconds timeout = {}) {
    return call(op::BreakLock{std::move(lock), token, timeout});
  }
  template <class Token>
  auto async_lock_break(LockName lock, LockToken fencing_token, milliseconds timeout,
                        Token&& token) {
    return async(op::BreakLock{std::move(lock), fencing_token, timeout},
                 std::forward<Token>(token));
  }

  // ---- Elections

  // Waits to become the leader, which then publishes `value`.
  Result<Leadership> campaign(std::string election, std::string value,
                              CampaignOptions options = {}) {
    return call(op::Campaign{std::move(election), std::move(value), std::move(options)});
  }
  template <class Token>
  auto async_campaign(std::string election, std::string value, CampaignOptions options,
                      Token&& token) {
    return async(op::Campaign{std::move(election), std::move(value), std::move(options)},
                 std::forward<Token>(token));
  }

  // kNoLeaderElected if nobody leads.
  Result<LeaderInfo> leader(std::string election, milliseconds timeout = {}) {
    return call(op::Leader{std::move(election), timeout});
  }
  template <class Token>
  auto async_leader(std::string election, milliseconds timeout, Token&& token) {
    return async(op::Leader{std::move(election), timeout}, std::forward<Token>(token));
  }

  ElectionObserver observe(std::string election);

  Result<LockInfo> election_show(std::string election, milliseconds timeout = {}) {
    return call(op::ShowLock{{std::move(election), true}, timeout});
  }
  template <class Token>
  auto async_election_show(std::string election, milliseconds timeout, Token&& token) {
    return async(op::ShowLock{{std::move(election), true}, timeout}, std::forward<Token>(token));
  }

  Result<std::vector<LockInfo>> election_list(std::string prefix = {}, milliseconds timeout = {}) {
    return call(op::ListLocks{true, std::move(prefix), timeout});
  }
  template <class Token>
  auto async_election_list(std::string prefix, milliseconds timeout, Token&& token) {
    return async(op::ListLocks{true, std::move(prefix), timeout}, std::forward<Token>(token));
  }

  // ---- The cluster

  // Who takes part, as any one member knows it: one that lags may not know of the last change.
  Result<MembersResult> members(milliseconds timeout = {}) { return call(op::Members{timeout}); }
  template <class Token>
  auto async_members(milliseconds timeout, Token&& token) {
    return async(op::Members{timeout}, std::forward<Token>(token));
  }

  // Of the member at that endpoint, and no other; kUnreachable if it does not answer, kWrongCluster
  // if it belongs to another cluster than the members that were met before. An empty endpoint: of
  // any member.
  Result<MemberStatus> status(std::string endpoint = {}, milliseconds timeout = {}) {
    return call(op::EndpointStatus{std::move(endpoint), timeout});
  }
  template <class Token>
  auto async_status(std::string endpoint, milliseconds timeout, Token&& token) {
    return async(op::EndpointStatus{std::move(endpoint), timeout}, std::forward<Token>(token));
  }

  // History before that revision goes: it becomes the oldest that can be read and watched. Returns
  // the oldest one kept, when that is so. kFutureRevision, kCompacted (it is no newer than that
  // already). kDeadlineExceeded, outcome unknown: the cluster goes on with it.
  Result<Revision> compact(Revision revision, milliseconds timeout = {}) {
    return call(op::Compact{revision, timeout});
  }
  template <class Token>
  auto async_compact(Revision revision, milliseconds timeout, Token&& token) {
    return async(op::Compact{revision, timeout}, std::forward<Token>(token));
  }

  // Healthy: there is a leader, the member hears it, and (linearizable) a read is served in time.
  Result<HealthResult> health(std::string endpoint = {}, bool linearizable = true,
                              milliseconds timeout = {}) {
    return call(op::Health{std::move(endpoint), linearizable, timeout});
  }
  template <class Token>
  auto async_health(std::string endpoint, bool linearizable, milliseconds timeout, Token&& token) {
    return async(op::Health{std::move(endpoint), linearizable, timeout},
                 std::forward<Token>(token));
  }

  // ---- Who takes part in the cluster. Each change is answered when it is done; one whose outcome
  // is unknown may be asked for again.

  // Whom the leader finds at that peer address: kUnreachable if nobody.
  Result<MemberIdentity> probe_member(std::string peer_address, milliseconds timeout = {}) {
    return call(op::ProbeMember{std::move(peer_address), timeout});
  }
  // Adds the member that waits there under that name (coordd --join), as a learner: it gets all
  // entries and is asked for nothing.
  Result<MemberChanged> add_learner(std::string name, std::string peer_address,
                                    milliseconds timeout = {}) {
    return change(op::AddLearner{std::move(name), std::move(peer_address)}, timeout);
  }
  // Has a learner vote: kNotCaughtUp while its log is not the leader's but for the last moments.
  Result<MemberChanged> promote_member(MemberId id, milliseconds timeout = {}) {
    return change(op::PromoteMember{id}, timeout);
  }
  // kWouldLoseQuorum if too few of those who stay can be heard.
  Result<MemberChanged> remove_member(MemberId id, milliseconds timeout = {}) {
    return change(op::RemoveMember{id}, timeout);
  }
  struct Replacement {
    MemberId old_id;
    MemberId new_id;  // a learner that has caught up
  };
  Result<MemberChanged> replace_member(Replacement ids, milliseconds timeout = {}) {
    return change(op::ReplaceMember{ids.old_id, ids.new_id}, timeout);
  }
  // Where the other members reach it from now on. It has to listen there itself (coordd
  // --listen-peer); whoever answers there by now has to be that member (kWrongMember).
  Result<MemberChanged> update_member(MemberId id, std::string peer_address,
                                      milliseconds timeout = {}) {
    return change(op::UpdateMember{id, std::move(peer_address)}, timeout);
  }
  // How far each member has come, as the leader sees it, whose header this is.
  Result<MembersProgress> members_progress(milliseconds timeout = {}) {
    return call(op::Progress{timeout});
  }
  // Hands leadership to that member, or from who leads now to the one that is best prepared if it
  // is zero. Writes wait meanwhile. The one that leads then.
  Result<MemberId> transfer_leadership(MemberId target, milliseconds timeout = {}) {
    return call(op::TransferLeadership{target, timeout});
  }
  template <class Token>
  auto async_transfer_leadership(MemberId target, milliseconds timeout, Token&& token) {
    return async(op::TransferLeadership{target, timeout}, std::forward<Token>(token));
  }

 private:
  friend struct internal::Access;
  template <class Change>
  Result<MemberChanged> change(Change change, milliseconds timeout) {
    return call(op::ChangeMembers{std::move(change), timeout});
  }
  explicit Client(internal::EnginePtr engine);

  template <class Op>
  typename Op::Response call(Op op) {
    return internal::call(engine_, std::move(op));
  }
  template <class Op, class Token>
  auto async(Op op, Token&& token) {
    return internal::async(engine_, std::move(op), std::forward<Token>(token));
  }

  internal::EnginePtr engine_;
};

}  // namespace coord
