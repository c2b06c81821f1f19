// What the tests of the store share: a directory of their own, a loop that runs what was posted
// when the test says so, and a table as a naive twin sees it.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <array>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>

#include "service/store/store.h"
#include "tests/eventually.h"
#include "tests/temporary_directory.h"

namespace coord::service {

using test::eventually;
using test::TemporaryDirectory;

// The loop's post(), under the test's control.
class PostQueue {
 public:
  Store::Post post() {
    return [this](std::function<void()> work) {
      const std::lock_guard lock(mutex_);
      work_.push_back(std::move(work));
      arrived_.notify_one();
    };
  }
  // Waits for one piece of work and runs it.
  void run_one() {
    std::function<void()> work;
    {
      std::unique_lock lock(mutex_);
      arrived_.wait(lock, [this] { return !work_.empty(); });
      work = std::move(work_.front());
      work_.pop_front();
    }
    work();
  }
  bool empty() {
    const std::lock_guard lock(mutex_);
    return work_.empty();
  }
  // Waits until there is work, and leaves it.
  void await_one() {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [this] { return !work_.empty(); });
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<std::function<void()>> work_;
};

constexpr Table kTable = Table::kKeys;

class Fixture {
 public:
  Result<std::unique_ptr<Store>> try_open(std::size_t map_bytes = std::size_t{1} << 30) {
    return Store::open({.directory = directory.path(), .map_bytes = map_bytes}, queue.post(),
                       {.failed = [this](Error error) { failures.push_back(std::move(error)); }});
  }
  void open(std::size_t map_bytes = std::size_t{1} << 30) {
    store.reset();
    store = *try_open(map_bytes);
  }
  void flush() {
    bool done = false;
    store->flush([&done] { done = true; });
    while (!done && failures.empty()) queue.run_one();
  }
  std::string get(std::string_view key, Table table = Table::kKeys) const {
    const auto value = store->get(table, key);
    return value ? std::string(*value) : "(none)";
  }
  // "a=1 b=2"
  std::string scan(std::string_view from = {}, Table table = Table::kKeys) const {
    std::string all;
    for (auto cursor = store->seek(table, from); cursor->valid(); cursor->next()) {
      if (!all.empty()) all += ' ';
      all += std::string(cursor->key()) + '=' + std::string(cursor->value());
    }
    return all;
  }

  // A snapshot of what was flushed last, as `directory`/copies/`name`.
  Result<Snapshot> copy(const std::string& name = "copy", CopyOptions options = {}) {
    std::filesystem::create_directories(directory.path() / "copies");
    options.target = directory.path() / "copies" / name;
    options.read_content = read_content;
    std::optional<Result<Snapshot>> copied;
    store->copy(std::move(options),
                [&copied](Result<Snapshot> snapshot) { copied = std::move(snapshot); });
    while (!copied) queue.run_one();
    return *std::move(copied);
  }
  // What tests have in the place of a state's own records: "TERM INDEX" in kMeta.
  void set_position(std::uint64_t term, std::uint64_t index) {
    store->put(Table::kMeta, "position", fmt::format("{} {}", term, index));
  }
  static Result<SnapshotContent> read_content(const Tables& tables) {
    const auto text = tables.get(Table::kMeta, "position");
    if (!text) return make_error(ErrorCode::kCorrupt, "there is no position");
    std::istringstream in{std::string(*text)};
    std::uint64_t term = 0;
    std::uint64_t index = 0;
    in >> term >> index;
    SnapshotContent content;
    content.applied = {Term(term), Index(index)};
    return content;
  }

  TemporaryDirectory directory;
  PostQueue queue;
  std::vector<Error> failures;
  std::unique_ptr<Store> store;
};

using Twin = std::array<std::map<std::string, std::string>, kTableCount>;

}  // namespace coord::service
