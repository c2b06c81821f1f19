// The pipelines of reads: those that need the leader, and those that any member can answer. Reads
// that travel together ask for the same consistency and see the same state.
#pragma once

#include "client/lib/pipeline.h"

namespace coord::internal {

class Reads final : public Pipeline {
 public:
  using Pipeline::Pipeline;

 private:
  void gather(Flight& flight) override;
  void send(Flight& flight) override;
  bool repeatable(const Request&) const override { return true; }
  Outcome outcome_in_doubt() const override { return Outcome::kNotApplied; }

  // Those before it have filled the response: it goes again at once, further to the front.
  bool rescue(Request& request, const Error& error) override;

  void on_answer(Flight& flight, schema::Kv::ReadResults::Reader answer);

  bool some_were_answered_ = false;  // of the call that is being looked at
};

}  // namespace coord::internal
