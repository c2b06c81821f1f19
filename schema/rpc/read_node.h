// The promise of one read from a Stream. A node of KJ's graph of its own, because it has to know
// whether its result was ever taken: bytes that nobody took go back to the stream, so that a read
// can be raced against a timer without losing anything.
#pragma once

#include <kj/async.h>

#include <cstddef>
#include <variant>

namespace coord::rpc {

class Stream;

// Where a read puts its bytes; the result is how many. `buffer` null: the result is whether the
// stream has something buffered, nothing is moved.
struct ReadTarget {
  std::byte* buffer = nullptr;
  std::size_t bytes_min = 0;
  std::size_t bytes_max = 0;
};

class ReadNode : public kj::_::PromiseNode {
 public:
  ReadNode(Stream& stream, ReadTarget target) : stream_(&stream), target_(target) {}
  virtual ~ReadNode() noexcept;

  void onReady(kj::_::Event* event) noexcept override { on_ready_.init(event); }
  void tracePromise(kj::_::TraceBuilder&, bool) override {}

  std::byte* free_space() const { return target_.buffer + got_; }
  std::size_t free_bytes() const { return target_.bytes_max - got_; }
  bool into_buffer() const { return target_.buffer != nullptr; }
  bool satisfied() const { return into_buffer() && got_ >= target_.bytes_min; }
  void add(std::size_t bytes) { got_ += bytes; }

  bool ready() const { return ready_; }
  // With what there is; fewer than the least wanted means end of file.
  void finish(bool end_of_file) {
    end_of_file_ = end_of_file;
    arm();
  }
  void fail(kj::Exception&& exception) {
    exception_ = kj::mv(exception);
    arm();
  }
  // The stream is gone, or another read has begun.
  void detach() { stream_ = nullptr; }

 protected:
  // The result is on its way to the consumer.
  void taken();

  std::size_t got_ = 0;
  bool end_of_file_ = false;
  kj::Maybe<kj::Exception> exception_;

 private:
  void arm() {
    ready_ = true;
    on_ready_.arm();
  }

  Stream* stream_;
  ReadTarget target_;
  OnReadyEvent on_ready_;
  bool ready_ = false;
};

// tryRead().
class BytesReadNode final : public ReadNode {
 public:
  using ReadNode::ReadNode;
  void get(kj::_::ExceptionOrValue& output) noexcept override {
    if (exception_ != nullptr) {
      output.exception = kj::mv(exception_);
    } else {
      output.as<size_t>() = kj::_::ExceptionOr<size_t>(size_t(got_));
    }
    taken();
  }
};

// fill().
class FillNode final : public ReadNode {
 public:
  explicit FillNode(Stream& stream) : ReadNode(stream, {}) {}
  void get(kj::_::ExceptionOrValue& output) noexcept override {
    if (exception_ != nullptr) {
      output.exception = kj::mv(exception_);
    } else {
      output.as<bool>() = kj::_::ExceptionOr<bool>(!end_of_file_);
    }
    taken();
  }
};

}  // namespace coord::rpc
