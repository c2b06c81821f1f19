// The load generator for ZooKeeper that tests/bench/compare sets beside coord-bench: the C client's
// asynchronous calls, each client a session with a connection and threads of its own, in whose
// callbacks an answer starts the next operation.
//
// put sets the data of nodes that exist: creating one is not repeatable, and costs a parent's
// change besides. get is a sync and a read behind it on the same session, both sent at once: the
// read alone is what the server has that was asked. lock is ZooKeeper's recipe: an ephemeral
// sequential node, held while it is the lowest, waiting for the one before it, and deleted to give
// the lock back.
#include <zookeeper/zookeeper.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/bench/load.h"
#include "tests/bench/meter.h"
#include "tests/bench/options.h"
#include "tests/bench/report.h"
#include "tests/bench/slot.h"
#include "tests/bench/zookeeper/session.h"

namespace coord::bench {

namespace {

std::string node(const std::string& name) {
  return "/" + name;
}

class LoadSlot final : public Slot {
 public:
  LoadSlot(const Options& options, zhandle_t* handle, Meter& meter, std::latch& done,
           std::uint64_t number)
      : Slot(options, meter, done, number), handle_(handle), directory_(node(lock_name())) {}

 private:
  void begin(Action action) override {
    switch (action) {
      case Action::kPut:
        return put();
      case Action::kGet:
        return get();
      case Action::kGetStale:
        return get_stale(node(next_key()));
      case Action::kLockCycle:
        return enter();
      case Action::kStampedPut:
        fail("there is no watch here");
    }
  }

  void put() {
    const std::string path = node(next_key());
    sent(zoo_aset(handle_, path.c_str(), value().data(), static_cast<int>(value().size()), -1,
                  &LoadSlot::on_put, this));
  }
  static void on_put(int code, const Stat*, const void* self) { slot(self).ended(code == ZOK); }

  void get() {
    const std::string path = node(next_key());
    sent(zoo_async(handle_, path.c_str(), &LoadSlot::on_sync, this));
    get_stale(path);
  }
  static void on_sync(int code, const char*, const void* self) { slot(self).synced_ = code == ZOK; }
  void get_stale(const std::string& path) {
    sent(zoo_aget(handle_, path.c_str(), 0, &LoadSlot::on_get, this));
  }
  // Answers come in the order of the requests: that to the sync before it.
  static void on_get(int code, const char*, int, const Stat*, const void* self) {
    LoadSlot& it = slot(self);
    const bool synced = std::exchange(it.synced_, true);
    it.ended(code == ZOK && synced);
  }

  // The place is taken and the places are looked at in one go, for the servers keep the order.
  void enter() {
    const std::string path = directory_ + "/";
    sent(zoo_acreate(handle_, path.c_str(), nullptr, -1, &ZOO_OPEN_ACL_UNSAFE,
                     ZOO_EPHEMERAL_SEQUENTIAL, &LoadSlot::on_entered, this));
    look();
  }
  static void on_entered(int code, const char* path, const void* self) {
    slot(self).place_ = code == ZOK ? path : "";
  }
  void look() {
    sent(zoo_aget_children(handle_, directory_.c_str(), 0, &LoadSlot::on_places, this));
  }
  static void on_places(int code, const String_vector* names, const void* self) {
    LoadSlot& it = slot(self);
    if (it.place_.empty()) return it.ended(false);
    if (code != ZOK) return it.leave(false);
    const std::string_view own = std::string_view(it.place_).substr(it.directory_.size() + 1);
    std::string_view before;
    for (int i = 0; i < names->count; ++i) {
      const std::string_view name = names->data[i];
      if (name < own && name > before) before = name;
    }
    if (before.empty()) return it.leave(true);
    it.await(it.directory_ + "/" + std::string(before));
  }
  // Reading and not asking whether it exists: this leaves no watch behind when it has just gone.
  void await(const std::string& path) {
    sent(zoo_awget(handle_, path.c_str(), &LoadSlot::on_gone, this, &LoadSlot::on_awaited, this));
  }
  static void on_awaited(int code, const char*, int, const Stat*, const void* self) {
    if (code != ZOK) slot(self).look();
  }
  static void on_gone(zhandle_t*, int type, int, const char*, void* self) {
    if (type == ZOO_DELETED_EVENT) slot(self).look();
  }
  void leave(bool held) {
    held_ = held;
    sent(zoo_adelete(handle_, place_.c_str(), -1, &LoadSlot::on_left, this));
  }
  static void on_left(int code, const void* self) {
    LoadSlot& it = slot(self);
    it.ended(code == ZOK && it.held_);
  }

  // What cannot even be sent has no answer either.
  static void sent(int code) {
    if (code != ZOK) fail(std::string("cannot send: ") + zerror(code));
  }
  static LoadSlot& slot(const void* self) {
    return *static_cast<LoadSlot*>(const_cast<void*>(self));
  }

  zhandle_t* handle_;
  bool synced_ = true;
  // Of a lock: where its places are, which is this slot's, and whether it had come to be the first.
  const std::string directory_;
  std::string place_;
  bool held_ = false;
};

class LoadClient {
 public:
  LoadClient(const Options& options, const std::string& endpoint, std::latch& done, int number)
      : session_(std::make_unique<Session>(endpoint)) {
    for (int i = 0; i < options.outstanding; ++i) {
      slots_.push_back(std::make_unique<LoadSlot>(options, session_->handle(), meter_, done,
                                                  Slot::number(number, i)));
    }
  }

  void open(Window window) { meter_.open(window); }
  void start() {
    for (const auto& slot : slots_) slot->start();
  }
  const Meter& stop() {
    session_.reset();
    return meter_;
  }

 private:
  Meter meter_;
  std::vector<std::unique_ptr<LoadSlot>> slots_;
  std::unique_ptr<Session> session_;  // after what its callbacks use, so that it ends first
};

// The directory of every lock.
void make_locks(const Options& options, Session& session) {
  session.create(node("bench-lock"));
  session.create(node(shared_lock_name()));
  for (int client = 0; client < options.clients; ++client) {
    for (int i = 0; i < options.outstanding; ++i) {
      session.create(node(own_lock_name(Slot::number(client, i))));
    }
  }
}

// Every key exists before it is read or set.
void fill(const Options& options, Session& session) {
  constexpr std::size_t kNodesInTransaction = 100;
  const std::string value(options.value_bytes, 'v');
  session.create(node("bench"));
  for (std::uint64_t next = 0; next < options.keys;) {
    std::vector<std::string> nodes;
    while (next < options.keys && nodes.size() < kNodesInTransaction) {
      nodes.push_back(node(key_name(next++)));
    }
    session.create_all(nodes, value);
  }
}

Measurement measure(const Options& options) {
  const std::string leader = find_leader(options.endpoints);
  {
    Session session(leader);
    if (options.op.starts_with("lock")) {
      make_locks(options, session);
    } else {
      fill(options, session);
    }
  }
  std::optional<NowAndThenAWrite> writes;
  if (options.op == "get" || options.op == "mixed") writes.emplace(leader);
  return measure_clients(options, [&](int number, std::latch& done) {
    return std::make_unique<LoadClient>(options, leader, done, number);
  });
}

}  // namespace

}  // namespace coord::bench

int main(int argc, char** argv) {
  using namespace coord::bench;
  const Options options =
      parse_options(argc, argv,
                    {.program = "zookeeper-bench",
                     .description = "Load for a ZooKeeper ensemble",
                     .ops = {"put", "get", "get-stale", "mixed", "lock", "lock-contended"},
                     .default_endpoint = "127.0.0.1:2181"});
  print(options, measure(options));
}
