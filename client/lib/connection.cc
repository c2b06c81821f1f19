#include "client/lib/connection.h"

#include "client/lib/convert.h"
#include "raft/base/limits.h"

namespace coord::internal {

namespace {

// A member answers with what its limits let it store, and those are its own: at most an event, with
// a value and the one before.
rpc::ConnectionOptions connection_options() {
  rpc::ConnectionOptions options;
  options.messages.message_bytes_max = 3 * limits::kConfigurableRequestBytesMax;
  return options;
}

}  // namespace

Connection::Connection(std::string address, kj::Own<kj::AsyncIoStream> stream, kj::Timer& timer)
    : address_(std::move(address)),
      rpc_(std::make_unique<rpc::Connection>(kj::mv(stream), timer,
                                             capnp::rpc::twoparty::Side::CLIENT, nullptr,
                                             connection_options())) {}

Connection::~Connection() {
  close();
}

void Connection::close() {
  kv_.reset();
  watch_.reset();
  lease_.reset();
  lock_.reset();
  cluster_.reset();
  maintenance_.reset();
  membership_.reset();
  rpc_.reset();
}

rpc::Task<Status> Connection::log_in(Environment& environment, std::string client_name) {
  auto request = rpc_->bootstrap().castAs<schema::Coord>().loginRequest();
  auto info = request.initClient();
  info.setName(to_text(client_name));
  info.setHost(to_text(environment.host));
  info.setPid(environment.pid);
  auto login = request.send();
  // Asked for in the same round trip.
  auto members = login.getServices().getCluster().membersRequest().send();

  auto answer = co_await kj::Promise<capnp::Response<schema::Coord::LoginResults>>(kj::mv(login));
  if (answer.hasFailure()) co_return to_error(answer.getFailure());
  auto services = answer.getServices();
  kv_ = services.getKv();
  watch_ = services.getWatch();
  lease_ = services.getLease();
  lock_ = services.getLock();
  cluster_ = services.getCluster();
  maintenance_ = services.getMaintenance();
  membership_ = services.getMembership();
  greeting_.header = to_header(answer.getHeader());

  auto known =
      co_await kj::Promise<capnp::Response<schema::Cluster::MembersResults>>(kj::mv(members));
  if (known.hasFailure()) co_return to_error(known.getFailure());
  for (const auto member : known.getMembers()) {
    greeting_.members.push_back(to_member_info(member));
  }
  greeting_.members_version = Index(known.getHeader().getMembers());
  greeting_.leader = MemberId(known.getLeader());
  co_return Status();
}

rpc::Task<Result<std::shared_ptr<Connection>>> connect(Environment& environment,
                                                       std::string address,
                                                       std::string client_name) {
  std::string reason;
  try {
    auto resolved = co_await environment.network.parseAddress(address.c_str());
    auto stream = co_await resolved->connect();
    auto connection = std::make_shared<Connection>(address, kj::mv(stream), environment.timer);
    Status status = co_await connection->log_in(environment, client_name);
    if (!status.ok()) co_return status.error();
    co_return connection;
  } catch (const kj::Exception& exception) {
    reason = exception.getType() == kj::Exception::Type::UNIMPLEMENTED
                 ? "what answers there does not serve clients (is it a port for members?)"
                 : exception.getDescription().cStr();
  }
  co_return make_error(ErrorCode::kUnreachable, "{} cannot be reached: {}", address, reason);
}

}  // namespace coord::internal
