// The node's way to the other members: made before the transport, which needs the node.
#pragma once

#include <utility>
#include <vector>

#include "raft/node/node.h"
#include "raft/transport/transport.h"

namespace coord::service {

class PeerLinks final : public raft::PeerLinks {
 public:
  void attach(raft::Transport* transport) { transport_ = transport; }
  // Without a transport, as while the member closes, messages are lost, as they may be.
  void send(std::vector<raft::Message> messages) override {
    if (transport_ != nullptr) transport_->send(std::move(messages));
  }

 private:
  raft::Transport* transport_ = nullptr;
};

}  // namespace coord::service
