#include "schema/rpc/network.h"

#include <kj/debug.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <asio/ip/tcp.hpp>
#include <cerrno>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include "schema/rpc/network_impl.h"
#include "schema/rpc/peer_filter.h"
#include "schema/rpc/receiver.h"
#include "schema/rpc/socket_address.h"
#include "schema/rpc/stream.h"
#include "schema/rpc/system_error.h"

namespace coord::rpc {

namespace {

using Socket = asio::generic::stream_protocol::socket;

void set_option(int fd, int level, int option, int value) {
  // Best effort: a socket without it is slower or slower to notice, not wrong.
  ::setsockopt(fd, level, option, &value, sizeof(value));
}

void tune(int fd) {
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 30);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
}

Socket wrap(Loop::Impl& loop, int fd, int family) {
  try {
    return Socket(loop.io(), asio::generic::stream_protocol(family, IPPROTO_TCP), fd);
  } catch (...) {
    ::close(fd);
    throw;
  }
}

int open_socket(int family) {
  const int fd = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  require_success("socket", fd);
  return fd;
}

// A connection attempt: owns the socket until it is connected.
class Connecting {
 public:
  Connecting(kj::PromiseFulfiller<kj::Own<kj::AsyncIoStream>>& fulfiller, Loop::Impl& loop,
             const SocketAddress& address)
      : fulfiller_(fulfiller),
        loop_(loop),
        family_(address.family()),
        self_(std::make_shared<Connecting*>(this)),
        socket_(wrap(loop, open_socket(family_), family_)) {
    tune(socket_.native_handle());
    if (::connect(socket_.native_handle(), address.get(), address.length) == 0) {
      finish(0);
    } else if (errno != EINPROGRESS) {
      finish(errno);
    } else {
      socket_.async_wait(Socket::wait_write, [self = self_](const asio::error_code&) {
        if (*self != nullptr) (*self)->writable();
      });
    }
  }
  ~Connecting() { *self_ = nullptr; }
  Connecting(const Connecting&) = delete;

 private:
  void writable() {
    int error = 0;
    socklen_t length = sizeof(error);
    ::getsockopt(socket_.native_handle(), SOL_SOCKET, SO_ERROR, &error, &length);
    finish(error);
  }
  void finish(int error) {
    if (error != 0) return fulfiller_.reject(system_error("connect", error));
    // A fresh registration with Asio: see Stream::write_side_.
    fulfiller_.rejectIfThrows([&] {
      fulfiller_.fulfill(kj::heap<Stream>(loop_, wrap(loop_, socket_.release(), family_)));
    });
  }

  kj::PromiseFulfiller<kj::Own<kj::AsyncIoStream>>& fulfiller_;
  Loop::Impl& loop_;
  int family_;
  std::shared_ptr<Connecting*> self_;  // null once the attempt is over or dropped
  Socket socket_;
};

Result<kj::Own<Receiver>> listen_on(Loop::Impl& loop, const PeerFilter& filter,
                                    const SocketAddress& address) {
  const int fd = ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const auto failure = [&](int error) {
    const ErrorCode code = error == EADDRINUSE ? ErrorCode::kInUse : ErrorCode::kIo;
    return make_error(code, "cannot listen on {}: {}", address.to_string(),
                      std::generic_category().message(error));
  };
  if (fd < 0) return failure(errno);
  Socket socket = wrap(loop, fd, address.family());
  set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (address.family() == AF_INET6) set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  if (::bind(fd, address.get(), address.length) < 0) return failure(errno);
  if (::listen(fd, SOMAXCONN) < 0) return failure(errno);
  return kj::heap<Receiver>(loop, std::move(socket), filter);
}

class Address final : public kj::NetworkAddress {
 public:
  Address(Loop::Impl& loop, PeerFilter filter, std::vector<SocketAddress> addresses)
      : loop_(loop), filter_(std::move(filter)), addresses_(std::move(addresses)) {}

  kj::Promise<kj::Own<kj::AsyncIoStream>> connect() override {
    return connect_from(loop_, filter_, addresses_, 0);
  }
  kj::Own<kj::ConnectionReceiver> listen() override {
    KJ_REQUIRE(!addresses_.empty());
    auto receiver = listen_on(loop_, filter_, addresses_.front());
    KJ_REQUIRE(receiver.ok(), receiver.error().message.c_str());
    return kj::mv(*receiver);
  }
  kj::Own<kj::NetworkAddress> clone() override {
    return kj::heap<Address>(loop_, filter_, addresses_);
  }
  kj::String toString() override {
    return kj::strArray(
        KJ_MAP(each, addresses_) { return kj::str(each.to_string().c_str()); }, ",");
  }

 private:
  // One after the other until one answers; the last one's error is the answer otherwise.
  static kj::Promise<kj::Own<kj::AsyncIoStream>> connect_from(Loop::Impl& loop, PeerFilter filter,
                                                              std::vector<SocketAddress> addresses,
                                                              std::size_t next) {
    KJ_REQUIRE(next < addresses.size(), "the name has no address");
    if (!filter.allows(addresses[next].get())) {
      return KJ_EXCEPTION(FAILED, "connecting to this address is not allowed",
                          addresses[next].to_string().c_str());
    }
    auto attempt =
        kj::newAdaptedPromise<kj::Own<kj::AsyncIoStream>, Connecting>(loop, addresses[next]);
    if (next + 1 == addresses.size()) return attempt;
    return attempt.catch_([&loop, filter = std::move(filter), addresses = std::move(addresses),
                           next](kj::Exception&&) mutable {
      return connect_from(loop, std::move(filter), std::move(addresses), next + 1);
    });
  }

