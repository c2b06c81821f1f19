#include "tests/integration/write_load.h"

#include <fmt/format.h>

#include <algorithm>

namespace coord::test {

namespace {

std::chrono::milliseconds ms(WriteLoad::Clock::duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration);
}

}  // namespace

WriteLoad::WriteLoad(const std::vector<std::string>& endpoints, int clients)
    : workers_(static_cast<std::size_t>(clients)) {
  for (Worker& worker : workers_) {
    worker.client = std::make_unique<Client>(
        ClientOptions{.endpoints = endpoints, .timeout = milliseconds(20000), .name = "load"});
  }
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    workers_[i].thread = std::thread([this, i] { run(i); });
  }
}

WriteLoad::~WriteLoad() {
  stop();
}

void WriteLoad::stop() {
  stopping_ = true;
  for (Worker& worker : workers_) {
    if (worker.thread.joinable()) worker.thread.join();
  }
}

std::string WriteLoad::key(std::size_t worker, std::size_t write) {
  return fmt::format("load/{:02}/{:08}", worker, write);
}

void WriteLoad::run(std::size_t number) {
  Worker& worker = workers_[number];
  while (!stopping_) {
    const std::size_t write = worker.writes.size();
    const auto begun = Clock::now();
    const auto put = worker.client->put(key(number, write), std::to_string(write));
    if (!put) {
      const std::lock_guard lock(mutex_);
      failures_.push_back(put.error().message);
      return;
    }
    worker.writes.push_back({begun, Clock::now()});
  }
}

std::size_t WriteLoad::acknowledged() const {
  std::size_t all = 0;
  for (const Worker& worker : workers_) all += worker.writes.size();
  return all;
}

std::chrono::milliseconds WriteLoad::slowest() const {
  Clock::duration longest{0};
  for (const Worker& worker : workers_) {
    for (const Write& write : worker.writes) longest = std::max(longest, write.ended - write.begun);
  }
  return ms(longest);
}

std::vector<WriteLoad::Write> WriteLoad::slower_than(std::chrono::milliseconds time) const {
  std::vector<Write> slow;
  for (const Worker& worker : workers_) {
    for (const Write& write : worker.writes) {
      if (write.ended - write.begun >= time) slow.push_back(write);
    }
  }
  return slow;
}

std::chrono::milliseconds WriteLoad::median() const {
  std::vector<Clock::duration> all;
  for (const Worker& worker : workers_) {
    for (const Write& write : worker.writes) all.push_back(write.ended - write.begun);
  }
  if (all.empty()) return {};
  const auto middle = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
  std::nth_element(all.begin(), middle, all.end());
  return ms(*middle);
}

std::chrono::milliseconds WriteLoad::longest_gap(int client, Clock::time_point from,
                                                 Clock::time_point to) const {
  Clock::duration longest{0};
  const Worker& worker = workers_[static_cast<std::size_t>(client)];
  for (const Write& write : worker.writes) {
    if (write.ended >= from && write.begun <= to) {
      longest = std::max(longest, write.ended - write.begun);
    }
  }
  return ms(longest);
}

std::vector<std::string> WriteLoad::lost(Client& client) const {
  std::vector<std::string> lost;
  for (std::size_t number = 0; number < workers_.size(); ++number) {
    std::size_t next = 0;
    RangeOptions options;
    for (bool more = true; more;) {
      const auto page = client.range(KeyRange::prefix(fmt::format("load/{:02}/", number)), options);
      if (!page) return {page.error().message};
      for (const KeyValue& item : page->items) {
        if (item.key != key(number, next) || item.value != std::to_string(next)) {
          lost.push_back(key(number, next));
        }
        ++next;
      }
      more = page->more;
      options.cursor = page->cursor;
    }
    for (; next < workers_[number].writes.size(); ++next) lost.push_back(key(number, next));
  }
  return lost;
}

}  // namespace coord::test
