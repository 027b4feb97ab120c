#include "call/importance.h"

#include <algorithm>

#include "base/bytes.h"
#include "call/call.h"

namespace hf::call {

CallClass class_of(const ClassSettings& rule, const Fields& fields, std::uint8_t urgency) {
  CallClass out = rule.at_most;
  if (rule.by_priority && urgency > kUrgencyDefault) {
    // RFC 9218 section 4.1: 4 and 5 for what can wait a little, 6 and 7 for what nobody waits for.
    out = std::min(out, urgency >= 6 ? CallClass::optional : CallClass::low);
  }
  for (const ClassRule& one : rule.match) {
    const Field* field = find_field(fields, one.header);
    if (field == nullptr) continue;
    const auto value = trim_blanks(field->value);
    const bool fits = one.values.empty() ||
                      std::find(one.values.begin(), one.values.end(), value) != one.values.end();
    if (fits) out = std::min(out, one.importance);
  }
  return out;
}

std::uint64_t share_of(const Digest& owner) {
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < sizeof(out); ++i)
    out = out << 8U | owner.bytes[i];
  return out;
}

std::uint64_t share_of(const IpAddress& address) {
  return hash_of(address);  // nobody gains by a collision
}

}  // namespace hf::call
