#include "schema/rpc/message_stream.h"

#include <capnp/rpc.capnp.h>
#include <capnp/serialize.h>
#include <kj/debug.h>

#include <algorithm>
#include <array>
#include <utility>

#include "schema/rpc/framing.h"

namespace coord::rpc {

namespace {

using Segments = kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>;

// What may be under way in one streaming call before its sender waits.
constexpr int kStreamingWindowBytes = 256 * limits::kKiB;
// Our own messages only have what their type needs: far less than this, for a Finish.
constexpr std::size_t kFinishWordsMax = 8;

capnp::MessageReaderAndFds without_fds(kj::Own<capnp::MessageReader> reader) {
  return {kj::mv(reader), nullptr};
}

}  // namespace

MessageStream::MessageStream(kj::AsyncIoStream& stream, kj::Timer& timer,
                             MessageStreamOptions options)
    : stream_(stream), ours_(dynamic_cast<Stream*>(&stream)), timer_(timer), options_(options) {}

kj::Promise<kj::Maybe<capnp::MessageReaderAndFds>> MessageStream::tryReadMessage(
    kj::ArrayPtr<kj::AutoCloseFd>, capnp::ReaderOptions options, kj::ArrayPtr<capnp::word>) {
  if (ours_ == nullptr) return receive_from_other(options);
  if (options_.hold_reads && blocked()) return receive(options);
  Received received;
  KJ_IF_MAYBE (exception, kj::runCatchingExceptions([&] {
                 KJ_IF_MAYBE (reader, take_buffered(options)) {
                   received = without_fds(kj::mv(*reader));
                 }
               })) {
    return kj::mv(*exception);
  }
  if (received != nullptr) return kj::mv(received);
  return receive(options);
}

kj::Maybe<kj::Own<capnp::MessageReader>> MessageStream::take_buffered(
    capnp::ReaderOptions options) {
  const auto buffered = ours_->buffered();
  const auto size = framed_size(buffered, options_.message_bytes_max);
  if (!size.has_value() || *size > buffered.size()) return nullptr;
  auto reader = read_framed(buffered.first(*size), options);
  ours_->consume(*size);
  return kj::mv(reader);
}

Task<MessageStream::Received> MessageStream::receive(capnp::ReaderOptions options) {
  if (options_.hold_reads) co_await until_written();
  Assembly assembly(options_.message_bytes_max);
  while (true) {
    if (assembly.empty()) {
      KJ_IF_MAYBE (reader, take_buffered(options)) co_return without_fds(kj::mv(*reader));
    }
    ours_->consume(assembly.take(ours_->buffered()));
    if (assembly.complete()) co_return without_fds(read_framed(assembly.bytes(), options));
    if (assembly.size().value_or(0) > options_.unadmitted_bytes_max) {
      auto paf = kj::newPromiseAndFulfiller<void>();
      admitted_ = kj::mv(paf.fulfiller);
      co_await kj::mv(paf.promise);
    }
    if (ours_->buffered().empty() && !co_await ours_->fill()) break;
  }
  if (!assembly.empty()) {
    kj::throwFatalException(KJ_EXCEPTION(DISCONNECTED, "the stream ended within a message"));
  }
  co_return Received();
}

Task<MessageStream::Received> MessageStream::receive_from_other(capnp::ReaderOptions options) {
  if (options_.hold_reads) co_await until_written();
  options.traversalLimitInWords = std::min<std::uint64_t>(
      options.traversalLimitInWords, options_.message_bytes_max / sizeof(capnp::word));
  auto received = co_await capnp::tryReadMessage(stream_, options);
  KJ_IF_MAYBE (reader, received) co_return without_fds(kj::mv(*reader));
  co_return Received();
}

void MessageStream::admit() {
  options_.unadmitted_bytes_max = SIZE_MAX;
  KJ_IF_MAYBE (admitted, admitted_) (*admitted)->fulfill();
}

// The next message in the writer's queue is written as soon as the one before it is; only when that
// has had its chance is it known whether the writer still waits.
Task<void> MessageStream::until_written() {
  while (blocked()) {
    auto paf = kj::newPromiseAndFulfiller<void>();
    unblocked_ = kj::mv(paf.fulfiller);
    co_await kj::mv(paf.promise);
    co_await kj::evalLast([] {});
  }
}

kj::Promise<void> MessageStream::writeMessage(kj::ArrayPtr<const int>, Segments segments) {
  const Segments messages[] = {segments};
  return writeMessages(kj::arrayPtr(const_cast<Segments*>(messages), 1));
}

namespace {

bool is_finish(Segments segments) {
  if (segments.size() != 1 || segments[0].size() > kFinishWordsMax) return false;
  capnp::SegmentArrayMessageReader message(segments);
  return message.getRoot<capnp::rpc::Message>().isFinish();
}

struct Frames {
  kj::Vector<std::uint32_t> table;
  kj::Vector<kj::ArrayPtr<const kj::byte>> pieces;
};

// Segment count less one, sizes, and padding to a whole word.
std::size_t table_size(Segments segments) {
  return (segments.size() / 2 + 1) * 2;
}

// The pieces point into `frames.table`, which must not grow any more afterwards.
void frame(kj::ArrayPtr<Segments> messages, Frames& frames) {
  std::size_t entries = 0;
  for (const auto& segments : messages) entries += table_size(segments);
  frames.table.resize(entries);
  std::uint32_t* entry = frames.table.begin();
  for (const auto& segments : messages) {
    std::uint32_t* const begin = entry;
    *entry++ = static_cast<std::uint32_t>(segments.size() - 1);
    for (const auto& segment : segments) *entry++ = static_cast<std::uint32_t>(segment.size());
    if (segments.size() % 2 == 0) *entry++ = 0;
    frames.pieces.add(kj::arrayPtr(begin, entry).asBytes());
    for (const auto& segment : segments) frames.pieces.add(segment.asBytes());
  }
}

}  // namespace

kj::Promise<void> MessageStream::writeMessages(kj::ArrayPtr<Segments> messages) {
  if (ours_ != nullptr) {
    // Our stream copies before it returns.
    Frames frames;
    frame(messages, frames);
    const bool urgent = !std::all_of(messages.begin(), messages.end(), is_finish);
    auto written = ours_->write(frames.pieces.asPtr(), urgent);
    if (ours_->unsent_bytes() <= limits::kStreamWriteBufferMax) return written;
    return with_stall_timeout(kj::mv(written));
  }
  auto frames = kj::heap<Frames>();
  frame(messages, *frames);
  auto written = stream_.write(frames->pieces.asPtr());
  return with_stall_timeout(written.attach(kj::mv(frames)));
}

kj::Promise<void> MessageStream::with_stall_timeout(kj::Promise<void> written) {
  ++blocked_writes_;
  const auto timeout = options_.stall_timeout.count() * kj::NANOSECONDS;
  return timer_.timeoutAfter(timeout, kj::mv(written)).attach(kj::defer([this] {
    if (--blocked_writes_ > 0) return;
    KJ_IF_MAYBE (unblocked, unblocked_) (*unblocked)->fulfill();
  }));
}

kj::Maybe<int> MessageStream::getSendBufferSize() {
  return kStreamingWindowBytes;
}

kj::Promise<void> MessageStream::end() {
  stream_.shutdownWrite();
  return kj::READY_NOW;
}

}  // namespace coord::rpc
