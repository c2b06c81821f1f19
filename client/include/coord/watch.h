// Watches: every change of some keys, exactly once and in order, across reconnects and server
// failures. A Watcher resumes by itself on another endpoint from where it was; where that is
// impossible it ends and says so (kCompacted).
//
//   auto watcher = client.watch(KeyRange::prefix("config/"), {.list = true});
//   while (auto update = watcher.next()) ...
//
// Pull: next() or async_next(), one at a time; what is not pulled is held back at the server, so a
// slow consumer costs no memory. Push: a callback on the client's I/O thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "coord/async.h"
#include "coord/values.h"

namespace coord {

namespace internal {
class WatchState;
class ObserverState;
struct Access;
}  // namespace internal

struct WatchOptions {
  // The first revision wanted; zero: from now on. kFutureRevision: the cluster, and not only a
  // member that lags, has not even come to the one before it.
  Revision from = {};
  // First the state of the ranges, then everything after it.
  bool list = false;
  // Once an event is before the compaction line nobody tells any more what was before it: a watch
  // that has not been told of it by then ends with `compacted`.
  bool want_previous = false;
  bool no_put = false;
  bool no_delete = false;
  // The revision reached is told at least so often; zero: as often as the server likes.
  milliseconds progress{0};
};

struct WatchEvent {
  bool deleted = false;
  KeyValue current;                       // deleted: just key and mod_revision
  std::optional<KeyValue> previous = {};  // if wanted and there was one
};

struct WatchUpdate {
  enum class Kind : std::uint8_t {
    kListBegin,  // a list follows; if one had begun before, it was cut off: forget it
    kListed,     // `listed`: part of the list, in order of keys
    kListEnd,    // the list is whole, as of `revision`; events follow
    kEvents,     // `events`, in order, up to `revision`
    kProgress,   // everything up to `revision` has been delivered
  };
  Kind kind = Kind::kEvents;
  std::vector<KeyValue> listed = {};
  std::vector<WatchEvent> events = {};
  Revision revision = {};
  bool partial = false;  // kEvents: the next one goes on with the last revision of this one
};

class [[nodiscard]] Watcher {
 public:
  Watcher() = default;
  Watcher(Watcher&&) noexcept = default;
  Watcher& operator=(Watcher&& other) noexcept;
  // Ends the watch.
  ~Watcher();

  // Waits for the next update; with a timeout, at most so long (kDeadlineExceeded; the watch goes
  // on). Every other error ends the watch and is repeated: kCompacted, kCancelled, and errors of
  // the request itself. Not to be called again while another next is waiting (kInvalidArgument).
  Result<WatchUpdate> next(std::optional<milliseconds> timeout = {});
  template <class Token>
  auto async_next(Token&& token);

  // Ends the watch; a next() that waits, in whatever thread, gets kCancelled.
  void cancel();

 private:
  friend struct internal::Access;
  explicit Watcher(std::shared_ptr<internal::WatchState> state);
  std::shared_ptr<internal::WatchState> state_;
};

// Runs on the client's I/O thread, and must not block there. After an error nothing more comes; the
// last one is kCancelled, soon after the Watcher has gone or before the Client has.
using WatchCallback = std::function<void(Result<WatchUpdate>)>;

// Follows an election: who leads now, then every change of leader or of its value.
class [[nodiscard]] ElectionObserver {
 public:
  ElectionObserver() = default;
  ElectionObserver(ElectionObserver&&) noexcept = default;
  ElectionObserver& operator=(ElectionObserver&& other) noexcept;
  // Ends the watch, and a next() that waits.
  ~ElectionObserver();

  // Waits for the next change (the first one comes at once: how it stands). Nothing: nobody leads.
  // An error because nobody could say who leads now (kNoQuorum, kUnreachable) or because of the
  // timeout loses nothing: the next call asks again.
  Result<std::optional<LeaderInfo>> next(std::optional<milliseconds> timeout = {});
  template <class Token>
  auto async_next(Token&& token);

  void cancel();

 private:
  friend struct internal::Access;
  explicit ElectionObserver(std::shared_ptr<internal::ObserverState> state);
  std::shared_ptr<internal::ObserverState> state_;
};

}  // namespace coord
