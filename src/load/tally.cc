#include "load/tally.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"

namespace hf::load {
namespace {

struct Names {
  std::string_view name;
  std::string_view words;
};
constexpr std::array<Names, kFailures> kNames{{
    {"connect_refused", "connections refused"},
    {"connect_timeout", "connections not made in time"},
    {"reset", "connections ended before the answer"},
    {"timeout", "no answer in time"},
    {"bad_answer", "answers that are not sound HTTP/1.1"},
    {"tls", "TLS handshakes failed"},
    {"unsent", "never sent, for the bound of connections"},
}};

}  // namespace

std::string_view to_string(Failure failure) {
  return kNames.at(static_cast<std::size_t>(failure)).name;
}

std::string_view in_words(Failure failure) {
  return kNames.at(static_cast<std::size_t>(failure)).words;
}

void Tally::merge(const Tally& other) {
  due += other.due;
  answered += other.answered;
  for (const auto& [status, count] : other.statuses)
    statuses[status] += count;
  for (std::size_t i = 0; i < kFailures; ++i)
    failures[i] += other.failures[i];
  latency.merge(other.latency);
  service.merge(other.service);
  connect.merge(other.connect);
  lag.merge(other.lag);
  queued += other.queued;
}

std::uint64_t Tally::failed() const {
  return std::accumulate(failures.begin(), failures.end(), std::uint64_t{0});
}

std::uint64_t Tally::bad_statuses() const {
  std::uint64_t sum = 0;
  for (auto at = statuses.lower_bound(kFirstErrorStatus); at != statuses.end(); ++at)
    sum += at->second;
  return sum;
}

void Slice::merge(const Slice& other) {
  HF_CHECK(begin == other.begin && length == other.length);
  tally.merge(other.tally);
  completed += other.completed;
  in_flight += other.in_flight;
  // Several generators that each wait: the server is as silent as the one that waits least.
  silence = std::min(silence, other.silence);
}

}  // namespace hf::load
