// The load generator for etcd that tests/bench/compare sets beside coord-bench: asynchronous gRPC
// over a channel (a connection) for each client, all of them driven by completion queues, each with
// its thread, that never wait for anything else.
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "etcd/etcdserver/api/v3lock/v3lockpb/v3lock.grpc.pb.h"
#include "etcd/etcdserver/etcdserverpb/rpc.grpc.pb.h"
#include "tests/bench/load.h"
#include "tests/bench/meter.h"
#include "tests/bench/options.h"
#include "tests/bench/report.h"
#include "tests/bench/slot.h"

namespace coord::bench {

namespace {

namespace pb = etcdserverpb;
namespace lockpb = v3lockpb;

[[noreturn]] void fail(const std::string& message) {
  std::fprintf(stderr, "etcd-bench: %s\n", message.c_str());
  std::exit(1);
}

// A connection of its own: channels with equal arguments would share one.
std::shared_ptr<grpc::Channel> connect(const std::string& endpoint, int number) {
  grpc::ChannelArguments arguments;
  arguments.SetInt("coord.bench.client", number);
  return grpc::CreateCustomChannel(endpoint, grpc::InsecureChannelCredentials(), arguments);
}

// The endpoint of the leader, to which requests take the shortest way.
std::string find_leader(const std::vector<std::string>& endpoints) {
  for (const std::string& endpoint : endpoints) {
    const auto stub = pb::Maintenance::NewStub(connect(endpoint, 0));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
    pb::StatusResponse status;
    const grpc::Status answer = stub->Status(&context, {}, &status);
    if (!answer.ok()) fail(endpoint + ": " + answer.error_message());
    if (status.leader() == status.header().member_id()) return endpoint;
  }
  fail("none of the endpoints is the leader's");
}

// Of a lock's holder; it outlives the measurement, so that nobody has to renew it.
std::int64_t grant_lease(const Options& options, const std::shared_ptr<grpc::Channel>& channel) {
  const auto stub = pb::Lease::NewStub(channel);
  grpc::ClientContext context;
  pb::LeaseGrantRequest request;
  request.set_ttl(
      std::chrono::ceil<std::chrono::seconds>(options.warmup + options.duration).count() + 60);
  pb::LeaseGrantResponse response;
  const grpc::Status status = stub->LeaseGrant(&context, request, &response);
  if (!status.ok()) fail("cannot grant a lease: " + status.error_message());
  return response.id();
}

// What a client's connection offers.
struct Stubs {
  explicit Stubs(const std::shared_ptr<grpc::Channel>& channel)
      : kv(pb::KV::NewStub(channel)), lock(lockpb::Lock::NewStub(channel)) {}

  std::unique_ptr<pb::KV::Stub> kv;
  std::unique_ptr<lockpb::Lock::Stub> lock;
};

// A call under way, and what it needs while it is.
template <class Response>
class Call {
 public:
  // `start` is the stub's: from a context, which serves one call, to a reader.
  template <class Start>
  void begin(Start start, grpc::Status& status, void* tag) {
    context_.emplace();
    reader_ = start(&*context_);
    reader_->Finish(&response_, &status, tag);
  }
  const Response& response() const { return response_; }

 private:
  std::optional<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<Response>> reader_;
  Response response_;
};

class LoadSlot final : public Slot {
 public:
  LoadSlot(const Options& options, Stubs& stubs, grpc::CompletionQueue& queue, std::int64_t lease,
           Meter& meter, std::latch& done, std::uint64_t number)
      : Slot(options, meter, done, number), stubs_(stubs), queue_(queue) {
    lock_request_.set_name(lock_name());
    lock_request_.set_lease(lease);
    put_request_.set_value(value());
  }

  // The call that it had under way has ended.
  void resume() {
    if (locking_ && status_.ok()) return unlock();
    ended(status_.ok());
  }

 private:
  void begin(Action action) override {
    switch (action) {
      case Action::kPut:
        return put();
      case Action::kGet:
      case Action::kGetStale:
        return get(action == Action::kGetStale);
      case Action::kLockCycle:
        return lock();
      case Action::kStampedPut:
        fail("there is no watch here");
    }
  }

