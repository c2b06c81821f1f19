#include "raft/storage/spare_segments.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>

#include "raft/base/limits.h"

namespace coord::raft {

namespace {

// Small enough that the log's own sync never waits for much of this.
constexpr std::size_t kFillStepBytes = 256 * limits::kKiB;
// After each step the disk is the log's own for this many times as long as the step took.
constexpr int kPauseSteps = 3;
constexpr milliseconds kPauseMax{20};
constexpr const char* kUnfinishedName = "spare.tmp";

bool ends_with(const std::string& name, std::string_view suffix) {
  return std::string_view(name).ends_with(suffix);
}

// Of "<number>.spare"; zero if somebody named it otherwise.
std::uint64_t number_of(const std::string& name) {
  std::uint64_t number = 0;
  std::from_chars(name.data(), name.data() + name.size(), number);
  return number;
}

}  // namespace

SpareSegments::SpareSegments(FileSystem& file_system, Options options)
    : file_system_(file_system), options_(std::move(options)) {}

SpareSegments::~SpareSegments() {
  stop_ = true;
  if (maker_.joinable()) maker_.join();
}

Status SpareSegments::adopt(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const auto path = options_.directory / name;
    if (ends_with(name, ".tmp")) {
      if (Status removed = file_system_.remove(path); !removed.ok()) return removed;
      continue;
    }
    if (!ends_with(name, ".spare")) continue;
    auto file = file_system_.open(path, FileSystem::Mode::kOpenExisting);
    if (!file.ok()) return file.error();
    const auto size = (*file)->size();
    if (!size.ok()) return size.error();
    if (*size == options_.file_bytes && ready_.size() < kSparesMax) {
      ready_.push_back(path);
      next_number_ = std::max(next_number_, number_of(name) + 1);
    } else if (Status removed = file_system_.remove(path); !removed.ok()) {
      return removed;
    }
  }
  return {};
}

void SpareSegments::prepare() {
  {
    const std::lock_guard lock(mutex_);
    if (making_ || !ready_.empty()) return;
    making_ = true;
  }
  if (maker_.joinable()) maker_.join();
  if (options_.in_background) {
    maker_ = std::thread([this] { make(); });
  } else {
    make();
  }
}

void SpareSegments::make() {
  const auto path = options_.directory / kUnfinishedName;
  Status status;
  {
    auto file = file_system_.open(path, FileSystem::Mode::kCreateNew);
    status = file.ok() ? fill(**file) : Status(file.error());
  }
  const std::lock_guard lock(mutex_);
  making_ = false;
  const auto finished = fresh_path();
  if (status.ok()) status = file_system_.rename(path, finished);
  if (status.ok()) {
    ready_.push_back(finished);
  } else {
    static_cast<void>(file_system_.remove(path).ok());
  }
}

Status SpareSegments::fill(File& file) {
  if (Status allocated = file.allocate(options_.file_bytes); !allocated.ok()) return allocated;
  const std::vector<std::byte> zeroes(std::min<std::uint64_t>(kFillStepBytes, options_.file_bytes));
  for (std::uint64_t at = 0; at < options_.file_bytes; at += zeroes.size()) {
    if (stop_) return make_error(ErrorCode::kCancelled, "the log is closing");
    const auto begun_at = std::chrono::steady_clock::now();
    const auto step = std::min<std::uint64_t>(zeroes.size(), options_.file_bytes - at);
    if (Status done = file.write_at(at, std::span(zeroes).first(step)); !done.ok()) return done;
    if (Status done = file.sync(); !done.ok()) return done;
    if (options_.in_background) {
      const auto took = std::chrono::steady_clock::now() - begun_at;
      std::this_thread::sleep_for(std::min<nanoseconds>(took * kPauseSteps, kPauseMax));
    }
  }
  return {};
}

std::optional<std::filesystem::path> SpareSegments::take() {
  const std::lock_guard lock(mutex_);
  if (ready_.empty()) return std::nullopt;
  auto path = std::move(ready_.back());
  ready_.pop_back();
  return path;
}

Status SpareSegments::retire(const std::filesystem::path& segment, std::uint64_t file_bytes) {
  const std::lock_guard lock(mutex_);
  if (file_bytes != options_.file_bytes || ready_.size() >= kSparesMax) {
    return file_system_.remove(segment);
  }
  auto path = fresh_path();
  if (Status renamed = file_system_.rename(segment, path); !renamed.ok()) return renamed;
  ready_.push_back(std::move(path));
  return {};
}

std::uint64_t SpareSegments::disk_bytes() const {
  const std::lock_guard lock(mutex_);
  return (ready_.size() + (making_ ? 1 : 0)) * options_.file_bytes;
}

std::filesystem::path SpareSegments::fresh_path() {
  return options_.directory / fmt::format("{}.spare", next_number_++);
}

}  // namespace coord::raft
