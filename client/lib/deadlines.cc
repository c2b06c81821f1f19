#include "client/lib/deadlines.h"

#include "client/lib/pipeline.h"

namespace coord::internal {
namespace {

// Timeouts in use at once; callers who compute a new one for each request must not make us grow.
constexpr std::size_t kLinesMax = 256;

}  // namespace

void Deadlines::add(Request& request, milliseconds timeout) {
  if (lines_.size() >= kLinesMax) {
    std::erase_if(lines_, [](const auto& line) { return line.second.empty(); });
  }
  request.deadline = environment_.clock() + timeout;
  request.deadline_class = timeout;
  lines_[timeout].push_back(request);
  if (request.deadline < armed_) arm();
}

void Deadlines::remove(Request& request) {
  lines_[request.deadline_class].remove(request);
}

void Deadlines::arm() {
  Instant earliest = Instant::max();
  for (const auto& [timeout, line] : lines_) {
    if (!line.empty()) earliest = std::min(earliest, line.first()->deadline);
  }
  if (earliest >= armed_) return;
  armed_ = earliest;
  const Duration delay = std::max(Duration(0), earliest - environment_.clock());
  tasks_.add(environment_.timer.afterDelay(to_kj(delay)).then([this, earliest] {
    // One that was set for a later time than the next one is of no use any more.
    if (armed_ == earliest) expire_due();
  }));
}

void Deadlines::expire_due() {
  const Instant now = environment_.clock();
  armed_ = Instant::max();
  for (auto& [timeout, line] : lines_) {
    while (!line.empty() && line.first()->deadline <= now) {
      Request& request = *line.first();
      request.pipeline->expire(request);
    }
  }
  arm();
}

void Deadlines::taskFailed(kj::Exception&& exception) {
  CHECK(false, "a deadline failed: {}", exception.getDescription().cStr());
}

}  // namespace coord::internal
