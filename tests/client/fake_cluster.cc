#include "tests/client/fake_cluster.h"

#include <algorithm>
#include <utility>

namespace coord::fake {
namespace {

std::string text(capnp::Data::Reader data) {
  return {reinterpret_cast<const char*>(data.begin()), data.size()};
}
capnp::Data::Reader data(const std::string& text) {
  return {reinterpret_cast<const kj::byte*>(text.data()), text.size()};
}

void fail(schema::Failure::Builder failure, ErrorCode code, schema::Outcome outcome,
          const char* message, const std::string& leader = {}) {
  failure.setCode(static_cast<std::uint16_t>(code));
  failure.setOutcome(outcome);
  failure.setMessage(message);
  if (!leader.empty()) failure.setLeader(leader.c_str());
}
void fail(schema::WriteResult::Builder result, ErrorCode code, const char* message) {
  fail(result.initFailure(), code, schema::Outcome::NOT_APPLIED, message);
}

bool in_range(schema::KeyRange::Reader range, const std::string& key) {
  const std::string begin = text(range.getBegin());
  switch (range.which()) {
    case schema::KeyRange::SINGLE:
      return key == begin;
    case schema::KeyRange::PREFIX:
      return key.starts_with(begin);
    case schema::KeyRange::END:
      return key >= begin && key < text(range.getEnd());
    case schema::KeyRange::TO_END:
      return key >= begin;
  }
  return false;
}

void fill(schema::KeyValue::Builder target, const std::string& key, const Record& record) {
  target.setKey(data(key));
  target.setValue(data(record.value));
  target.setCreateRevision(record.create_revision);
  target.setModRevision(record.mod_revision);
  target.setVersion(record.version);
}

}  // namespace

// ------------------------------------------------------------------------------------------------
// The state

void State::notify() {
  for (auto& waiter : std::exchange(waiters_, {})) waiter->fulfill();
}

kj::Promise<void> State::changed() {
  auto paf = kj::newPromiseAndFulfiller<void>();
  waiters_.push_back(kj::mv(paf.fulfiller));
  return kj::mv(paf.promise);
}

void State::put(const std::string& key, const std::string& value) {
  Record& record = keys[key];
  ++revision;
  if (record.version++ == 0) record.create_revision = revision;
  record.mod_revision = revision;
  record.value = value;
  history.push_back({revision, key, value, false});
}

void State::apply(schema::Write::Reader write, schema::WriteResult::Builder result) {
  if (write.getSession() == 0) {
    apply_once(write, result);
    return notify();
  }
  const auto session = sessions.find(write.getSession());
  if (session == sessions.end()) return fail(result, ErrorCode::kSessionExpired, "no such session");
  auto& replies = session->second.replies;
  if (const auto reply = replies.find(write.getSequence()); reply != replies.end()) {
    const auto again = reply->second->getRoot<schema::WriteResult>().asReader();
    // A union cannot be copied onto its own builder: through an orphan's parent, field by field.
    result.setRevision(again.getRevision());
    if (again.isPut()) {
      result.initPut();
    } else if (again.isCompareAndSwap()) {
      result.setCompareAndSwap(again.getCompareAndSwap());
    } else if (again.isLockAcquire()) {
      result.setLockAcquire(again.getLockAcquire());
    } else if (again.isFailure()) {
      result.setFailure(again.getFailure());
    } else if (again.isLockRelease()) {
      result.setLockRelease();
    } else if (again.isDelete()) {
      result.setDelete(again.getDelete());
    }
    return;
  }
  apply_once(write, result);
  auto reply = kj::heap<capnp::MallocMessageBuilder>();
  reply->setRoot(result.asReader());
  replies[write.getSequence()] = kj::mv(reply);
  replies.erase(replies.begin(), replies.lower_bound(write.getFirstOutstanding()));
  notify();
}

void State::apply_once(schema::Write::Reader write, schema::WriteResult::Builder result) {
  switch (write.which()) {
    case schema::Write::PUT: {
      const std::string key = text(write.getPut().getKey());
      if (key.empty()) return fail(result, ErrorCode::kEmptyKey, "the key is empty");
      if (write.hasGuard()) {
        const auto lock = locks.find(text(write.getGuard().getLock().getName()));
        if (lock == locks.end() || lock->second.token != write.getGuard().getToken()) {
          return fail(result, ErrorCode::kStaleToken, "not the holder");
        }
      }
      put(key, text(write.getPut().getValue()));
      applied.push_back("put " + key + "=" + text(write.getPut().getValue()));
      result.initPut();
      break;
    }
    case schema::Write::DELETE: {
      std::uint64_t deleted = 0;
      for (auto it = keys.begin(); it != keys.end();) {
        if (!in_range(write.getDelete().getRange(), it->first)) {
          ++it;
          continue;
        }
        if (deleted++ == 0) ++revision;
        history.push_back({revision, it->first, {}, true});
        it = keys.erase(it);
      }
      result.initDelete().setDeleted(deleted);
      break;
    }
    case schema::Write::COMPARE_AND_SWAP: {
      const auto cas = write.getCompareAndSwap();
      const std::string key = text(cas.getKey());
      const auto found = keys.find(key);
      bool holds = false;
      switch (cas.which()) {
        case schema::CompareAndSwap::EXPECT_ABSENT:
          holds = found == keys.end();
          break;
        case schema::CompareAndSwap::EXPECT_VALUE:
          holds = found != keys.end() && found->second.value == text(cas.getExpectValue());
          break;
        case schema::CompareAndSwap::EXPECT_MOD_REVISION:
          holds =
              (found == keys.end() ? 0 : found->second.mod_revision) == cas.getExpectModRevision();
          break;
      }
      auto answer = result.initCompareAndSwap();
      answer.setSucceeded(holds);
      if (holds) {
        put(key, text(cas.getValue()));
        applied.push_back("cas " + key + "=" + text(cas.getValue()));
      } else if (found != keys.end()) {
        fill(answer.initCurrent(), key, found->second);
      }
      break;
    }
    case schema::Write::TXN: {
      applied.push_back("txn");
      result.initTxn().setSucceeded(true);
      break;
    }
    case schema::Write::LEASE_GRANT: {
      const auto grant = write.getLeaseGrant();
      sessions[grant.getId()].ttl_ms = grant.getTtlMs();
      result.initLeaseGrant().setId(grant.getId());
      result.getLeaseGrant().setTtlMs(grant.getTtlMs());
      break;
    }
    case schema::Write::LEASE_REVOKE:
      if (!sessions.contains(write.getLeaseRevoke())) {
        return fail(result, ErrorCode::kLeaseNotFound, "no such lease");
      }
      end_session(write.getLeaseRevoke());
      result.setLeaseRevoke();
      break;
    case schema::Write::LOCK_ACQUIRE: {
      const auto acquire = write.getLockAcquire();
      if (!sessions.contains(acquire.getLease())) {
        return fail(result, ErrorCode::kLeaseNotFound, "no such lease");
      }
      const std::string name = text(acquire.getLock().getName());
      LockState& lock = locks[name];
      auto place = std::find(lock.queue.begin(), lock.queue.end(), acquire.getLease());
      if (place == lock.queue.end()) {
        if (!lock.queue.empty() && !acquire.getWait()) {
          return fail(result, ErrorCode::kLockBusy, "held");
        }
        lock.queue.push_back(acquire.getLease());
        place = std::prev(lock.queue.end());
        if (lock.queue.size() == 1) lock.token = ++revision;
        applied.push_back("acquire " + name);
      }
      if (place == lock.queue.begin()) {
        result.initLockAcquire().setGranted(lock.token);
      } else {
        result.initLockAcquire().setQueued(
            static_cast<std::uint64_t>(place - lock.queue.begin() - 1));
      }
      break;
    }
    case schema::Write::LOCK_RELEASE: {
      LockState& lock = locks[text(write.getLockRelease().getLock().getName())];
      if (lock.queue.empty() || lock.queue.front() != write.getLockRelease().getLease()) {
        return fail(result, ErrorCode::kLockNotHeld, "not held");
      }
      lock.queue.pop_front();
      lock.token = lock.queue.empty() ? 0 : ++revision;
      applied.push_back("release " + text(write.getLockRelease().getLock().getName()));
      result.setLockRelease();
      break;
    }
    case schema::Write::LOCK_CANCEL: {
      LockState& lock = locks[text(write.getLockCancel().getLock().getName())];
      const auto lease = write.getLockCancel().getLease();
      auto answer = result.initLockCancel();
      if (!lock.queue.empty() && lock.queue.front() == lease) {
        answer.setGranted(lock.token);
        break;
      }
      std::erase(lock.queue, lease);
      answer.setAbsent();
      break;
    }
    case schema::Write::PROCLAIM:
      result.setProclaim();
      break;
    case schema::Write::LOCK_BREAK:
      result.setLockBreak();
      break;
  }
  result.setRevision(revision);
}

void State::end_session(std::uint64_t id) {
  sessions.erase(id);
  for (auto& [name, lock] : locks) {
    const bool held = !lock.queue.empty() && lock.queue.front() == id;
    std::erase(lock.queue, id);
    if (held) lock.token = lock.queue.empty() ? 0 : ++revision;
  }
  notify();
}

void State::break_lock(const std::string& name) {
  LockState& lock = locks[name];
  lock.queue.pop_front();
  lock.token = lock.queue.empty() ? 0 : ++revision;
  ++revision;
  notify();
}

void State::read(schema::Read::Reader read, schema::ReadResult::Builder result) const {
  auto range = result.initRange();
  range.setRevision(revision);
  std::vector<const std::pair<const std::string, Record>*> found;
  for (const auto& entry : keys) {
    if (in_range(read.getRange(), entry.first)) found.push_back(&entry);
  }
  range.setCount(found.size());
  auto items = range.initItems(static_cast<unsigned>(found.size()));
  for (unsigned i = 0; i < items.size(); ++i) fill(items[i], found[i]->first, found[i]->second);
}

// ------------------------------------------------------------------------------------------------
// Who takes part

void Membership::change(schema::MemberChange::Reader change,
                        schema::Membership::ChangeResults::Builder result) {
  const auto refuse = [&](ErrorCode code, const char* message) {
    fail(result.initFailure(), code, schema::Outcome::NOT_APPLIED, message);
  };
  const auto done = [&](std::uint64_t id, const std::string& what) {
    result.setMember(id);
    result.setMade(!what.empty());
    if (!what.empty()) made.push_back(what);
  };
  const auto number = [](std::uint64_t id) { return " " + std::to_string(id); };
  switch (change.which()) {
    case schema::MemberChange::ADD_LEARNER: {
      const auto found = waiting.find(change.getAddLearner().getPeerAddress().cStr());
      if (found == waiting.end()) return refuse(ErrorCode::kUnreachable, "nobody");
      const std::uint64_t id = found->second;
      if (voters.contains(id)) return refuse(ErrorCode::kMemberExists, "it votes");
      return done(id, learners.insert(id).second ? "add" + number(id) : "");
    }
    case schema::MemberChange::PROMOTE: {
      const std::uint64_t id = change.getPromote();
      if (!contains(id)) return refuse(ErrorCode::kMemberNotFound, "not found");
      learners.erase(id);
      return done(id, voters.insert(id).second ? "promote" + number(id) : "");
    }
    case schema::MemberChange::REMOVE: {
      const std::uint64_t id = change.getRemove();
      if (voters.erase(id) + learners.erase(id) == 0) {
        return refuse(ErrorCode::kMemberNotFound, "not found");
      }
      return done(id, "remove" + number(id));
    }
    case schema::MemberChange::REPLACE: {
      const std::uint64_t old_id = change.getReplace().getOld();
      const std::uint64_t id = change.getReplace().getNew();
      if (voters.erase(old_id) == 0) {
        if (voters.contains(id)) return done(id, "");
        return refuse(ErrorCode::kMemberNotFound, "not found");
      }
      learners.erase(id);
      voters.insert(id);
      return done(id, "replace" + number(old_id) + number(id));
    }
    case schema::MemberChange::UPDATE_ADDRESS:
      return done(change.getUpdateAddress().getId(),
                  "update" + number(change.getUpdateAddress().getId()));
  }
}

// ------------------------------------------------------------------------------------------------
// The services of a member

namespace {

void head(Member& member, schema::Header::Builder header) {
  header.setClusterId(member.cluster_id);
  header.setMemberId(member.id);
  header.setRevision(member.revision());
  header.setTerm(member.cluster().term());
  header.setMembers(member.cluster().members_version);
}

kj::Promise<void> serve_late(Member& member) {
  auto paf = kj::newPromiseAndFulfiller<void>();
  // Kept by the cluster: a call may outlive the timer.
  member.cluster().add(member.cluster()
                           .timer()
                           .afterDelay(200 * kj::MILLISECONDS)
                           .then([due = kj::mv(paf.fulfiller)]() mutable { due->fulfill(); }));
  return kj::mv(paf.promise);
}

class KvService final : public schema::Kv::Server {
 public:
  explicit KvService(Member& member) : member_(member) {}

