// The field lines of a head, and what those that concern the connection and the framing say.
// Internal to http1.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/fields.h"
#include "http1/head.h"

namespace hf::http1 {

// Noted in the same pass that reads the fields. Views point into the head's bytes; with several
// fields of a name, the last one's value (the counts say so, and all are refused but for
// Connection).
struct FieldNotes {
  std::size_t hosts = 0;
  std::size_t lengths = 0;
  std::size_t codings = 0;
  std::size_t expects = 0;
  std::string_view host;
  std::string_view length;
  std::string_view coding;
  std::string_view expect;
  std::size_t options = 0;  // elements over all Connection fields
  bool close = false;
  bool keep_alive = false;
  bool upgrade_option = false;
  bool upgrade_field = false;
};

// More Connection options than this have no honest use, and dropping what they name costs their
// number times that of the fields.
inline constexpr std::size_t kMaxConnectionOptions = 32;

// Reads field lines through the empty line, which must be the end of `lines`.
Refusal parse_field_lines(std::string_view lines, HeadLimits limits, Fields& fields,
                          FieldNotes& notes);

// Digits only, 1 to 19 of them, at most 2^63 - 1: no sign, blank, list, underscore or base.
std::optional<std::uint64_t> parse_content_length(std::string_view text);

}  // namespace hf::http1
