#include "tests/integration/cluster.h"

#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace coord::test {

Cluster::Cluster(ClusterOptions options) : options_(std::move(options)) {
  for (int i = 0; i < options_.members; ++i) members_.push_back(make_member());
}

Cluster::Member Cluster::make_member() const {
  Member member;
  member.client = "127.0.0.1:" + std::to_string(free_port());
  member.peer = "127.0.0.1:" + std::to_string(free_port());
  return member;
}

int Cluster::add_joining() {
  members_.push_back(make_member());
  members_.back().joins = true;
  return size() - 1;
}

std::string Cluster::peer(int member) const {
  const auto proxy = options_.advertised_peers.find(member);
  return proxy == options_.advertised_peers.end() ? members_[member].peer : proxy->second;
}

void Cluster::wipe(int member) {
  std::filesystem::remove_all(data_directory(member));
}

std::string Cluster::endpoints() const {
  std::string all;
  for (const Member& member : members_) all += (all.empty() ? "" : ",") + member.client;
  return all;
}

std::vector<std::string> Cluster::endpoint_list() const {
  std::vector<std::string> all;
  for (const Member& member : members_) all.push_back(member.client);
  return all;
}

int Cluster::client_port(int member) const {
  return std::atoi(members_[member].client.substr(members_[member].client.find(':') + 1).c_str());
}

int Cluster::peer_port(int member) const {
  return std::atoi(members_[member].peer.substr(members_[member].peer.find(':') + 1).c_str());
}

std::string Cluster::data_directory(int member) const {
  return directory_.path() / name(member);
}

void Cluster::start(int member) {
  std::string initial;
  std::string others;
  for (int i = 0; i < size(); ++i) {
    if (i < options_.members) initial += (i == 0 ? "" : ",") + name(i) + "=" + peer(i);
    if (i != member) others += (others.empty() ? "" : ",") + members_[i].client;
  }
  std::vector<std::string> arguments = {program("coordd"),
                                        "--name",
                                        name(member),
                                        "--data-dir",
                                        data_directory(member),
                                        "--listen-client",
                                        members_[member].client,
                                        "--listen-peer",
                                        members_[member].peer};
  if (members_[member].joins) {
    arguments.insert(arguments.end(), {"--advertise-peer", peer(member), "--join", others});
  } else {
    arguments.insert(arguments.end(), {"--initial-cluster", initial});
  }
  arguments.insert(arguments.end(), options_.extra_flags.begin(), options_.extra_flags.end());
  members_[member].process =
      Process(arguments, {.environment = options_.environment,
                          .output_file = directory_.path() / (name(member) + ".log")});
}

void Cluster::start_all() {
  for (int i = 0; i < size(); ++i) start(i);
}

void Cluster::kill(int member) {
  members_[member].process.kill_now();
}

void Cluster::kill_all() {
  // All signals first, so that nobody has time to notice.
  for (Member& member : members_) member.process.signal(SIGKILL);
  for (Member& member : members_) member.process.kill_now();
}

void Cluster::pause(int member) {
  members_[member].process.signal(SIGSTOP);
}
void Cluster::resume(int member) {
  members_[member].process.signal(SIGCONT);
}

std::optional<int> Cluster::terminate(int member) {
  members_[member].process.signal(SIGTERM);
  return members_[member].process.wait(Milliseconds(5000));
}

RunResult Cluster::ctl(std::vector<std::string> arguments, const std::string& input,
                       Milliseconds timeout) {
  arguments.insert(arguments.begin(), program("coordctl"));
  return run(arguments, input, timeout, {{"COORDCTL_ENDPOINTS", endpoints()}});
}

int Cluster::leader() {
  int found = -1;
  const bool agreed = eventually([&] {
    // Each member's line says whom it takes for the leader, by id.
    const auto status = lines(ctl({"-o", "json", "--timeout", "1s", "status"}).out);
    std::map<std::string, std::string> names;
    std::map<std::string, int> votes;
    for (const std::string& line : status) {
      names[json_field(line, "id")] = json_field(line, "name");
      ++votes[json_field(line, "leader")];
    }
    for (int i = 0; i < size(); ++i) {
      for (const auto& [leader, count] : votes) {
        const bool is_it = leader == name(i) || names[leader] == name(i);
        const bool agreed = 2 * count > static_cast<int>(status.size());
        if (is_it && agreed && members_[i].process.running()) found = i;
      }
    }
    return found >= 0;
  });
  if (!agreed) throw std::runtime_error("no leader was agreed on\n" + log(0));
  return found;
}

void Cluster::wait_until_serving() {
  if (!eventually(
          [&] {
            return ctl({"--timeout", "1s", "health"}).exit_code == 0;
          },
          Milliseconds(20000))) {
    throw std::runtime_error("the cluster does not serve\n" + log(0));
  }
}

std::string Cluster::log(int member) const {
  std::ifstream file(directory_.path() / (name(member) + ".log"));
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string json_field(const std::string& line, const std::string& field) {
  const std::string key = "\"" + field + "\":";
  auto at = line.find(key);
  if (at == std::string::npos) return {};
  at += key.size();
  while (at < line.size() && line[at] == ' ') ++at;
  if (at < line.size() && line[at] == '"') {
    std::string value;
    for (++at; at < line.size() && line[at] != '"'; ++at) {
      if (line[at] == '\\') ++at;
      if (at < line.size()) value += line[at];
    }
    return value;
  }
  return line.substr(at, line.find_first_of(",}]", at) - at);
}

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> all;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) all.push_back(line);
  return all;
}

}  // namespace coord::test
