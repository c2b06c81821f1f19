#include "service/api/digest_watch.h"

#include <utility>

namespace coord::service {

namespace {

using Digests = capnp::Response<schema::Forward::DigestsResults>;

kj::Duration interval() {
  return DigestWatch::kInterval.count() * kj::MILLISECONDS;
}

}  // namespace

DigestWatch::DigestWatch(const DigestTrail& trail, kj::Timer& timer, std::vector<MemberId> others,
                         Service service, Handlers handlers)
    : trail_(trail),
      timer_(timer),
      others_(std::move(others)),
      service_(std::move(service)),
      handlers_(std::move(handlers)) {
  for (const MemberId other : others_) watches_.push_back(watch(other));
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
    if (2 * different_.size() > others_.size() + 1) handlers_.outvoted(error);
    return;
  }
}

}  // namespace coord::service
