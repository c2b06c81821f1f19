#include "tests/integration/peer_network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace coord::test {

namespace {

namespace fs = std::filesystem;

// The kernel's number of the socket that is bound to that local port, as a connection.
std::string inode_of(int local_port) {
  std::ifstream table("/proc/net/tcp");
  std::string line;
  std::getline(table, line);
  while (std::getline(table, line)) {
    std::istringstream fields(line);
    std::string slot, local, remote, state, queues, timer, retransmits, user, timeout, inode;
    fields >> slot >> local >> remote >> state >> queues >> timer >> retransmits >> user >>
        timeout >> inode;
    const auto colon = local.find(':');
    if (colon == std::string::npos || state == "0A") continue;
    if (std::stoi(local.substr(colon + 1), nullptr, 16) == local_port && inode != "0") return inode;
  }
  return {};
}

bool has_socket(pid_t process, const std::string& inode) {
  std::error_code error;
  const fs::path descriptors = "/proc/" + std::to_string(process) + "/fd";
  for (const auto& entry : fs::directory_iterator(descriptors, error)) {
    const auto target = fs::read_symlink(entry.path(), error);
    if (!error && target == "socket:[" + inode + "]") return true;
    error.clear();
  }
  return false;
}

bool pass_on(int from, int to) {
  std::array<char, 65536> buffer;
  const ssize_t size = ::recv(from, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (size <= 0) return false;
  return send_all(to, buffer.data(), static_cast<std::size_t>(size));
}

}  // namespace

PeerNetwork::PeerNetwork(std::vector<int> target_ports, std::function<pid_t(int)> process)
    : process_(std::move(process)) {
  for (const int target : target_ports) {
    gates_.push_back({.target_port = target, .listener = listen_on_loopback()});
  }
  thread_ = std::thread([this] { serve(); });
}

PeerNetwork::~PeerNetwork() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  thread_.join();
  for (const Gate& gate : gates_) ::close(gate.listener.fd);
  for (const Pair& pair : pairs_) {
    ::close(pair.near);
    ::close(pair.far);
  }
}

std::string PeerNetwork::address(int member) const {
  return "127.0.0.1:" + std::to_string(gates_[static_cast<std::size_t>(member)].listener.port);
}

void PeerNetwork::isolate(std::set<int> members) {
  const std::lock_guard lock(mutex_);
  isolated_ = std::move(members);
  for (Pair& pair : pairs_) pair.cut = pair.cut || blocked(pair.source, pair.target);
}

void PeerNetwork::let_in(int member, int connections) {
  const std::lock_guard lock(mutex_);
  gates_[static_cast<std::size_t>(member)].accepted_max = connections;
}

bool PeerNetwork::blocked(int source, int target) const {
  return isolated_.contains(source) != isolated_.contains(target);
}

int PeerNetwork::member_with_socket(int port) const {
  const std::string inode = inode_of(port);
  for (std::size_t i = 0; !inode.empty() && i < gates_.size(); ++i) {
    if (has_socket(process_(static_cast<int>(i)), inode)) return static_cast<int>(i);
  }
  return -1;
}

void PeerNetwork::accept_at(int target) {
  Gate& gate = gates_[static_cast<std::size_t>(target)];
  sockaddr_in from{};
  socklen_t size = sizeof from;
  Pair pair{.target = target};
  pair.near = ::accept4(gate.listener.fd, reinterpret_cast<sockaddr*>(&from), &size, SOCK_CLOEXEC);
  if (pair.near < 0) return;
  pair.source = member_with_socket(ntohs(from.sin_port));
  pair.cut = blocked(pair.source, target) || gate.accepted++ >= gate.accepted_max;
  // A connection attempt into a partition hangs: it is accepted here, and leads nowhere.
  if (!pair.cut) pair.far = connect_to(gate.target_port);
  if (!pair.cut && pair.far < 0) {
    ::close(pair.near);
    return;
  }
  pairs_.push_back(pair);
}

void PeerNetwork::serve() {
  for (;;) {
    std::vector<pollfd> states;
    std::vector<std::size_t> open;  // the pairs that are polled
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
      for (const Gate& gate : gates_) states.push_back({gate.listener.fd, POLLIN, 0});
      for (std::size_t i = 0; i < pairs_.size(); ++i) {
        if (pairs_[i].cut) continue;
        open.push_back(i);
        states.push_back({pairs_[i].near, POLLIN, 0});
        states.push_back({pairs_[i].far, POLLIN, 0});
      }
    }
    ::poll(states.data(), states.size(), 10);
    const std::lock_guard lock(mutex_);
    std::set<std::size_t> over;
    for (std::size_t i = 0; i < open.size(); ++i) {
      const Pair& pair = pairs_[open[i]];
      if (pair.cut) continue;
      const pollfd& near = states[gates_.size() + 2 * i];
      const pollfd& far = states[gates_.size() + 2 * i + 1];
      const bool ended = (near.revents != 0 && !pass_on(pair.near, pair.far)) ||
                         (far.revents != 0 && !pass_on(pair.far, pair.near));
      if (ended) over.insert(open[i]);
    }
    for (auto it = over.rbegin(); it != over.rend(); ++it) {
      ::close(pairs_[*it].near);
      ::close(pairs_[*it].far);
      pairs_.erase(pairs_.begin() + static_cast<std::ptrdiff_t>(*it));
    }
    for (std::size_t i = 0; i < gates_.size(); ++i) {
      if (states[i].revents != 0) accept_at(static_cast<int>(i));
    }
  }
}

}  // namespace coord::test
