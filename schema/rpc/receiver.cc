#include "schema/rpc/receiver.h"

#include <kj/debug.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "schema/rpc/network_impl.h"
#include "schema/rpc/socket_address.h"
#include "schema/rpc/system_error.h"

namespace coord::rpc {

namespace {

constexpr auto kPause = std::chrono::milliseconds(100);

// Errors of the connection that was to be accepted; the next may be fine.
bool of_connection(int error) {
  switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM:  // refused by a firewall rule
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case ETIMEDOUT:
      return true;
    default:
      return false;
  }
}

bool of_resources(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

class Receiver::Waiter {
 public:
  Waiter(kj::PromiseFulfiller<kj::Own<kj::AsyncIoStream>>& fulfiller, Receiver& receiver)
      : fulfiller(fulfiller), receiver_(&receiver), previous_(receiver.last_) {
    (previous_ != nullptr ? previous_->next_ : receiver.first_) = this;
    receiver.last_ = this;
  }
  ~Waiter() { leave(); }
  Waiter(const Waiter&) = delete;

  void leave() {
    if (receiver_ == nullptr) return;
    (previous_ != nullptr ? previous_->next_ : receiver_->first_) = next_;
    (next_ != nullptr ? next_->previous_ : receiver_->last_) = previous_;
    receiver_ = nullptr;
  }

  kj::PromiseFulfiller<kj::Own<kj::AsyncIoStream>>& fulfiller;

 private:
  Receiver* receiver_;
  Waiter* previous_;
  Waiter* next_ = nullptr;
};

Receiver::Receiver(Loop::Impl& loop, Socket socket, PeerFilter filter)
    : loop_(loop),
      socket_(std::move(socket)),
      filter_(std::move(filter)),
      pause_(loop.io()),
      self_(std::make_shared<Receiver*>(this)) {}

Receiver::~Receiver() noexcept {
  *self_ = nullptr;
  while (first_ != nullptr) {
    Waiter& waiter = *first_;
    waiter.leave();
    waiter.fulfiller.reject(KJ_EXCEPTION(DISCONNECTED, "no longer listening"));
  }
  asio::error_code ignored;
  socket_.close(ignored);
}

int Receiver::fd() const {
  return const_cast<Socket&>(socket_).native_handle();
}

kj::Promise<kj::Own<kj::AsyncIoStream>> Receiver::accept() {
  auto promise = kj::newAdaptedPromise<kj::Own<kj::AsyncIoStream>, Waiter>(*this);
  if (!exhausted_ && !waiting_) serve();
  return promise;
}

void Receiver::serve() {
  while (first_ != nullptr) {
    Waiter& waiter = *first_;
    Accepted accepted;
    KJ_IF_MAYBE (error, kj::runCatchingExceptions([&] { accepted = try_accept(); })) {
      waiter.leave();
      waiter.fulfiller.reject(kj::mv(*error));
      continue;
    }
    KJ_IF_MAYBE (stream, accepted) {
      waiter.leave();
      waiter.fulfiller.fulfill(kj::mv(*stream));
    } else {
      return exhausted_ ? pause() : wait();
    }
  }
}

Receiver::Accepted Receiver::try_accept() {
  while (true) {
    SocketAddress peer;
    peer.length = sizeof(peer.storage);
    const int accepted = ::accept4(fd(), reinterpret_cast<sockaddr*>(&peer.storage), &peer.length,
                                   SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted >= 0) {
      auto stream = adopt(accepted, peer.family());
      if (exhausted_ || filter_.allows(peer.get())) return stream;
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return nullptr;
    if (of_connection(errno)) continue;
    if (of_resources(errno)) {
      exhausted_ = true;
      return nullptr;
    }
    kj::throwFatalException(system_error("accept", errno));
  }
}

// Fails, like accept4, when the kernel has no memory left for one more.
Receiver::Accepted Receiver::adopt(int accepted, int family) {
  Accepted stream;
  KJ_IF_MAYBE (exception,
               kj::runCatchingExceptions([&] { stream = adopt_socket(loop_, accepted, family); })) {
    exhausted_ = true;
  }
  return stream;
}

void Receiver::wait() {
  waiting_ = true;
  socket_.async_wait(Socket::wait_read, [self = self_](const asio::error_code&) {
    if (*self == nullptr) return;
    (*self)->waiting_ = false;
    (*self)->serve();
  });
}

void Receiver::pause() {
  pause_.expires_after(kPause);
  pause_.async_wait([self = self_](const asio::error_code&) {
    if (*self == nullptr) return;
    (*self)->exhausted_ = false;
    (*self)->serve();
  });
}

kj::uint Receiver::getPort() {
  SocketAddress address;
  kj::uint length = sizeof(address.storage);
  getsockname(reinterpret_cast<sockaddr*>(&address.storage), &length);
  return address.port();
}

void Receiver::getsockopt(int level, int option, void* value, kj::uint* length) {
  socklen_t size = *length;
  require_success("getsockopt", ::getsockopt(fd(), level, option, value, &size));
  *length = size;
}
void Receiver::setsockopt(int level, int option, const void* value, kj::uint length) {
  require_success("setsockopt", ::setsockopt(fd(), level, option, value, length));
}
void Receiver::getsockname(sockaddr* address, kj::uint* length) {
  socklen_t size = *length;
  require_success("getsockname", ::getsockname(fd(), address, &size));
  *length = size;
}

}  // namespace coord::rpc
