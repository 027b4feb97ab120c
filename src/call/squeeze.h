// Record payloads made smaller before they are sealed: sealed bytes do not compress.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace hf::call {

// None where it would not become smaller.
std::string squeeze(std::string_view payload);
// ErrorKind::corrupt: nothing that squeeze() gives, or longer than `most`. Allocates what it gives.
Result<std::string> unsqueeze(std::string_view squeezed, std::size_t most);

}  // namespace hf::call
