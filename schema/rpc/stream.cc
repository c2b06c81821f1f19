#include "schema/rpc/stream.h"

#include <fcntl.h>
#include <kj/debug.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "schema/rpc/read_node.h"
#include "schema/rpc/system_error.h"

namespace coord::rpc {

namespace {
constexpr std::size_t kPiecesMax = 64;  // of one writev
constexpr std::size_t kLingeringBytesMax = 4 * limits::kKiB;
}  // namespace

ReadNode::~ReadNode() noexcept {
  if (stream_ == nullptr) return;
  stream_->reader_ = nullptr;
  if (got_ > 0) stream_->put_back(target_.buffer, got_);
}

void ReadNode::taken() {
  if (stream_ != nullptr) stream_->reader_ = nullptr;
  stream_ = nullptr;
}

Stream::Stream(Loop::Impl& loop, Socket socket)
    : loop_(loop),
      socket_(std::move(socket)),
      self_(std::make_shared<Stream*>(this)),
      out_(loop.write_blocks) {}

Stream::~Stream() noexcept {
  *self_ = nullptr;
  if (!out_.empty() && write_error_ == nullptr && !waiting_writable_) flush();
  if (dirty_ || lingering_) loop_.forget(*this);
  if (reader_ != nullptr) {
    if (!reader_->ready()) reader_->fail(KJ_EXCEPTION(DISCONNECTED, "the stream was destroyed"));
    reader_->detach();
  }
  if (in_ != nullptr) drop_buffer();
  asio::error_code ignored;
  socket_.close(ignored);
}

int Stream::fd() const {
  return const_cast<Socket&>(socket_).native_handle();
}

// ---------------------------------------------------------------------------------------------
// Reading

kj::Promise<size_t> Stream::tryRead(void* buffer, size_t bytes_min, size_t bytes_max) {
  auto node = kj::heap<BytesReadNode>(
      *this, ReadTarget{static_cast<std::byte*>(buffer), bytes_min, bytes_max});
  start_reader(*node);
  return kj::_::PromiseNode::to<kj::Promise<size_t>>(kj::mv(node));
}

kj::Promise<bool> Stream::fill() {
  auto node = kj::heap<FillNode>(*this);
  start_reader(*node);
  return kj::_::PromiseNode::to<kj::Promise<bool>>(kj::mv(node));
}

void Stream::start_reader(ReadNode& reader) {
  if (reader_ != nullptr) {
    if (!reader_->ready()) {
      reader.detach();
      return reader.fail(KJ_EXCEPTION(FAILED, "this stream is being read already"));
    }
    reader_->detach();
  }
  reader_ = &reader;
  if (take_buffered(reader)) return reader.finish(false);
  if (end_of_file_) return reader.finish(true);
  KJ_IF_MAYBE (error, read_error_) return reader.fail(kj::cp(*error));
  wait_readable();
}

// True: the reader has what it wants.
bool Stream::take_buffered(ReadNode& reader) {
  if (!reader.into_buffer()) return !buffered().empty();
  while (reader.free_bytes() > 0 && !buffered().empty()) {
    const auto source = buffered().first(std::min(buffered().size(), reader.free_bytes()));
    std::memcpy(reader.free_space(), source.data(), source.size());
    reader.add(source.size());
    consume(source.size());
  }
  return reader.satisfied();
}

std::span<const std::byte> Stream::buffered() const {
  if (!returned_.empty()) return std::span(returned_).subspan(returned_begin_);
  return {in_.get() + in_begin_, in_end_ - in_begin_};
}

void Stream::consume(std::size_t bytes) {
  if (!returned_.empty()) {
    returned_begin_ += bytes;
    if (returned_begin_ == returned_.size()) {
      returned_ = {};
      returned_begin_ = 0;
    }
    return;
  }
  in_begin_ += bytes;
  if (in_begin_ == in_end_ && in_ != nullptr) drop_buffer();
}

void Stream::drop_buffer() {
  loop_.read_blocks.give_back(std::move(in_));
  in_begin_ = in_end_ = 0;
}

void Stream::put_back(const std::byte* data, std::size_t bytes) {
  if (returned_.empty() && in_begin_ >= bytes) {
    in_begin_ -= bytes;
    std::memcpy(in_.get() + in_begin_, data, bytes);
    return;
  }
  returned_.erase(returned_.begin(),
                  returned_.begin() + static_cast<std::ptrdiff_t>(returned_begin_));
  returned_begin_ = 0;
  returned_.insert(returned_.begin(), data, data + bytes);
}

void Stream::wait_readable() {
  if (waiting_readable_) return;
  waiting_readable_ = true;
  socket_.async_wait(Socket::wait_read, [self = self_](const asio::error_code&) {
    if (*self == nullptr) return;
    (*self)->waiting_readable_ = false;
    (*self)->receive();
  });
}

void Stream::receive() {
  // Nobody asks any more: what has come stays with the kernel until somebody does.
  if (reader_ == nullptr || reader_->ready()) return;
  receive_into(*reader_);
}

void Stream::receive_into(ReadNode& reader) {
  BlockPool::Block block = loop_.read_blocks.take();
  std::array<iovec, 2> pieces;
  int count = 0;
  const std::size_t direct = reader.into_buffer() ? reader.free_bytes() : 0;
  if (direct > 0) pieces[count++] = {reader.free_space(), direct};
  pieces[count++] = {block.get(), loop_.read_blocks.block_bytes()};

  ssize_t got;
  do {
    got = ::readv(fd(), pieces.data(), count);
  } while (got < 0 && errno == EINTR);
  const int error = errno;

  const std::size_t bytes = got > 0 ? static_cast<std::size_t>(got) : 0;
  reader.add(std::min(bytes, direct));
  keep(std::move(block), bytes - std::min(bytes, direct));
  if (got > 0) {
    if (reader.satisfied() || !reader.into_buffer()) return reader.finish(false);
    return wait_readable();
  }
  if (got == 0) {
    end_of_file_ = true;
    return reader.finish(true);
  }
  if (error == EAGAIN || error == EWOULDBLOCK) return wait_readable();
  read_error_ = system_error("read", error);
  reader.fail(system_error("read", error));
}

// The buffer is empty whenever something is received: readers take what there is first.
void Stream::keep(BlockPool::Block block, std::size_t bytes) {
  if (bytes == 0) return loop_.read_blocks.give_back(std::move(block));
  in_ = std::move(block);
  in_begin_ = 0;
  in_end_ = bytes;
}

void Stream::abortRead() {
  ::shutdown(fd(), SHUT_RD);
  end_of_file_ = true;
  if (reader_ != nullptr && !reader_->ready()) reader_->finish(true);
}

// ---------------------------------------------------------------------------------------------
// Writing

kj::Maybe<kj::Exception> Stream::cannot_write() const {
  KJ_IF_MAYBE (error, write_error_) return kj::cp(*error);
  if (shutdown_) return KJ_EXCEPTION(FAILED, "write after shutdownWrite()");
  return nullptr;
}

kj::Promise<void> Stream::write(const void* buffer, size_t size) {
  const kj::ArrayPtr<const kj::byte> pieces[] = {{static_cast<const kj::byte*>(buffer), size}};
  return write(pieces);
}

kj::Promise<void> Stream::write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) {
  KJ_IF_MAYBE (refused, post(pieces, true)) return kj::mv(*refused);
  return drained();
}

