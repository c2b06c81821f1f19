// One outstanding read or write: what it says, where its answer goes, and what is known of its
// attempts so far. It belongs to the Pipeline that it was given to, until it has been completed.
// I/O thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "client/lib/job.h"
#include "client/lib/list.h"
#include "client/lib/write_codec.h"
#include "coord/async.h"
#include "raft/base/result.h"

namespace coord::internal {

class Pipeline;
class LiveSession;
struct Flight;

class Request : public Job {
 public:
  // Both complete it, once.
  virtual void fail(Error error) = 0;
  void abandon() override {
    fail(make_error(ErrorCode::kCancelled, "the client was closed before the request was sent"));
  }
  // On the wire, about.
  virtual std::size_t bytes() const = 0;
  // Zero: the client's.
  virtual milliseconds timeout() const = 0;

  Link<Request> queue_link;     // Pipeline: waiting to be sent
  Link<Request> deadline_link;  // Deadlines
  Pipeline* pipeline = nullptr;
  // The call that it is in, and its place there; null while it waits.
  Flight* flight = nullptr;
  std::size_t place = 0;
  // Given in order of arrival; requests that are sent again keep theirs.
  std::uint64_t number = 0;
  Instant deadline{};
  milliseconds deadline_class{0};
  // What the last attempt was told.
  std::optional<Error> last_error;
  // An earlier attempt may have reached a server and may still take effect.
  bool maybe_delivered = false;
};

class WriteRequest : public Request {
 public:
  virtual void encode(schema::Write::Builder target) const = 0;
  // `result` is not a failure.
  virtual void answer(schema::WriteResult::Reader result) = 0;

  // Numbered in a session (the client's own if none is given) and repeated until it is answered.
  bool numbered = false;
  std::shared_ptr<LiveSession> session;
  // The caller's own choice of session: it is never exchanged for another one.
  bool bound = false;
  Sequence sequence;
};

class ReadRequest : public Request {
 public:
  virtual void encode(schema::Read::Builder target) const = 0;
  virtual void answer(schema::RangeResult::Reader result, schema::Header::Reader header,
                      const Consistency& got) = 0;
  virtual const Consistency& consistency() const = 0;
};

}  // namespace coord::internal
