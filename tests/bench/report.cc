#include "tests/bench/report.h"

#include <fmt/format.h>

#include <cmath>

#include "client/coordctl/json.h"

namespace coord::bench {

void print(const Options& options, const Measurement& measurement) {
  const double seconds = std::chrono::duration<double>(options.duration).count();
  const auto ops_s = static_cast<std::uint64_t>(
      std::llround(static_cast<double>(measurement.latencies.count()) / seconds));
  const auto percentile_us = [&](double fraction) {
    return std::chrono::duration_cast<std::chrono::microseconds>(
               measurement.latencies.percentile(fraction))
        .count();
  };
  if (options.json) {
    const auto number = [](std::int64_t value) { return ctl::Json::number(value); };
    const ctl::Json line = ctl::Json::object({{"op", options.op},
                                              {"clients", number(options.clients)},
                                              {"outstanding", number(options.outstanding)},
                                              {"ops_s", ctl::Json::number(ops_s)},
                                              {"p50_us", number(percentile_us(0.50))},
                                              {"p99_us", number(percentile_us(0.99))},
                                              {"p999_us", number(percentile_us(0.999))},
                                              {"fails", ctl::Json::number(measurement.fails)}});
    fmt::print("{}\n", line.text());
    return;
  }
  fmt::print("{}: {} ops/s, {} client{} with {} outstanding\n", options.op, ops_s, options.clients,
             options.clients == 1 ? "" : "s", options.outstanding);
  fmt::print("latency: p50 {} us, p99 {} us, p99.9 {} us; {} failed\n", percentile_us(0.50),
             percentile_us(0.99), percentile_us(0.999), measurement.fails);
}

}  // namespace coord::bench
