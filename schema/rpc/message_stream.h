// Cap'n Proto messages over a stream, with bounds that the library's own framing does not have.
//
// - A message is refused by its announced size, and memory for it is taken only as its bytes
// arrive:
//   nobody can make us allocate by announcing.
// - With `hold_reads`, nothing is read while what we wrote is not being read: a client that sends
//   requests and ignores the answers stops being served instead of filling our memory. For the
//   accepting side only: if both sides did it, two that wait for each other would wait for ever.
// - Output that makes no way for `stall_timeout` breaks the connection.
// - A message that is there already is handed over without a wait, and one that is written is
// copied
//   straight into the stream's queue.
//
// - A Finish, which says that an answer has arrived, waits a moment for something to leave with: it
//   is a third of all messages, and nobody waits for it.
//
// Owned by a Connection. Loop thread only.
#pragma once

#include <capnp/serialize-async.h>
#include <kj/async-io.h>
#include <kj/timer.h>

#include "schema/rpc/stream.h"
#include "schema/rpc/task.h"

namespace coord::rpc {

struct MessageStreamOptions {
  std::size_t message_bytes_max = 4 * limits::kMiB;
  // A larger one waits until admit(), if it is not in a buffer anyway: strangers get no memory.
  std::size_t unadmitted_bytes_max = SIZE_MAX;
  bool hold_reads = false;
  Duration stall_timeout = seconds(30);
};

class MessageStream final : public capnp::MessageStream {
 public:
  // Works over any stream, and without the detours over one of ours. Both outlive this object.
  MessageStream(kj::AsyncIoStream& stream, kj::Timer& timer, MessageStreamOptions options);

  // The other side has made itself known: `unadmitted_bytes_max` ends.
  void admit();

  using capnp::MessageStream::tryReadMessage;
  using capnp::MessageStream::writeMessage;
  using capnp::MessageStream::writeMessages;

  kj::Promise<kj::Maybe<capnp::MessageReaderAndFds>> tryReadMessage(
      kj::ArrayPtr<kj::AutoCloseFd> fds, capnp::ReaderOptions options,
      kj::ArrayPtr<capnp::word> scratch) override;
  kj::Promise<void> writeMessage(
      kj::ArrayPtr<const int> fds,
      kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments) override;
  kj::Promise<void> writeMessages(
      kj::ArrayPtr<kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>> messages) override;
  kj::Maybe<int> getSendBufferSize() override;
  kj::Promise<void> end() override;

 private:
  using Received = kj::Maybe<capnp::MessageReaderAndFds>;

  kj::Maybe<kj::Own<capnp::MessageReader>> take_buffered(capnp::ReaderOptions options);
  Task<Received> receive(capnp::ReaderOptions options);
  Task<Received> receive_from_other(capnp::ReaderOptions options);
  Task<void> until_written();
  kj::Promise<void> with_stall_timeout(kj::Promise<void> written);
  bool blocked() const { return blocked_writes_ > 0; }

  kj::AsyncIoStream& stream_;
  Stream* ours_;  // the same stream if it is one of ours, else null
  kj::Timer& timer_;
  MessageStreamOptions options_;
  // Writes that have been taken but wait for the peer to read.
  int blocked_writes_ = 0;
  kj::Maybe<kj::Own<kj::PromiseFulfiller<void>>> unblocked_;
  kj::Maybe<kj::Own<kj::PromiseFulfiller<void>>> admitted_;  // a read waits for it
};

}  // namespace coord::rpc
