// Which disk each member had when this one first met it.
//
// A member whose disk was lost and that comes back under its old identity has forgotten its vote
// and its log, on which others may rely: with it a majority could be made that knows nothing of
// what an earlier majority has decided (Raft §3.8). So each disk has a random incarnation, both
// sides of a connection tell theirs, and a member remembers the first one for ever: before it
// listens to anything else of that connection, it is in a file, and the file on the disk. (What a
// member does that finds itself alone with a new disk: probation.h.)
//
// Loop thread. The file is written when a member is met for the first time in its life, and not
// again.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "raft/base/result.h"
#include "raft/core/configuration.h"

namespace coord::service {

class Incarnations {
 public:
  // Errors: kCorrupt, kIo.
  static Result<Incarnations> open(std::filesystem::path file);

  // kWrongIncarnation, if that member had another one when it was first met. kIo: it could not be
  // written down, and must not be met.
  Status meet(MemberId member, Incarnation incarnation);
  // Only members are written down, so that strangers cannot fill the disk; whoever was met before
  // it was one is now.
  Status members_are(const raft::Configuration& configuration);

 private:
  explicit Incarnations(std::filesystem::path file) : file_(std::move(file)) {}

  Status remember(MemberId member, Incarnation incarnation);

  std::filesystem::path file_;
  std::map<MemberId, Incarnation> known_;      // as the file has it
  std::map<MemberId, Incarnation> strangers_;  // met, and no members so far
  raft::Configuration configuration_;
};

// As the file has it, and back (kCorrupt).
std::string to_text(const std::map<MemberId, Incarnation>& known);
Result<std::map<MemberId, Incarnation>> parse_incarnations(const std::string& text);

}  // namespace coord::service