kj::Maybe<kj::Exception> Stream::post(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces,
                                      bool urgent) {
  KJ_IF_MAYBE (refused, cannot_write()) return kj::mv(*refused);
  for (const auto& piece : pieces) out_.append(piece.begin(), piece.size());
  if (out_.size() > limits::kStreamWriteBufferMax && !waiting_writable_) {
    flush();
    KJ_IF_MAYBE (error, write_error_) return kj::cp(*error);
  }
  if (urgent || out_.size() > kLingeringBytesMax) {
    need_flush();
  } else if (!lingering_) {
    lingering_ = true;
    loop_.mark_lingering(*this);
  }
  return nullptr;
}

void Stream::need_flush() {
  if (dirty_ || waiting_writable_) return;
  dirty_ = true;
  loop_.mark_dirty(*this);
}

void Stream::flush_overdue() {
  lingering_ = false;
  if (!out_.empty()) need_flush();
}

kj::Promise<void> Stream::drained() {
  KJ_IF_MAYBE (error, write_error_) return kj::cp(*error);
  if (out_.size() <= limits::kStreamWriteBufferMax) return kj::READY_NOW;
  auto paf = kj::newPromiseAndFulfiller<void>();
  writers_.push_back(kj::mv(paf.fulfiller));
  return kj::mv(paf.promise);
}

void Stream::flush_turn() {
  dirty_ = false;
  if (!waiting_writable_) flush();
}

void Stream::flush_now() {
  if (!waiting_writable_ && !out_.empty()) flush();
}

void Stream::flush() {
  send_some();
  if (out_.size() <= limits::kStreamWriteBufferMax) release_writers();
  if (out_.empty()) {
    finish_shutdown();
  } else if (write_error_ == nullptr) {
    wait_writable();
  }
}

