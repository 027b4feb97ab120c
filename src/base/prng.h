// A seeded generator that gives the same stream on every compiler (xoshiro256**, Blackman & Vigna;
// seeded by splitmix64). One a component, by fork(): a new draw disturbs only its owner, and a seed
// replays a run exactly. Not for secrets or ids.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace hf {

class Prng {
 public:
  explicit Prng(std::uint64_t seed);

  std::uint64_t next();
  // Uniform in [0, bound); 0 for bound 0. Unbiased (Lemire).
  std::uint64_t below(std::uint64_t bound);
  // Uniform in [low, high], both included.
  std::int64_t between(std::int64_t low, std::int64_t high);
  // True `numerator` times in `denominator`.
  bool chance(std::uint64_t numerator, std::uint64_t denominator);
  // An independent stream; the same label from the same state gives the same stream.
  [[nodiscard]] Prng fork(std::string_view label) const;

 private:
  std::array<std::uint64_t, 4> state_{};
};

}  // namespace hf
