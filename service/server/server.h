// One member of a cluster: the one place where its parts are made and joined.
//
// Loop thread.
#pragma once

#include <memory>

#include "raft/base/result.h"
#include "schema/rpc/loop.h"
#include "service/server/config.h"

namespace coord::service {

class Server {
 public:
  // Opens the data directory, binds both ports and takes up where the log ends. An Error's message
  // is one line that says what is wrong and, where it helps, what to do.
  static Result<std::unique_ptr<Server>> start(rpc::Loop& loop, const ServerConfig& given);
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
