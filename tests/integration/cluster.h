// A cluster of real coordd processes on loopback, with the harm that can be done to it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/integration/process.h"

namespace coord::test {

struct ClusterOptions {
  int members = 3;
  std::vector<std::string> extra_flags = {};
  // The peer address that the members know one of them by, if it is not the one it listens on (a
  // proxy before it), by member.
  std::map<int, std::string> advertised_peers = {};
  std::map<std::string, std::string> environment = {};  // of the members, besides the test's own
};

class Cluster {
 public:
  explicit Cluster(ClusterOptions options = {});

  int size() const { return static_cast<int>(members_.size()); }
  // One more coordd, that is no member yet: started, it waits to be added. Its number.
  int add_joining();
  void advertise_peer(int member, const std::string& address) {
    options_.advertised_peers[member] = address;
  }
  // "127.0.0.1:P1,127.0.0.1:P2,..."
  std::string endpoints() const;
  std::vector<std::string> endpoint_list() const;
  const std::string& endpoint(int member) const { return members_[member].client; }
  // As the other members know it.
  std::string peer(int member) const;
  int client_port(int member) const;
  int peer_port(int member) const;
  std::string name(int member) const { return "n" + std::to_string(member + 1); }
  std::string data_directory(int member) const;
  Process& process(int member) { return members_[member].process; }

  void start(int member);
  void start_all();
  void kill(int member);  // SIGKILL
  void kill_all();
  void pause(int member);                    // SIGSTOP
  void resume(int member);                   // SIGCONT
  std::optional<int> terminate(int member);  // SIGTERM; the exit code
  void wipe(int member);                     // its data directory, of a member that is not running

  // Runs coordctl against all members (or those given with --endpoints among the arguments).
  RunResult ctl(std::vector<std::string> arguments, const std::string& input = {},
                Milliseconds timeout = Milliseconds(30000));

  // The member that leads, as a majority sees it; waits for one.
  int leader();
  // Waits until the cluster answers a linearizable read.
  void wait_until_serving();
  // What a member printed, for a failing test's message.
  std::string log(int member) const;

 private:
  struct Member {
    std::string client;
    std::string peer;
    bool joins = false;
    Process process;
  };

  Member make_member() const;

  ClusterOptions options_;
  TemporaryDirectory directory_;
  std::vector<Member> members_;
};

// The value of a field of one line of coordctl's JSON; numbers and booleans as they are written.
std::string json_field(const std::string& line, const std::string& field);
std::vector<std::string> lines(const std::string& text);

}  // namespace coord::test
