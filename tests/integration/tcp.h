// Raw TCP for tests that misbehave: a client that sends what it likes, and a proxy that records.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <thread>

namespace coord::test {

// A blocking connection to a loopback port; every call fails softly, as a rude client does not
// care.
class RawConnection {
 public:
  explicit RawConnection(int port);
  ~RawConnection();
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  bool connected() const { return fd_ >= 0; }
  // False once the other side takes no more.
  bool send(const std::string& bytes);
  // Closes with a reset instead of an orderly end.
  void reset();
  // True if the other side ends the connection within the time.
  bool closed_by_peer(int timeout_ms);

 private:
  int fd_ = -1;
};

// Listens on a port of its own, passes every connection on to `target_port` and back, and keeps
// what the first connection sent towards the target.
class RecordingProxy {
 public:
  explicit RecordingProxy(int target_port);
  ~RecordingProxy();
  RecordingProxy(const RecordingProxy&) = delete;
  RecordingProxy& operator=(const RecordingProxy&) = delete;

  int port() const { return port_; }
  std::string recorded() const;

 private:
  void serve();

  int target_port_;
  int port_ = 0;
  int listener_ = -1;
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;
  std::string recorded_;
  std::thread thread_;
};

}  // namespace coord::test