  kj::Promise<void> write(WriteContext context) override {
    if (member_.stopped) return member_.silence();
    ++member_.write_calls;
    Cluster& cluster = member_.cluster();
    const auto writes = context.getParams().getWrites();
    member_.writes += writes.size();
    Fault fault = Fault::kServe;
    if (!member_.faults.empty()) {
      fault = member_.faults.front();
      member_.faults.pop_front();
    }
    auto answer = context.getResults();
    head(member_, answer.initHeader());
    if (fault == Fault::kServe && cluster.leader() == nullptr) fault = Fault::kNoQuorum;
    if (fault == Fault::kServe && cluster.leader() != &member_ && member_.refuses) {
      fault = Fault::kNotLeaderHint;
    }
    switch (fault) {
      case Fault::kServe:
        break;
      case Fault::kStall:
        return member_.silence();
      case Fault::kDropBefore:
        cluster.later([&member = member_] { member.cut(); });
        return member_.silence();
      case Fault::kNotLeaderHint:
        fail(answer.initFailure(), ErrorCode::kNotLeader, schema::Outcome::NOT_APPLIED,
             "not the leader", cluster.leader() == nullptr ? "" : cluster.leader()->address);
        return kj::READY_NOW;
      case Fault::kNotLeader:
        fail(answer.initFailure(), ErrorCode::kNotLeader, schema::Outcome::NOT_APPLIED,
             "not the leader");
        return kj::READY_NOW;
      case Fault::kNoQuorum:
        fail(answer.initFailure(), ErrorCode::kNoQuorum, schema::Outcome::NOT_APPLIED,
             "no majority");
        return kj::READY_NOW;
      case Fault::kChangeInFlight:
        KJ_FAIL_REQUIRE("this is for changes of the members");
      case Fault::kServeLate:
      case Fault::kApplyThenDrop:
      case Fault::kApplyThenUnknown:
      case Fault::kApplyThenStall:
        break;
    }
    // Forwarded, the answer is the leader's.
    if (cluster.leader() != nullptr) answer.getHeader().setMemberId(cluster.leader()->id);
    auto results = answer.initResults(writes.size());
    for (unsigned i = 0; i < writes.size(); ++i) cluster.state.apply(writes[i], results[i]);
    if (fault == Fault::kApplyThenStall) return member_.silence();
    if (fault == Fault::kServeLate) return serve_late(member_);
    if (fault == Fault::kApplyThenDrop) {
      cluster.later([&member = member_] { member.cut(); });
      return member_.silence();
    }
    if (fault == Fault::kApplyThenUnknown) {
      fail(answer.initFailure(), ErrorCode::kNotLeader, schema::Outcome::UNKNOWN,
           "not the leader any more");
    }
    return kj::READY_NOW;
  }

