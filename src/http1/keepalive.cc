#include "http1/keepalive.h"

#include "http1/chars.h"

namespace hf::http1 {

std::optional<Duration> keep_alive_timeout(const Fields& fields) {
  constexpr std::size_t kMaxDigits = 9;  // 31 years; longer numbers are no hint
  std::optional<Duration> shortest;
  for (const auto element : list_elements(fields, "keep-alive")) {
    const auto equals = element.find('=');
    if (equals == std::string_view::npos) continue;
    if (!same_name(trim_blanks(element.substr(0, equals)), "timeout")) continue;
    const auto digits = trim_blanks(element.substr(equals + 1));
    if (digits.empty() || digits.size() > kMaxDigits || !all_of(digits, kDigitChar)) continue;
    std::int64_t seconds = 0;
    for (const char c : digits)
      seconds = seconds * 10 + (c - '0');
    const auto timeout = Duration::seconds(seconds);
    if (!shortest || timeout < *shortest) shortest = timeout;
  }
  return shortest;
}

}  // namespace hf::http1
