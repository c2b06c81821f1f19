#include "client/lib/core.h"

#include "client/lib/typed_request.h"

namespace coord::internal {
namespace {

constexpr Duration kFlightCheckInterval = milliseconds(100);
// How long closing waits for the servers to confirm that sessions are gone.
constexpr Duration kCloseFor = milliseconds(500);

}  // namespace

Core::Core(Environment environment, ClientOptions options, std::weak_ptr<Engine> engine)
    : environment_(std::move(environment)),
      options_(std::move(options)),
      engine_(std::move(engine)),
      directory_(environment_, options_.endpoints, options_.name, [this] { schedule_turn(); }),
      calls_(environment_, directory_),
      sessions_(environment_, calls_, {.ttl = options_.session_ttl, .name = options_.name},
                [this] { schedule_turn(); }),
      deadlines_(environment_),
      writes_(parts(), sessions_),
      linearizable_(parts(), Route::kLeader),
      relaxed_(parts(), Route::kAny),
      holds_(environment_, calls_, sessions_, writes_),
      watches_(environment_, directory_),
      tasks_(*this) {}

Core::~Core() = default;

Pipeline::Parts Core::parts() {
  return {.environment = environment_,
          .directory = directory_,
          .deadlines = deadlines_,
          .timeout = options_.timeout,
          .schedule = [this] { schedule_turn(); }};
}

void Core::submit(std::unique_ptr<Job> job) {
  if (closing_) return job->abandon();
  jobs_.push(std::move(job));
  schedule_turn();
}

void Core::submit(JobList jobs) {
  while (auto job = jobs.pop()) submit(std::move(job));
}

void Core::schedule_turn() {
  if (scheduled_ || closing_) return;
  scheduled_ = true;
  // When everything that has arrived has been looked at: what it caused goes together.
  tasks_.add(kj::evalLast([this] {
    scheduled_ = false;
    turn();
  }));
}

void Core::turn() {
  while (auto job = jobs_.pop()) {
    Job& next = *job;
    next.run(std::move(job), *this);
  }
  writes_.flush();
  linearizable_.flush();
  relaxed_.flush();
  watch_flights();
}

void Core::watch_flights() {
  if (watching_ || (writes_.idle() && linearizable_.idle() && relaxed_.idle())) return;
  watching_ = true;
  tasks_.add(environment_.timer.afterDelay(to_kj(kFlightCheckInterval)).then([this] {
    watching_ = false;
    const Instant now = environment_.clock();
    writes_.check_flights(now);
    linearizable_.check_flights(now);
    relaxed_.check_flights(now);
    watch_flights();
  }));
}

void Core::close(std::function<void()> done) {
  if (closing_) return;
  closing_ = true;
  while (auto job = jobs_.pop()) job->abandon();
  writes_.close();
  linearizable_.close();
  relaxed_.close();
  watches_.close();
  tasks_.add(give_back().promise().then([done = std::move(done)] { done(); }));
}

rpc::Task<void> Core::give_back() {
  const Instant deadline = environment_.clock() + kCloseFor;
  try {
    co_await environment_.timer.timeoutAfter(to_kj(kCloseFor),
                                             sessions_.close_all(deadline).promise());
  } catch (const kj::Exception&) {
    // They end by themselves, one TTL later.
  }
  directory_.close();
}

rpc::Task<void> Core::close_quietly(std::shared_ptr<LiveSession> session) {
  (void)co_await sessions_.close(session, deadline(milliseconds(0)));
}

rpc::Task<void> Core::release_quietly(std::shared_ptr<LiveHold> hold) {
  (void)co_await holds_.release(hold, options_.timeout);
}

kj::Promise<Result<WatchUpdate>> Core::next(std::shared_ptr<LiveWatch> watch,
                                            std::optional<milliseconds> timeout) {
  auto paf = kj::newPromiseAndFulfiller<Result<WatchUpdate>>();
  watches_.next(std::move(watch), timeout,
                std::make_unique<Fulfilment<Result<WatchUpdate>>>(kj::mv(paf.fulfiller)));
  return kj::mv(paf.promise);
}

void Core::taskFailed(kj::Exception&& exception) {
  // A coroutine that waited for a connection when the directory was closed; it was completed when
  // its frame was destroyed.
  if (closing_) return;
  CHECK(false, "a task of the client failed: {}", exception.getDescription().cStr());
}

}  // namespace coord::internal
