// Cap'n Proto messages over a stream, with bounds that the library's own framing does not have.
//
// - A message is refused by its announced size, and memory for it is taken only as its bytes
// arrive:
//   nobody can make us allocate by announcing.
// - With `hold_reads`, nothing is read while what we wrote is not being read: a client that sends
//   requests and ignores the answers stops being served instead of filling our memory. For the
//   accepting side only: if both sides did it, two that wait for each other would wait for ever.
// - Output that waits and makes no way at all for `stall_timeout` breaks the connection; a peer
// that
//   reads slowly may take its time.
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

class MessageStream : private kj::TaskSet::ErrorHandler {
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
  // Takes the message over. If it cannot be sent any more, reading breaks too.
  void write(Segments message);
  // What was written leaves now, and not with the rest of this turn.
  void flush();
  // When bytes arrived last, be it of a message that is not whole yet; at first, when it was made.
  kj::TimePoint heard() const { return heard_; }
  // No message follows. Resolves when what was written has left, but for what the stream buffers.
  kj::Promise<void> end();

 private:
  Received take_buffered(const capnp::ReaderOptions& options);
  Task<Received> receive_from_ours(capnp::ReaderOptions options);
  Task<Received> receive_from_other(capnp::ReaderOptions options);
  Task<void> until_written();
  bool blocked() const;

  void write_to_other(Segments message);
  Task<void> watch_for_stall();
  void break_off(const kj::Exception& why);
  void throw_if_broken() const;
  void taskFailed(kj::Exception&& exception) override { break_off(exception); }

  kj::AsyncIoStream& stream_;
  Stream* ours_;  // the same stream if it is one of ours, else null
  kj::Timer& timer_;
  MessageStreamOptions options_;
  kj::Maybe<kj::Exception> broken_;
  kj::Maybe<kj::Own<kj::PromiseFulfiller<void>>> admitted_;  // a read waits for it
  kj::TimePoint heard_;
  bool watching_for_stall_ = false;
  // Of another's stream, which takes one write at a time.
  kj::Canceler other_reads_;
  std::size_t other_writes_ = 0;
  kj::ForkedPromise<void> other_written_ = nullptr;
  kj::TaskSet tasks_;
};

}  // namespace coord::rpc
