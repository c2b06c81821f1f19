// One member of a cluster: the one place where its parts are made and joined.
//
// Loop thread.
#pragma once

#include <functional>
#include <memory>

#include "raft/base/result.h"
#include "schema/rpc/loop.h"
#include "service/server/config.h"

namespace coord::service {

class Server {
 public:
  // Binds both ports, opens the data directory and takes up where the log ends; a member that joins
  // asks the cluster who it is, which waits on the loop. An Error's message
  // is one line that says what is wrong and, where it helps, what to do.
  // `ended` is called once this member has no place in its cluster any more: kMemberRemoved, or
  // kWrongIncarnation. It is to be shut down then.
  static Result<std::unique_ptr<Server>> start(rpc::Loop& loop, const ServerConfig& given,
                                               std::function<void(const Error&)> ended);
  // Closes what is open. To be called after shut_down() has had a few turns of the loop, so that
  // the answers have left; without that it is as a crash is.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Takes no more requests and answers those that wait.
  void shut_down();

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace coord::service
