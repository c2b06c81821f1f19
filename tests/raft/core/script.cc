#include "tests/raft/core/script.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <sstream>
#include <vector>

#include "raft/base/check.h"
#include "raft/core/describe.h"
#include "tests/raft/core/cluster.h"

namespace coord::raft {

namespace {

int number(std::string_view text) {
  int value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  CHECK(result.ec == std::errc() && result.ptr == text.data() + text.size(), "no number: {}", text);
  return value;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in{std::string(text)};
  for (std::string part; std::getline(in, part, separator);) {
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

// What a command is called with: "change 1 voters=2,3 learners=1".
class Arguments {
 public:
  explicit Arguments(std::string_view line) : words_(split(line, ' ')) {}

  const std::string& name() const { return words_.at(0); }
  int operator[](std::size_t place) const { return number(words_.at(place)); }
  const std::string& word(std::size_t place) const { return words_.at(place); }
  std::size_t size() const { return words_.size() - 1; }
  bool has(std::string_view flag) const {
    return std::find(words_.begin(), words_.end(), flag) != words_.end();
  }
  std::vector<int> list(std::string_view key) const {
    std::vector<int> values;
    for (const std::string& word : words_) {
      if (!word.starts_with(key) || word.size() <= key.size() || word[key.size()] != '=') continue;
      for (const std::string& value : split(word.substr(key.size() + 1), ',')) {
        values.push_back(number(value));
      }
    }
    return values;
  }
  int value(std::string_view key, int otherwise) const {
    const std::vector<int> values = list(key);
    return values.empty() ? otherwise : values.front();
  }

 private:
  std::vector<std::string> words_;
};

class Player {
 public:
  std::string play(std::string_view line) {
    said_.clear();
    const Arguments arguments(line);
    if (arguments.name() == "cluster") {
      begin(arguments);
    } else {
      CHECK(cluster_.has_value(), "no cluster yet: {}", line);
      if (!time(arguments) && !network(arguments) && !service(arguments) && !show(arguments)) {
        said_ = "no such command\n";
      }
    }
    return std::move(said_);
  }

 private:
  void begin(const Arguments& arguments) {
    Cluster::Options options;
    options.members = static_cast<std::uint64_t>(arguments.value("voters", 3));
    options.learners = static_cast<std::uint64_t>(arguments.value("learners", 0));
    options.joining = static_cast<std::uint64_t>(arguments.value("joining", 0));
    options.fast_disk = !arguments.has("slow-disk");
    options.fast_installs = !arguments.has("slow-installs");
    options.fast_transfers = !arguments.has("transfers-by-hand");
    options.fast_loads = true;
    options.core.cached_log_bytes_max = arguments.has("small-memory") ? 0 : 1'000'000;
    if (arguments.has("small-appends")) options.core.append_bytes_max = 1;
    options.fail_test = false;
    cluster_.emplace(options);
    cluster_->listen([this](const std::string& line) {
      if (quiet_ && line.find(": heartbeat") != std::string::npos) return;
      said_ += "  " + line + '\n';
    });
  }

  bool time(const Arguments& a) {
    if (a.name() == "fire") return cluster_->fire(a[1]), true;
    if (a.name() == "pass") return cluster_->pass(milliseconds(a[1])), true;
    if (a.name() == "run") {
      quiet_ = true;
      cluster_->run(milliseconds(a[1]));
      quiet_ = false;
      return true;
    }
    if (a.name() == "elect") return cluster_->elect(a[1]), said_.clear(), true;
    if (a.name() == "sleep") return cluster_->put_to_sleep(a[1]), true;
    if (a.name() == "wake") return cluster_->wake_up(a[1]), true;
    if (a.name() == "crash") return cluster_->crash(a[1]), true;
    if (a.name() == "restart") return cluster_->restart(a[1]), true;
    if (a.name() == "persist") return cluster_->persist(a[1]), true;
    return false;
  }

  bool network(const Arguments& a) {
    if (a.name() == "deliver" && a.size() == 0) return cluster_->deliver(), true;
    if (a.name() == "deliver") return cluster_->deliver(a[1], a[2]), true;
    if (a.name() == "deliver-one") return cluster_->deliver_one(a[1], a[2], 0, false), true;
    if (a.name() == "drop") return cluster_->drop(a[1], a[2]), true;
    if (a.name() == "cut") return cluster_->cut(a[1], a[2]), true;
    if (a.name() == "isolate") return cluster_->isolate(a[1]), true;
    if (a.name() == "heal") return cluster_->heal(), true;
    return false;
  }

  bool service(const Arguments& a) {
    if (a.name() == "propose") return cluster_->propose(a[1], a.word(2)), true;
    if (a.name() == "change") {
      return cluster_->change(a[1], voters(a.list("voters"), a.list("learners"))), true;
    }
    if (a.name() == "transfer") return cluster_->transfer(a[1], a[2]), true;
    if (a.name() == "read") return cluster_->step(a[1], Read{ReadId(1)}), true;
    if (a.name() == "compact") return cluster_->compact(a[1]), true;
    if (a.name() == "chunk") return cluster_->send_chunk(a[1], a[2]), true;
    if (a.name() == "install") return cluster_->install(a[1]), true;
    if (a.name() == "disk") return disk(a), true;
    return false;
  }

  // The member starts anew from that: "disk 1 term=3 vote=1 log=1,1,2".
  void disk(const Arguments& a) {
    Disk& disk = cluster_->edit_disk(a[1]);
    disk.hard_state = {Term(static_cast<std::uint64_t>(a.value("term", 0))),
                       Cluster::id(a.value("vote", 0))};
    disk.entries.clear();
    for (const int term : a.list("log")) {
      disk.entries.push_back({{Term(static_cast<std::uint64_t>(term)), disk.last().index.next()},
                              EntryType::kNoop,
                              {}});
    }
    cluster_->crash(a[1]);
    cluster_->restart(a[1]);
    said_.clear();
  }

  bool show(const Arguments& a) {
    for (int member = 1; member <= cluster_->size(); ++member) {
      std::string line;
      if (!cluster_->is_up(member)) {
        line = "down";
      } else if (a.name() == "status") {
        line = describe(cluster_->core(member).status());
      } else if (a.name() == "logs") {
        line = cluster_->terms(member);
      } else if (a.name() == "configurations") {
        line = describe(cluster_->configuration(member));
      } else if (a.name() == "commands") {
        for (const std::string& command : cluster_->commands(member)) line += command + ' ';
      } else {
        return false;
      }
      while (!line.empty() && line.back() == ' ') line.pop_back();
      said_ += fmt::format("  {}: {}\n", member, line);
    }
    return true;
  }

  std::optional<Cluster> cluster_;
  std::string said_;
  bool quiet_ = false;
};

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  std::istringstream in{std::string(text)};
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace

std::string play(std::string_view script) {
  std::string played;
  Player player;
  for (const std::string& line : lines_of(script)) {
    const bool is_command = line.starts_with("> ");
    // What happened when it was recorded is left out.
    if (!is_command && !line.empty() && !line.starts_with('#')) continue;
    played += line + '\n';
    if (is_command) played += player.play(std::string_view(line).substr(2));
  }
  return played;
}

std::string difference(std::string_view expected, std::string_view actual) {
  const std::vector<std::string> left = lines_of(expected);
  const std::vector<std::string> right = lines_of(actual);
  // The longest common subsequence: `common[i][j]` of what is behind i and behind j.
  std::vector<std::vector<std::size_t>> common(left.size() + 1,
                                               std::vector<std::size_t>(right.size() + 1));
  for (std::size_t i = left.size(); i-- > 0;) {
    for (std::size_t j = right.size(); j-- > 0;) {
      common[i][j] = left[i] == right[j] ? common[i + 1][j + 1] + 1
                                         : std::max(common[i + 1][j], common[i][j + 1]);
    }
  }
  std::string text;
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < left.size() || j < right.size()) {
    if (i < left.size() && j < right.size() && left[i] == right[j]) {
      ++i, ++j;
    } else if (j == right.size() || (i < left.size() && common[i + 1][j] >= common[i][j + 1])) {
      text += fmt::format("{:>4} -{}\n", i + 1, left[i]), ++i;
    } else {
      text += fmt::format("{:>4} +{}\n", j + 1, right[j]), ++j;
    }
  }
  return text;
}

}  // namespace coord::raft
