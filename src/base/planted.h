// Points in the product that only the simulator's build knows (FoundationDB's manner):
//
//   HF_BUG("replay-unsynced")   false, until `holdfast-sim --bug replay-unsynced` plants that bug;
//                               the oracle that sim/bugs.cc names for it must then speak
//   HF_PROBE("probe-lost");     counts that a rare branch was taken: a batch of worlds must take it
//
// In every other build the one is the constant false and the other nothing, and their names are
// not in the program (tidy.tree and a test of the release program see to it). Only in .cc files:
// the simulator compiles these a second time, and a header must be the same for both.
#pragma once

#ifdef HOLDFAST_PLANTED

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace hf::planted {

// One point; all of them exist from the start of the program on.
struct Point {
  explicit Point(std::string_view n, std::vector<Point*>& among) : name(n) {
    among.push_back(this);
  }
  std::string_view name;
  bool armed = false;                   // of a bug: set before any world begins
  std::atomic<std::uint64_t> hits = 0;  // of a probe, or of an armed bug
};

inline std::vector<Point*>& bugs() {
  static std::vector<Point*> all;
  return all;
}
inline std::vector<Point*>& probes() {
  static std::vector<Point*> all;
  return all;
}

template <std::size_t N>
struct Name {
  // NOLINTNEXTLINE: a string literal is what it is made from
  constexpr Name(const char (&text)[N]) { std::copy_n(text, N, chars); }
  [[nodiscard]] constexpr std::string_view view() const { return {chars, N - 1}; }
  char chars[N]{};
};

template <Name N>
inline Point bug_point{N.view(), bugs()};
template <Name N>
inline Point probe_point{N.view(), probes()};

inline bool bug(Point& point) {
  if (!point.armed) return false;
  point.hits.fetch_add(1, std::memory_order_relaxed);
  return true;
}
inline void probe(Point& point) {
  point.hits.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace hf::planted

#define HF_BUG(name) (::hf::planted::bug(::hf::planted::bug_point<name>))
#define HF_PROBE(name) (::hf::planted::probe(::hf::planted::probe_point<name>))

#else

#define HF_BUG(name) (false)
#define HF_PROBE(name) (static_cast<void>(0))

#endif
