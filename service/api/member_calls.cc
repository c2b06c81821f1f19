#include "service/api/member_calls.h"

#include <capnp/message.h>

#include <utility>

#include "service/api/command.h"
#include "service/api/decode.h"

namespace coord::service {

namespace {

rpc::Task<Status> publish_there(Context& api, schema::MemberInfo::Reader member,
                                schema::Forward::Client leader, Instant deadline) {
  try {
    auto request = leader.publishMemberRequest();
    request.setMember(member);
    auto sent = until<capnp::Response<schema::Forward::PublishMemberResults>>(api, deadline,
                                                                              request.send());
    const auto response = co_await kj::mv(sent);
    if (response.hasFailure()) co_return decode(response.getFailure());
    co_return Status::success();
  } catch (const kj::Exception& broken) {
    co_return broken_call(broken);
  }
}

Status check(const Context& api, schema::MemberInfo::Reader member) {
  const MemberId id(member.getId());
  if (!api.deps.node.status().configuration.contains(id)) {
    return make_error(ErrorCode::kWrongMember, "member {} is not in the configuration", id);
  }
  const std::size_t longest = api.options.limits.name_bytes_max;
  if (member.getName().size() > longest || member.getPeerAddress().size() > longest ||
      member.getClientAddress().size() > longest) {
    return make_error(ErrorCode::kInvalidArgument, "a member's name or address is too long");
  }
  return Status::success();
}

}  // namespace

rpc::Task<Status> publish_here(Context& api, schema::MemberInfo::Reader member, Instant deadline) {
  Bytes command = encode_member(member, api.deps.clock.wall_ms());
  auto committed = api.deps.applier.commit(std::move(command), deadline);
  const auto applied = co_await kj::mv(committed);
  if (!applied) co_return applied.error();
  if (applied->failure) co_return *applied->failure;
  co_return Status::success();
}

rpc::Task<void> serve_publish(Context& api, PublishCall call) {
  call.allowCancellation();
  const auto member = call.getParams().getMember();
  Status status = check(api, member);
  if (status.ok() && !api.leader.here()) status = api.not_leader();
  if (status.ok()) {
    auto published = publish_here(api, member, api.deadline(0));
    status = co_await std::move(published);
  }
  if (!status.ok()) api.fail(status.error(), call.getResults().initFailure());
}

void serve_digests(const Context& api, DigestsCall call) {
  const auto digests = api.deps.applier.digests().all();
  auto list = call.getResults().initDigests(static_cast<unsigned>(digests.size()));
  unsigned next = 0;
  for (const auto& [index, digest] : digests) {
    auto out = list[next++];
    out.setIndex(index.value());
    out.setDigest(digest);
  }
}

rpc::Task<Status> publish_self(Context& api, MemberRecord record, Instant deadline) {
  capnp::MallocMessageBuilder message;
  auto member = message.initRoot<schema::MemberInfo>();
  encode(record, member);
  auto here = [&] { return publish_here(api, member.asReader(), deadline); };
  auto there = [&](schema::Forward::Client leader) {
    return publish_there(api, member.asReader(), kj::mv(leader), deadline);
  };
  auto done = at_the_leader(api, deadline, Passing::kAllowed, here, there);
  co_return co_await std::move(done);
}

}  // namespace coord::service