void Stream::send_some() {
  while (!out_.empty() && write_error_ == nullptr) {
    std::array<iovec, kPiecesMax> pieces;
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = out_.front(pieces);
    std::size_t offered = 0;
    for (std::size_t i = 0; i < message.msg_iovlen; ++i) offered += pieces[i].iov_len;

    const ssize_t sent = ::sendmsg(fd(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) fail_write(system_error("write", errno));
      return;
    }
    out_.consume(static_cast<std::size_t>(sent));
    sent_bytes_ += static_cast<std::size_t>(sent);
    if (static_cast<std::size_t>(sent) < offered) return;
  }
}

void Stream::wait_writable() {
  if (waiting_writable_) return;
  waiting_writable_ = true;
  if (!write_side_.has_value()) open_write_side();
  Socket& socket = write_side_.has_value() ? *write_side_ : socket_;
  socket.async_wait(Socket::wait_write, [self = self_](const asio::error_code&) {
    if (*self == nullptr) return;
    (*self)->waiting_writable_ = false;
    (*self)->flush();
    if (!(*self)->waiting_writable_) (*self)->write_side_.reset();
  });
}

// Without one (no descriptors left) it is waited for with the first.
void Stream::open_write_side() {
  const int copy = ::fcntl(fd(), F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return;
  asio::error_code error;
  write_side_.emplace(loop_.io());
  write_side_->assign(asio::generic::stream_protocol(0, 0), copy, error);
  if (!error) return;
  ::close(copy);
  write_side_.reset();
}

void Stream::fail_write(const kj::Exception& why) {
  write_error_ = kj::cp(why);
  out_.clear();
  auto writers = std::exchange(writers_, {});
  for (auto& writer : writers) writer->reject(kj::cp(why));
  KJ_IF_MAYBE (disconnect, disconnect_) (*disconnect)->fulfill();
}

void Stream::break_off(const kj::Exception& why) {
  if (write_error_ == nullptr) fail_write(why);
  if (read_error_ == nullptr) read_error_ = kj::cp(why);
  if (reader_ != nullptr && !reader_->ready()) reader_->fail(kj::cp(why));
}

void Stream::release_writers() {
  auto writers = std::exchange(writers_, {});
  for (auto& writer : writers) writer->fulfill();
}

void Stream::finish_shutdown() {
  if (shutdown_) ::shutdown(fd(), SHUT_WR);
}

void Stream::shutdownWrite() {
  if (shutdown_) return;
  shutdown_ = true;
  if (out_.empty()) finish_shutdown();
}

// Asio's wait_error also answers to urgent data.
bool Stream::hung_up() const {
  pollfd poll{fd(), 0, 0};
  return ::poll(&poll, 1, 0) > 0 && (poll.revents & (POLLERR | POLLHUP)) != 0;
}

kj::Promise<void> Stream::whenWriteDisconnected() {
  if (write_error_ != nullptr) return kj::READY_NOW;
  KJ_IF_MAYBE (disconnected, disconnected_) return disconnected->addBranch();
  auto paf = kj::newPromiseAndFulfiller<void>();
  disconnect_ = kj::mv(paf.fulfiller);
  auto forked = paf.promise.fork();
  auto branch = forked.addBranch();
  disconnected_ = kj::mv(forked);
  // Both directions closed, or reset.
  socket_.async_wait(Socket::wait_error, [self = self_](const asio::error_code&) {
    if (*self == nullptr || !(*self)->hung_up()) return;
    KJ_IF_MAYBE (disconnect, (*self)->disconnect_) (*disconnect)->fulfill();
  });
  return branch;
}

// ---------------------------------------------------------------------------------------------
// The socket

void Stream::getsockopt(int level, int option, void* value, kj::uint* length) {
  socklen_t size = *length;
  require_success("getsockopt", ::getsockopt(fd(), level, option, value, &size));
  *length = size;
}
void Stream::setsockopt(int level, int option, const void* value, kj::uint length) {
  require_success("setsockopt", ::setsockopt(fd(), level, option, value, length));
}
void Stream::getsockname(sockaddr* address, kj::uint* length) {
  socklen_t size = *length;
  require_success("getsockname", ::getsockname(fd(), address, &size));
  *length = size;
}
void Stream::getpeername(sockaddr* address, kj::uint* length) {
  socklen_t size = *length;
  require_success("getpeername", ::getpeername(fd(), address, &size));
  *length = size;
}

}  // namespace coord::rpc
