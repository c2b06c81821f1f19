// Every operation as a value that says what to do, with the type of its answer. Client, Session,
// Lock and Watcher make them; internal::start() takes them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "coord/lock.h"
#include "coord/session.h"
#include "coord/txn.h"
#include "coord/values.h"
#include "coord/watch.h"

namespace coord::op {

struct Put {
  using Response = Result<PutResult>;
  std::string key;
  std::string value;
  PutOptions options;
};
struct Delete {
  using Response = Result<DeleteResult>;
  KeyRange range;
  DeleteOptions options;
};
struct Cas {
  using Response = Result<CasResult>;
  std::string key;
  Expect expect;
  std::string value;
  CasOptions options;
};
struct Transact {
  using Response = Result<TxnResult>;
  Txn txn;
  TxnOptions options;
};
struct Get {
  using Response = Result<GetResult>;
  std::string key;
  GetOptions options;
};
struct Range {
  using Response = Result<RangeResult>;
  KeyRange range;
  RangeOptions options;
};

struct LeaseGrant {
  using Response = Result<LeaseGrantResult>;
  milliseconds ttl;
  LeaseGrantOptions options;
};
struct LeaseRenew {
  using Response = Result<milliseconds>;
  LeaseId id;
  milliseconds timeout;
};
struct LeaseRevoke {
  using Response = Status;
  LeaseId id;
  milliseconds timeout;
};
struct LeaseGet {
  using Response = Result<LeaseInfo>;
  LeaseId id;
  milliseconds timeout;
};
struct LeaseList {
  using Response = Result<std::vector<LeaseInfo>>;
  bool sessions_only;
  milliseconds timeout;
};

struct OpenSession {
  using Response = Result<Session>;
  SessionOptions options;
};
struct DefaultSession {
  using Response = Result<Session>;
  milliseconds timeout;
};
struct CloseSession {
  using Response = Status;
  std::shared_ptr<internal::SessionState> session;
};

struct AcquireLock {
  using Response = Result<Lock>;
  std::string name;
  LockOptions options;
};
struct Campaign {
  using Response = Result<Leadership>;
  std::string election;
  std::string value;
  CampaignOptions options;
};
struct Release {
  using Response = Status;
  std::shared_ptr<internal::HoldState> hold;
};
struct Proclaim {
  using Response = Status;
  std::shared_ptr<internal::HoldState> hold;
  std::string value;
};
struct BreakLock {
  using Response = Status;
  LockName lock;
  LockToken token;
  milliseconds timeout;
};
struct ShowLock {
  using Response = Result<LockInfo>;
  LockName lock;
  milliseconds timeout;
};
struct ListLocks {
  using Response = Result<std::vector<LockInfo>>;
  bool elections;
  std::string prefix;
  milliseconds timeout;
};
struct Leader {
  using Response = Result<LeaderInfo>;
  std::string election;
  milliseconds timeout;
};

struct WatchNext {
  using Response = Result<WatchUpdate>;
  std::shared_ptr<internal::WatchState> watch;
  std::optional<milliseconds> timeout;
};
struct ObserverNext {
  using Response = Result<std::optional<LeaderInfo>>;
  std::shared_ptr<internal::ObserverState> observer;
  std::optional<milliseconds> timeout;
};

struct Members {
  using Response = Result<MembersResult>;
  milliseconds timeout;
};
struct EndpointStatus {
  using Response = Result<MemberStatus>;
  std::string endpoint;
  milliseconds timeout;
};
struct Compact {
  using Response = Result<Revision>;
  Revision revision;
  milliseconds timeout;
};
struct Health {
  using Response = Result<HealthResult>;
  std::string endpoint;
  bool linearizable;
  milliseconds timeout;
};

struct ProbeMember {
  using Response = Result<MemberIdentity>;
  std::string peer_address;
  milliseconds timeout;
};
struct AddLearner {
  std::string name;
  std::string peer_address;
};
struct PromoteMember {
  MemberId id;
};
struct RemoveMember {
  MemberId id;
};
struct ReplaceMember {
  MemberId old_id;
  MemberId new_id;
};
struct UpdateMember {
  MemberId id;
  std::string peer_address;
};
struct ChangeMembers {
  using Response = Result<MemberChanged>;
  std::variant<AddLearner, PromoteMember, RemoveMember, ReplaceMember, UpdateMember> change;
  milliseconds timeout;
};
struct Progress {
  using Response = Result<MembersProgress>;
  milliseconds timeout;
};
struct TransferLeadership {
  using Response = Result<MemberId>;
  MemberId target;
  milliseconds timeout;
};

}  // namespace coord::op

namespace coord {

namespace internal {
// The engine that an object of the library belongs to; null for an empty object.
EnginePtr engine_of(const std::shared_ptr<SessionState>& state);
EnginePtr engine_of(const std::shared_ptr<HoldState>& state);
EnginePtr engine_of(const std::shared_ptr<WatchState>& state);
EnginePtr engine_of(const std::shared_ptr<ObserverState>& state);
}  // namespace internal

template <class Token>
auto Session::async_close(Token&& token) {
  return internal::async(internal::engine_of(state_), op::CloseSession{state_},
                         std::forward<Token>(token));
}
template <class Token>
auto Lock::async_release(Token&& token) {
  return internal::async(internal::engine_of(state_), op::Release{state_},
                         std::forward<Token>(token));
}
template <class Token>
auto Leadership::async_proclaim(std::string value, Token&& token) {
  return internal::async(internal::engine_of(state_), op::Proclaim{state_, std::move(value)},
                         std::forward<Token>(token));
}
template <class Token>
auto Leadership::async_resign(Token&& token) {
  return internal::async(internal::engine_of(state_), op::Release{state_},
                         std::forward<Token>(token));
}
template <class Token>
auto Watcher::async_next(Token&& token) {
  return internal::async(internal::engine_of(state_), op::WatchNext{state_, std::nullopt},
                         std::forward<Token>(token));
}
template <class Token>
auto ElectionObserver::async_next(Token&& token) {
  return internal::async(internal::engine_of(state_), op::ObserverNext{state_, std::nullopt},
                         std::forward<Token>(token));
}

}  // namespace coord
