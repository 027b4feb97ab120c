// Text for terminals.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace hf::review {

// `text` in lines of at most `width` columns, a word that is longer on a line of its own: the first
// behind `lead`, the others behind `indent`. Ends with a line break.
std::string wrapped(std::string_view text, std::string_view lead, std::string_view indent,
                    std::size_t width);

}  // namespace hf::review
