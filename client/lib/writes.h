// The pipeline of writes: numbered in a session, gathered into Kv.write calls.
#pragma once

#include "client/lib/pipeline.h"
#include "client/lib/sessions.h"

namespace coord::internal {

class Writes final : public Pipeline {
 public:
  Writes(Parts parts, Sessions& sessions)
      : Pipeline(std::move(parts), Route::kLeader), sessions_(sessions) {}

  // For the library's own: numbered in that session. A timeout of zero is the client's.
  template <class Op>
  kj::Promise<typename Op::Response> write(Op op, std::shared_ptr<LiveSession> session,
                                           milliseconds timeout);

 private:
  void gather(Flight& flight) override;
  void send(Flight& flight) override;
  bool repeatable(const Request& request) const override;
  Outcome outcome_in_doubt() const override { return Outcome::kUnknown; }
  void on_finished(Request& request) override;
  bool rescue(Request& request, const Error& error) override;
  std::optional<Error> obstacle(const Request& request) const override;

  bool number(WriteRequest& request);
  void refuse_unnumbered(const Error& error);
  void on_answer(Flight& flight, schema::Kv::WriteResults::Reader answer);

  Sessions& sessions_;
};

}  // namespace coord::internal
