// One connected socket as a kj::AsyncIoStream; network.h has the contract. Owned by whoever got it
// from connect() or accept(); must not outlive its Loop. Loop thread only.
//
// Asio only says when the socket is ready; the system calls are made here, on a non-blocking
// socket, so that a waiting Asio operation never holds a buffer that could be gone. Reading is
// driven by demand: while nobody has asked for more than is buffered, the peer is not read, and its
// own output backs up.
#pragma once

#include <kj/async-io.h>
#include <kj/exception.h>

#include <asio/generic/stream_protocol.hpp>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "schema/rpc/loop_impl.h"
#include "schema/rpc/write_queue.h"

namespace coord::rpc {

class ReadNode;

class Stream final : public kj::AsyncIoStream {
 public:
  using Socket = asio::generic::stream_protocol::socket;

  // The socket is connected and non-blocking.
  Stream(Loop::Impl& loop, Socket socket);
  ~Stream() noexcept;
  Stream(const Stream&) = delete;

  kj::Promise<size_t> tryRead(void* buffer, size_t bytes_min, size_t bytes_max) override;
  void abortRead() override;

  kj::Promise<void> write(const void* buffer, size_t size) override;
  kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) override;
  kj::Promise<void> whenWriteDisconnected() override;
  void shutdownWrite() override;

  void getsockopt(int level, int option, void* value, kj::uint* length) override;
  void setsockopt(int level, int option, const void* value, kj::uint length) override;
  void getsockname(sockaddr* address, kj::uint* length) override;
  void getpeername(sockaddr* address, kj::uint* length) override;
  kj::Maybe<int> getFd() const override { return fd(); }

  // Queues the pieces whatever waits already, or says why nothing can be written any more. What is
  // not urgent leaves with the next that is, or a few milliseconds later.
  kj::Maybe<kj::Exception> post(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces,
                                bool urgent);
  // Sends what is queued now, and not at the end of the turn.
  void flush_now();
  // Resolves when no more than kStreamWriteBufferMax waits to be sent; fails when writing has.
  kj::Promise<void> drained();
  // What was written and not sent is dropped, a read or write that waits fails with `why`, and so
  // does every one to come.
  void break_off(const kj::Exception& why);

  // Reading without a copy, instead of tryRead(). buffered(): what is there already; valid until
  // the next consume() or wait. fill(): once everything buffered has been consumed, waits until
  // there is something again; false is end of file.
  std::span<const std::byte> buffered() const;
  void consume(std::size_t bytes);
  kj::Promise<bool> fill();

  // Bytes taken over by write() that the kernel has not taken yet; and those that it has, of all
  // time.
  std::size_t unsent_bytes() const { return out_.size(); }
  std::uint64_t sent_bytes() const { return sent_bytes_; }

  // The loop's end of turn.
  void flush_turn();
  // The loop's, when what is not urgent has waited long enough.
  void flush_overdue();

 private:
  friend class ReadNode;

  int fd() const;
  kj::Maybe<kj::Exception> cannot_write() const;
  void need_flush();
  void flush();
  void send_some();
  void fail_write(const kj::Exception& why);
  void release_writers();
  void finish_shutdown();
  bool hung_up() const;

  void start_reader(ReadNode& reader);
  bool take_buffered(ReadNode& reader);
  void wait_readable();
  void wait_writable();
  void open_write_side();
  void receive();
  void receive_into(ReadNode& reader);
  void keep(BlockPool::Block block, std::size_t bytes);
  void put_back(const std::byte* data, std::size_t bytes);
  void drop_buffer();

  Loop::Impl& loop_;
  Socket socket_;
  // Asio's handlers hold this and look here first: null once the stream is gone.
  std::shared_ptr<Stream*> self_;

  // Read side. Bytes [in_begin_, in_end_) of in_ were received and not yet asked for; in_ is only
  // held while there are any.
  BlockPool::Block in_;
  std::size_t in_begin_ = 0;
  std::size_t in_end_ = 0;
  // Bytes that a dropped read gave back and that did not fit before in_begin_; they come first.
  std::vector<std::byte> returned_;
  std::size_t returned_begin_ = 0;
  ReadNode* reader_ = nullptr;  // the read under way, until its result has been taken
  bool waiting_readable_ = false;
  bool end_of_file_ = false;
  kj::Maybe<kj::Exception> read_error_;

  // Write side.
  WriteQueue out_;
  std::uint64_t sent_bytes_ = 0;
  bool dirty_ = false;             // the loop will call flush_turn()
  bool lingering_ = false;         // the loop will call flush_overdue()
  bool waiting_writable_ = false;  // the kernel's buffer is full
  // A second descriptor of the socket, while it is waited for to become writable. Once Asio has
  // been asked that of a descriptor, every later wait for reading returns in vain because it is
  // writable.
  std::optional<Socket> write_side_;
  bool shutdown_ = false;  // nothing may be written any more
  kj::Maybe<kj::Exception> write_error_;
  // Those who wait until the queue is below its bound.
  std::vector<kj::Own<kj::PromiseFulfiller<void>>> writers_;
  kj::Maybe<kj::ForkedPromise<void>> disconnected_;
  kj::Maybe<kj::Own<kj::PromiseFulfiller<void>>> disconnect_;
};

}  // namespace coord::rpc
