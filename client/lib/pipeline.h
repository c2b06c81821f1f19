// Outstanding requests on their way: whatever one turn of the loop has produced goes as one call of
// many operations, several calls are in flight at once, and what failed without an answer goes
// again.
//
// One pipeline each for writes, for reads that need the leader, and for reads that any member can
// answer. A request is in exactly one place: the queue, or a flight. I/O thread.
#pragma once

#include <kj/async.h>

#include <cstdint>
#include <list>
#include <memory>
#include <vector>

#include "client/lib/deadlines.h"
#include "client/lib/directory.h"
#include "client/lib/request.h"

namespace coord::internal {

// A call that has been sent. Places of requests that have expired meanwhile are null.
struct Flight {
  std::shared_ptr<Connection> connection;
  std::vector<Request*> requests;
  Instant sent;
};

class Pipeline : private kj::TaskSet::ErrorHandler {
 public:
  struct Parts {
    Environment& environment;
    Directory& directory;
    Deadlines& deadlines;
    milliseconds timeout;  // of requests that have none of their own
    // flush() should be called, at the end of this turn.
    std::function<void()> schedule;
  };

  Pipeline(Parts parts, Route route);
  virtual ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  // Takes it over; it is sent with the next flush().
  void submit(std::unique_ptr<Request> request);
  void flush();
  // Its time is over (Deadlines).
  void expire(Request& request);
  // Calls that have been out for long make their connection suspect.
  void check_flights(Instant now);
  bool idle() const { return queue_.empty() && flights_.empty(); }
  // Completes everything with kCancelled.
  void close();

 protected:
  using Queue = List<Request, &Request::queue_link>;

  // Moves requests that may go in one call from the front of the queue into the flight. Nothing is
  // moved if they cannot go now.
  virtual void gather(Flight& flight) = 0;
  virtual void send(Flight& flight) = 0;
  // May the same request be sent once more, although an earlier attempt may have been received?
  virtual bool repeatable(const Request& request) const = 0;
  // What is known of a request that was sent and not answered.
  virtual Outcome outcome_in_doubt() const = 0;
  // It is about to be completed: the last moment to look at it.
  virtual void on_finished(Request&) {}
  // The attempt failed. True: it may go again, as a new one.
  virtual bool rescue(Request&, const Error&) { return false; }
  // What a request that could not be sent was waiting for.
  virtual std::optional<Error> obstacle(const Request&) const { return std::nullopt; }

  Queue& queue() { return queue_; }
  void take(Flight& flight);
  Instant now() const { return parts_.environment.clock(); }
  void schedule() { parts_.schedule(); }
  // What the server is given: less than the requests have left, so that its refusal, which knows
  // the outcome, arrives before they expire here, which does not.
  std::uint32_t deadline_ms(const Flight& flight) const;
  void run(Flight& flight, kj::Promise<void> call);

  // For send()'s continuation. Takes a request out of its flight (null: it has expired); it then
  // goes to one of the others.
  std::unique_ptr<Request> land(Flight& flight, std::size_t place);
  void answered(Request& request);
  void note_header(const Flight& flight, schema::Header::Reader header);
  void attempt_failed(std::unique_ptr<Request> request, Flight& flight, Error error);
  void requeue(std::unique_ptr<Request> request);
  void finish(std::unique_ptr<Request> request, Error error);

 private:
  void on_lost(Flight& flight, const kj::Exception& exception);
  void end(Flight& flight);
  void pause(milliseconds at_least);
  void settle(Request& request);
  void cancel(Request& request);
  void taskFailed(kj::Exception&& exception) override;

  Parts parts_;
  const Route route_;
  Queue queue_;
  std::list<Flight> flights_;
  std::uint64_t next_number_ = 1;
  // After a refusal that time alone can cure, for a moment. Ended by the timer and not by a look at
  // the clock, which runs a little ahead of it.
  bool paused_ = false;
  unsigned refusals_ = 0;
  kj::TaskSet tasks_;
};

}  // namespace coord::internal
