// The course of a measurement, the same for every load generator.
#pragma once

#include <cstddef>
#include <latch>
#include <memory>
#include <vector>

#include "tests/bench/meter.h"
#include "tests/bench/options.h"
#include "tests/bench/report.h"

namespace coord::bench {

// All clients are connected before the first of them starts. `make(number, done)` makes one: it has
// open(Window), for its meter; start(), after which each of its slots counts `done` down once; and
// stop(), which ends what uses its meter and returns it.
template <class Make>
Measurement measure_clients(const Options& options, Make make) {
  std::latch done(std::ptrdiff_t{options.clients} * options.outstanding);
  std::vector<decltype(make(0, done))> clients;
  for (int i = 0; i < options.clients; ++i) clients.push_back(make(i, done));
  const Window window = Window::after_warmup(options);
  for (const auto& client : clients) client->open(window);
  for (const auto& client : clients) client->start();
  done.wait();
  Measurement measurement;
  for (const auto& client : clients) measurement.add(client->stop());
  return measurement;
}

}  // namespace coord::bench
