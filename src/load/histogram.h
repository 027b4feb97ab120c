// How often each length of time was seen, with a bounded error and without keeping the values: a
// log-linear histogram. Debian's libhdrhistogram would be a dependency for these hundred lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/time.h"

namespace hf::load {

// Values are whole microseconds, from 0 to kLongest (longer ones count as that). What is read back
// is at most 1/128 more than what was recorded, never less. Grows with the longest value it was
// given, up to 27 KiB. One thread at a time.
class Histogram {
 public:
  static constexpr Duration kLongest = Duration::hours(9);

  void record(Duration value, std::uint64_t times = 1);
  void merge(const Histogram& other);

  [[nodiscard]] std::uint64_t count() const { return count_; }
  // The value that `share` of all do not exceed; 0 to 1. 0 when it is empty.
  [[nodiscard]] Duration quantile(double share) const;
  [[nodiscard]] Duration max() const { return max_; }  // exact, in microseconds
  [[nodiscard]] Duration mean() const;
  // How many were longer than `limit`; those within 1/128 of it may be counted as equal.
  [[nodiscard]] std::uint64_t count_over(Duration limit) const;

  // The places that are not empty, ascending: the longest value of the place, and how many.
  struct Place {
    Duration up_to;
    std::uint64_t count = 0;
    bool operator==(const Place&) const = default;
  };
  [[nodiscard]] std::vector<Place> places() const;

 private:
  static std::size_t index_of(std::uint64_t micros);
  static std::uint64_t highest_of(std::size_t index);

  std::vector<std::uint64_t> counts_;
  std::uint64_t count_ = 0;
  Duration max_;
  std::uint64_t sum_micros_ = 0;
};

}  // namespace hf::load
