#include "service/store/flush_progress.h"

#include <algorithm>

namespace coord::service {

namespace {
// Nothing is learned from flushes that are smaller, and make LMDB give no more than so much: they
// hold nobody up, and are the disk's all the way. Many small records, scattered, make it give much.
constexpr double kBytesMin = 1 << 20;
constexpr double kBytesGivenMin = 4 << 20;
// How much the flush that has just ended counts.
constexpr double kNewestCounts = 0.125;

void learn(double& expected, double newest) {
  expected += kNewestCounts * (newest - expected);
}

double part_of(double whole, double part) {
  return whole > 0 ? std::min(part / whole, 1.0) : 1;
}
}  // namespace

void FlushProgress::begin(std::size_t records, std::size_t bytes, Time now) {
  records_ = static_cast<double>(records);
  bytes_ = static_cast<double>(bytes);
  bytes_given_ = 0;
  begun_at_ = changed_at_ = now;
  given_at_.reset();
}

double FlushProgress::changed(std::size_t records) const {
  return expected_.changing * part_of(records_, static_cast<double>(records));
}

void FlushProgress::all_changed(Time now) {
  changed_at_ = now;
}

double FlushProgress::gave(std::uint64_t bytes) {
  bytes_given_ += static_cast<double>(bytes);
  return expected_.changing +
         expected_.giving * part_of(expected_.bytes_given * bytes_, bytes_given_);
}

double FlushProgress::written(double part, Time now) {
  if (!given_at_) given_at_ = now;
  const double before = expected_.changing + expected_.giving;
  return before + (1 - before) * part;
}

void FlushProgress::end(Time now) {
  if (!given_at_ || now <= begun_at_) return;
  if (bytes_ < kBytesMin && bytes_given_ < kBytesGivenMin) return;
  const auto share = [whole = now - begun_at_](auto time) {
    return static_cast<double>(time.count()) / static_cast<double>(whole.count());
  };
  learn(expected_.changing, share(changed_at_ - begun_at_));
  learn(expected_.giving, share(*given_at_ - changed_at_));
  learn(expected_.bytes_given, bytes_given_ / bytes_);
}

}  // namespace coord::service