  void put() {
    put_request_.set_key(next_key());
    put_.begin([&](auto* context) { return stubs_.kv->AsyncPut(context, put_request_, &queue_); },
               status_, this);
  }
  void get(bool stale) {
    get_request_.set_key(next_key());
    get_request_.set_serializable(stale);
    get_.begin([&](auto* context) { return stubs_.kv->AsyncRange(context, get_request_, &queue_); },
               status_, this);
  }
  void lock() {
    locking_ = true;
    lock_.begin(
        [&](auto* context) { return stubs_.lock->AsyncLock(context, lock_request_, &queue_); },
        status_, this);
  }
  void unlock() {
    locking_ = false;
    unlock_request_.set_key(lock_.response().key());
    unlock_.begin(
        [&](auto* context) { return stubs_.lock->AsyncUnlock(context, unlock_request_, &queue_); },
        status_, this);
  }

  Stubs& stubs_;
  grpc::CompletionQueue& queue_;
  grpc::Status status_;
  pb::PutRequest put_request_;
  Call<pb::PutResponse> put_;
  pb::RangeRequest get_request_;
  Call<pb::RangeResponse> get_;
  bool locking_ = false;
  lockpb::LockRequest lock_request_;
  Call<lockpb::LockResponse> lock_;
  lockpb::UnlockRequest unlock_request_;
  Call<lockpb::UnlockResponse> unlock_;
};

// A queue of answers and the thread that takes them out; several clients share one.
class Driver {
 public:
  Driver() : thread_([this] { run(); }) {}
  ~Driver() { queue_.Shutdown(); }

  grpc::CompletionQueue& queue() { return queue_; }

 private:
  void run() {
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) static_cast<LoadSlot*>(tag)->resume();
  }

  grpc::CompletionQueue queue_;
  std::jthread thread_;  // ends when the queue has been shut down and is empty
};

class LoadClient {
 public:
  LoadClient(const Options& options, const std::string& endpoint, Driver& driver, std::latch& done,
             int number)
      : channel_(connect(endpoint, number + 1)), stubs_(channel_) {
    const bool locks = options.op.starts_with("lock");
    for (int i = 0; i < options.outstanding; ++i) {
      const std::int64_t lease = locks ? grant_lease(options, channel_) : 0;
      slots_.push_back(std::make_unique<LoadSlot>(options, stubs_, driver.queue(), lease, meter_,
                                                  done, Slot::number(number, i)));
    }
  }

  void open(Window window) { meter_.open(window); }
  void start() {
    for (const auto& slot : slots_) slot->start();
  }
  const Meter& stop() { return meter_; }

 private:
  const std::shared_ptr<grpc::Channel> channel_;
  Stubs stubs_;
  Meter meter_;
  std::vector<std::unique_ptr<LoadSlot>> slots_;
};

// Every key exists before it is read.
void fill(const Options& options, const std::string& endpoint) {
  const auto stub = pb::KV::NewStub(connect(endpoint, 0));
  constexpr std::uint64_t kPutsInTransaction = 100;
  for (std::uint64_t next = 0; next < options.keys;) {
    pb::TxnRequest txn;
    for (; next < options.keys && txn.success_size() < static_cast<int>(kPutsInTransaction);
         ++next) {
      pb::PutRequest& put = *txn.add_success()->mutable_request_put();
      put.set_key(key_name(next));
      put.set_value(std::string(options.value_bytes, 'v'));
    }
    grpc::ClientContext context;
    pb::TxnResponse response;
    const grpc::Status status = stub->Txn(&context, txn, &response);
    if (!status.ok()) fail("cannot fill the keys: " + status.error_message());
  }
}

Measurement measure(const Options& options) {
  const std::string leader = find_leader(options.endpoints);
  if (reads(options)) fill(options, leader);
  const auto threads = std::min(std::max(1u, std::thread::hardware_concurrency()),
                                static_cast<unsigned>(options.clients));
  std::vector<std::unique_ptr<Driver>> drivers(threads);
  for (auto& driver : drivers) driver = std::make_unique<Driver>();
  return measure_clients(options, [&](int number, std::latch& done) {
    Driver& driver = *drivers[static_cast<unsigned>(number) % threads];
    return std::make_unique<LoadClient>(options, leader, driver, done, number);
  });
}

}  // namespace

}  // namespace coord::bench

int main(int argc, char** argv) {
  using namespace coord::bench;
  const Options options =
      parse_options(argc, argv,
                    {.program = "etcd-bench",
                     .description = "Load for an etcd cluster",
                     .ops = {"put", "get", "get-stale", "mixed", "lock", "lock-contended"},
                     .default_endpoint = "127.0.0.1:2379"});
  print(options, measure(options));
}
