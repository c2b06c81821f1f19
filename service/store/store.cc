#include "service/store/store.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "raft/base/check.h"
#include "service/store/copier.h"
#include "service/store/directory_lock.h"
#include "service/store/environment.h"
#include "service/store/flusher.h"
#include "service/store/merge_cursor.h"
#include "service/store/overlay.h"
#include "service/store/queue_read_ahead.h"
#include "service/store/read_ahead.h"
#include "service/store/worker.h"

namespace coord::service {

namespace {
constexpr std::size_t kPageBytes = 4096;
// Pages written in a row that count as one that lies by itself. With fewer a small state is flushed
// so often that its keys, all of whose pages each flush rewrites, cost more than its changes do.
constexpr std::size_t kPagesInARow = 4;
}  // namespace

class Store::Impl {
 public:
  Impl(StoreOptions options, DirectoryLock lock, std::unique_ptr<Environment> environment,
       Post post, Handlers handlers)
      : options_(std::move(options)),
        lock_(std::move(lock)),
        environment_(std::move(environment)),
        post_(std::move(post)),
        handlers_(std::move(handlers)),
        // A read that LMDB cannot serve has no answer: going on would be guessing.
        disk_failed_([this](const LmdbFailure& failure) {
          const Error error = environment_->describe(failure);
          handlers_.failed(error);
          check_failed(__FILE__, __LINE__, "the disk can be read", error.message);
        }),
        active_(std::make_unique<Overlay>()),
        read_ahead_(std::make_shared<ReadAhead>(environment_->data_file())) {}

  ~Impl() {
    copier_.reset();
    flusher_.reset();
    if (reader_ != nullptr) mdb_txn_abort(reader_);
  }

  void start() {
    begin_reading();
    flusher_ = std::make_unique<Flusher>(posting_advances(), posting(&Impl::on_flushed));
  }

  const Environment& environment() const { return *environment_; }

  std::optional<std::string_view> get(Table table, std::string_view key) const {
    if (key < front(table)) return std::nullopt;
    const Overlay::Record* record = active_->find(table, key);
    if (record == nullptr && frozen_ != nullptr) record = frozen_->find(table, key);
    if (record != nullptr) {
      if (record->erased) return std::nullopt;
      return record->value();
    }
    if (!is_on_disk(table)) return std::nullopt;
    try {
      return disk_get(reader_, environment_->databases(), table, key);
    } catch (const LmdbFailure& failure) {
      disk_failed_(failure);
      return std::nullopt;
    }
  }

  std::unique_ptr<Cursor> seek(Table table, std::string_view from) const {
    const MergeCursor::Sources sources{*active_,
                                       frozen_.get(),
                                       is_on_disk(table) ? reader_ : nullptr,
                                       environment_->databases(),
                                       generation_,
                                       disk_failed_};
    return std::make_unique<MergeCursor>(sources, table, std::max(from, front(table)));
  }

  void put(Table table, std::string_view key, std::string_view value) {
    CHECK(!is_queue(table), "a queue is appended to");
    CHECK(!key.empty(), "the empty key is no key");
    ++generation_;
    active_->put(table, key, value, nothing_below(table));
  }

  void erase(Table table, std::string_view key) {
    CHECK(!is_queue(table), "a queue goes from its front");
    if (key.empty()) return;
    ++generation_;
    active_->erase(table, key, nothing_below(table));
  }

  void append(Table queue, std::string_view key, std::string_view value) {
    CHECK(is_queue(queue), "only queues grow at their end");
    CHECK(!key.empty() && key.size() <= kLmdbKeyBytesMax, "a key of {} bytes", key.size());
    CHECK(key >= front(queue), "behind what is gone");
    ++generation_;
    active_->append(queue, key, value);
  }

  void erase_before(Table queue, std::string_view key) {
    CHECK(is_queue(queue), "only queues go from their front");
    if (key <= front(queue)) return;
    ++generation_;
    active_->erase_before(queue, key);
    fronts_[static_cast<std::size_t>(queue)] = key;
  }

