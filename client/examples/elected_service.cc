// A service of which any number of instances run and exactly one leads.
//
//   elected_service --endpoints 127.0.0.1:4701,127.0.0.1:4702 alice
//
// An instance campaigns until it is elected. While it leads, it publishes a heartbeat as the value
// of the election, where everybody can see it (coordctl elect --leader demo/service). When the
// leadership is lost, for whatever reason, it stops leading at once and campaigns again.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "client/examples/example.h"
#include "coord/client.h"

namespace {

using coord::milliseconds;

void say(const std::string& who, const std::string& what) {
  std::printf("%s: %s\n", who.c_str(), what.c_str());
  std::fflush(stdout);
}

// Leads until it must not any more, or is asked to end.
void lead(coord::Leadership& leadership, const std::string& name, std::stop_token stop) {
  for (int beat = 1; leadership.held(); ++beat) {
    const std::string value = name + " heartbeat " + std::to_string(beat);
    if (auto status = leadership.proclaim(value); !status.ok()) {
      say(name, "cannot proclaim: " + status.error().message);
    }
    if (!coord::example::sleep_unless(stop, leadership.stop_token(), milliseconds(500))) return;
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::string endpoints = "127.0.0.1:4701";
  std::string election = "demo/service";
  std::string name;
  int ttl_ms = 2'000;
  CLI::App app("A service of which exactly one instance leads.");
  app.add_option("--endpoints", endpoints, "HOST:PORT,... of the cluster")
      ->envname("COORDCTL_ENDPOINTS");
  app.add_option("--election", election, "what the instances compete for");
  app.add_option("--ttl-ms", ttl_ms, "how long the leadership outlives a leader that died");
  app.add_option("NAME", name, "of this instance")->required();
  if (const auto exit = coord::example::parse(app, argc, argv)) return *exit;

  auto parsed = coord::parse_endpoints(endpoints);
  if (!parsed.ok()) {
    std::fprintf(stderr, "%s\n", parsed.error().message.c_str());
    return 2;
  }
  coord::example::StopOnSignal signals;
  const std::stop_token stop = signals.token();
  coord::Client client(
      {.endpoints = std::move(parsed).value(), .name = name, .session_ttl = milliseconds(ttl_ms)});

  while (!stop.stop_requested()) {
    say(name, "campaigns");
    auto leadership = client.campaign(election, name, {.stop = stop});
    if (!leadership.ok()) {
      if (stop.stop_requested()) break;
      say(name, "not elected: " + leadership.error().message);
      coord::example::sleep_unless(stop, {}, milliseconds(200));
      continue;
    }
    say(name, "leads, token " + std::to_string(leadership->token().value()));
    lead(*leadership, name, stop);
    if (stop.stop_requested()) {
      const auto status = leadership->resign();
      say(name, status.ok() ? "resigned" : "could not resign: " + status.error().message);
    } else {
      say(name, "leads no more");
    }
  }
  return 0;
}
