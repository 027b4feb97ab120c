// Text within a page.
#pragma once

#include <string>
#include <string_view>

namespace hf {

// For element content and quoted attribute values: & < > " ' as references, all else as it is.
std::string html_escaped(std::string_view text);

}  // namespace hf
