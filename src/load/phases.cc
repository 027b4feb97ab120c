#include "load/phases.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/fields.h"
#include "base/quantity.h"

namespace hf::load {
namespace {

constexpr double kMostRate = 10'000'000;
constexpr Duration kLongest = Duration::hours(4);
constexpr Duration kShort = Duration::minutes(20);
constexpr Duration kLongUnit = Duration::seconds(10);
constexpr std::size_t kLongestName = 24;

bool good_name(std::string_view name) {
  return !name.empty() && name.size() <= kLongestName &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_';
         });
}

// A phase may have no rate at all.
Result<double> rate_of(std::string_view text) {
  if (text == "0" || text == "0/s") return 0.0;
  return parse_rate_a_second(text);
}

Result<PhasePlan> parse_phase(std::string_view text, std::size_t place) {
  PhasePlan out;
  out.name = std::to_string(place);
  if (const auto equals = text.find('='); equals != std::string_view::npos) {
    out.name = trim_blanks(text.substr(0, equals));
    text = trim_blanks(text.substr(equals + 1));
    if (!good_name(out.name)) {
      return fail(ErrorKind::invalid,
                  fmt::format("a name has up to {} letters, digits, - and _", kLongestName));
    }
  }
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) {
    return fail(ErrorKind::invalid, "write RATE:TIME, such as 51/s:6s");
  }
  auto length = parse_duration(trim_blanks(text.substr(colon + 1)));
  // As k6 writes it, 6s:51.
  if (!length.ok() && parse_duration(trim_blanks(text.substr(0, colon))).ok()) {
    return fail(ErrorKind::invalid, "write RATE:TIME, the rate first, such as 51/s:6s");
  }
  if (!length.ok()) return length.take_error();
  out.length = *length;
  if (out.length < Duration::seconds(1) || out.length.ns % 1'000'000'000 != 0) {
    return fail(ErrorKind::invalid, "a phase lasts whole seconds");
  }
  const std::string_view rates = trim_blanks(text.substr(0, colon));
  const auto dots = rates.find("..");
  HF_TRY(out.first_rate, rate_of(trim_blanks(rates.substr(0, dots))));
  out.last_rate = out.first_rate;
  if (dots != std::string_view::npos) {
    HF_TRY(out.last_rate, rate_of(trim_blanks(rates.substr(dots + 2))));
  }
  return out;
}

}  // namespace

Result<double> parse_rate_a_second(std::string_view text) {
  const bool bare = text.find('/') == std::string_view::npos;
  const auto rate = parse_rate(bare ? std::string(text) + "/s" : std::string(text));
  if (!rate.ok() || (*rate).count <= 0) {
    return fail(ErrorKind::invalid, "write requests in a time, such as 500/s");
  }
  const double value =
      static_cast<double>((*rate).count) * 1e9 / static_cast<double>((*rate).per.ns);
  if (value > kMostRate) return fail(ErrorKind::invalid, "at most 10000000/s");
  return value;
}

Result<std::vector<PhasePlan>> parse_phases(std::string_view text) {
  std::vector<PhasePlan> out;
  Duration all;
  for (bool more = true; more;) {
    const auto comma = text.find(',');
    const std::string_view one = trim_blanks(text.substr(0, comma));
    more = comma != std::string_view::npos;
    if (more) text.remove_prefix(comma + 1);
    auto phase = parse_phase(one, out.size() + 1);
    if (!phase.ok()) return phase.take_error().in(fmt::format("`{}`", one));
    all = all + (*phase).length;
    out.push_back(std::move(*phase));
    if (out.size() > kMostPhases || all > kLongest) {
      return fail(ErrorKind::invalid, fmt::format("at most {} phases, and {} together", kMostPhases,
                                                  format_duration(kLongest)));
    }
  }
  // As many slices of time as a report can draw.
  if (all > kShort && !std::all_of(out.begin(), out.end(), [](const PhasePlan& phase) {
        return phase.length.ns % kLongUnit.ns == 0;
      })) {
    return fail(ErrorKind::invalid,
                fmt::format("in a load of more than {}, phases last whole tens of seconds",
                            format_duration(kShort)));
  }
  if (std::all_of(out.begin(), out.end(), [](const PhasePlan& phase) {
        return phase.first_rate <= 0 && phase.last_rate <= 0;
      })) {
    return fail(ErrorKind::invalid, "nothing is asked for in any phase");
  }
  return out;
}

std::vector<Stretch> stretches_of(const std::vector<PhasePlan>& phases) {
  std::vector<Stretch> out;
  for (const PhasePlan& phase : phases)
    out.push_back({phase.length, phase.first_rate, phase.last_rate});
  return out;
}

Duration slice_for(const std::vector<PhasePlan>& phases, Duration wanted) {
  if (phases.size() < 2) return wanted;
  std::int64_t whole = 0;
  for (const PhasePlan& phase : phases)
    whole = std::gcd(whole, phase.length.ns);
  std::int64_t parts = std::max<std::int64_t>(1, (whole + wanted.ns - 1) / wanted.ns);
  while (whole % parts != 0)
    parts += 1;
  return Duration::nanos(whole / parts);
}

}  // namespace hf::load
