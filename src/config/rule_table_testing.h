// For tests: the table of rules as a page of docs/ has it.
#pragma once

#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <string_view>

namespace hf::config {

inline std::string document(const std::string& name) {
  std::ifstream in(std::string(HF_SOURCE_DIR) + "/docs/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// The rows between <!-- rules --> and <!-- /rules -->, without the head; none where there are no
// such marks.
inline std::set<std::string> rule_rows(std::string_view page) {
  std::set<std::string> out;
  const auto from = page.find("<!-- rules -->");
  const auto to = page.find("<!-- /rules -->");
  if (to == std::string_view::npos) return out;
  for (std::size_t at = from; at < to;) {
    const auto end = page.find('\n', at);
    const auto line = page.substr(at, end - at);
    if (line.starts_with("| `")) out.emplace(line);
    at = end + 1;
  }
  return out;
}

}  // namespace hf::config
