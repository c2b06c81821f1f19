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

  void on_answer(Flight& flight, schema::Kv::ReadResults::Reader answer);
};

}  // namespace coord::internal
