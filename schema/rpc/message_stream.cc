#include "schema/rpc/message_stream.h"

#include <capnp/rpc.capnp.h>
#include <capnp/serialize-async.h>
#include <capnp/serialize.h>
#include <kj/debug.h>

#include <algorithm>
#include <array>
#include <utility>

#include "schema/rpc/framing.h"

namespace coord::rpc {

namespace {

// Our own messages only have what their type needs: far less than this, for a Finish.
constexpr std::size_t kFinishWordsMax = 8;

}  // namespace

MessageStream::MessageStream(kj::AsyncIoStream& stream, kj::Timer& timer,
                             MessageStreamOptions options)
    : stream_(stream),
      ours_(dynamic_cast<Stream*>(&stream)),
      timer_(timer),
      options_(options),
      heard_(timer.now()),
      tasks_(*this) {
  if (ours_ == nullptr) other_written_ = kj::Promise<void>(kj::READY_NOW).fork();
}

// ---------------------------------------------------------------------------------------------
// Reading

kj::Promise<MessageStream::Received> MessageStream::receive(const capnp::ReaderOptions& options) {
  KJ_IF_MAYBE (why, broken_) return kj::cp(*why);
  if (ours_ == nullptr) return other_reads_.wrap<Received>(receive_from_other(options));
  if (options_.hold_reads && blocked()) return receive_from_ours(options);
  Received received;
  KJ_IF_MAYBE (exception, kj::runCatchingExceptions([&] { received = take_buffered(options); })) {
    return kj::mv(*exception);
  }
  if (received != nullptr) return kj::mv(received);
  return receive_from_ours(options);
}

MessageStream::Received MessageStream::take_buffered(const capnp::ReaderOptions& options) {
  const auto buffered = ours_->buffered();
  const auto size = framed_size(buffered, options_.message_bytes_max);
  if (!size.has_value() || *size > buffered.size()) return nullptr;
  auto reader = read_framed(buffered.first(*size), options);
  ours_->consume(*size);
  return kj::mv(reader);
}

Task<MessageStream::Received> MessageStream::receive_from_ours(capnp::ReaderOptions options) {
  if (options_.hold_reads) co_await until_written();
  Assembly assembly(options_.message_bytes_max);
  while (true) {
    throw_if_broken();
    if (assembly.empty()) {
      KJ_IF_MAYBE (reader, take_buffered(options)) co_return kj::mv(*reader);
    }
    ours_->consume(assembly.take(ours_->buffered()));
    if (assembly.complete()) co_return read_framed(assembly.bytes(), options);
    if (assembly.size().value_or(0) > options_.unadmitted_bytes_max) {
      auto paf = kj::newPromiseAndFulfiller<void>();
      admitted_ = kj::mv(paf.fulfiller);
      co_await kj::mv(paf.promise);
    }
    if (!ours_->buffered().empty()) continue;
    if (!co_await ours_->fill()) break;
    heard_ = timer_.now();
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
  heard_ = timer_.now();
  co_return kj::mv(received);
}

void MessageStream::admit() {
  options_.unadmitted_bytes_max = SIZE_MAX;
  KJ_IF_MAYBE (admitted, admitted_) (*admitted)->fulfill();
}

bool MessageStream::blocked() const {
  if (ours_ == nullptr) return other_writes_ > 0;
  return ours_->unsent_bytes() > limits::kStreamWriteBufferMax;
}

Task<void> MessageStream::until_written() {
  while (blocked()) {
    auto written = ours_ != nullptr ? ours_->drained() : other_written_.addBranch();
    co_await kj::mv(written);
  }
}

// ---------------------------------------------------------------------------------------------
// Writing

namespace {

bool is_finish(MessageStream::Segments segments) {
  if (segments.size() != 1 || segments[0].size() > kFinishWordsMax) return false;
  capnp::SegmentArrayMessageReader message(segments);
  return message.getRoot<capnp::rpc::Message>().isFinish();
}

// An array on the stack, as long as it is as short as it usually is.
template <class T>
class Room {
 public:
  kj::ArrayPtr<T> of(std::size_t size) {
    if (size <= usual_.size()) return kj::arrayPtr(usual_.data(), size);
    large_ = kj::heapArray<T>(size);
    return large_;
  }

 private:
  std::array<T, 16> usual_;
  kj::Array<T> large_;
};

// What goes before the segments: their count less one, their sizes, and padding to a whole word.
std::size_t table_entries(MessageStream::Segments segments) {
  return (segments.size() / 2 + 1) * 2;
}

void fill_table(MessageStream::Segments segments, kj::ArrayPtr<std::uint32_t> table) {
  std::uint32_t* entry = table.begin();
  *entry++ = static_cast<std::uint32_t>(segments.size() - 1);
  for (const auto& segment : segments) *entry++ = static_cast<std::uint32_t>(segment.size());
  if (entry != table.end()) *entry = 0;
}

}  // namespace

void MessageStream::write(Segments message) {
  if (ours_ == nullptr) return write_to_other(message);
  Room<std::uint32_t> table_room;
  auto table = table_room.of(table_entries(message));
  fill_table(message, table);
  Room<kj::ArrayPtr<const kj::byte>> pieces_room;
  auto pieces = pieces_room.of(message.size() + 1);
  pieces[0] = table.asBytes();
  for (std::size_t i = 0; i < message.size(); ++i) pieces[i + 1] = message[i].asBytes();
  // Our stream copies before it returns.
  KJ_IF_MAYBE (refused, ours_->post(pieces, !is_finish(message))) {
    tasks_.add(kj::mv(*refused));
  } else if (blocked() && !watching_for_stall_) {
    watching_for_stall_ = true;
    tasks_.add(watch_for_stall());
  }
}

void MessageStream::flush() {
  if (ours_ != nullptr) ours_->flush_now();
}

void MessageStream::write_to_other(Segments message) {
  ++other_writes_;
  auto words = capnp::messageToFlatArray(message);
  other_written_ =
      other_written_.addBranch()
          .then([this, words = kj::mv(words)]() mutable {
            const auto bytes = words.asBytes();
            const auto timeout = options_.stall_timeout.count() * kj::NANOSECONDS;
            return timer_.timeoutAfter(timeout, stream_.write(bytes.begin(), bytes.size()))
                .attach(kj::mv(words));
          })
          .then([this] { --other_writes_; })
          .fork();
  tasks_.add(other_written_.addBranch());
}

// A few looks in each `stall_timeout`, for as long as more than the bound waits.
Task<void> MessageStream::watch_for_stall() {
  constexpr int kLooks = 4;
  const auto interval = options_.stall_timeout.count() * kj::NANOSECONDS / kLooks;
  std::uint64_t sent = ours_->sent_bytes();
  for (int looks = 0; looks < kLooks && blocked(); ++looks) {
    co_await timer_.afterDelay(interval);
    if (ours_->sent_bytes() != sent) looks = -1;
    sent = ours_->sent_bytes();
  }
  watching_for_stall_ = false;
  if (blocked()) kj::throwFatalException(KJ_EXCEPTION(DISCONNECTED, "the peer does not read"));
}

void MessageStream::break_off(const kj::Exception& why) {
  if (broken_ != nullptr) return;
  broken_ = kj::cp(why);
  KJ_IF_MAYBE (admitted, admitted_) (*admitted)->reject(kj::cp(why));
  if (ours_ != nullptr) {
    ours_->break_off(why);
  } else {
    other_reads_.cancel(why);
  }
}

void MessageStream::throw_if_broken() const {
  KJ_IF_MAYBE (why, broken_) kj::throwFatalException(kj::cp(*why));
}

kj::Promise<void> MessageStream::end() {
  if (ours_ == nullptr) {
    return other_written_.addBranch().then([this] { stream_.shutdownWrite(); });
  }
  stream_.shutdownWrite();
  return ours_->drained();
}

}  // namespace coord::rpc
