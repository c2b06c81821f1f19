// A hub on a KJ loop in virtual time, and clients that watch and check what they are told.
#pragma once

#include <gtest/gtest.h>
#include <kj/async.h>
#include <kj/timer.h>

#include <memory>
#include <string>
#include <vector>

#include "service/watch/key_intervals.h"
#include "service/watch/watch_hub.h"
#include "tests/service/watch/twin_source.h"

namespace coord::service {

// What a client was told, in order.
struct Told {
  struct Event {
    bool deleted = false;
    std::string key;
    std::string value;
    std::uint64_t mod_revision = 0;
    std::uint64_t create_revision = 0;
    std::uint64_t version = 0;
    std::optional<std::string> previous;

    friend bool operator==(const Event&, const Event&) = default;
  };
  std::vector<std::pair<std::string, std::string>> listed;
  std::optional<std::uint64_t> list_end;
  std::vector<Event> events;
  std::vector<std::uint64_t> progress;
  std::optional<ErrorCode> failure;
  bool done = false;
  bool partial = false;  // the last batch of events was
  std::size_t batches = 0;
};

class TestSink final : public schema::WatchSink::Server {
 public:
  explicit TestSink(Told& told) : told_(told) {}

  // While it is slow, it takes batches and does not say so.
  void set_slow(bool slow) {
    slow_ = slow;
    if (!slow) release();
  }
  void release() {
    for (auto& fulfiller : held_) fulfiller->fulfill();
    held_.clear();
  }
  std::size_t outstanding() const { return held_.size(); }

 protected:
  kj::Promise<void> deliver(DeliverContext context) override {
    take(context.getParams().getBatch());
    if (!slow_) return kj::READY_NOW;
    auto paf = kj::newPromiseAndFulfiller<void>();
    held_.push_back(kj::mv(paf.fulfiller));
    return kj::mv(paf.promise);
  }
  kj::Promise<void> done(DoneContext) override {
    told_.done = true;
    return kj::READY_NOW;
  }

 private:
  static std::string text(capnp::Data::Reader data) {
    return {reinterpret_cast<const char*>(data.begin()), data.size()};
  }
  void take(schema::WatchBatch::Reader batch) {
    ++told_.batches;
    EXPECT_FALSE(told_.failure) << "nothing comes after a failure";
    switch (batch.which()) {
      case schema::WatchBatch::LISTED:
        EXPECT_FALSE(told_.list_end);
        for (const auto item : batch.getListed()) {
          told_.listed.emplace_back(text(item.getKey()), text(item.getValue()));
        }
        break;
      case schema::WatchBatch::LIST_END:
        told_.list_end = batch.getListEnd();
        break;
      case schema::WatchBatch::EVENTS:
        take_events(batch);
        break;
      case schema::WatchBatch::PROGRESS:
        EXPECT_FALSE(told_.partial && told_.events.back().mod_revision <= batch.getProgress());
        told_.progress.push_back(batch.getProgress());
        break;
      case schema::WatchBatch::FAILURE:
        told_.failure = static_cast<ErrorCode>(batch.getFailure().getCode());
        break;
    }
  }
  void take_events(schema::WatchBatch::Reader batch) {
    EXPECT_GT(batch.getEvents().size(), 0u);
    bool first = true;
    for (const auto event : batch.getEvents()) {
      const auto current = event.getCurrent();
      Told::Event told{event.getDeleted(),
                       text(current.getKey()),
                       text(current.getValue()),
                       current.getModRevision(),
                       current.getCreateRevision(),
                       current.getVersion(),
                       std::nullopt};
      if (event.hasPrevious()) told.previous = text(event.getPrevious().getValue());
      if (first && !told_.events.empty()) {
        // A revision goes on in another batch only where that was said.
        EXPECT_EQ(told_.partial, told_.events.back().mod_revision == told.mod_revision);
      }
      first = false;
      told_.events.push_back(std::move(told));
    }
    told_.partial = batch.getPartial();
  }

