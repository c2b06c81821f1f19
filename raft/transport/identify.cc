#include "raft/transport/identify.h"

#include <kj/exception.h>

#include <algorithm>
#include <utility>

#include "raft/transport/bounds.h"
#include "schema/rpc/connection.h"

namespace coord::raft {

namespace {

constexpr std::size_t kTextBytesMax = limits::kAddressBytesMax;
// Somebody we know nothing of: far less than a member may send.
constexpr std::size_t kAnswerBytesMax = 64 * limits::kKiB;

Result<Identification> understand(schema::PeerIdentity::Reader identity) {
  const std::size_t longest = std::max({identity.getName().size(), identity.getVersion().size(),
                                        identity.getClientAddress().size()});
  if (longest > kTextBytesMax || identity.getMember() == 0) {
    return make_error(ErrorCode::kInvalidArgument, "it does not identify itself as a member does");
  }
  return Identification{.cluster = ClusterId(identity.getCluster()),
                        .member = MemberId(identity.getMember()),
                        .name = identity.getName().cStr(),
                        .incarnation = Incarnation(identity.getIncarnation()),
                        .empty = identity.getEmpty(),
                        .version = identity.getVersion().cStr(),
                        .client_address = identity.getClientAddress().cStr()};
}

rpc::Task<Result<Identification>> ask(kj::Network& network, kj::Timer& timer, std::string address) {
  auto parsed = co_await network.parseAddress(kj::StringPtr(address.c_str(), address.size()));
  auto stream = co_await parsed->connect();
  rpc::ConnectionOptions options;
  options.messages.message_bytes_max = kAnswerBytesMax;
  auto connection = rpc::Connection::client(kj::mv(stream), timer, options);
  auto request = connection->bootstrap().castAs<schema::Peer>().identifyRequest();
  const auto answer = co_await request.send();
  co_return understand(answer.getIdentity());
}

}  // namespace

rpc::Task<Result<Identification>> identify(kj::Network& network, kj::Timer& timer,
                                           std::string address, Duration timeout) {
  std::string reason;
  try {
    auto asked = timer.timeoutAfter(timeout.count() * kj::NANOSECONDS,
                                    ask(network, timer, address).promise());
    co_return co_await kj::mv(asked);
  } catch (const kj::Exception& exception) {
    switch (exception.getType()) {
      case kj::Exception::Type::OVERLOADED:
        reason = "nobody answers in time";
        break;
      case kj::Exception::Type::UNIMPLEMENTED:
        reason = "what answers there is not a port for members (is it one for clients?)";
        break;
      case kj::Exception::Type::FAILED:
      case kj::Exception::Type::DISCONNECTED:
        reason = exception.getDescription().cStr();
        break;
    }
  }
  co_return make_error(ErrorCode::kUnreachable, "{} cannot be reached: {}", address, reason);
}

}  // namespace coord::raft
