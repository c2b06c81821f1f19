#include "service/state/summary.h"

#include "service/state/records.h"

namespace coord::service {

std::optional<StateSummary> summarize(const Tables& tables) {
  Meta meta;
  const auto bytes = tables.get(Table::kMeta, kMetaKey);
  if (!bytes || !decode(*bytes, meta)) return std::nullopt;
  StateSummary summary{.position = {.applied = meta.applied, .digest = meta.digest},
                       .configuration = std::nullopt};
  if (const auto found = tables.get(Table::kMeta, kConfigurationKey)) {
    ConfigurationRecord record;
    if (!decode(*found, record)) return std::nullopt;
    summary.configuration =
        AppliedConfiguration{.at = record.at, .payload = Bytes::copy_of(record.payload)};
  }
  return summary;
}

}  // namespace coord::service