  kj::Promise<void> read(ReadContext context) override {
    if (member_.stopped) return member_.silence();
    ++member_.read_calls;
    const auto reads = context.getParams().getReads();
    auto answer = context.getResults();
    head(member_, answer.initHeader());
    answer.setGot(context.getParams().getConsistency());
    const bool linearizable = context.getParams().getConsistency().isLinearizable();
    if (linearizable && member_.lags_at.has_value()) return member_.silence();
    if (linearizable && member_.cluster().leader() == nullptr) {
      fail(answer.initFailure(), ErrorCode::kNoQuorum, schema::Outcome::NOT_APPLIED, "no majority");
      return kj::READY_NOW;
    }
    auto results = answer.initResults(reads.size());
    for (unsigned i = 0; i < reads.size(); ++i) {
      member_.cluster().state.read(reads[i], results[i]);
    }
    return kj::READY_NOW;
  }

 private:
  Member& member_;
};

class LeaseService final : public schema::Lease::Server {
 public:
  explicit LeaseService(Member& member) : member_(member) {}

  kj::Promise<void> renew(RenewContext context) override {
    if (member_.stopped || !member_.renews) return member_.silence();
    State& state = member_.cluster().state;
    const auto ids = context.getParams().getIds();
    auto answer = context.getResults();
    head(member_, answer.initHeader());
    if (member_.cluster().leader() == nullptr) {
      fail(answer.initFailure(), ErrorCode::kNoQuorum, schema::Outcome::NOT_APPLIED, "no majority");
      return kj::READY_NOW;
    }
    auto results = answer.initResults(ids.size());
    for (unsigned i = 0; i < ids.size(); ++i) {
      const auto session = state.sessions.find(ids[i]);
      if (session == state.sessions.end()) {
        fail(results[i].initFailure(), ErrorCode::kLeaseNotFound, schema::Outcome::NOT_APPLIED,
             "no such lease");
      } else {
        ++state.renewals;
        results[i].setTtlMs(session->second.ttl_ms);
      }
    }
    return kj::READY_NOW;
  }

