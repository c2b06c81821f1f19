#include "service/api/probe.h"

#include <kj/common.h>

#include <utility>

namespace coord::service {

namespace {

constexpr std::size_t kProbesMax = 16;
// How long somebody who may not be there is waited for.
constexpr milliseconds kProbeTimeout{2000};

Error too_many() {
  Error error = make_error(ErrorCode::kOverloaded,
                           "{} addresses are being asked who is there already", kProbesMax);
  error.retry_after = kProbeTimeout;
  return error;
}

}  // namespace

rpc::Task<Result<FoundMember>> probe(Context& api, std::string address) {
  if (api.probes >= kProbesMax) co_return too_many();
  ++api.probes;
  KJ_DEFER(--api.probes);
  auto asking = api.deps.identify(std::move(address), kProbeTimeout);
  co_return co_await kj::mv(asking);
}

}  // namespace coord::service
