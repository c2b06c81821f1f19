#include "raft/core/reads.h"

#include <utility>

#include "raft/base/check.h"

namespace coord::raft {

bool LeaderReads::add(Asker asker) {
  if (size_ >= waiting_max_) return false;
  waiting_.push_back(asker);
  ++size_;
  return true;
}

void LeaderReads::start(Round round, Index commit) {
  if (waiting_.empty()) return;
  CHECK(rounds_.empty() || rounds_.back().round < round);
  rounds_.push_back({round, {std::exchange(waiting_, {}), commit}});
}

std::vector<LeaderReads::Ready> LeaderReads::acknowledged(Round round) {
  std::vector<Ready> ready;
  while (!rounds_.empty() && rounds_.front().round <= round) {
    size_ -= rounds_.front().reads.askers.size();
    ready.push_back(std::move(rounds_.front().reads));
    rounds_.pop_front();
  }
  return ready;
}

LeaderReads::Ready LeaderReads::take_waiting(Index commit) {
  size_ -= waiting_.size();
  return {std::exchange(waiting_, {}), commit};
}

std::vector<LeaderReads::Asker> LeaderReads::drain() {
  std::vector<Asker> askers;
  askers.reserve(size_);
  for (const Started& started : rounds_) {
    askers.insert(askers.end(), started.reads.askers.begin(), started.reads.askers.end());
  }
  askers.insert(askers.end(), waiting_.begin(), waiting_.end());
  rounds_.clear();
  waiting_.clear();
  size_ = 0;
  return askers;
}

bool AskedReads::add(ReadId id, Instant deadline) {
  if (reads_.size() >= waiting_max_) return false;
  reads_.push_back({.id = id, .deadline = deadline, .request = {}, .leader = {}});
  return true;
}

std::optional<ReadId> AskedReads::ask(MemberId leader) {
  std::optional<ReadId> request;
  for (auto read = reads_.rbegin(); read != reads_.rend() && read->request.is_zero(); ++read) {
    if (!request) request = std::exchange(next_request_, next_request_.next());
    read->request = *request;
    read->leader = leader;
  }
  return request;
}

void AskedReads::forget_asking() {
  for (Asked& read : reads_) read.request = {};
}

std::vector<ReadId> AskedReads::answered(MemberId by, ReadId request) {
  std::vector<ReadId> ids;
  if (request.is_zero()) return ids;
  std::deque<Asked> others;
  for (const Asked& read : reads_) {
    if (read.request == request && read.leader == by) {
      ids.push_back(read.id);
    } else {
      others.push_back(read);
    }
  }
  if (!ids.empty()) reads_ = std::move(others);
  return ids;
}

std::vector<AskedReads::Expired> AskedReads::expired(Instant now) {
  std::vector<Expired> expired;
  while (!reads_.empty() && reads_.front().deadline <= now) {
    expired.push_back({reads_.front().id, !reads_.front().request.is_zero()});
    reads_.pop_front();
  }
  return expired;
}

std::vector<ReadId> AskedReads::drain() {
  std::vector<ReadId> ids;
  ids.reserve(reads_.size());
  for (const Asked& read : std::exchange(reads_, {})) ids.push_back(read.id);
  return ids;
}

}  // namespace coord::raft
