#include "http1/field_lines.h"

#include <limits>

#include "http1/chars.h"

namespace hf::http1 {
namespace {

// Elements must be tokens; empty ones are allowed (RFC 9110 section 5.6.1).
bool note_options(std::string_view rest, FieldNotes& notes) {
  for (;;) {
    const auto comma = rest.find(',');
    const auto option = trim_blanks(rest.substr(0, comma));
    if (!option.empty()) {
      if (!all_of(option, kTokenChar) || ++notes.options > kMaxConnectionOptions) return false;
      if (same_name(option, "close")) notes.close = true;
      if (same_name(option, "keep-alive")) notes.keep_alive = true;
      if (same_name(option, "upgrade")) notes.upgrade_option = true;
    }
    if (comma == std::string_view::npos) return true;
    rest.remove_prefix(comma + 1);
  }
}

// Gateways of the CGI family read '_' as '-': to them these two frame the message.
bool is_framing_look_alike(std::string_view name) {
  return same_name(name, "content_length") || same_name(name, "transfer_encoding");
}

// False when the field is malformed in a way that is its own.
bool note(std::string_view name, std::string_view value, FieldNotes& notes) {
  switch (name.size()) {
    case 4:
      if (same_name(name, "host")) ++notes.hosts, notes.host = value;
      return true;
    case 6:
      if (same_name(name, "expect")) ++notes.expects, notes.expect = value;
      return true;
    case 7:
      if (same_name(name, "upgrade")) notes.upgrade_field = true;
      return true;
    case 10:
      return !same_name(name, "connection") || note_options(value, notes);
    case 14:
      if (same_name(name, "content-length")) ++notes.lengths, notes.length = value;
      return !is_framing_look_alike(name);
    case 16: {
      // An old misspelling of Connection. Checked alike, but what it says of the connection is not
      // meant for us and not believed.
      FieldNotes ignored;
      return !same_name(name, "proxy-connection") || note_options(value, ignored);
    }
    case 17:
      if (same_name(name, "transfer-encoding")) ++notes.codings, notes.coding = value;
      return !is_framing_look_alike(name);
    default:
      return true;
  }
}

std::string_view trim_end(std::string_view value) {
  while (!value.empty() && (value.back() == ' ' || value.back() == '\t'))
    value.remove_suffix(1);
  return value;
}

}  // namespace

Refusal parse_field_lines(std::string_view lines, HeadLimits limits, Fields& fields,
                          FieldNotes& notes) {
  fields.reserve(16);
  for (;;) {
    if (lines.empty()) return Refusal::bad_field;
    if (lines.front() == '\r') return lines == "\r\n" ? Refusal::none : Refusal::bad_line_end;
    // A line that starts with a blank (obs-fold), a nameless field, a blank before the colon and a
    // line without a colon all fail here: none of them is a token followed by a colon.
    const auto name_size = span_of(lines, kTokenChar);
    if (name_size == 0 || name_size == lines.size() || lines[name_size] != ':') {
      return Refusal::bad_field;
    }
    const auto name = lines.substr(0, name_size);
    lines.remove_prefix(name_size + 1);
    while (!lines.empty() && (lines.front() == ' ' || lines.front() == '\t'))
      lines.remove_prefix(1);
    const auto value_size = span_of(lines, kValueChar);
    const auto value = trim_end(lines.substr(0, value_size));
    lines.remove_prefix(value_size);
    if (!lines.starts_with("\r\n")) {
      if (lines.empty()) return Refusal::bad_field;
      const bool line_end = lines.front() == '\r' || lines.front() == '\n';
      return line_end ? Refusal::bad_line_end : Refusal::bad_byte;
    }
    lines.remove_prefix(2);
    if (fields.size() == limits.max_fields) return Refusal::head_too_large;
    Field& field = fields.emplace_back();
    field.name = name;
    field.value = value;
    if (!note(name, value, notes)) return Refusal::bad_field;
  }
}

std::optional<std::uint64_t> parse_content_length(std::string_view text) {
  if (text.empty() || text.size() > 19 || !all_of(text, kDigitChar)) return std::nullopt;
  std::uint64_t value = 0;  // 19 digits fit in 64 bits
  for (const char c : text)
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return std::nullopt;
  }
  return value;
}

}  // namespace hf::http1
