// The searchable fields of a request, as the route declares them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "call/call.h"
#include "call/hasher.h"
#include "call/settings.h"

namespace hf::call {

// Longer values are kept as hashes, like sensitive ones: they can be found, and are not stored.
inline constexpr std::size_t kIndexValueMax = 256;

// The declared fields that are there once. A missing or repeated one is left out: a call must not
// be refused for what is only for searching.
std::vector<IndexValue> index_of(const RouteSettings& route, const Fields& fields,
                                 std::string_view body, const Hasher& hasher);

// What is kept of `value` where the value itself may not be: hex of its keyed hash.
std::string hashed_value(std::string_view value, const Hasher& hasher);

}  // namespace hf::call
