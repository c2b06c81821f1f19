// The inside of WatchHub.
#pragma once

#include <kj/async.h>

#include <map>
#include <memory>
#include <set>

#include "service/watch/range_index.h"
#include "service/watch/watch_hub.h"
#include "service/watch/watcher.h"

namespace coord::service {

class WatchHub::Impl final : private kj::TaskSet::ErrorHandler {
 public:
  Impl(const WatchSource& source, kj::Timer& timer, FillHeader fill_header, WatchOptions options);

  void on_changes(Revision revision, std::span<const Change> changes);
  void on_reloaded();
  void shut_down();
  Stats stats() const;

  // For the service.
  Result<WatchSpec> parse(schema::WatchRequest::Reader request) const;
  // Whether a watch that begins at `from` can be registered now, or would have to wait, or why not.
  bool is_future(const WatchSpec& spec) const;
  kj::Promise<void> wait_for(Revision revision);
  Result<WatchId> add(WatchSpec spec, schema::WatchSink::Client sink);
  // The handle was dropped, or the connection lost. Without effect if it is gone already.
  void remove(WatchId id);
  void fill_header(schema::Header::Builder header) const { fill_header_(header); }

 private:
  struct Entry {
    Entry(WatchId id, WatchSpec spec, const WatchShared& shared, Revision registered,
          schema::WatchSink::Client sink_in)
        : watcher(id, std::move(spec), shared, registered), sink(kj::mv(sink_in)) {}
    Watcher watcher;
    schema::WatchSink::Client sink;
    bool sending = false;                                      // a batch is on its way
    bool queued = false;                                       // in ready_
    kj::TimePoint told_at = kj::origin<kj::TimePoint>();       // when it was last sent something
    kj::TimePoint progress_due = kj::origin<kj::TimePoint>();  // its place in progress_
  };

  void note_revision();
  void make_room();
  void offer(const ChangeRing::Entry& entry, WatchBudget& budget);
  void offer_all(WatchBudget& budget);
  void enqueue(Entry& entry);
  void schedule();
  // One turn's work.
  void run();
  void step(Entry& entry, WatchBudget& budget);
  void send(Entry& entry, const WatchBatch& batch);
  void on_sent(WatchId id);
  void fail(Entry& entry, const Error& error);

  void await_progress(Entry& entry, kj::TimePoint due);
  void arm_progress();
  void send_progress();
  void wake_waiting();
  void taskFailed(kj::Exception&& exception) override;

  const WatchSource& source_;
  kj::Timer& timer_;
  const FillHeader fill_header_;
  const WatchOptions options_;

  Revision revision_;  // the newest that on_changes() has told
  WatchShared shared_;
  RangeIndex index_;
  std::map<WatchId, Entry> watches_;
  WatchId last_id_;
  // Watches that have something to do and nothing on its way. Ids of watches that are gone are
  // passed over.
  std::deque<WatchId> ready_;
  std::multimap<Revision, kj::Own<kj::PromiseFulfiller<void>>> waiting_;
  // When each watch is to be looked at again for progress; each is there once.
  std::set<std::pair<kj::TimePoint, WatchId>> progress_;
  kj::Maybe<kj::TimePoint> progress_armed_;

  bool scheduled_ = false;
  bool shut_down_ = false;
  // What is left for the current turn, and which one that is.
  WatchBudget budget_;
  kj::TimePoint budget_turn_ = kj::origin<kj::TimePoint>();
  std::uint64_t batches_ = 0;
  std::uint64_t events_ = 0;

  kj::TaskSet tasks_;  // last: its tasks use everything above
};

}  // namespace coord::service