 private:
  Member& member_;
};

class LockService final : public schema::Lock::Server {
 public:
  explicit LockService(Member& member) : member_(member) {}

  kj::Promise<void> await(AwaitContext context) override {
    if (member_.stopped) return member_.silence();
    return stand(context, member_.cluster().timer().now() +
                              context.getParams().getDeadlineMs() * kj::MILLISECONDS);
  }

  kj::Promise<void> show(ShowContext context) override {
    if (member_.stopped) return member_.silence();
    const State& state = member_.cluster().state;
    const std::string name = text(context.getParams().getLock().getName());
    auto answer = context.getResults();
    head(member_, answer.initHeader());
    if (member_.cluster().leader() == nullptr) {
      fail(answer.initFailure(), ErrorCode::kNoQuorum, schema::Outcome::NOT_APPLIED, "no majority");
      return kj::READY_NOW;
    }
    const auto lock = state.locks.find(name);
    if (lock == state.locks.end() || lock->second.queue.empty()) {
      fail(answer.initFailure(), ErrorCode::kLockNotFound, schema::Outcome::NOT_APPLIED, "free");
      return kj::READY_NOW;
    }
    auto holder = answer.initInfo().initHolders(1)[0];
    holder.setLease(lock->second.queue.front());
    holder.setToken(lock->second.token);
    return kj::READY_NOW;
  }

