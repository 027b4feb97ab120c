#include "load/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace hf::load {
namespace {

// Values below 2 * kPlaces have a place each; above, every doubling is cut into kPlaces.
constexpr unsigned kBits = 7;
constexpr std::uint64_t kPlaces = 1U << kBits;

std::uint64_t micros_of(Duration value) {
  const Duration held = std::clamp(value, Duration{}, Histogram::kLongest);
  return static_cast<std::uint64_t>(held.ns / 1000);
}

Duration from_micros(std::uint64_t micros) {
  return Duration::micros(static_cast<std::int64_t>(micros));
}

}  // namespace

std::size_t Histogram::index_of(std::uint64_t micros) {
  if (micros < 2 * kPlaces) return micros;
  const unsigned shift = static_cast<unsigned>(std::bit_width(micros)) - kBits - 1;
  return shift * kPlaces + (micros >> shift);
}

std::uint64_t Histogram::highest_of(std::size_t index) {
  if (index < 2 * kPlaces) return index;
  const std::size_t shift = index / kPlaces - 1;
  return ((index % kPlaces + kPlaces + 1) << shift) - 1;
}

void Histogram::record(Duration value, std::uint64_t times) {
  if (times == 0) return;
  const std::uint64_t micros = micros_of(value);
  const std::size_t at = index_of(micros);
  if (at >= counts_.size()) counts_.resize(at + 1);
  counts_[at] += times;
  count_ += times;
  sum_micros_ += micros * times;
  max_ = std::max(max_, from_micros(micros));
}

void Histogram::merge(const Histogram& other) {
  if (other.counts_.size() > counts_.size()) counts_.resize(other.counts_.size());
  for (std::size_t i = 0; i < other.counts_.size(); ++i)
    counts_[i] += other.counts_[i];
  count_ += other.count_;
  sum_micros_ += other.sum_micros_;
  max_ = std::max(max_, other.max_);
}

Duration Histogram::quantile(double share) const {
  if (count_ == 0) return {};
  const double wanted = std::ceil(std::clamp(share, 0.0, 1.0) * static_cast<double>(count_));
  const auto rank = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(wanted));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen >= rank) return std::min(from_micros(highest_of(i)), max_);
  }
  return max_;
}

Duration Histogram::mean() const {
  return count_ == 0 ? Duration{} : from_micros(sum_micros_ / count_);
}

std::uint64_t Histogram::count_over(Duration limit) const {
  std::uint64_t over = 0;
  for (std::size_t i = index_of(micros_of(limit)) + 1; i < counts_.size(); ++i)
    over += counts_[i];
  return over;
}

std::vector<Histogram::Place> Histogram::places() const {
  std::vector<Place> out;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    if (counts_[i] > 0) out.push_back({from_micros(highest_of(i)), counts_[i]});
  }
  return out;
}

}  // namespace hf::load
