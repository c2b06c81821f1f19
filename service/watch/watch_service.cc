// The capabilities: what a client calls, and the handle whose end is the end of a watch.
#include <utility>

#include "service/watch/batch.h"
#include "service/watch/watch_hub.h"
#include "service/watch/watch_hub_impl.h"

namespace coord::service {

namespace {

class Handle final : public schema::WatchHandle::Server {
 public:
  explicit Handle(std::function<void()> dropped) : dropped_(std::move(dropped)) {}
  ~Handle() noexcept(false) { dropped_(); }

 private:
  const std::function<void()> dropped_;
};

Error gone() {
  return make_error(ErrorCode::kShuttingDown, "this member is shutting down");
}

}  // namespace

// Clients may keep these capabilities for longer than the hub lives.
class WatchHub::Service final : public schema::Watch::Server {
 public:
  explicit Service(std::weak_ptr<Impl> hub) : hub_(std::move(hub)) {}

 protected:
  kj::Promise<void> watch(WatchContext context) override {
    const auto hub = hub_.lock();
    if (hub == nullptr) return fail(context, gone());
    auto params = context.getParams();
    if (!params.hasSink()) {
      return fail(context, make_error(ErrorCode::kInvalidArgument, "there is no sink"));
    }
    auto spec = hub->parse(params.getRequest());
    if (!spec.ok()) return fail(context, spec.error());
    auto sink = params.getSink();
    context.releaseParams();
    if (!hub->is_future(*spec)) return begin(context, *hub, *std::move(spec), kj::mv(sink));

    kj::Promise<void> reached = hub->wait_for(spec->from.prev());
    return reached.then([this, context, spec = *std::move(spec),
                         sink = kj::mv(sink)]() mutable -> kj::Promise<void> {
      const auto hub = hub_.lock();
      if (hub == nullptr) return fail(context, gone());
      return begin(context, *hub, std::move(spec), kj::mv(sink));
    });
  }

 private:
  kj::Promise<void> begin(WatchContext& context, Impl& hub, WatchSpec spec,
                          schema::WatchSink::Client sink) {
    const Revision from = spec.from;
    const auto id = hub.add(std::move(spec), kj::mv(sink));
    if (!id.ok()) return fail(context, id.error());
    auto results = context.getResults();
    hub.fill_header(results.initHeader());
    results.setHandle(kj::heap<Handle>([weak = hub_, id = *id] {
      if (const auto hub = weak.lock()) hub->remove(id);
    }));
    results.setStartRevision(from.value());
    return kj::READY_NOW;
  }

  kj::Promise<void> fail(WatchContext& context, const Error& error) {
    auto results = context.getResults();
    if (const auto hub = hub_.lock()) hub->fill_header(results.initHeader());
    encode_failure(error, results.initFailure());
    return kj::READY_NOW;
  }

  const std::weak_ptr<Impl> hub_;
};

schema::Watch::Client WatchHub::service() {
  return kj::heap<Service>(impl_);
}

}  // namespace coord::service