  Told& told_;
  bool slow_ = false;
  std::vector<kj::Own<kj::PromiseFulfiller<void>>> held_;
};

struct WatchWish {
  std::vector<KeyInterval> intervals;
  std::uint64_t from = 0;
  bool list = false;
  bool want_previous = false;
  bool no_put = false;
  bool no_delete = false;
  std::uint32_t progress_ms = 0;
};

struct Client {
  WatchWish wish;
  Told told;
  TestSink* sink = nullptr;
  kj::Maybe<schema::WatchSink::Client> sink_capability;
  kj::Maybe<schema::WatchHandle::Client> handle;
  std::optional<ErrorCode> refused;
  std::uint64_t refused_revision = 0;
  std::uint64_t start = 0;
  bool answered = false;
};

class HubHarness {
 public:
  HubHarness(const WatchSource& source, WatchOptions options)
      : scope(loop), timer(kj::origin<kj::TimePoint>() + 1 * kj::SECONDS) {
    hub = std::make_unique<WatchHub>(
        source, timer, [](schema::Header::Builder header) { header.setMemberId(7); }, options);
  }

  // Until nothing moves any more at this time.
  void run() {
    for (int i = 0; i < 100'000; ++i) {
      scope.poll();
      KJ_IF_MAYBE (next, timer.nextEvent()) {
        if (*next <= timer.now()) {
          timer.advanceTo(timer.now());
          continue;
        }
      }
      return;
    }
    FAIL() << "it never comes to rest";
  }
  void advance(milliseconds by) {
    timer.advanceTo(timer.now() + by.count() * kj::MILLISECONDS);
    run();
  }
  // Asks, and does not wait for the answer: see run().
  Client& watch(WatchWish wish) {
    Client& client = *clients.emplace_back(std::make_unique<Client>());
    client.wish = wish;
    auto request = hub->service().watchRequest();
    auto out = request.initRequest();
    auto ranges = out.initRanges(static_cast<unsigned>(wish.intervals.size()));
    for (unsigned i = 0; i < ranges.size(); ++i) {
      ranges[i].setBegin(data(wish.intervals[i].begin));
      if (wish.intervals[i].is_single()) {
        ranges[i].setSingle();
      } else if (wish.intervals[i].end) {
        ranges[i].setEnd(data(*wish.intervals[i].end));
      } else {
        ranges[i].setToEnd();
      }
    }
    out.setFromRevision(wish.from);
    out.setList(wish.list);
    out.setWantPrevious(wish.want_previous);
    out.setNoPut(wish.no_put);
    out.setNoDelete(wish.no_delete);
    out.setProgressMs(wish.progress_ms);
    auto sink = kj::heap<TestSink>(client.told);
    client.sink = sink.get();
    schema::WatchSink::Client capability = kj::mv(sink);
    request.setSink(capability);
    client.sink_capability = kj::mv(capability);
    calls.add(request.send().then([&client](auto&& response) {
      client.answered = true;
      if (response.hasFailure()) {
        client.refused = static_cast<ErrorCode>(response.getFailure().getCode());
        client.refused_revision = response.getFailure().getRevision();
        return;
      }
      client.start = response.getStartRevision();
      client.handle = response.getHandle();
    }));
    return client;
  }

  static capnp::Data::Reader data(std::string_view text) {
    return {reinterpret_cast<const kj::byte*>(text.data()), text.size()};
  }

  struct NoErrors final : kj::TaskSet::ErrorHandler {
    void taskFailed(kj::Exception&& exception) override {
      ADD_FAILURE() << exception.getDescription().cStr();
    }
  };

  kj::EventLoop loop;
  kj::WaitScope scope;
  kj::TimerImpl timer;
  NoErrors errors;
  std::vector<std::unique_ptr<Client>> clients;
  std::unique_ptr<WatchHub> hub;
  kj::TaskSet calls{errors};
};

// So that it is made before the hub that reads it.
struct TwinHolder {
  TwinSource source;
};

// A hub over a history that the test writes.
class Harness : private TwinHolder, public HubHarness {
 public:
  explicit Harness(WatchOptions options = {}) : HubHarness(TwinHolder::source, options) {}

  void change(const std::vector<TwinSource::Edit>& edits) {
    const auto changes = source.apply(edits);
    if (!changes.empty()) hub->on_changes(source.revision(), changes);
  }
  void put(const std::string& key, const std::string& value) { change({{key, value}}); }

  using TwinHolder::source;
};

inline KeyInterval single(const std::string& key) {
  return {key, key + '\0'};
}
inline KeyInterval from_to(const std::string& begin, const std::string& end) {
  return {begin, end};
}
inline KeyInterval everything() {
  return {"", std::nullopt};
}

}  // namespace coord::service
