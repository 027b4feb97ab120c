#include "call/asked.h"

#include <fmt/format.h>

#include "base/quantity.h"
#include "call/parts.h"
#include "policy/retry_after.h"

namespace hf::call {
namespace {

constexpr Duration kLongest = Duration::hours(24 * 366);
// RFC 850 dates have two digits of a year: any time near the present tells the century.
constexpr WallTime kAbout{1'800'000'000'000};

std::optional<AskedTime> parse_time(std::string_view value) {
  const auto text = trim_blanks(value);
  const bool digits = !text.empty() && text.find_first_not_of("0123456789") == text.npos;
  AskedTime out;
  if (digits) {
    out.in = policy::parse_retry_after(text, kAbout);
  } else if (const auto duration = parse_duration(text); duration.ok()) {
    out.in = duration.value();
  } else if (const auto date = parse_http_date(text, kAbout); date.ok()) {
    out.at = date.value();
    return out;
  } else {
    return std::nullopt;
  }
  if (!out.in || out.in->ns < 0 || *out.in > kLongest) return std::nullopt;
  return out;
}

// u=N in a dictionary (RFC 9218 section 4.1); a later one wins (RFC 8941 section 3.2).
std::uint8_t urgency_of(const Fields& fields) {
  std::uint8_t out = kUrgencyDefault;
  for (const auto member : list_elements(fields, "Priority")) {
    const auto text = trim_blanks(member.substr(0, member.find(';')));
    if (text.size() == 3 && text.starts_with("u=") && text[2] >= '0' && text[2] <= '7') {
      out = static_cast<std::uint8_t>(text[2] - '0');
    }
  }
  return out;
}

}  // namespace

std::variant<std::string, AskedFields> read_asked(const Fields& fields) {
  AskedFields out;
  out.urgency = urgency_of(fields);
  for (const std::string_view name : {"Holdfast-Not-Before", "Holdfast-Deadline"}) {
    const Field* field = find_field(fields, name);
    if (field == nullptr) continue;
    const auto time = parse_time(field->value);
    if (!time || count_fields(fields, name) > 1) {
      return fmt::format(
          "Send {} once, as seconds, a duration such as 2h30m (at most a year), or an HTTP date.",
          name);
    }
    (name == "Holdfast-Deadline" ? out.deadline : out.not_before) = time;
  }
  // Two of a kind can be compared without knowing the time.
  if (out.not_before && out.deadline &&
      out.not_before->in.has_value() == out.deadline->in.has_value() &&
      out.deadline->from(kAbout) <= out.not_before->from(kAbout)) {
    return std::string("Holdfast-Deadline is not later than Holdfast-Not-Before.");
  }
  if (const Field* field = find_field(fields, "Holdfast-Order")) {
    const auto order = parse_key(field->value);
    if (!order || count_fields(fields, "Holdfast-Order") > 1) {
      return std::string("Send Holdfast-Order once, as 1 to 255 visible ASCII characters.");
    }
    out.order = *order;
  }
  return out;
}

}  // namespace hf::call