  void expect_reads(Table queue, std::string_view from) {
    CHECK(is_queue(queue), "only of queues it is known where they are read");
    std::shared_ptr<QueueReadAhead>& ahead = queues_ahead_[static_cast<std::size_t>(queue)];
    try {
      if (ahead == nullptr) ahead = std::make_shared<QueueReadAhead>(environment_, queue);
      ahead->from(from);
    } catch (const std::system_error&) {
      // Without a thread whoever needs it waits for the disk.
    }
  }

  std::size_t overlay_bytes() const { return active_->bytes(); }
  bool flushing() const { return frozen_ != nullptr || replacing_; }
  double flush_progress() const { return flusher_->progress(); }

  void flush(std::function<void()> done) {
    CHECK(!flushing(), "one flush at a time");
    if (active_->empty()) {
      done();
      return;
    }
    ++generation_;
    frozen_ = std::exchange(active_, flusher_->take_empty());
    done_ = std::move(done);
    flusher_->write(*environment_, *frozen_);
  }

  void copy(CopyOptions options, std::function<void(Result<Snapshot>)> done) {
    CHECK(!copying(), "one copy at a time");
    copied_ = std::move(done);
    const auto finished = posting(&Impl::on_copied);
    try {
      copier_ = std::make_unique<Copier>(environment_, std::move(options), finished);
    } catch (const std::system_error& refused) {
      finished(no_thread(refused));
    }
  }
  bool copying() const { return copied_ != nullptr; }
  void cancel_copy() {
    if (copier_ != nullptr) copier_->cancel();
  }

  void replace(StagedSnapshot staged, std::function<void(Status)> done) {
    CHECK(!replacing_, "one snapshot at a time");
    replacing_ = Replacing{std::move(staged), std::move(done)};
    // Of what will be gone.
    cancel_copy();
    if (frozen_ == nullptr) open_staged();
  }
  raft::LogId installed_at() const { return environment_->installed_at(); }

  std::size_t flush_pages() const {
    // What is appended, changes above all, and what is new fills its pages.
    std::size_t pages = active_->bytes() / (kPagesInARow * kPageBytes);
    for (std::size_t i = 0; i < kTableCount; ++i) {
      const Table table = static_cast<Table>(i);
      if (is_queue(table)) continue;
      pages += std::min(active_->records(table).size(), leaf_pages_[i]);
    }
    return pages;
  }
  void look_after_memory() const { environment_->look_after_memory(); }

  Stats stats() const {
    Stats stats = stats_;
    stats.blocks_read_ahead += blocks_read_ahead();
    return stats;
  }

 private:
  struct Replacing {
    StagedSnapshot staged;
    std::function<void(Status)> done;
  };
  // What has become of a staged snapshot.
  struct Opened {
    Status status;
    std::shared_ptr<Environment> environment;  // if it is in its place now
    bool in_doubt = false;                     // it may or may not be: only another start can tell
  };

  // For another thread: calls the member on the loop's, as long as this object is there. All that
  // the thread may touch here is the token, to hand it on.
  template <class Value>
  std::function<void(Value)> posting(void (Impl::*member)(Value)) {
    return [this, member, post = post_, alive = std::weak_ptr<Impl*>(alive_)](Value value) {
      post([this, member, alive, value = std::move(value)]() mutable {
        if (!alive.expired()) (this->*member)(std::move(value));
      });
    };
  }

  // As posting(), of the handler; null if there is none.
  std::function<void()> posting_advances() {
    if (!handlers_.flush_advanced) return nullptr;
    return [this, post = post_, alive = std::weak_ptr<Impl*>(alive_)] {
      post([this, alive] {
        if (!alive.expired()) handlers_.flush_advanced();
      });
    };
  }

  void begin_reading() {
    lmdb_must(mdb_txn_begin(environment_->env(), nullptr, MDB_RDONLY, &reader_), "txn_begin");
    note_what_is_on_disk();
    for (std::size_t i = 0; i < kTableCount; ++i) {
      const Table table = static_cast<Table>(i);
      fronts_[i] = is_queue(table) ? queue_front(reader_, environment_->databases(), table) : "";
    }
    stats_.disk_bytes = environment_->disk_bytes();
  }

