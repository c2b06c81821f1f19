// coordd: a member of a Coord cluster.
#include <spdlog/spdlog.h>

#include <asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "schema/rpc/loop.h"
#include "service/server/config.h"
#include "service/server/logging.h"
#include "service/server/server.h"

namespace {

using namespace coord;
using namespace coord::service;

// From the signal to the end: long enough for the last answers to leave.
constexpr auto kLeaveTime = 50 * kj::MILLISECONDS;

int print(const PrintAndExit& exit) {
  std::fputs(exit.text.c_str(), exit.exit_code == 0 ? stdout : stderr);
  return exit.exit_code;
}

int run(const ServerConfig& config) {
  rpc::Loop loop;
  std::unique_ptr<Server> server;
  kj::Promise<void> leaving = kj::READY_NOW;
  // Before anything is opened: a signal that comes early waits for the loop.
  asio::signal_set signals(loop.io(), SIGTERM, SIGINT);
  signals.async_wait([&](const asio::error_code& error, int signal) {
    if (error) return;
    spdlog::info("signal {}: this member ends", signal);
    server->shut_down();
    leaving =
        loop.timer().afterDelay(kLeaveTime).then([&loop] { loop.stop(); }).eagerlyEvaluate(nullptr);
  });
  auto started = Server::start(loop, config);
  if (!started) {
    std::fprintf(stderr, "coordd: %s\n", started.error().message.c_str());
    return 1;
  }
  server = std::move(*started);
  loop.run();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  // A client that closes its end is an error code of the write, not the end of the server.
  std::signal(SIGPIPE, SIG_IGN);
  const auto parsed =
      parse_config(std::vector<std::string>(argv + 1, argv + argc),
                   [](const char* variable) -> const char* { return std::getenv(variable); });
  if (const auto* exit = std::get_if<PrintAndExit>(&parsed)) return print(*exit);
  const auto& config = std::get<ServerConfig>(parsed);
  set_up_logging(config);
  return run(config);
}
