#include "client/lib/watches.h"

#include <algorithm>

#include "client/lib/convert.h"
#include "client/lib/failure.h"

namespace coord::internal {
namespace {

// Asked of the server where the caller does not say: a watch that hears nothing for several times
// as long is opened elsewhere.
constexpr milliseconds kProgressDefault{2'000};
constexpr Duration kSilenceMin = seconds(1);
constexpr milliseconds kWatchPatience{2'000};
constexpr Duration kPauseMin = milliseconds(5);
constexpr Duration kPauseMax = milliseconds(200);

// Where a member delivers to. Lives as long as the member refers to it.
class Sink final : public schema::WatchSink::Server {
 public:
  // Shared with the coroutine that waits for the end.
  struct Shared {
    std::shared_ptr<LiveWatch> watch;
    Instant last_heard;
    std::optional<Error> failure;
    kj::Own<kj::PromiseFulfiller<void>> over;
    // The watch has gone on elsewhere. What is still on its way would be counted with what comes
    // from there.
    bool left = false;
  };

  Sink(std::shared_ptr<Shared> shared, Environment& environment, Directory& directory,
       std::weak_ptr<Connection> connection)
      : shared_(std::move(shared)),
        environment_(environment),
        directory_(directory),
        connection_(std::move(connection)) {}
  ~Sink() { shared_->over->fulfill(); }

  kj::Promise<void> deliver(DeliverContext context) override {
    const auto batch = context.getParams().getBatch();
    LiveWatch& watch = *shared_->watch;
    shared_->last_heard = environment_.clock();
    if (const auto connection = connection_.lock()) {
      directory_.answered(*connection, batch.getHeader());
    }
    if (shared_->left) return kj::READY_NOW;
    switch (batch.which()) {
      case schema::WatchBatch::LISTED: {
        std::vector<KeyValue> listed;
        for (const auto record : batch.getListed()) listed.push_back(to_key_value(record));
        watch.on_listed(std::move(listed));
        break;
      }
      case schema::WatchBatch::LIST_END:
        watch.on_list_end(Revision(batch.getListEnd()));
        break;
      case schema::WatchBatch::EVENTS:
        watch.on_events(events(batch), batch.getPartial());
        break;
      case schema::WatchBatch::PROGRESS:
        watch.on_progress(Revision(batch.getProgress()));
        break;
      case schema::WatchBatch::FAILURE:
        shared_->failure = to_error(batch.getFailure());
        shared_->over->fulfill();
        break;
    }
    if (!watch.full()) return kj::READY_NOW;
    // Its silence counts from when it may go on.
    return watch.room().then([shared = shared_, &environment = environment_] {
      shared->last_heard = environment.clock();
    });
  }

  kj::Promise<void> done(DoneContext) override {
    shared_->over->fulfill();
    return kj::READY_NOW;
  }

 private:
  static std::vector<WatchEvent> events(schema::WatchBatch::Reader batch) {
    std::vector<WatchEvent> result;
    for (const auto event : batch.getEvents()) {
      WatchEvent& added = result.emplace_back();
      added.deleted = event.getDeleted();
      added.current = to_key_value(event.getCurrent());
      if (event.hasPrevious()) added.previous = to_key_value(event.getPrevious());
    }
    return result;
  }

  std::shared_ptr<Shared> shared_;
  Environment& environment_;
  Directory& directory_;
  const std::weak_ptr<Connection> connection_;
};

Error cancelled() {
  return make_error(ErrorCode::kCancelled, "the watch was cancelled");
}

}  // namespace

void Watches::open(std::shared_ptr<LiveWatch> watch) {
  open_.push_back(watch);
  auto paf = kj::newPromiseAndFulfiller<void>();
  watch->stopper = kj::mv(paf.fulfiller);
  tasks_.add(run(watch).promise().exclusiveJoin(kj::mv(paf.promise)));
}

void Watches::cancel(LiveWatch& watch) {
  watch.end(cancelled());
  if (watch.stopper.get() != nullptr) watch.stopper->fulfill();
  std::erase_if(open_, [&](const auto& other) { return other.get() == &watch; });
}

void Watches::close() {
  for (auto& watch : std::exchange(open_, {})) cancel(*watch);
}

void Watches::next(std::shared_ptr<LiveWatch> watch, std::optional<milliseconds> timeout,
                   CompletionPtr<Result<WatchUpdate>> completion) {
  if (watch->pulling()) {
    return completion->complete(
        make_error(ErrorCode::kInvalidArgument, "another next() of this watch is waiting"));
  }
  watch->pull(std::move(completion));
  if (watch->pulling() && timeout.has_value()) {
    tasks_.add(time_out(watch, watch->pull_number(), *timeout));
  }
}

rpc::Task<void> Watches::time_out(std::shared_ptr<LiveWatch> watch, std::uint64_t pull,
                                  milliseconds timeout) {
  co_await environment_.timer.afterDelay(to_kj(timeout));
  if (watch->pulling() && watch->pull_number() == pull) {
    watch->give_up_pull(
        make_error(ErrorCode::kDeadlineExceeded, "nothing happened within {} ms", timeout.count()));
  }
}

rpc::Task<void> Watches::run(std::shared_ptr<LiveWatch> watch) {
  Duration pause = kPauseMin;
  while (!watch->ended()) {
    auto connection = co_await directory_.wait_for(Route::kAny);
    if (connection->closed()) continue;
    const bool useful = co_await serve(watch, kj::mv(connection));
    if (watch->ended()) break;
    pause = useful ? kPauseMin : std::min(kPauseMax, pause * 2);
    co_await environment_.timer.afterDelay(to_kj(pause));
  }
  std::erase(open_, watch);
}

rpc::Task<bool> Watches::serve(std::shared_ptr<LiveWatch> watch,
                               std::shared_ptr<Connection> connection) {
  const WatchOptions& options = watch->options();
  const milliseconds progress = options.progress.count() > 0 ? options.progress : kProgressDefault;
  const Duration silence_max = kSilenceMin + 3 * Duration(progress);

  auto paf = kj::newPromiseAndFulfiller<void>();
  auto over = paf.promise.fork();
  auto shared = std::make_shared<Sink::Shared>();
  shared->watch = watch;
  shared->last_heard = environment_.clock();
  shared->over = kj::mv(paf.fulfiller);

  auto call = connection->watch().watchRequest();
  auto request = call.initRequest();
  auto ranges = request.initRanges(static_cast<unsigned>(watch->ranges().size()));
  for (unsigned i = 0; i < ranges.size(); ++i) encode(ranges[i], watch->ranges()[i]);
  request.setFromRevision(watch->list_pending() ? 0 : watch->next_revision().value());
  request.setList(watch->list_pending());
  request.setWantPrevious(options.want_previous);
  request.setNoPut(options.no_put);
  request.setNoDelete(options.no_delete);
  request.setProgressMs(static_cast<std::uint32_t>(progress.count()));
  watch->begin_generation();
  KJ_DEFER({
    shared->left = true;
    watch->end_generation();
  });
  call.setSink(kj::heap<Sink>(shared, environment_, directory_, connection));

  std::optional<Error> failure;
  try {
    auto answer = co_await environment_.timer.timeoutAfter(
        to_kj(kWatchPatience),
        kj::Promise<capnp::Response<schema::Watch::WatchResults>>(call.send()));
    directory_.answered(*connection, answer.getHeader());
    if (answer.hasFailure()) {
      failure = to_error(answer.getFailure());
    } else {
      watch->settle_start(Revision(answer.getStartRevision()));
      // Dropping it ends the watch at the member.
      auto handle = answer.getHandle();
      while (!watch->ended()) {
        // The silence of a member that we hold back says nothing.
        if (watch->holds_back()) shared->last_heard = environment_.clock();
        const Duration silence = environment_.clock() - shared->last_heard;
        if (silence >= silence_max) break;
        const bool ended =
            co_await over.addBranch()
                .then([] { return true; })
                .exclusiveJoin(environment_.timer.afterDelay(to_kj(silence_max - silence)).then([] {
                  return false;
                }));
        if (ended) break;
      }
      failure = shared->failure;
    }
  } catch (const kj::Exception& exception) {
    if (exception.getType() == kj::Exception::Type::OVERLOADED) {
      directory_.suspect(connection, Route::kAny);
    } else if (exception.getType() != kj::Exception::Type::UNIMPLEMENTED) {
      directory_.lost(connection);
    } else {
      failure =
          make_error(ErrorCode::kUnsupported, "{} does not serve watches", connection->address());
    }
    if (!failure.has_value()) co_return false;
  }
  if (failure.has_value() && failure->code == ErrorCode::kFutureRevision) {
    // What one member has delivered exists, though another one may lag.
    bool future = false;
    if (!watch->position_is_known()) {
      future = co_await is_future(connection, watch->next_revision());
    }
    if (!future) {
      directory_.seek_others();
      co_return false;
    }
  }
  // A consumer that holds us back must not keep a sink of ours from ending.
  if (failure.has_value() && !is_transient(failure->code)) watch->end(std::move(*failure));
  co_return !failure.has_value();
}

rpc::Task<bool> Watches::is_future(std::shared_ptr<Connection> connection, Revision from) {
  if (connection->closed()) co_return false;
  try {
    auto request = connection->kv().readRequest();
    request.initConsistency().setLinearizable();
    encode(request.initReads(1)[0].initRange(), KeyRange::key("any"));
    request.setDeadlineMs(static_cast<std::uint32_t>(kWatchPatience.count()));
    auto answer = co_await environment_.timer.timeoutAfter(
        to_kj(kWatchPatience),
        kj::Promise<capnp::Response<schema::Kv::ReadResults>>(request.send()));
    co_return !answer.hasFailure() && Revision(answer.getHeader().getRevision()).next() < from;
  } catch (const kj::Exception&) {
    // Then nobody has said so.
  }
  co_return false;
}

void Watches::taskFailed(kj::Exception&& exception) {
  // A waiter whose directory was closed under it: the client is closing.
  (void)exception;
}

}  // namespace coord::internal
