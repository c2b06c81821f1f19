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
// - A Finish, which says that an answer has arrived, waits a moment for something to leave with: it
//   is a third of all messages, and nobody waits for it.
//
// Owned by a Connection. Loop thread only.
#pragma once

#include <capnp/message.h>
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

class MessageStream {
 public:
  // Nothing: the stream has ended.
  using Received = kj::Maybe<kj::Own<capnp::MessageReader>>;
  using Segments = kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>;

  // Works over any stream, and without the detours over one of ours. Both outlive this object.
  MessageStream(kj::AsyncIoStream& stream, kj::Timer& timer, MessageStreamOptions options);

  // The other side has made itself known: `unadmitted_bytes_max` ends.
  void admit();

  // The next message, once the one before has been received.
  kj::Promise<Received> receive(const capnp::ReaderOptions& options);
  // That, and every receive() to come, fails with `why`.
  void break_reads(const kj::Exception& why);

  // Takes the message over. A promise: the queue is over its bound until then, or the stream is
  // broken; whoever wrote keeps the promise and writes on all the same.
  kj::Maybe<kj::Promise<void>> write(Segments message);
  // No message follows; what was written still leaves.
  kj::Promise<void> end();

 private:
  Received take_buffered(const capnp::ReaderOptions& options);
  Task<Received> receive_from_ours(capnp::ReaderOptions options);
  Task<Received> receive_from_other(capnp::ReaderOptions options);
  kj::Promise<void> write_to_other(Segments message);
  Task<void> until_written();
  kj::Promise<void> with_stall_timeout(kj::Promise<void> written);
  bool blocked() const { return blocked_writes_ > 0; }

  kj::AsyncIoStream& stream_;
  Stream* ours_;  // the same stream if it is one of ours, else null
  kj::Timer& timer_;
  MessageStreamOptions options_;
  kj::Maybe<kj::Exception> broken_;
  // Writes that have been taken but wait for the peer to read.
  int blocked_writes_ = 0;
  kj::Maybe<kj::Own<kj::PromiseFulfiller<void>>> unblocked_;
  kj::Maybe<kj::Own<kj::PromiseFulfiller<void>>> admitted_;  // a read waits for it
  // Of another's stream, which takes one write at a time.
  kj::Canceler other_reads_;
  kj::ForkedPromise<void> other_written_ = nullptr;
};

}  // namespace coord::rpc