  Loop::Impl& loop_;
  PeerFilter filter_;
  std::vector<SocketAddress> addresses_;
};

// KJ_EXCEPTION() would put the C++ expression before its value.
kj::Exception failure(kj::Exception::Type type, const std::string& message) {
  return kj::Exception(type, __FILE__, __LINE__, kj::str(message.c_str()));
}

// A look-up of a name, on the resolver's thread.
class Resolving {
 public:
  using Addresses = std::vector<SocketAddress>;

  Resolving(kj::PromiseFulfiller<Addresses>& fulfiller, Loop::Impl& loop, const HostAndPort& where)
      : fulfiller_(fulfiller), self_(std::make_shared<Resolving*>(this)), resolver_(loop.io()) {
    resolver_.async_resolve(where.host, std::to_string(where.port),
                            [self = self_](const asio::error_code& error,
                                           const asio::ip::tcp::resolver::results_type& results) {
                              if (*self != nullptr) (*self)->finish(error, results);
                            });
  }
  ~Resolving() { *self_ = nullptr; }
  Resolving(const Resolving&) = delete;

 private:
  void finish(const asio::error_code& error, const asio::ip::tcp::resolver::results_type& results) {
    if (error) {
      return fulfiller_.reject(failure(kj::Exception::Type::DISCONNECTED,
                                       "cannot resolve the name: " + error.message()));
    }
    Addresses addresses;
    for (const auto& result : results) {
      const auto endpoint = result.endpoint();
      addresses.push_back(
          SocketAddress::from(endpoint.data(), static_cast<socklen_t>(endpoint.size())));
    }
    fulfiller_.fulfill(std::move(addresses));
  }

  kj::PromiseFulfiller<Addresses>& fulfiller_;
  std::shared_ptr<Resolving*> self_;
  asio::ip::tcp::resolver resolver_;
};

class SocketNetwork final : public kj::Network {
 public:
  SocketNetwork(Loop::Impl& loop, PeerFilter filter) : loop_(loop), filter_(std::move(filter)) {}

  kj::Promise<kj::Own<kj::NetworkAddress>> parseAddress(kj::StringPtr text,
                                                        kj::uint port_hint) override {
    auto where = parse_host_and_port(std::string_view(text.begin(), text.size()),
                                     static_cast<std::uint16_t>(port_hint));
    if (!where.ok()) return failure(kj::Exception::Type::FAILED, where.error().message);
    if (auto known = known_addresses(*where); !known.empty()) {
      return kj::Own<kj::NetworkAddress>(kj::heap<Address>(loop_, filter_, std::move(known)));
    }
    return kj::newAdaptedPromise<Resolving::Addresses, Resolving>(loop_, *where)
        .then([&loop = loop_, filter = filter_](Resolving::Addresses addresses) mutable {
          return kj::Own<kj::NetworkAddress>(
              kj::heap<Address>(loop, std::move(filter), std::move(addresses)));
        });
  }

  kj::Own<kj::NetworkAddress> getSockaddr(const void* address, kj::uint length) override {
    return kj::heap<Address>(loop_, filter_,
                             std::vector<SocketAddress>{SocketAddress::from(address, length)});
  }

  kj::Own<kj::Network> restrictPeers(kj::ArrayPtr<const kj::StringPtr> allow,
                                     kj::ArrayPtr<const kj::StringPtr> deny) override {
    return kj::heap<SocketNetwork>(loop_, filter_.narrowed(allow, deny));
  }

 private:
  Loop::Impl& loop_;
  PeerFilter filter_;
};

// At start-up, before there is anything that a slow resolver could hold up.
Result<SocketAddress> resolve_now(const HostAndPort& where, const std::string& text) {
  if (const auto known = known_addresses(where); !known.empty()) return known.front();
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int error =
      ::getaddrinfo(where.host.c_str(), std::to_string(where.port).c_str(), &hints, &found);
  if (error != 0) {
    return make_error(ErrorCode::kInvalidArgument, "cannot resolve '{}': {}", text,
                      ::gai_strerror(error));
  }
  const SocketAddress address = SocketAddress::from(found->ai_addr, found->ai_addrlen);
  ::freeaddrinfo(found);
  return address;
}

}  // namespace

kj::Own<kj::Network> make_network(Loop::Impl& loop) {
  return kj::heap<SocketNetwork>(loop, PeerFilter());
}

kj::Own<kj::AsyncIoStream> adopt_socket(Loop::Impl& loop, int fd, int family) {
  if (family == AF_INET || family == AF_INET6) tune(fd);
  return kj::heap<Stream>(loop, wrap(loop, fd, family));
}

kj::TwoWayPipe make_pipe(Loop& loop) {
  int fds[2];
  require_success("socketpair",
                  ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
  kj::TwoWayPipe pipe;
  pipe.ends[0] = adopt_socket(loop.impl(), fds[0], AF_UNIX);
  pipe.ends[1] = adopt_socket(loop.impl(), fds[1], AF_UNIX);
  return pipe;
}

Result<Listener> listen(Loop& loop, const std::string& address) {
  auto where = parse_host_and_port(address);
  if (!where.ok()) return std::move(where).error();
  auto resolved = resolve_now(*where, address);
  if (!resolved.ok()) return std::move(resolved).error();
  auto receiver = listen_on(loop.impl(), PeerFilter(), *resolved);
  if (!receiver.ok()) return std::move(receiver).error();
  Listener listener;
  listener.port = static_cast<std::uint16_t>((*receiver)->getPort());
  listener.receiver = kj::mv(*receiver);
  return listener;
}

}  // namespace coord::rpc
