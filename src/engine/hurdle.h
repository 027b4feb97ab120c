// What may stand between a call and its attempt: the rule that a refusal names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace hf::engine {

enum class Hurdle : std::uint8_t {
  none,
  paused,
  breaker,
  ramp,
  concurrency,
  rate,
  budget,
  order,
  shed,  // sent away so that what matters more need not wait
};
inline constexpr std::size_t kHurdles = 9;
std::string_view to_string(Hurdle hurdle);

}  // namespace hf::engine
