// How much a call matters at a full upstream, and whose turns it takes there.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/fields.h"
#include "call/digest.h"
#include "call/settings.h"

namespace hf::call {

// By the route, lowered by what the request says where the route listens to it; never raised.
CallClass class_of(const ClassSettings& rule, const Fields& fields, std::uint8_t urgency);

// One number a client: of its owner, or of its address without the port where the owner is anyone.
// Two may share one by chance, and then share their turns.
std::uint64_t share_of(const Digest& owner);
std::uint64_t share_of(std::string_view address);

}  // namespace hf::call
