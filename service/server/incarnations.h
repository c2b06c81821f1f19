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
// again; beside the loop, which may not wait for a disk.
#pragma once

#include <kj/async.h>

#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "raft/base/result.h"
#include "raft/core/configuration.h"
#include "schema/rpc/task.h"
#include "service/store/worker.h"

namespace coord::service {

class Incarnations {
 public:
  using Known = std::map<MemberId, Incarnation>;

  // What the file has: `known`, to begin with. Errors: kCorrupt, kIo, kUnsupported.
  static Result<Known> read(const std::filesystem::path& file);

  // `disk` has to outlive this. `failed`: the file could not be written.
  Incarnations(std::filesystem::path file, const Known& known, Worker& disk,
               std::function<void(const Error&)> failed);
  Incarnations(const Incarnations&) = delete;
  Incarnations& operator=(const Incarnations&) = delete;

  // kWrongIncarnation, if that member had another one when it was first met. Otherwise when it is
  // written down; kIo: it could not be, and must not be met.
  rpc::Task<Status> meet(MemberId member, Incarnation incarnation);
  // Only members are written down, so that strangers cannot fill the disk; whoever was met before
  // it was one is now.
  void members_are(const raft::Configuration& configuration);
  // Whether to listen to what it says: not to a member that is not written down yet, as one that
  // was a stranger a moment ago.
  bool hears(MemberId member) const;

 private:
  struct Met {
    Incarnation incarnation;
    std::uint64_t note = 0;  // the file has it when so many are written
  };

  std::uint64_t note_down(MemberId member, Incarnation incarnation);
  kj::Promise<Status> written(std::uint64_t note);
  void write();
  void wrote(std::uint64_t notes, const Status& status);

  const std::filesystem::path file_;
  Worker& disk_;
  const std::function<void(const Error&)> failed_;
  std::map<MemberId, Met> known_;
  std::map<MemberId, Incarnation> strangers_;  // met, and no members so far
  raft::Configuration configuration_;
  std::uint64_t notes_ = 0;
  std::uint64_t notes_written_ = 0;
  bool writing_ = false;
  std::deque<std::pair<std::uint64_t, kj::Own<kj::PromiseFulfiller<Status>>>> waiting_;
};

// As the file has it, and back (kCorrupt, kUnsupported).
std::string to_text(const Incarnations::Known& known);
Result<Incarnations::Known> parse_incarnations(const std::string& text);

}  // namespace coord::service
