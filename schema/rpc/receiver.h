// A listening socket as a kj::ConnectionReceiver. Must not outlive its Loop; loop thread only.
//
// What goes wrong with one connection never ends the listening: a client that has gone again is
// passed over, and while the process has no descriptor left the receiver pauses instead of spinning
// on a socket that stays readable.
#pragma once

#include <kj/async-io.h>

#include <asio/generic/stream_protocol.hpp>
#include <asio/steady_timer.hpp>
#include <memory>

#include "schema/rpc/loop_impl.h"
#include "schema/rpc/peer_filter.h"

namespace coord::rpc {

class Receiver final : public kj::ConnectionReceiver {
 public:
  using Socket = asio::generic::stream_protocol::socket;

  // The socket listens and is non-blocking.
  Receiver(Loop::Impl& loop, Socket socket, PeerFilter filter);
  ~Receiver() noexcept;

  kj::Promise<kj::Own<kj::AsyncIoStream>> accept() override;
  kj::uint getPort() override;
  void getsockopt(int level, int option, void* value, kj::uint* length) override;
  void setsockopt(int level, int option, const void* value, kj::uint length) override;
  void getsockname(sockaddr* address, kj::uint* length) override;

 private:
  // One accept() that waits; they are served in order.
  class Waiter;
  using Accepted = kj::Maybe<kj::Own<kj::AsyncIoStream>>;

  // The next connection that is there, if any; sets exhausted_ or throws.
  Accepted try_accept();
  Accepted adopt(int accepted, int family);
  void serve();
  void wait();
  void pause();
  int fd() const;

  Loop::Impl& loop_;
  Socket socket_;
  PeerFilter filter_;
  asio::steady_timer pause_;
  std::shared_ptr<Receiver*> self_;  // null once the receiver is gone
  Waiter* first_ = nullptr;
  Waiter* last_ = nullptr;
  bool waiting_ = false;
  bool exhausted_ = false;  // no descriptors or memory; paused
};

}  // namespace coord::rpc
