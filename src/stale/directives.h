// Cache-Control as far as it matters to answers that may stand in for errors (RFC 9111 section 5.2,
// RFC 5861 section 4). Whatever cannot be read counts as the most cautious value.
#pragma once

#include <optional>
#include <string_view>

#include "base/fields.h"
#include "base/time.h"

namespace hf::stale {

struct AnswerDirectives {
  bool no_store = false;
  bool no_cache = false;    // `no-cache="field"` too: section 5.2.2.4 allows that
  bool is_private = false;  // `private="field"` too: section 5.2.2.7 likewise
  bool is_public = false;
  bool must_revalidate = false;
  bool proxy_revalidate = false;
  // Twice, or no number: zero (section 4.2.1).
  std::optional<Duration> max_age = {};
  std::optional<Duration> s_maxage = {};
  std::optional<Duration> stale_if_error = {};
  bool operator==(const AnswerDirectives&) const = default;
};

struct RequestDirectives {
  bool no_store = false;
  bool no_cache = false;  // or Pragma: no-cache where there is no Cache-Control
  std::optional<Duration> stale_if_error = {};
  bool operator==(const RequestDirectives&) const = default;
};

AnswerDirectives read_answer_directives(const Fields& fields);
RequestDirectives read_request_directives(const Fields& fields);

// Digits alone, seconds; 2^31 where there are more (section 1.2.2). Anything else is nothing.
std::optional<Duration> parse_delta_seconds(std::string_view text);

}  // namespace hf::stale
