// Watches that resume: each is a coroutine that keeps one watch open at some member, and remembers
// exactly which events its consumer has been given.
//
// The position is (next revision that is not whole, events of it that were delivered). Members
// agree on the order of the events of a revision, so a watch that is opened anew at that revision
// skips that many and goes on. I/O thread.
#pragma once

#include <kj/async.h>

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "client/lib/directory.h"
#include "client/lib/environment.h"
#include "coord/async.h"
#include "coord/watch.h"

namespace coord::internal {

class LiveWatch final {
 public:
  LiveWatch(std::vector<KeyRange> ranges, WatchOptions options, WatchCallback callback)
      : ranges_(std::move(ranges)),
        options_(std::move(options)),
        callback_(std::move(callback)),
        next_(options_.from),
        list_pending_(options_.list) {}
  ~LiveWatch() noexcept {}

  const std::vector<KeyRange>& ranges() const { return ranges_; }
  const WatchOptions& options() const { return options_; }

  // What a member is to be asked for, to go on.
  Revision next_revision() const { return next_; }
  bool list_pending() const { return list_pending_; }
  // That everything before that revision exists was said by a member, and not only by the caller.
  bool position_is_known() const { return accepted_ || next_ != options_.from; }

  // A member is asked to serve it, from where it is.
  void begin_generation();
  // That member has been left: nothing of it waits for room any more.
  void end_generation();
  // A member serves it, from that revision on. "From now on" is settled by the first member, once:
  // a later resumption must not leave out what happened between.
  void settle_start(Revision start);
  void on_listed(std::vector<KeyValue> listed);
  void on_list_end(Revision revision);
  // Whole revisions, unless partial: then more of the last one follows.
  void on_events(std::vector<WatchEvent> events, bool partial);
  void on_progress(Revision revision);
  // Nothing comes after that.
  void end(Error error);
  bool ended() const { return error_.has_value(); }

  // More waits for the consumer than may; room() is fulfilled when much less does.
  bool full() const;
  kj::Promise<void> room();
  // The member waits for room().
  bool holds_back() const { return !room_.empty(); }

  // At most one at a time; null: it is answered already.
  void pull(CompletionPtr<Result<WatchUpdate>> completion);
  bool pulling() const { return puller_ != nullptr; }
  // The pull that waits is answered with that error, and the watch goes on.
  void give_up_pull(Error error);
  // Which pull waits, so that a timeout ends only its own.
  std::uint64_t pull_number() const { return pull_number_; }

  // Asks the coroutine to stop.
  kj::Own<kj::PromiseFulfiller<void>> stopper;

 private:
  void tell(WatchUpdate update, std::size_t bytes);
  void hand_over();

  const std::vector<KeyRange> ranges_;
  const WatchOptions options_;
  const WatchCallback callback_;

  // The position.
  Revision next_;
  std::size_t delivered_of_next_ = 0;
  bool accepted_ = false;  // by some member
  bool list_pending_;
  // Of the present generation: the list has begun; how many events of `seen_revision_` came.
  bool list_begun_ = false;
  Revision seen_revision_;
  std::size_t seen_ = 0;

  std::deque<std::pair<WatchUpdate, std::size_t>> ready_;
  std::size_t ready_bytes_ = 0;
  std::optional<Error> error_;
  bool error_told_ = false;
  CompletionPtr<Result<WatchUpdate>> puller_;
  std::uint64_t pull_number_ = 0;
  std::vector<kj::Own<kj::PromiseFulfiller<void>>> room_;
};

class Watches final : private kj::TaskSet::ErrorHandler {
 public:
  Watches(Environment& environment, Directory& directory)
      : environment_(environment), directory_(directory), tasks_(*this) {}
  ~Watches() { close(); }

  void open(std::shared_ptr<LiveWatch> watch);
  void cancel(LiveWatch& watch);
  void next(std::shared_ptr<LiveWatch> watch, std::optional<milliseconds> timeout,
            CompletionPtr<Result<WatchUpdate>> completion);
  void close();

 private:
  rpc::Task<void> run(std::shared_ptr<LiveWatch> watch);
  // One stay at one member. Says whether it was of any use.
  rpc::Task<bool> serve(std::shared_ptr<LiveWatch> watch, std::shared_ptr<Connection> connection);
  // Whether the cluster has not come so far, and not only the member that said so.
  rpc::Task<bool> is_future(std::shared_ptr<Connection> connection, Revision from);
  rpc::Task<void> time_out(std::shared_ptr<LiveWatch> watch, std::uint64_t pull,
                           milliseconds timeout);
  void taskFailed(kj::Exception&& exception) override;

  Environment& environment_;
  Directory& directory_;
  std::vector<std::shared_ptr<LiveWatch>> open_;
  kj::TaskSet tasks_;
};

}  // namespace coord::internal
