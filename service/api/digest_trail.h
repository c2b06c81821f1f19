// What the state's running digest was at some places of the log: every member remembers the same
// places, so that any two can compare what the same log has made of their states.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

#include "service/state/state.h"

namespace coord::service {

class DigestTrail {
 public:
  // Every 64th entry, and of what is longer ago every 4096th: enough to compare a member that is
  // some hundred thousand entries behind, and in a cluster that writes little every few minutes.
  static constexpr std::uint64_t kInterval = 64;
  static constexpr std::uint64_t kLongInterval = 4096;
  static constexpr std::size_t kKept = 64;  // of each

  // To be called after every entry.
  void note(const StatePosition& position) {
    const std::uint64_t index = position.applied.index.value();
    if (index % kInterval != 0) return;
    keep(recent_, position);
    if (index % kLongInterval == 0) keep(older_, position);
  }

  std::optional<std::uint64_t> at(Index index) const {
    for (const Digests* digests : {&recent_, &older_}) {
      if (const auto found = digests->find(index); found != digests->end()) return found->second;
    }
    return std::nullopt;
  }

  // In order.
  std::map<Index, std::uint64_t> all() const {
    Digests digests = older_;
    digests.insert(recent_.begin(), recent_.end());
    return digests;
  }

 private:
  using Digests = std::map<Index, std::uint64_t>;

  static void keep(Digests& digests, const StatePosition& position) {
    digests.emplace(position.applied.index, position.digest);
    if (digests.size() > kKept) digests.erase(digests.begin());
  }

  Digests recent_;
  Digests older_;
};

}  // namespace coord::service
