// Record payloads made smaller before they are sealed: sealed bytes do not compress.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hf::call {

// How a payload was made smaller: a part of the format. `second` is what squeeze() does now.
enum class Packing : std::uint8_t { first, second };

// Empty where it would not become smaller. Any thread; what it gives lasts until the thread's next
// use of it.
std::string_view squeeze(std::string_view payload);
// ErrorKind::corrupt: nothing that this packing gives, or longer than `most`. Allocates what it
// gives. Any thread.
Result<std::string> unsqueeze(Packing how, std::string_view squeezed, std::size_t most);

// What each packing knows beforehand. They never change.
std::string_view first_dictionary();
std::string_view second_dictionary();

}  // namespace hf::call