 private:
  kj::Promise<void> stand(AwaitContext context, kj::TimePoint until) {
    State& state = member_.cluster().state;
    const LockState& lock = state.locks[text(context.getParams().getLock().getName())];
    const auto lease = context.getParams().getLease();
    const auto place = std::find(lock.queue.begin(), lock.queue.end(), lease);
    const bool late = member_.cluster().timer().now() >= until;
    if (place != lock.queue.end() && place != lock.queue.begin() && !late) {
      return state.changed()
          .exclusiveJoin(member_.cluster().timer().atTime(until))
          .then([this, context, until]() mutable { return stand(context, until); });
    }
    auto answer = context.getResults();
    head(member_, answer.initHeader());
    if (place == lock.queue.end()) {
      answer.initResult().setAbsent();
    } else if (place == lock.queue.begin()) {
      answer.initResult().setGranted(lock.token);
    } else {
      answer.initResult().setQueued(0);
    }
    return kj::READY_NOW;
  }

  Member& member_;
};

class WatchHandleService final : public schema::WatchHandle::Server {
 public:
  explicit WatchHandleService(kj::Promise<void> task)
      : task_(task.eagerlyEvaluate([](kj::Exception&&) {})) {}

 private:
  kj::Promise<void> task_;
};

class WatchService final : public schema::Watch::Server {
 public:
  explicit WatchService(Member& member) : member_(member) {}

  kj::Promise<void> watch(WatchContext context) override {
    if (member_.stopped) return member_.silence();
    State& state = member_.cluster().state;
    auto request = kj::heap<capnp::MallocMessageBuilder>();
    request->setRoot(context.getParams().getRequest());
    const auto wanted = request->getRoot<schema::WatchRequest>().asReader();
    auto answer = context.getResults();
    head(member_, answer.initHeader());
    ++member_.watch_calls;
    std::uint64_t from = wanted.getFromRevision();
    if (from > member_.revision() + 1) {
      fail(answer.initFailure(), ErrorCode::kFutureRevision, schema::Outcome::NOT_APPLIED,
           "in the future");
      answer.getFailure().setRevision(member_.revision());
      return kj::READY_NOW;
    }
    if (from != 0 && from <= state.compacted) {
      fail(answer.initFailure(), ErrorCode::kCompacted, schema::Outcome::NOT_APPLIED, "compacted");
      answer.getFailure().setRevision(state.compacted + 1);
      return kj::READY_NOW;
    }
    if (from == 0) from = member_.revision() + 1;
    answer.setStartRevision(from);
    auto sink = context.getParams().getSink();
    kj::Promise<void> task = kj::NEVER_DONE;
    if (const auto delay = member_.deliveries_take.count(); delay > 0) {
      auto late = member_.cluster().timer().afterDelay(delay * kj::MILLISECONDS);
      member_.cluster().add(
          late.then([this, sink, wanted, from]() mutable { return serve(sink, wanted, from); })
              .attach(kj::mv(request), thisCap()));
    } else {
      task = serve(sink, wanted, from).attach(kj::mv(request));
    }
    answer.setHandle(kj::heap<WatchHandleService>(kj::mv(task)));
    return kj::READY_NOW;
  }

