// What a delete takes away: offered the live keys of its range, it picks those that may go.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "service/state/answer_budget.h"
#include "service/state/keyspace.h"
#include "service/state/results.h"

namespace coord::service {

class Deletion {
 public:
  Deletion(bool want_previous, AnswerBudget& budget)
      : want_previous_(want_previous), budget_(budget) {}

  // kReservedKey: a range of nothing but reserved keys.
  static Status check(const KeyRange& range);

  // Passes over reserved keys. False: it has failed, see status().
  bool offer(std::string_view key, const KeyRecord& record);

  const Status& status() const { return status_; }
  const std::vector<std::string>& keys() const { return keys_; }
  // To be taken once, when everything has been offered.
  DeleteResult take_result();

 private:
  bool want_previous_;
  AnswerBudget& budget_;
  Status status_;
  std::vector<std::string> keys_;
  DeleteResult result_;
};

}  // namespace coord::service
