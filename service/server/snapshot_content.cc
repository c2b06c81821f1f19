#include "service/server/snapshot_content.h"

#include "service/state/summary.h"

namespace coord::service {

Result<SnapshotContent> read_snapshot_content(const Tables& tables) {
  auto summary = summarize(tables);
  if (!summary) return make_error(ErrorCode::kCorrupt, "it holds no state that can be read");
  SnapshotContent content{.applied = summary->position.applied,
                          .digest = summary->position.digest,
                          .configuration_at = {},
                          .configuration = {}};
  if (summary->configuration) {
    content.configuration_at = summary->configuration->at;
    content.configuration = std::move(summary->configuration->payload);
  }
  return content;
}

}  // namespace coord::service
