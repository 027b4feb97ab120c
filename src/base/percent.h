// Percent-encoding as the URL standard reads it.
#pragma once

#include <string>
#include <string_view>

namespace hf {

// A percent sign without two hex digits behind it stands for itself (URL standard, section 1.3);
// of a form a plus sign is a blank (section 5.1).
std::string percent_decoded_loosely(std::string_view text, bool plus_is_blank);

}  // namespace hf