 private:
  kj::Promise<void> serve(schema::WatchSink::Client sink, schema::WatchRequest::Reader wanted,
                          std::uint64_t from) {
    auto begin = wanted.getList() ? list(sink, wanted) : kj::Promise<void>(kj::READY_NOW);
    return begin.then([this, sink, wanted, from]() mutable { return follow(sink, wanted, from); });
  }

  kj::Promise<void> list(schema::WatchSink::Client sink, schema::WatchRequest::Reader wanted) {
    State& state = member_.cluster().state;
    auto call = sink.deliverRequest();
    std::vector<const std::pair<const std::string, Record>*> found;
    for (const auto& entry : state.keys) {
      const bool known = entry.second.mod_revision <= member_.revision();
      if (known && matches(wanted, entry.first)) found.push_back(&entry);
    }
    auto listed = call.initBatch().initListed(static_cast<unsigned>(found.size()));
    for (unsigned i = 0; i < listed.size(); ++i) {
      fill(listed[i], found[i]->first, found[i]->second);
    }
    auto end = sink.deliverRequest();
    end.initBatch().setListEnd(member_.revision());
    auto first = call.send();
    auto second = end.send();
    return first.then([second = kj::mv(second)]() mutable { return kj::mv(second); });
  }

  kj::Promise<void> follow(schema::WatchSink::Client sink, schema::WatchRequest::Reader wanted,
                           std::uint64_t from) {
    State& state = member_.cluster().state;
    std::vector<const Change*> events;
    for (const Change& change : state.history) {
      const bool known = change.revision <= member_.revision();
      if (known && change.revision >= from && matches(wanted, change.key)) {
        events.push_back(&change);
      }
    }
    if (events.empty()) {
      return state.changed().then(
          [this, sink, wanted, from]() mutable { return follow(sink, wanted, from); });
    }
    const std::uint64_t next = events.back()->revision + 1;
    auto call = sink.deliverRequest();
    auto batch = call.initBatch();
    head(member_, batch.initHeader());
    auto list = batch.initEvents(static_cast<unsigned>(events.size()));
    for (unsigned i = 0; i < list.size(); ++i) {
      auto current = list[i].initCurrent();
      current.setKey(data(events[i]->key));
      current.setValue(data(events[i]->value));
      current.setModRevision(events[i]->revision);
      list[i].setDeleted(events[i]->deleted);
    }
    return call.send().then(
        [this, sink, wanted, next]() mutable { return follow(sink, wanted, next); });
  }

  static bool matches(schema::WatchRequest::Reader wanted, const std::string& key) {
    for (const auto range : wanted.getRanges()) {
      if (in_range(range, key)) return true;
    }
    return false;
  }

  Member& member_;
};

class ClusterService final : public schema::Cluster::Server {
 public:
  explicit ClusterService(Member& member) : member_(member) {}

  kj::Promise<void> members(MembersContext context) override {
    if (member_.stopped) return member_.silence();
    Cluster& cluster = member_.cluster();
    auto answer = context.getResults();
    head(member_, answer.initHeader());
    const std::vector<std::uint64_t> ids = cluster.member_ids();
    auto list = answer.initMembers(static_cast<unsigned>(ids.size()));
    for (unsigned i = 0; i < list.size(); ++i) {
      list[i].setId(ids[i]);
      list[i].setName("n" + std::to_string(ids[i]));
      list[i].setLearner(cluster.membership.learners.contains(ids[i]));
      if (ids[i] <= cluster.size()) {
        list[i].setClientAddress(cluster.member(ids[i] - 1).address.c_str());
      }
    }
    ++member_.asked_for_members;
    answer.setLeader(cluster.leader() == nullptr ? 0 : cluster.leader()->id);
    return kj::READY_NOW;
  }

  kj::Promise<void> status(StatusContext context) override {
    if (member_.stopped) return member_.silence();
    auto answer = context.getResults();
    head(member_, answer.initHeader());
    auto info = answer.initStatus().initInfo();
    info.setId(member_.id);
    info.setName("n" + std::to_string(member_.id));
    return kj::READY_NOW;
  }

