#include "tests/bench/zookeeper/session.h"

#include <asio/ip/tcp.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iterator>

#include "service/store/sleep.h"

namespace coord::bench {

namespace {

// Of a session: longer than any pause that a loaded machine may make.
constexpr int kSessionTimeoutMs = 30'000;
constexpr std::chrono::seconds kConnectPatience{10};
constexpr std::chrono::milliseconds kBetweenWrites{100};

// The answer to one of ZooKeeper's words of four letters.
std::string ask(const std::string& endpoint, const std::string& word) {
  const std::size_t colon = endpoint.rfind(':');
  if (colon == std::string::npos) fail(endpoint + ": not HOST:PORT");
  asio::ip::tcp::iostream stream;
  stream.expires_after(std::chrono::seconds(5));
  stream.connect(endpoint.substr(0, colon), endpoint.substr(colon + 1));
  stream << word << std::flush;
  return {std::istreambuf_iterator<char>(stream), {}};
}

void check(int code, const std::string& what) {
  if (code != ZOK) fail(what + ": " + zerror(code));
}

}  // namespace

void fail(const std::string& message) {
  std::fprintf(stderr, "zookeeper-bench: %s\n", message.c_str());
  std::exit(1);
}

Session::Session(const std::string& endpoint) {
  zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
  auto connected = connected_.get_future();
  handle_ =
      zookeeper_init(endpoint.c_str(), &Session::on_event, kSessionTimeoutMs, nullptr, this, 0);
  if (handle_ == nullptr) fail("cannot make a session");
  if (connected.wait_for(kConnectPatience) != std::future_status::ready) {
    fail("no session with " + endpoint + " in time");
  }
}

Session::~Session() {
  zookeeper_close(handle_);
}

void Session::on_event(zhandle_t*, int type, int state, const char*, void* self) {
  if (type != ZOO_SESSION_EVENT) return;
  Session& session = *static_cast<Session*>(self);
  if (state == ZOO_CONNECTED_STATE && !session.was_connected_) {
    session.was_connected_ = true;
    session.connected_.set_value();
  }
  if (state == ZOO_EXPIRED_SESSION_STATE) fail("the session has expired");
}

void Session::create(const std::string& path) {
  const int code = zoo_create(handle_, path.c_str(), nullptr, -1, &ZOO_OPEN_ACL_UNSAFE,
                              ZOO_PERSISTENT, nullptr, 0);
  if (code != ZNODEEXISTS) check(code, "cannot create " + path);
}

void Session::create_all(const std::vector<std::string>& paths, const std::string& value) {
  std::vector<zoo_op_t> operations(paths.size());
  std::vector<zoo_op_result_t> results(paths.size());
  for (std::size_t i = 0; i < paths.size(); ++i) {
    zoo_create_op_init(&operations[i], paths[i].c_str(), value.data(),
                       static_cast<int>(value.size()), &ZOO_OPEN_ACL_UNSAFE, ZOO_PERSISTENT,
                       nullptr, 0);
  }
  const int code =
      zoo_multi(handle_, static_cast<int>(paths.size()), operations.data(), results.data());
  if (code != ZNODEEXISTS) check(code, "cannot create nodes");
}

void Session::set(const std::string& path) {
  check(zoo_set(handle_, path.c_str(), nullptr, -1, -1), "cannot set " + path);
}

NowAndThenAWrite::NowAndThenAWrite(const std::string& endpoint)
    : session_(endpoint), thread_([this](const std::stop_token& stop) { run(stop); }) {}

void NowAndThenAWrite::run(const std::stop_token& stop) {
  const std::string path = "/bench-now-and-then";
  session_.create(path);
  while (service::sleep_until(stop, std::chrono::steady_clock::now() + kBetweenWrites)) {
    session_.set(path);
  }
}

std::string find_leader(const std::vector<std::string>& endpoints) {
  for (const std::string& endpoint : endpoints) {
    const std::string answer = ask(endpoint, "srvr");
    for (const char* mode : {"Mode: leader", "Mode: standalone"}) {
      if (answer.find(mode) != std::string::npos) return endpoint;
    }
  }
  fail("none of the endpoints is the leader's");
}

}  // namespace coord::bench
