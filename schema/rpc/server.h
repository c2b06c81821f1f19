// Accepts connections and serves a bootstrap capability on each, within bounds: so many
// connections, messages of such a size, so much outstanding (message_stream.h, connection.h). A
// connection that has not made itself known in time is closed; so is one that sends what is not
// Cap'n Proto. Nothing that happens on one connection reaches another, or ends the listening.
//
// Destroying the server drops every connection. A call that runs at that time, or when its client
// goes away, runs to its end, unless it has said context.allowCancellation(): every call that waits
// for something that may never come has to. Loop thread only.
#pragma once

#include <capnp/capability.h>
#include <kj/async-io.h>
#include <kj/async.h>
#include <kj/timer.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "schema/rpc/connection.h"
#include "schema/rpc/task.h"

namespace coord::rpc {

struct ServerOptions {
  std::size_t connections_max = 10'000;
  // From being accepted until greeted() is called; zero: for ever.
  Duration greeting_timeout = seconds(5);
  ConnectionOptions connection{
      .messages = {.unadmitted_bytes_max = 64 * limits::kKiB, .hold_reads = true}};
};

class Server final : private kj::TaskSet::ErrorHandler {
 public:
  // A connection as those see it who serve it. May be copied and kept, and does nothing once the
  // connection is gone.
  class Peer {
   public:
    // Its first call was a valid one (it logged in): it stays.
    void greeted() const;
    // Closes the connection, from a later turn on.
    void drop() const;
    // HOST:PORT of the other side, for logs.
    const std::string& address() const { return address_; }

   private:
    friend class Server;
    struct State;
    std::shared_ptr<State> state_;
    std::string address_;
  };
  // Makes the bootstrap capability of a new connection.
  using Bootstrap = std::function<capnp::Capability::Client(Peer)>;

  Server(kj::Timer& timer, Bootstrap bootstrap, ServerOptions options = {});
  ~Server() noexcept;
  Server(const Server&) = delete;

  // Accepts until the promise is dropped, or accepting fails for good.
  kj::Promise<void> listen(kj::Own<kj::ConnectionReceiver> receiver);
  void serve(kj::Own<kj::AsyncIoStream> stream);

  struct Stats {
    std::uint64_t accepted = 0;
    std::uint64_t refused = 0;    // there were too many already
    std::uint64_t ungreeted = 0;  // closed because they did not make themselves known
  };
  std::size_t connections() const { return connections_; }
  const Stats& stats() const { return stats_; }

 private:
  Task<void> accept_from(kj::Own<kj::ConnectionReceiver> receiver);
  Task<void> run(kj::Own<kj::AsyncIoStream> stream);
  void taskFailed(kj::Exception&& exception) override;

  kj::Timer& timer_;
  Bootstrap bootstrap_;
  ServerOptions options_;
  std::size_t connections_ = 0;
  Stats stats_;
  kj::TaskSet tasks_;
};

}  // namespace coord::rpc
