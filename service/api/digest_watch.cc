#include "service/api/digest_watch.h"

#include <utility>

namespace coord::service {

namespace {

using Digests = capnp::Response<schema::Forward::DigestsResults>;

kj::Duration interval() {
  return DigestWatch::kInterval.count() * kj::MILLISECONDS;
}

}  // namespace

DigestWatch::DigestWatch(const DigestTrail& trail, kj::Timer& timer, Service service,
                         Handlers handlers)
    : trail_(trail), timer_(timer), service_(std::move(service)), handlers_(std::move(handlers)) {}

void DigestWatch::set_others(const std::vector<MemberId>& others) {
  const std::set<MemberId> now(others.begin(), others.end());
  std::erase_if(watches_, [&](const auto& entry) { return !now.contains(entry.first); });
  std::erase_if(different_, [&](MemberId other) { return !now.contains(other); });
  for (const MemberId other : now) {
    if (!watches_.contains(other)) watches_.emplace(other, watch(other));
  }
}

rpc::Task<void> DigestWatch::watch(MemberId other) {
  while (true) {
    co_await timer_.afterDelay(interval());
    auto service = service_(other);
    KJ_IF_MAYBE (capability, service) {
      // It may be gone, or of a version that has no digests: then it proves nothing.
      auto asked = timer_.timeoutAfter(
          interval(), capability->castAs<schema::Forward>().digestsRequest().send());
      auto compared =
          asked.then([this, other](Digests&& answer) { compare(other, answer.getDigests()); },
                     [](kj::Exception&&) {});
      co_await kj::mv(compared);
    }
  }
}

void DigestWatch::compare(MemberId other, capnp::List<schema::StateDigest>::Reader theirs) {
  // The last place that both remember: a digest that differs once differs for ever.
  for (unsigned i = theirs.size(); i-- > 0;) {
    const Index index(theirs[i].getIndex());
    const auto ours = trail_.at(index);
    if (!ours) continue;
    if (*ours == theirs[i].getDigest()) {
      different_.erase(other);
      return;
    }
    different_.insert(other);
    const Error error =
        make_error(ErrorCode::kCorrupt,
                   "the state of this member is not that of member {}: at entry {} their digests "
                   "are {:016x} and {:016x}",
                   other, index, *ours, theirs[i].getDigest());
    handlers_.differs(error);
    if (2 * different_.size() > watches_.size() + 1) handlers_.outvoted(error);
    return;
  }
}

}  // namespace coord::service
