#include "review/wrap.h"

#include <algorithm>

namespace hf::review {

std::string wrapped(std::string_view text, std::string_view lead, std::string_view indent,
                    std::size_t width) {
  std::string out;
  std::string line(lead);
  bool empty = true;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    if (!empty && line.size() + 1 + word.size() > width) {
      out += line + "\n";
      line = indent;
      empty = true;
    }
    if (!empty) line += ' ';
    line += word;
    empty = false;
  }
  return out + line + "\n";
}

}  // namespace hf::review
