// The network between members, with partitions: a proxy before each member's peer port, through
// which all others dial it. Who dials is known from the kernel's tables, so that one member can be
// cut off while the others still reach each other.
//
// A connection that was cut once never passes another byte, not even after the heal: that is what a
// long partition does to TCP, whose own attempts have become rare by then. New ones pass.
#pragma once

#include <sys/types.h>

#include <climits>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/tcp.h"

namespace coord::test {

class PeerNetwork {
 public:
  // `target_ports` are the members' own peer ports; `process` gives a member's process id.
  PeerNetwork(std::vector<int> target_ports, std::function<pid_t(int member)> process);
  ~PeerNetwork();
  PeerNetwork(const PeerNetwork&) = delete;
  PeerNetwork& operator=(const PeerNetwork&) = delete;

  // "127.0.0.1:PORT", what the others are told.
  std::string address(int member) const;

  // Nothing passes between these and the rest any more, in either direction; what a member of the
  // rest says to another one does.
  void isolate(std::set<int> members);
  void heal() { isolate({}); }
  // Only so many connections to that member, from its beginning on; all others lead nowhere.
  void let_in(int member, int connections);

 private:
  struct Gate {
    int target_port = 0;
    Listener listener;
    int accepted = 0;
    int accepted_max = INT_MAX;
  };
  struct Pair {
    int near = -1;
    int far = -1;
    int source = -1;
    int target = -1;
    bool cut = false;
  };

  void serve();
  void accept_at(int target);
  bool blocked(int source, int target) const;
  int member_with_socket(int port) const;

  std::vector<Gate> gates_;
  std::function<pid_t(int)> process_;
  std::mutex mutex_;
  std::set<int> isolated_;
  std::vector<Pair> pairs_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace coord::test
