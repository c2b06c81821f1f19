// A session with a ZooKeeper server, over a connection of its own, and what is done with it before
// a measurement.
//
// The C client has two threads for each: one for its socket and one that calls back.
#pragma once

#include <zookeeper/zookeeper.h>

#include <future>
#include <string>
#include <vector>

namespace coord::bench {

[[noreturn]] void fail(const std::string& message);

class Session final {
 public:
  // Connected when it returns.
  explicit Session(const std::string& endpoint);
  // Gives back what the session holds, and waits for the callbacks that are under way.
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  zhandle_t* handle() { return handle_; }

  // These wait. A node that is there already stays as it is.
  void create(const std::string& path);
  // In one transaction, with one value for all: if one of them is there, they all are from before.
  void create_all(const std::vector<std::string>& paths, const std::string& value);

 private:
  static void on_event(zhandle_t* handle, int type, int state, const char* path, void* self);

  std::promise<void> connected_;
  bool was_connected_ = false;  // the event thread's
  zhandle_t* handle_ = nullptr;
};

// The endpoint of the server that leads, as the servers tell; none: they have not elected one.
std::string find_leader(const std::vector<std::string>& endpoints);

}  // namespace coord::bench