  // Empty for a map.
  std::string_view front(Table table) const { return fronts_[static_cast<std::size_t>(table)]; }
  bool is_on_disk(Table table) const { return on_disk_[static_cast<std::size_t>(table)]; }
  bool nothing_below(Table table) const {
    return !is_on_disk(table) && (frozen_ == nullptr || frozen_->records(table).empty());
  }

  void note_what_is_on_disk() {
    for (std::size_t i = 0; i < kTableCount; ++i) {
      MDB_stat stat;
      lmdb_must(mdb_stat(reader_, environment_->databases().tables[i], &stat), "stat");
      on_disk_[i] = stat.ms_entries > 0;
      leaf_pages_[i] = stat.ms_leaf_pages;
    }
  }

  void on_flushed(Flusher::Flushed flushed) {
    if (!flushed.status.ok()) {
      // Nothing of it is on disk. The frozen overlay stays, so that reads are right until the end.
      handlers_.failed(flushed.status.error());
      return;
    }
    ++stats_.flushes;
    stats_.flushed_operations += flushed.operations;
    stats_.flush_time_total += flushed.time;
    stats_.flush_time_max = std::max(stats_.flush_time_max, flushed.time);
    stats_.disk_bytes = flushed.disk_bytes;

    // First the reader has to see what was written, then the overlay may go.
    ++generation_;
    try {
      mdb_txn_reset(reader_);
      lmdb_must(mdb_txn_renew(reader_), "txn_renew");
      note_what_is_on_disk();
    } catch (const LmdbFailure& failure) {
      disk_failed_(failure);
    }
    flusher_->recycle(std::move(frozen_));
    std::exchange(done_, nullptr)();
    if (replacing_) open_staged();
  }

  void on_copied(Result<Snapshot> copied) {
    copier_.reset();
    std::exchange(copied_, nullptr)(std::move(copied));
  }

  void open_staged() {
    flusher_->run([staged = replacing_->staged, options = options_,
                   opened = posting(&Impl::on_opened)] { opened(take_in(staged, options)); });
  }

  // On the flusher's thread. The old environment is still being read, from a file that has no name
  // any more once this is done.
  static Opened take_in(const StagedSnapshot& staged, const StoreOptions& options) {
    auto environment = Environment::open(staged.directory, options.map_bytes);
    if (!environment.ok()) return {environment.error(), nullptr};
    Status marked = (*environment)->mark_installed(staged.content.applied);
    if (!marked.ok()) return {marked, nullptr};
    Status moved = (*environment)->move_to(options.directory);
    if (!moved.ok()) return {moved, nullptr, true};
    return {Status::success(), *std::move(environment)};
  }

  void on_opened(Opened opened) {
    if (opened.in_doubt) return handlers_.failed(opened.status.error());
    if (opened.environment != nullptr) exchange_environments(std::move(opened.environment));
    const auto done = std::exchange(replacing_, std::nullopt)->done;
    done(opened.status);
  }

  // Of the environment that is open.
  std::uint64_t blocks_read_ahead() const {
    std::uint64_t blocks = 0;
    for (const auto& ahead : queues_ahead_) {
      if (ahead != nullptr) blocks += ahead->blocks_read();
    }
    return blocks;
  }

  void exchange_environments(std::shared_ptr<Environment> environment) {
    ++generation_;
    stats_.blocks_read_ahead += blocks_read_ahead();
    mdb_txn_abort(std::exchange(reader_, nullptr));
    flusher_->recycle(std::exchange(active_, flusher_->take_empty()));
    std::swap(environment_, environment);
    try {
      begin_reading();
    } catch (const LmdbFailure& failure) {
      disk_failed_(failure);
    }
    // To close it, and to give its file's space back, takes a while.
    flusher_->run([old = std::move(environment), reading = std::move(read_ahead_),
                   queues = std::exchange(queues_ahead_, {})] {});
  }

