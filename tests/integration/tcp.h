// Raw TCP for tests that misbehave: a client that sends what it likes, and a proxy that records.
#pragma once

#include <atomic>
#include <cstddef>
#include <mutex>
#include <string>
#include <thread>

namespace coord::test {

// A socket that listens on a loopback port of its own; whoever asks for it closes it. Throws if
// there is none.
struct Listener {
  int fd = -1;
  int port = 0;
};
Listener listen_on_loopback();
// A blocking connection to a loopback port, or -1.
int connect_to(int port);
// False once the other side takes no more.
bool send_all(int fd, const char* data, std::size_t size);

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

  int port() const { return listener_.port; }
  std::string recorded() const;

 private:
  void serve();

  int target_port_;
  const Listener listener_;
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;
  std::string recorded_;
  std::thread thread_;
};

}  // namespace coord::test
