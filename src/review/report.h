// A review for people, for scripts and for code scanning.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "review/review.h"

namespace hf::review {

struct Look {
  std::size_t width = 80;  // columns
  bool colour = false;
};
// `fail_on`: none means that nothing fails.
std::string text_of(const Report& report, std::optional<Level> fail_on, const Look& look);
// One object; docs/review.md has the members.
std::string json_of(const Report& report, std::optional<Level> fail_on);
// SARIF 2.1.0. What is accepted is left out: who reads it would show it as open.
std::string sarif_of(const Report& report, std::string_view version);

}  // namespace hf::review