 private:
  Member& member_;
};

// Answers a call that only the leader can, as the next of the faults says.
template <class Answer, class Apply>
kj::Promise<void> serve_with(std::deque<Fault>& faults, Member& member, Answer& answer,
                             Apply apply) {
  Fault fault = Fault::kServe;
  if (!faults.empty()) {
    fault = faults.front();
    faults.pop_front();
  }
  head(member, answer.initHeader());
  if (fault == Fault::kServe && member.cluster().leader() == nullptr) fault = Fault::kNoQuorum;
  const auto refuse = [&](ErrorCode code) {
    fail(answer.initFailure(), code, schema::Outcome::NOT_APPLIED, "refused");
    return kj::READY_NOW;
  };
  const auto drop = [&member] {
    member.cluster().later([&member] { member.cut(); });
    return member.silence();
  };
  switch (fault) {
    case Fault::kServe:
      apply();
      return kj::READY_NOW;
    case Fault::kDropBefore:
      return drop();
    case Fault::kApplyThenDrop:
      apply();
      return drop();
    case Fault::kApplyThenUnknown:
      apply();
      fail(answer.initFailure(), ErrorCode::kDeadlineExceeded, schema::Outcome::UNKNOWN,
           "not committed in time");
      return kj::READY_NOW;
    case Fault::kNotLeaderHint:
    case Fault::kNotLeader:
      return refuse(ErrorCode::kNotLeader);
    case Fault::kNoQuorum:
      return refuse(ErrorCode::kNoQuorum);
    case Fault::kChangeInFlight:
      return refuse(ErrorCode::kChangeInFlight);
    case Fault::kApplyThenStall:
      apply();
      return member.silence();
    case Fault::kStall:
      return member.silence();
    case Fault::kServeLate:
      apply();
      return serve_late(member);
  }
  KJ_UNREACHABLE;
}

class MembershipService final : public schema::Membership::Server {
 public:
  explicit MembershipService(Member& member) : member_(member) {}

  kj::Promise<void> probe(ProbeContext context) override {
    if (member_.stopped) return member_.silence();
    const auto& waiting = members().waiting;
    auto answer = context.getResults();
    head(member_, answer.initHeader());
    const auto found = waiting.find(context.getParams().getPeerAddress().cStr());
    if (found == waiting.end()) {
      fail(answer.initFailure(), ErrorCode::kUnreachable, schema::Outcome::NOT_APPLIED, "nobody");
      return kj::READY_NOW;
    }
    auto identity = answer.initIdentity();
    identity.setId(found->second);
    identity.setName("n" + std::to_string(found->second));
    identity.setEmpty(!members().contains(found->second));
    return kj::READY_NOW;
  }

  kj::Promise<void> change(ChangeContext context) override {
    if (member_.stopped) return member_.silence();
    auto answer = context.getResults();
    return with_faults(answer, [&] { members().change(context.getParams().getChange(), answer); });
  }

  kj::Promise<void> progress(ProgressContext context) override {
    if (member_.stopped) return member_.silence();
    ++members().asked_for_progress;
    auto answer = context.getResults();
    head(member_, answer.initHeader());
    if (cluster().leader() == nullptr) {
      fail(answer.initFailure(), ErrorCode::kNoQuorum, schema::Outcome::NOT_APPLIED, "no majority");
      return kj::READY_NOW;
    }
    answer.getHeader().setMemberId(cluster().leader()->id);
    answer.setLastIndex(1000);
    std::set<std::uint64_t> ids = members().voters;
    ids.insert(members().learners.begin(), members().learners.end());
    auto list = answer.initMembers(static_cast<unsigned>(ids.size()));
    unsigned next = 0;
    for (const std::uint64_t id : ids) {
      const bool caught_up = members().caught_up || members().voters.contains(id);
      list[next].setId(id);
      list[next].setMatchIndex(caught_up ? 1000 : 10);
      list[next].setCaughtUp(caught_up);
      list[next++].setRecentlyActive(true);
    }
    return kj::READY_NOW;
  }

