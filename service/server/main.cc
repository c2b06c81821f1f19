// coordd: a member of a Coord cluster.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "schema/rpc/loop.h"
#include "service/server/config.h"
#include "service/server/descriptors.h"
#include "service/server/logging.h"
#include "service/server/server.h"
#include "service/store/control_groups.h"

namespace {

using namespace coord;
using namespace coord::service;

// From the signal to the end: long enough for the last answers to leave.
constexpr auto kLeaveTime = 50 * kj::MILLISECONDS;

double processors() {
  return std::min<double>(std::thread::hardware_concurrency(), ControlGroups().processors());
}

int print(const PrintAndExit& exit) {
  std::fputs(exit.text.c_str(), exit.exit_code == 0 ? stdout : stderr);
  return exit.exit_code;
}

// Beyond 0, 1 and 2: a supervisor can tell that to start it again will not help.
constexpr int kExitRemoved = 4;
constexpr int kExitOtherDisk = 5;

int exit_code_of(const Error& error) {
  if (error.code == ErrorCode::kMemberRemoved) return kExitRemoved;
  if (error.code == ErrorCode::kWrongIncarnation) return kExitOtherDisk;
  return 1;
}

int run(const ServerConfig& config) {
  rpc::Loop loop;
  loop.set_busy_poll(config.busy_poll_with(processors()));
  std::unique_ptr<Server> server;
  int exit_code = 0;
  kj::Promise<void> leaving = kj::READY_NOW;
  const auto leave = [&] {
    server->shut_down();
    leaving =
        loop.timer().afterDelay(kLeaveTime).then([&loop] { loop.stop(); }).eagerlyEvaluate(nullptr);
  };
  // Before anything is opened.
  asio::signal_set signals(loop.io(), SIGTERM, SIGINT);
  signals.async_wait([&](const asio::error_code& error, int signal) {
    if (error) return;
    // While it looks for the cluster to join, which is before it has opened anything.
    if (!server) std::_Exit(0);
    spdlog::info("signal {}: this member ends", signal);
    leave();
  });
  const auto ended = [&](const Error& error) {
    spdlog::critical("{}", error.message);
    exit_code = exit_code_of(error);
    leave();
  };
  auto started = Server::start(loop, config, ended);
  if (!started) {
    std::fprintf(stderr, "coordd: %s\n", started.error().message.c_str());
    return exit_code_of(started.error());
  }
  server = std::move(*started);
  loop.run();
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  // A client that closes its end is an error code of the write, not the end of the server.
  std::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  const auto parsed =
      parse_config(std::vector<std::string>(argv + 1, argv + argc),
                   [](const char* variable) -> const char* { return std::getenv(variable); });
  if (const auto* exit = std::get_if<PrintAndExit>(&parsed)) return print(*exit);
  const auto& config = std::get<ServerConfig>(parsed);
  set_up_logging(config);
  return run(config);
}
