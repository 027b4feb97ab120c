// What a caller asks of its call besides the answer: when it may begin, when it must have ended,
// what it stands behind, how urgent it is.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "base/fields.h"
#include "base/time.h"
#include "call/call.h"

namespace hf::call {

// A point in time as a client says it: so long from now, or a date.
struct AskedTime {
  std::optional<Duration> in;
  WallTime at;  // without `in`
  [[nodiscard]] WallTime from(WallTime now) const { return in ? now + *in : at; }
};

struct AskedFields {
  std::optional<AskedTime> not_before;
  std::optional<AskedTime> deadline;
  std::string order;  // empty: none
  std::uint8_t urgency = kUrgencyDefault;
};

// Holdfast-Not-Before and Holdfast-Deadline are whole seconds, a duration ("90s", "2h30m") or an
// HTTP date; Holdfast-Order is 1 to 255 visible ASCII characters, quoted or not; of Priority (RFC
// 9218 section 4) the `u` counts, and one that cannot be read counts as not there. A text answer
// says what is wrong, for a 400.
std::variant<std::string, AskedFields> read_asked(const Fields& fields);

}  // namespace hf::call
