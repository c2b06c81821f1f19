// A node's surroundings, all in memory: what it does is written down in order, and what it waits
// for happens when the test says so.
#pragma once

#include <spdlog/logger.h>

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "raft/node/node.h"

namespace coord::raft::testing {

inline constexpr ClusterId kCluster{0xc0};
inline const Instant kStart{seconds(100)};

inline spdlog::logger& silent() {
  static spdlog::logger logger("silent");  // without sinks
  return logger;
}

inline LogId at(std::uint64_t term, std::uint64_t index) {
  return {.term = Term(term), .index = Index(index)};
}
inline Bytes command(std::uint64_t number) {
  return Bytes::copy_of(std::to_string(number));
}
inline std::string text(const Entry& entry) {
  return std::string(entry.payload.view());
}

inline Configuration voters(std::initializer_list<std::uint64_t> ids) {
  Configuration configuration;
  for (const std::uint64_t id : ids) configuration.voters.push_back(MemberId(id));
  return configuration;
}

// The steps that all fakes of one node write down, such as "submit 1", "send", "apply 3".
using Journal = std::vector<std::string>;

class FakeLog final : public DurableLog {
 public:
  explicit FakeLog(Journal& journal) : journal_(journal) {}
  void submit(Durable batch) override {
    journal_.push_back("submit " + std::to_string(batch.ticket.value()));
    batches.push_back(std::move(batch));
  }
  void load(Load request) override { loads.push_back(request); }
  void cut(Index through) override { cuts.push_back(through); }

  Ticket last() const { return batches.empty() ? Ticket{} : batches.back().ticket; }

  std::vector<Durable> batches;
  std::vector<Load> loads;
  std::vector<Index> cuts;

 private:
  Journal& journal_;
};

class FakeLinks final : public PeerLinks {
 public:
  explicit FakeLinks(Journal& journal) : journal_(journal) {}
  void send(std::vector<Message> messages) override {
    journal_.push_back("send");
    ++calls;
    for (Message& message : messages) sent.push_back(std::move(message));
  }

  // Takes out the messages of that kind.
  template <class Body>
  std::vector<Message> take() {
    std::vector<Message> found;
    std::vector<Message> rest;
    for (Message& message : sent) {
      (std::holds_alternative<Body>(message.body) ? found : rest).push_back(std::move(message));
    }
    sent = std::move(rest);
    return found;
  }

  std::vector<Message> sent;
  int calls = 0;

 private:
  Journal& journal_;
};

class FakeStateMachine final : public StateMachine {
 public:
  explicit FakeStateMachine(Journal& journal) : journal_(journal) {}
  void apply(std::span<const Entry> entries) override {
    journal_.push_back("apply " + std::to_string(entries.back().id.index.value()));
    for (const Entry& entry : entries) applied.push_back(entry);
    if (hook) hook();
  }
  bool busy() const override { return is_busy; }

  std::vector<Entry> applied;
  std::function<void()> hook;
  bool is_busy = false;

 private:
  Journal& journal_;
};

class FakeObserver final : public NodeObserver {
 public:
  void on_fact(const Fact& fact) override {
    facts.push_back(fact);
    if (hook) hook(fact);
  }

  std::vector<Fact> facts;
  std::function<void(const Fact&)> hook;
};

}  // namespace coord::raft::testing
