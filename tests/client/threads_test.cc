// The whole library as callers see it: its own thread, real sockets on loopback, many threads of
// callers, every kind of completion token.
#include <gtest/gtest.h>

#include <asio/bind_executor.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>
#include <atomic>
#include <future>
#include <thread>

#include "coord/client.h"
#include "tests/client/loopback_cluster.h"

namespace coord::fake {
namespace {

using std::chrono::seconds;

class ClientThreadsTest : public ::testing::Test {
 protected:
  LoopbackCluster members;
  ClientOptions options{.endpoints = members.endpoints(), .timeout = seconds(30), .name = "test"};
};

TEST_F(ClientThreadsTest, ManyThreads_ShareAClient) {
  Client client(options);
  std::atomic<int> good = 0;
  std::vector<std::thread> callers;
  for (int t = 0; t < 8; ++t) {
    callers.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const std::string key = "k" + std::to_string(t);
        if (!client.put(key, std::to_string(i)).ok()) continue;
        auto got = client.get(key);
        if (got.ok() && got->found() && got->record->value == std::to_string(i)) ++good;
      }
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(good, 400);
}

TEST_F(ClientThreadsTest, Increments_SumUp_WhileConnectionsAreCut) {
  Client client(options);
  std::atomic<int> added = 0;
  // After each increment something breaks, while the others are under way.
  const auto harm = [&](std::size_t i) {
    members.with([i](Cluster& cluster) {
      Member& member = cluster.member(i % 3);
      cluster.elect(&member);
      if (i % 2 == 0) member.faults = {Fault::kServe, Fault::kApplyThenDrop};
      if (i % 5 == 0) cluster.member((i + 1) % 3).cut();
    });
  };
  std::vector<std::thread> callers;
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([&] {
      for (int i = 0; i < 25;) {
        auto before = client.get("n");
        if (!before.ok()) continue;
        const int n = before->found() ? std::stoi(before->record->value) : 0;
        auto cas = client.cas(
            "n",
            before->found() ? Expect::mod_revision(before->record->mod_revision) : Expect::absent(),
            std::to_string(n + 1));
        ASSERT_TRUE(cas.ok()) << cas.error().message;
        if (!cas->succeeded) continue;
        ++i;
        harm(static_cast<std::size_t>(++added));
      }
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(added, 100);
  EXPECT_EQ(client.get("n")->record->value, "100");
}

TEST_F(ClientThreadsTest, Completions_RunWhereTheirHandlerBelongs) {
  Client client(options);
  // Nowhere in particular: on the I/O thread, where a blocking call is refused.
  std::promise<ErrorCode> nested;
  client.async_put("a", "1", {}, [&](Result<PutResult> put) {
    EXPECT_TRUE(put.ok());
    auto blocking = client.get("a");
    nested.set_value(blocking.ok() ? ErrorCode::kInternal : blocking.error().code);
  });
  EXPECT_EQ(nested.get_future().get(), ErrorCode::kInvalidArgument);

  // On an executor: there, which waits for it.
  asio::io_context io;
  std::thread::id ran_on;
  client.async_get("a", {}, asio::bind_executor(io.get_executor(), [&](Result<GetResult> got) {
                     EXPECT_EQ(got->record->value, "1");
                     ran_on = std::this_thread::get_id();
                   }));
  io.run();
  EXPECT_EQ(ran_on, std::this_thread::get_id());

  auto future = client.async_put("a", "2", {}, asio::use_future);
  EXPECT_TRUE(future.get().ok());
}

#if defined(ASIO_HAS_CO_AWAIT)
asio::awaitable<void> use(Client& client, std::string& seen) {
  auto put = co_await client.async_put("a", "1", {}, asio::use_awaitable);
  if (!put.ok()) co_return;
  auto lock = co_await client.async_lock("l", {}, asio::use_awaitable);
  if (!lock.ok()) co_return;
  auto guarded = co_await client.async_put("a", "2", {.guard = lock->guard()}, asio::use_awaitable);
  if (!guarded.ok()) co_return;
  auto released = co_await lock->async_release(asio::use_awaitable);
  if (!released.ok()) co_return;
  auto got = co_await client.async_get("a", {}, asio::use_awaitable);
  seen = got->record->value;
}

TEST_F(ClientThreadsTest, Coroutines_AwaitOperations) {
  Client client(options);
  asio::io_context io;
  std::string seen;
  asio::co_spawn(io, use(client, seen), asio::detached);
  io.run();
  EXPECT_EQ(seen, "2");
}
#endif

TEST_F(ClientThreadsTest, DestroyedClient_AnswersEverybody) {
  std::optional<Client> client(std::in_place, options);
  ASSERT_TRUE(client->put("a", "1").ok());
  members.with([](Cluster& cluster) {
    for (std::size_t i = 0; i < 3; ++i) cluster.member(i).stopped = true;
  });
  std::vector<std::future<Result<PutResult>>> outstanding;
  for (int i = 0; i < 100; ++i) {
    outstanding.push_back(client->async_put("a", "2", {}, asio::use_future));
  }
  client.reset();
  for (auto& answer : outstanding) {
    auto result = answer.get();
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, ErrorCode::kCancelled);
  }
}

TEST_F(ClientThreadsTest, Client_MayBeDestroyedByItsOwnHandler) {
  auto client = std::make_shared<Client>(options);
  Client& again = *client;
  std::promise<void> done;
  again.async_put("a", "1", {}, [client = std::move(client), &done](Result<PutResult> put) mutable {
    EXPECT_TRUE(put.ok());
    client.reset();
    done.set_value();
  });
  done.get_future().wait();
}

TEST_F(ClientThreadsTest, WhatWasHeld_IsGivenBack_AndOutlivesTheClientAsLost) {
  Lock lock;
  {
    Client client(options);
    auto acquired = client.lock("l");
    ASSERT_TRUE(acquired.ok());
    lock = std::move(acquired).value();
    EXPECT_TRUE(lock.held());
  }
  EXPECT_FALSE(lock.held());
  EXPECT_TRUE(lock.stop_token().stop_requested());
  EXPECT_FALSE(lock.release().ok());
  members.with([](Cluster& cluster) {
    EXPECT_TRUE(cluster.state.sessions.empty());
    EXPECT_TRUE(cluster.state.locks["l"].queue.empty());
  });
}

TEST_F(ClientThreadsTest, Watcher_IsPulledFromAnyThread) {
  Client client(options);
  auto watcher = client.watch(KeyRange::prefix("w"), {.list = true});
  while (true) {
    auto update = watcher.next();
    ASSERT_TRUE(update.ok());
    if (update->kind == WatchUpdate::Kind::kListEnd) break;
  }
  std::thread writer([&] {
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(client.put("w", std::to_string(i)).ok());
  });
  int expected = 0;
  while (expected < 20) {
    auto update = watcher.next(seconds(20));
    ASSERT_TRUE(update.ok()) << update.error().message;
    for (const WatchEvent& event : update->events) {
      EXPECT_EQ(event.current.value, std::to_string(expected++));
    }
  }
  writer.join();
  EXPECT_EQ(watcher.next(milliseconds(1)).error().code, ErrorCode::kDeadlineExceeded);
}

}  // namespace
}  // namespace coord::fake
