// Requests for each kind of operation, and the completions that lead back into coroutines.
#pragma once

#include <kj/async.h>

#include "client/lib/convert.h"
#include "client/lib/core.h"
#include "client/lib/read_codec.h"
#include "client/lib/request.h"
#include "client/lib/write_codec.h"
#include "client/lib/writes.h"

namespace coord::internal {

// What a decoder says, also if the bytes make no sense.
template <class Response, class Decode>
Response decode_or_fail(Decode decode) {
  std::string reason;
  try {
    return decode();
  } catch (const kj::Exception& exception) {
    reason = exception.getDescription().cStr();
  }
  Error error = make_error(ErrorCode::kInternal, "the answer cannot be understood: {}", reason);
  error.outcome = Outcome::kApplied;
  return error;
}

template <class Op>
milliseconds timeout_of(const Op& op) {
  if constexpr (requires { op.options.timeout; }) {
    return op.options.timeout;
  } else if constexpr (requires { op.timeout; }) {
    return op.timeout;
  } else {
    return milliseconds(0);
  }
}

template <class Op>
class TypedWrite final : public WriteRequest {
 public:
  using Response = typename Op::Response;

  TypedWrite(Op op, CompletionPtr<Response> completion, milliseconds timeout)
      : op_(std::move(op)), completion_(std::move(completion)), timeout_(timeout) {}

  void run(std::unique_ptr<Job> self, Core& core) override {
    self.release();
    if constexpr (requires { op_.options.retry; }) {
      switch (op_.options.retry) {
        case Retry::kDefault:
          numbered = core.options().exactly_once;
          break;
        case Retry::kExactlyOnce:
          numbered = true;
          break;
        case Retry::kNever:
          numbered = false;
          break;
      }
    } else {
      numbered = core.options().exactly_once;
    }
    core.writes().submit(std::unique_ptr<Request>(this));
  }

  void fail(Error error) override { completion_->complete(std::move(error)); }
  std::size_t bytes() const override { return bytes_of(op_); }
  milliseconds timeout() const override { return timeout_; }

  void encode(schema::Write::Builder target) const override {
    internal::encode(target, op_);
    if constexpr (requires { op_.options.guard; }) {
      const Guard& guard = op_.options.guard.get();
      if (guard.token.is_zero()) return;
      auto condition = target.initGuard();
      internal::encode(condition.initLock(), guard.lock);
      condition.setToken(guard.token.value());
    }
  }
  void answer(schema::WriteResult::Reader result) override {
    completion_->complete(decode_or_fail<Response>([&] { return decode(result, op_); }));
  }

 private:
  Op op_;
  CompletionPtr<Response> completion_;
  const milliseconds timeout_;
};

template <class Op>
class TypedRead final : public ReadRequest {
 public:
  using Response = typename Op::Response;

  TypedRead(Op op, CompletionPtr<Response> completion)
      : op_(std::move(op)), completion_(std::move(completion)) {}

  void run(std::unique_ptr<Job> self, Core& core) override {
    self.release();
    core.reads(consistency()).submit(std::unique_ptr<Request>(this));
  }

  void fail(Error error) override { completion_->complete(std::move(error)); }
  std::size_t bytes() const override { return bytes_of(op_); }
  milliseconds timeout() const override { return op_.options.timeout; }
  const Consistency& consistency() const override { return op_.options.consistency; }

  void encode(schema::Read::Builder target) const override { internal::encode(target, op_); }
  void answer(schema::RangeResult::Reader result, schema::Header::Reader header,
              const Consistency& got) override {
    completion_->complete(decode_or_fail<Response>([&]() -> Response {
      return decode(Answer{result, header, got}, op_);
    }));
  }

 private:
  Op op_;
  CompletionPtr<Response> completion_;
};

// Back into a coroutine.
template <class Response>
class Fulfilment final : public Completion<Response> {
 public:
  explicit Fulfilment(kj::Own<kj::PromiseFulfiller<Response>> fulfiller)
      : fulfiller_(kj::mv(fulfiller)) {}
  ~Fulfilment() noexcept override {}
  void complete(Response response) override { fulfiller_->fulfill(kj::mv(response)); }

 private:
  kj::Own<kj::PromiseFulfiller<Response>> fulfiller_;
};

template <class Op>
kj::Promise<typename Op::Response> Writes::write(Op op, std::shared_ptr<LiveSession> session,
                                                 milliseconds timeout) {
  using Response = typename Op::Response;
  auto paf = kj::newPromiseAndFulfiller<Response>();
  auto request = std::make_unique<TypedWrite<Op>>(
      std::move(op), std::make_unique<Fulfilment<Response>>(kj::mv(paf.fulfiller)), timeout);
  request->numbered = true;
  request->bound = true;
  request->session = std::move(session);
  submit(std::move(request));
  schedule();
  return kj::mv(paf.promise);
}

}  // namespace coord::internal