  const StoreOptions options_;
  const DirectoryLock lock_;
  std::shared_ptr<Environment> environment_;  // a copy under way keeps it too
  const Post post_;
  const Handlers handlers_;
  const std::function<void(const LmdbFailure&)> disk_failed_;
  // Gone when this is: what is posted after that does nothing.
  const std::shared_ptr<Impl*> alive_ = std::make_shared<Impl*>(this);

  std::unique_ptr<Overlay> active_;
  std::unique_ptr<Overlay> frozen_;  // while a flush is under way
  std::function<void()> done_;
  std::optional<Replacing> replacing_;
  MDB_txn* reader_ = nullptr;
  std::array<bool, kTableCount> on_disk_{};  // whether the reader sees anything in that table
  std::array<std::size_t, kTableCount> leaf_pages_{};
  // Of the queues, with what is not on disk yet. Every layer's is the same or less.
  std::array<std::string, kTableCount> fronts_;
  std::uint64_t generation_ = 0;  // one more for all that makes cursors unusable
  Stats stats_;

  std::shared_ptr<ReadAhead> read_ahead_;  // of the environment that was opened first
  // Of the queues of this environment that were ever taken off.
  std::array<std::shared_ptr<QueueReadAhead>, kTableCount> queues_ahead_;
  std::unique_ptr<Flusher> flusher_;
  std::function<void(Result<Snapshot>)> copied_;
  std::unique_ptr<Copier> copier_;
};

Result<std::unique_ptr<Store>> Store::open(StoreOptions options, Post post, Handlers handlers) {
  auto lock = DirectoryLock::take(options.directory);
  if (!lock.ok()) return lock.error();
  auto environment = Environment::open(options.directory, options.map_bytes);
  if (!environment.ok()) return environment.error();
  auto impl = std::make_unique<Impl>(std::move(options), *std::move(lock), *std::move(environment),
                                     std::move(post), std::move(handlers));
  try {
    impl->start();
  } catch (const LmdbFailure& failure) {
    return impl->environment().describe(failure);
  }
  return std::unique_ptr<Store>(new Store(std::move(impl)));
}

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::~Store() = default;

std::optional<std::string_view> Store::get(Table table, std::string_view key) const {
  return impl_->get(table, key);
}
std::unique_ptr<Cursor> Store::seek(Table table, std::string_view from) const {
  return impl_->seek(table, from);
}
void Store::put(Table table, std::string_view key, std::string_view value) {
  impl_->put(table, key, value);
}
void Store::erase(Table table, std::string_view key) {
  impl_->erase(table, key);
}
void Store::append(Table queue, std::string_view key, std::string_view value) {
  impl_->append(queue, key, value);
}
void Store::erase_before(Table queue, std::string_view key) {
  impl_->erase_before(queue, key);
}
void Store::expect_reads(Table queue, std::string_view from) const {
  impl_->expect_reads(queue, from);
}

std::size_t Store::overlay_bytes() const {
  return impl_->overlay_bytes();
}
bool Store::flushing() const {
  return impl_->flushing();
}
double Store::flush_progress() const {
  return impl_->flush_progress();
}
std::size_t Store::flush_pages() const {
  return impl_->flush_pages();
}
void Store::look_after_memory() {
  impl_->look_after_memory();
}
void Store::flush(std::function<void()> done) {
  impl_->flush(std::move(done));
}
void Store::copy(CopyOptions options, std::function<void(Result<Snapshot>)> done) {
  impl_->copy(std::move(options), std::move(done));
}
bool Store::copying() const {
  return impl_->copying();
}
void Store::cancel_copy() {
  impl_->cancel_copy();
}
void Store::replace(StagedSnapshot staged, std::function<void(Status)> done) {
  impl_->replace(std::move(staged), std::move(done));
}
raft::LogId Store::installed_at() const {
  return impl_->installed_at();
}
Store::Stats Store::stats() const {
  return impl_->stats();
}

}  // namespace coord::service
