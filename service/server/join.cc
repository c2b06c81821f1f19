#include "service/server/join.h"

#include <kj/debug.h>
#include <kj/exception.h>

#include <algorithm>
#include <utility>

#include "schema/coord.capnp.h"
#include "schema/rpc/connection.h"
#include "schema/rpc/task.h"
#include "service/server/random.h"

namespace coord::service {

namespace {

constexpr auto kAskTimeout = 5 * kj::SECONDS;

struct Found {
  ClusterId cluster;
  struct Known {
    MemberId id;
    std::string name;
    std::string peer_address;
  };
  std::vector<Known> members;
};

rpc::Task<Found> ask(rpc::Loop& loop, std::string address) {
  auto parsed =
      co_await loop.network().parseAddress(kj::StringPtr(address.c_str(), address.size()));
  auto stream = co_await parsed->connect();
  auto connection = rpc::Connection::client(kj::mv(stream), loop.timer());
  auto login = connection->bootstrap().castAs<schema::Coord>().loginRequest();
  login.initClient().setName("coordd");
  auto logged_in = co_await login.send();
  auto members = co_await logged_in.getServices().getCluster().membersRequest().send();
  if (members.hasFailure()) {
    kj::throwFatalException(KJ_EXCEPTION(FAILED, members.getFailure().getMessage()));
  }
  Found found;
  found.cluster = ClusterId(logged_in.getHeader().getClusterId());
  for (const auto member : members.getMembers()) {
    found.members.push_back(
        {MemberId(member.getId()), member.getName().cStr(), member.getPeerAddress().cStr()});
  }
  co_return found;
}

Result<Found> ask_and_wait(rpc::Loop& loop, const std::string& address) {
  std::string reason;
  try {
    Found found = loop.timer()
                      .timeoutAfter(kAskTimeout, ask(loop, address).promise())
                      .wait(loop.wait_scope());
    if (!found.cluster.is_zero()) return found;
    reason = "it belongs to no cluster";
  } catch (const kj::Exception& exception) {
    const bool late = exception.getType() == kj::Exception::Type::OVERLOADED;
    const bool other = exception.getType() == kj::Exception::Type::UNIMPLEMENTED;
    reason = late    ? "it does not answer in time"
             : other ? "what answers there does not serve clients (is it a port for members?)"
                     : exception.getDescription().cStr();
  }
  return make_error(ErrorCode::kUnreachable, "{}: {}", address, reason);
}

Status check_free(const Found& found, const ServerConfig& config) {
  for (const Found::Known& member : found.members) {
    if (member.name == config.name) {
      return make_error(
          ErrorCode::kMemberExists,
          "the cluster has a member named '{}' already, at {}: choose another --name, "
          "or remove that one first",
          member.name, member.peer_address);
    }
    if (member.peer_address == config.advertise_peer) {
      return make_error(ErrorCode::kMemberExists,
                        "the cluster's member '{}' has the peer address {} already: choose another "
                        "--listen-peer, or remove that one first",
                        member.name, member.peer_address);
    }
  }
  return {};
}

}  // namespace

Result<Identity> find_cluster(rpc::Loop& loop, const ServerConfig& config) {
  std::string nobody;
  for (const std::string& address : config.join) {
    const auto found = ask_and_wait(loop, address);
    if (!found) {
      nobody += (nobody.empty() ? "" : "; ") + found.error().message;
      continue;
    }
    if (Status status = check_free(*found, config); !status.ok()) return status.error();
    Identity identity{.cluster = found->cluster,
                      .member = {},
                      .name = config.name,
                      .incarnation = random_id<Incarnation>()};
    const auto taken = [&] {
      return std::any_of(found->members.begin(), found->members.end(),
                         [&](const auto& member) { return member.id == identity.member; });
    };
    // Never that of another member, not even of one that was removed: 63 random bits.
    while (identity.member.is_zero() || taken()) identity.member = random_id<MemberId>();
    return identity;
  }
  return make_error(ErrorCode::kUnreachable, "no member to join answers: {}", nobody);
}

}  // namespace coord::service