  kj::Promise<void> transfer(TransferContext context) override {
    if (member_.stopped) return member_.silence();
    const auto wanted = context.getParams();
    auto answer = context.getResults();
    return with_faults(answer, [&] {
      const std::uint64_t leader = cluster().leader()->id;
      const bool done = wanted.getTarget() == 0 && wanted.getFrom() != 0;
      if (!(done && wanted.getFrom() != leader)) {
        const std::size_t next =
            wanted.getTarget() != 0 ? wanted.getTarget() - 1 : leader % cluster().size();
        cluster().elect(&cluster().member(next));
        members().made.push_back("transfer " + std::to_string(cluster().leader()->id));
      }
      answer.setLeader(cluster().leader()->id);
    });
  }

 private:
  template <class Answer, class Apply>
  kj::Promise<void> with_faults(Answer& answer, Apply apply) {
    return serve_with(members().faults, member_, answer, apply);
  }
  Cluster& cluster() { return member_.cluster(); }
  Membership& members() { return cluster().membership; }

  Member& member_;
};

class MaintenanceService final : public schema::Maintenance::Server {
 public:
  explicit MaintenanceService(Member& member) : member_(member) {}

  kj::Promise<void> compact(CompactContext context) override {
    if (member_.stopped) return member_.silence();
    Cluster& cluster = member_.cluster();
    cluster.compaction.deadlines_ms.push_back(context.getParams().getDeadlineMs());
    auto answer = context.getResults();
    return serve_with(cluster.compaction.faults, member_, answer, [&] {
      cluster.state.compacted = context.getParams().getRevision();
      answer.setCompactRevision(cluster.state.compacted);
    });
  }

 private:
  Member& member_;
};

class Door final : public schema::Coord::Server {
 public:
  explicit Door(Member& member) : member_(member) {}

  kj::Promise<void> login(LoginContext context) override {
    if (member_.stopped) return member_.silence();
    auto answer = context.getResults();
    head(member_, answer.initHeader());
    auto services = answer.initServices();
    services.setKv(kj::heap<KvService>(member_));
    services.setWatch(kj::heap<WatchService>(member_));
    services.setLease(kj::heap<LeaseService>(member_));
    services.setLock(kj::heap<LockService>(member_));
    services.setCluster(kj::heap<ClusterService>(member_));
    services.setMaintenance(kj::heap<MaintenanceService>(member_));
    services.setMembership(kj::heap<MembershipService>(member_));
    return kj::READY_NOW;
  }

 private:
  Member& member_;
};

}  // namespace

// ------------------------------------------------------------------------------------------------

struct Member::Link {
  Link(Member& member, kj::Own<kj::AsyncIoStream> taken)
      : stream(kj::mv(taken)),
        network(*stream, capnp::rpc::twoparty::Side::SERVER),
        rpc(capnp::makeRpcServer(network, kj::heap<Door>(member))) {}

  kj::Own<kj::AsyncIoStream> stream;
  capnp::TwoPartyVatNetwork network;
  capnp::RpcSystem<capnp::rpc::twoparty::VatId> rpc;
};

Member::Member(Cluster& cluster, std::uint64_t id, std::string address)
    : cluster_(cluster), id(id), address(std::move(address)) {}
Member::~Member() = default;

std::uint64_t Member::revision() const {
  return lags_at.value_or(cluster_.state.revision);
}

void Member::serve(kj::Own<kj::AsyncIoStream> stream) {
  ++connections;
  links_.push_back(kj::heap<Link>(*this, kj::mv(stream)));
}

void Member::cut() {
  links_.clear();
}

Cluster::Cluster(kj::Timer& timer, std::size_t members) : timer_(timer), tasks_(*this) {
  for (std::size_t i = 1; i <= members; ++i) {
    members_.push_back(std::make_unique<Member>(*this, i, "member" + std::to_string(i) + ":1"));
  }
  leader_ = members_.front().get();
  for (const auto& member : members_) membership.voters.insert(member->id);
}

Cluster::~Cluster() {
  for (auto& member : members_) member->cut();
}

std::vector<std::uint64_t> Cluster::member_ids() const {
  std::set<std::uint64_t> ids = membership.voters;
  ids.insert(membership.learners.begin(), membership.learners.end());
  const auto is_absent = [&](std::uint64_t id) {
    return id <= size() && (id - 1 < present.first || id - 1 >= present.second);
  };
  std::erase_if(ids, is_absent);
  return {ids.begin(), ids.end()};
}

Member* Cluster::at(const std::string& address) {
  for (auto& member : members_) {
    if (member->address == address) return member.get();
  }
  return nullptr;
}

void Cluster::later(std::function<void()> work) {
  tasks_.add(kj::evalLater([work = std::move(work)] { work(); }));
}

}  // namespace coord::fake
