// The load generator for etcd that tests/bench/compare sets beside coord-bench: asynchronous gRPC
// over a channel (a connection) for each client, all of them driven by completion queues, each with
// its thread, that never wait for anything else.
#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "etcd/etcdserver/etcdserverpb/rpc.grpc.pb.h"
#include "raft/base/prng.h"
#include "tests/bench/meter.h"
#include "tests/bench/options.h"
#include "tests/bench/report.h"

namespace coord::bench {

namespace {

namespace pb = etcdserverpb;

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

// One of the operations that a client has under way; a slot starts the next when one has ended.
class Slot {
 public:
  Slot(const Options& options, pb::KV::Stub& stub, grpc::CompletionQueue& queue, Meter& meter,
       std::uint64_t seed)
      : options_(options), stub_(stub), queue_(queue), meter_(meter), prng_(seed) {
    put_.set_value(std::string(options.value_bytes, 'v'));
    get_.set_serializable(options.op == "get-stale");
  }

  void start() {
    // A context serves one call.
    context_.emplace();
    started_ = Clock::now();
    const std::string key = key_name(prng_.below(options_.keys));
    if (options_.op == "put" || (options_.op == "mixed" && prng_.chance(1, 5))) {
      put_.set_key(key);
      put_call_ = stub_.AsyncPut(&*context_, put_, &queue_);
      put_call_->Finish(&put_response_, &status_, this);
    } else {
      get_.set_key(key);
      get_call_ = stub_.AsyncRange(&*context_, get_, &queue_);
      get_call_->Finish(&get_response_, &status_, this);
    }
  }

  // False if nothing more is started.
  bool finish() {
    const Clock::time_point now = Clock::now();
    if (status_.ok()) {
      meter_.succeeded(started_, now);
    } else {
      meter_.failed(now);
    }
    if (meter_.over(now)) return false;
    start();
    return true;
  }

 private:
  const Options& options_;
  pb::KV::Stub& stub_;
  grpc::CompletionQueue& queue_;
  Meter& meter_;
  Prng prng_;
  Clock::time_point started_;
  std::optional<grpc::ClientContext> context_;
  grpc::Status status_;
  pb::PutRequest put_;
  pb::PutResponse put_response_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<pb::PutResponse>> put_call_;
  pb::RangeRequest get_;
  pb::RangeResponse get_response_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<pb::RangeResponse>> get_call_;
};

// Some of the clients, on one thread.
class Driver {
 public:
  Driver(const Options& options, Window window) : options_(options), meter_(window) {}

  void add_client(const std::string& endpoint, int number) {
    stubs_.push_back(pb::KV::NewStub(connect(endpoint, number)));
    for (int i = 0; i < options_.outstanding; ++i) {
      const auto seed = static_cast<std::uint64_t>(number) * 65536 + static_cast<unsigned>(i);
      slots_.push_back(std::make_unique<Slot>(options_, *stubs_.back(), queue_, meter_, seed));
    }
  }

  void run() {
    for (const auto& slot : slots_) slot->start();
    std::size_t running = slots_.size();
    void* tag = nullptr;
    bool ok = false;
    while (running > 0 && queue_.Next(&tag, &ok)) {
      if (!static_cast<Slot*>(tag)->finish()) --running;
    }
    queue_.Shutdown();
    while (queue_.Next(&tag, &ok)) {
    }
  }

  const Meter& meter() const { return meter_; }

 private:
  const Options& options_;
  Meter meter_;
  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<pb::KV::Stub>> stubs_;
  std::vector<std::unique_ptr<Slot>> slots_;
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
  if (options.op != "put") fill(options, leader);
  const Window window = Window::after_warmup(options);
  const auto threads = std::min<unsigned>(std::max(1u, std::thread::hardware_concurrency()),
                                          static_cast<unsigned>(options.clients));
  std::vector<std::unique_ptr<Driver>> drivers;
  for (unsigned i = 0; i < threads; ++i) {
    drivers.push_back(std::make_unique<Driver>(options, window));
  }
  for (int i = 0; i < options.clients; ++i) {
    drivers[static_cast<unsigned>(i) % threads]->add_client(leader, i + 1);
  }
  {
    std::vector<std::jthread> running;
    for (const auto& driver : drivers) running.emplace_back([&driver] { driver->run(); });
  }
  Measurement measurement;
  for (const auto& driver : drivers) measurement.add(driver->meter());
  return measurement;
}

}  // namespace

}  // namespace coord::bench

int main(int argc, char** argv) {
  using namespace coord::bench;
  const Options options = parse_options(argc, argv,
                                        {.program = "etcd-bench",
                                         .description = "Load for an etcd cluster",
                                         .ops = {"put", "get", "get-stale", "mixed"},
                                         .default_endpoint = "127.0.0.1:2379"});
  print(options, measure(options));
}
