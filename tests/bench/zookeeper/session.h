// A session with a ZooKeeper server, over a connection of its own, and what is done with it before
// a measurement.
//
// The C client has two threads for each: one for its socket and one that calls back.
#pragma once

#include <zookeeper/zookeeper.h>

#include <future>
#include <stop_token>
#include <string>
#include <thread>
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
  void set(const std::string& path);

 private:
  static void on_event(zhandle_t* handle, int type, int state, const char* path, void* self);

  std::promise<void> connected_;
  bool was_connected_ = false;  // the event thread's
  zhandle_t* handle_ = nullptr;
};

// While it exists, a write commits ten times a second, over a session of its own.
//
// A leader of ZooKeeper 3.8 loses track of a sync now and then, and answers neither it nor what
// its session sends after it, until somebody's next write commits. With one operation under way,
// that comes every few seconds, and would be all there is to measure.
class NowAndThenAWrite final {
 public:
  explicit NowAndThenAWrite(const std::string& endpoint);

 private:
  void run(const std::stop_token& stop);

  Session session_;
  std::jthread thread_;
};

// The endpoint of the server that leads, as the servers tell; none: they have not elected one.
std::string find_leader(const std::vector<std::string>& endpoints);

}  // namespace coord::bench
