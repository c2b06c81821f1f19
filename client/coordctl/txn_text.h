// The text that `coordctl txn` reads: a transaction, one condition or operation a line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "coord/txn.h"
#include "raft/base/result.h"

namespace coord::ctl {

struct TxnText {
  Txn txn;
  // The lines of the `if` block in order, for telling which condition did not hold.
  std::vector<std::string> conditions;
};

// The language, as --help explains it.
extern const char* const kTxnHelp;

// kInvalidArgument names the line and what is wrong with it.
Result<TxnText> parse_txn(std::string_view text);

}  // namespace coord::ctl
