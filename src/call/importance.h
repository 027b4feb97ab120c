// How much a call matters at a full upstream, and whose turns it takes there.
#pragma once

#include <compare>
#include <cstdint>

#include "base/fields.h"
#include "base/ip_address.h"
#include "call/digest.h"
#include "call/settings.h"

namespace hf::call {

// By the route, lowered by what the request says where the route listens to it; never raised.
CallClass class_of(const ClassSettings& rule, const Fields& fields, std::uint8_t urgency);

// Whose turns a call takes at a full upstream: its address has one among the addresses, and its
// owner one among the owners there. Credentials can be made up, so that they give nobody more than
// its address has. Two may have one number by chance, and then share their turns.
struct Share {
  std::uint64_t address = 0;
  std::uint64_t owner = 0;
  auto operator<=>(const Share&) const = default;
};
std::uint64_t share_of(const Digest& owner);
std::uint64_t share_of(const IpAddress& address);

}  // namespace hf::call
