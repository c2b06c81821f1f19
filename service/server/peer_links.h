// The node's way to the other members: made before the transport, which needs the node.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "raft/node/node.h"
#include "raft/transport/transport.h"

namespace coord::service {

class PeerLinks final : public raft::PeerLinks {
 public:
  explicit PeerLinks(std::function<bool()> takes_part) : takes_part_(std::move(takes_part)) {}

  void attach(raft::Transport* transport) { transport_ = transport; }
  // Without a transport, as while the member closes, messages are lost, as they may be; so they are
  // while the member does not take part.
  void send(std::vector<raft::Message> messages) override {
    if (transport_ != nullptr && takes_part_()) transport_->send(std::move(messages));
  }

 private:
  std::function<bool()> takes_part_;
  raft::Transport* transport_ = nullptr;
};

}  // namespace coord::service
