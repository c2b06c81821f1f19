// The connection that this member dials to one other, kept up for as long as the link lives, and
// what is under way on it. Owned by Transport; loop thread only.
//
// Invariant: session_ is set exactly while a connection is up on which the peer has accepted our
// greeting. Nothing is queued here but news of the commit index, for a moment: a message is in a
// call, or it is lost and that is reported.
#pragma once

#include <kj/async.h>
#include <kj/timer.h>

#include <span>
#include <string>
#include <vector>

#include "raft/base/prng.h"
#include "raft/transport/transport.h"
#include "schema/rpc/connection.h"
#include "schema/rpc/task.h"

namespace coord::raft {

class Link final : private kj::TaskSet::ErrorHandler {
 public:
  Link(kj::Network& network, kj::Timer& timer, const TransportOptions& options,
       const Transport::Handlers& handlers, MemberId peer, std::string address, Prng random);
  ~Link() noexcept;
  Link(const Link&) = delete;

  // Gathers for send_gathered().
  void gather(Message message) { gathered_.push_back(std::move(message)); }
  void send_gathered();
  // What this member has to reply, for the transport to send it: with an answer or through here.
  std::vector<Message>& replies() { return replies_; }

  // The peer is there: whoever waits to dial it need not.
  void hurry();

  bool connected() const { return session_ != nullptr; }
  kj::Maybe<capnp::Capability::Client> service();

 private:
  // Dials again and again.
  rpc::Task<void> keep_up();
  // One connection, from dialling to its end.
  rpc::Task<void> connect_once();
  rpc::Task<schema::PeerSession::Client> greet(rpc::Connection& connection);
  // Ends when nothing was heard for the silence timeout though something was asked; asks, if nobody
  // else does.
  rpc::Task<void> until_silent();
  kj::Duration next_pause();

  void send_now();
  void up(rpc::Connection& connection, schema::PeerSession::Client session);
  void down();
  // One call.
  void deliver(schema::PeerSession::Client& session, std::span<const Message> messages,
               std::size_t bytes);
  void answered(std::size_t bytes);
  void receive_replies(capnp::List<schema::Message>::Reader replies);
  bool has_room_for(std::size_t bytes) const;
  // In a turn of its own: whoever sends must not be called back while it does.
  void report_loss();
  void taskFailed(kj::Exception&&) override {}

  kj::Network& network_;
  kj::Timer& timer_;
  const TransportOptions& options_;
  const Transport::Handlers& handlers_;
  const MemberId peer_;
  const std::string address_;
  Prng random_;

  std::vector<Message> gathered_;
  std::vector<Message> replies_;
  kj::Promise<void> news_due_ = nullptr;
  bool news_waits_ = false;                // for news_due_; then gathered_ holds nothing else
  rpc::Connection* connection_ = nullptr;  // while there is a session
  kj::Maybe<schema::PeerSession::Client> session_;
  kj::Maybe<capnp::Capability::Client> service_;
  std::size_t calls_ = 0;  // sent and not answered
  std::size_t bytes_ = 0;  // in them
  // The last answer, or when the oldest of the calls under way was sent if that is later.
  kj::TimePoint heard_;
  unsigned failures_ = 0;                        // dials in a row that came to nothing
  kj::Own<kj::PromiseFulfiller<void>> hurried_;  // ends the pause before the next one
  bool loss_reported_ = false;

  kj::Own<kj::TaskSet> calls_under_way_;
  kj::TaskSet reports_;
  kj::Promise<void> dialling_;
};

}  // namespace coord::raft
