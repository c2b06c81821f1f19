// Clients that each have one write outstanding, all the time, and remember what was acknowledged
// and how long they had to wait.
#pragma once

#include <coord/client.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace coord::test {

class WriteLoad {
 public:
  using Clock = std::chrono::steady_clock;
  struct Write {
    Clock::time_point begun;
    Clock::time_point ended;
  };

  WriteLoad(const std::vector<std::string>& endpoints, int clients);
  ~WriteLoad();
  WriteLoad(const WriteLoad&) = delete;

  // Ends the load; then what follows may be asked.
  void stop();

  // Messages of writes that failed: there must be none.
  std::vector<std::string> failures() const { return failures_; }
  std::size_t acknowledged() const;
  std::chrono::milliseconds slowest() const;
  std::vector<Write> slower_than(std::chrono::milliseconds time) const;
  std::chrono::milliseconds median() const;
  // The longest time without an acknowledgement, for one client, among the writes that were under
  // way between the two moments.
  std::chrono::milliseconds longest_gap(int client, Clock::time_point from,
                                        Clock::time_point to) const;
  // Reads everything back: what was acknowledged and is not there, or differs.
  std::vector<std::string> lost(Client& client) const;

 private:
  struct Worker {
    std::unique_ptr<Client> client;
    std::vector<Write> writes;
    std::thread thread;
  };

  void run(std::size_t number);
  static std::string key(std::size_t worker, std::size_t write);

  std::vector<Worker> workers_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::vector<std::string> failures_;
};

}  // namespace coord::test
