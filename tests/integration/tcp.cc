#include "tests/integration/tcp.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <stdexcept>
#include <vector>

namespace coord::test {

namespace {

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

Listener listen_on_loopback() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(fd, 64) != 0 ||
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("no loopback port to listen on");
  }
  return {.fd = fd, .port = ntohs(address.sin_port)};
}

int connect_to(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  ::close(fd);
  return -1;
}

bool send_all(int fd, const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t n = ::send(fd, data, size, MSG_NOSIGNAL);
    if (n <= 0) return false;
    data += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

RawConnection::RawConnection(int port) : fd_(connect_to(port)) {
  // A server that stops reading must not stop the test.
  const timeval limit{2, 0};
  if (fd_ >= 0) ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

RawConnection::~RawConnection() {
  if (fd_ >= 0) ::close(fd_);
}

bool RawConnection::send(const std::string& bytes) {
  return fd_ >= 0 && send_all(fd_, bytes.data(), bytes.size());
}

void RawConnection::reset() {
  if (fd_ < 0) return;
  const linger now{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  ::close(fd_);
  fd_ = -1;
}

bool RawConnection::closed_by_peer(int timeout_ms) {
  if (fd_ < 0) return true;
  std::array<char, 4096> ignored;
  pollfd state{fd_, POLLIN, 0};
  while (::poll(&state, 1, timeout_ms) > 0) {
    if (::recv(fd_, ignored.data(), ignored.size(), MSG_DONTWAIT) <= 0) return true;
  }
  return false;
}

RecordingProxy::RecordingProxy(int target_port)
    : target_port_(target_port), listener_(listen_on_loopback()) {
  thread_ = std::thread([this] { serve(); });
}

RecordingProxy::~RecordingProxy() {
  stopping_ = true;
  thread_.join();
  ::close(listener_.fd);
}

std::string RecordingProxy::recorded() const {
  const std::lock_guard lock(mutex_);
  return recorded_;
}

void RecordingProxy::serve() {
  struct Pair {
    int near;
    int far;
    bool record;
  };
  std::vector<Pair> pairs;
  bool first = true;
  while (!stopping_) {
    std::vector<pollfd> states = {{listener_.fd, POLLIN, 0}};
    for (const Pair& pair : pairs) {
      states.push_back({pair.near, POLLIN, 0});
      states.push_back({pair.far, POLLIN, 0});
    }
    ::poll(states.data(), states.size(), 50);
    std::vector<Pair> kept;
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      bool open = true;
      const auto pass_on = [&](const pollfd& state, int to, bool record) {
        if (state.revents == 0) return;
        std::array<char, 65536> buffer;
        const ssize_t n = ::recv(state.fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (n <= 0 || !send_all(to, buffer.data(), static_cast<std::size_t>(n))) {
          open = false;
          return;
        }
        if (record) {
          const std::lock_guard lock(mutex_);
          recorded_.append(buffer.data(), static_cast<std::size_t>(n));
        }
      };
      pass_on(states[1 + 2 * i], pairs[i].far, pairs[i].record);
      if (open) pass_on(states[2 + 2 * i], pairs[i].near, false);
      if (open) {
        kept.push_back(pairs[i]);
      } else {
        ::close(pairs[i].near);
        ::close(pairs[i].far);
      }
    }
    pairs = kept;
    if (states[0].revents != 0) {
      const int near = ::accept4(listener_.fd, nullptr, nullptr, SOCK_CLOEXEC);
      const int far = near < 0 ? -1 : connect_to(target_port_);
      if (far >= 0) {
        pairs.push_back({near, far, first});
        first = false;
      } else if (near >= 0) {
        ::close(near);
      }
    }
  }
  for (const Pair& pair : pairs) {
    ::close(pair.near);
    ::close(pair.far);
  }
}

}  // namespace coord::test
