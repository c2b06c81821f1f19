#include "raft/transport/receive.h"

#include <utility>

#include "raft/transport/codec.h"

namespace coord::raft {

Status receive_all(capnp::List<schema::Message>::Reader messages, MemberId from,
                   const TransportOptions& options, const Transport::Handlers& handlers) {
  for (const auto each : messages) {
    auto message = decode(each, options.entry_bytes_max);
    if (!message.ok()) return std::move(message).error();
    if (message->cluster != options.cluster || message->to != options.self ||
        message->from != from) {
      return make_error(ErrorCode::kWrongMember,
                        "a message of cluster {:016x} from {} to {} came from member {}",
                        message->cluster, message->from, message->to, from);
    }
    if (handlers.receive) handlers.receive(std::move(message).value());
  }
  return Status::success();
}

}  // namespace coord::raft
