// How far a flush has come: the part of its time that has gone by, estimated from what it has done
// and from what took how long in the flushes before.
//
// A flush has three stages: LMDB's tables are changed, the pages that this made are given to the
// kernel, and the disk writes them. How long each of them takes, compared with the others, depends
// on the disk and on how busy the processors are.
//
// One thread. Times are the caller's.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace coord::service {

class FlushProgress {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Of so many records in all, which have so many bytes.
  void begin(std::size_t records, std::size_t bytes, Time now);
  // The stages, in their order. What returns a number returns the progress, from 0 to 1.
  double changed(std::size_t records) const;  // so many of them by now
  void all_changed(Time now);
  double gave(std::uint64_t bytes);       // so many more
  double written(double part, Time now);  // as much of the file by now, from 0 to 1
  // Of a flush that succeeded.
  void end(Time now);

 private:
  struct Expected {
    // Of a flush's time; the rest is the disk's.
    double changing;
    double giving;
    double bytes_given;  // for each byte of the records
  };

  // Before the first flush: as where many keys change, on a fast disk.
  Expected expected_{.changing = 0.2, .giving = 0.25, .bytes_given = 4};
  double records_ = 0;
  double bytes_ = 0;
  double bytes_given_ = 0;  // by now
  Time begun_at_;
  Time changed_at_;
  std::optional<Time> given_at_;
};

}  // namespace coord::service
