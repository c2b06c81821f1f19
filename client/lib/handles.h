// What is inside the objects that callers hold. A handle owns nothing of the I/O thread's but
// refers to it; what has to happen when a handle goes, it submits to the engine.
#pragma once

#include <memory>

#include "client/lib/engine.h"
#include "coord/lock.h"
#include "coord/session.h"
#include "coord/watch.h"

namespace coord::internal {

class SessionState final {
 public:
  SessionState(EnginePtr engine, std::shared_ptr<LiveSession> live)
      : engine(std::move(engine)), live(std::move(live)) {}
  ~SessionState();

  const EnginePtr engine;
  const std::shared_ptr<LiveSession> live;
  // Closed with the last handle: not so the client's own, which others may be using.
  bool closes = false;
};

class HoldState final {
 public:
  HoldState(EnginePtr engine, std::shared_ptr<LiveHold> live, Session session)
      : engine(std::move(engine)), live(std::move(live)), session(std::move(session)) {}
  ~HoldState();

  const EnginePtr engine;
  const std::shared_ptr<LiveHold> live;
  const Session session;
};

class WatchState final {
 public:
  WatchState(EnginePtr engine, std::shared_ptr<LiveWatch> live)
      : engine(std::move(engine)), live(std::move(live)) {}
  ~WatchState();

  void cancel();

  const EnginePtr engine;
  const std::shared_ptr<LiveWatch> live;
};

// An observer as the I/O thread knows it. Operations share this and not the handle's state, whose
// end ends the watch.
struct LiveObserver {
  const std::string election;
  const std::shared_ptr<LiveWatch> watch;
  // What was told last, if anything was.
  std::optional<std::optional<LeaderInfo>> told = {};
  // Something has changed since who leads was asked for with success.
  bool stale = false;
};

class ObserverState final {
 public:
  ObserverState(EnginePtr engine, std::shared_ptr<LiveObserver> live, Watcher watcher)
      : engine(std::move(engine)), live(std::move(live)), watcher(std::move(watcher)) {}

  const EnginePtr engine;
  const std::shared_ptr<LiveObserver> live;
  Watcher watcher;
};

// The one who may look into the public objects.
struct Access {
  static Session session(std::shared_ptr<SessionState> state) { return Session(std::move(state)); }
  static Lock lock(std::shared_ptr<HoldState> state) { return Lock(std::move(state)); }
  static Leadership leadership(std::shared_ptr<HoldState> state) {
    return Leadership(std::move(state));
  }
  static Watcher watcher(std::shared_ptr<WatchState> state) { return Watcher(std::move(state)); }
  static ElectionObserver observer(std::shared_ptr<ObserverState> state) {
    return ElectionObserver(std::move(state));
  }
  static const std::shared_ptr<SessionState>& state(const Session& session) {
    return session.state_;
  }
  static const std::shared_ptr<WatchState>& state(const Watcher& watcher) { return watcher.state_; }
  static Client client(EnginePtr engine) { return Client(std::move(engine)); }
};

// A lambda as a job; it is dropped if the client is gone.
template <class Work>
class Errand final : public Job {
 public:
  explicit Errand(Work work) : work_(std::move(work)) {}
  void run(std::unique_ptr<Job>, Core& core) override { work_(core); }
  void abandon() override {}

 private:
  Work work_;
};
template <class Work>
std::unique_ptr<Job> errand(Work work) {
  return std::make_unique<Errand<Work>>(std::move(work));
}

}  // namespace coord::internal
