#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>

#include "app/admin_talk.h"
#include "app/load_command.h"
#include "app/load_files.h"
#include "app/load_json.h"
#include "load/compare.h"
#include "load/words.h"

namespace hf::app {
namespace {

namespace json = boost::json;

Result<load::RunResult> read_run(const std::string& path) {
  HF_TRY(const std::string text, read_whole(path));
  auto run = read_load_json(text);
  if (!run.ok()) return run.take_error().in(path);
  return run;
}

std::string value_of(const load::ComparedNumber& number, double value) {
  const char* sign = value < 0 ? "-" : "";
  const double size = value < 0 ? -value : value;
  if (number.unit == "us")
    return sign + load::brief(Duration::nanos(static_cast<std::int64_t>(size * 1000)));
  return sign + (number.unit == "share" ? load::percent(size) : load::per_second(size));
}

std::string shown(const load::Comparison& comparison) {
  std::string out = comparison.sentence + "\n";
  if (comparison.numbers.empty()) return out;
  std::size_t wide = 11;
  for (const load::ComparedNumber& number : comparison.numbers)
    wide = std::max(wide, number.name.size());
  out += fmt::format("\n  {:<{}} {:>10} {:>10}  {:<26} {:>8}  {}\n", "", wide, "before", "after",
                     "shift (99% interval)", "p", "");
  for (const load::ComparedNumber& number : comparison.numbers) {
    const load::ShiftTest& test = number.test;
    const std::string interval =
        fmt::format("{} ({} to {})", value_of(number, test.shift), value_of(number, test.low),
                    value_of(number, test.high));
    out += fmt::format("  {:<{}} {:>10} {:>10}  {:<26} {:>8.2g}  {}\n", number.name, wide,
                       value_of(number, test.before), value_of(number, test.after), interval,
                       test.p, to_string(number.difference));
  }
  return out + "\n  Mann-Whitney U over blocks of time, 1% over all numbers together.\n";
}

std::string json_of(const load::Comparison& comparison) {
  json::array numbers;
  for (const load::ComparedNumber& number : comparison.numbers) {
    const load::ShiftTest& test = number.test;
    numbers.push_back(json::object{{"name", number.name},
                                   {"unit", number.unit},
                                   {"before", test.before},
                                   {"after", test.after},
                                   {"shift", test.shift},
                                   {"low", test.low},
                                   {"high", test.high},
                                   {"p", test.p},
                                   {"difference", to_string(number.difference)}});
  }
  return json::serialize(json::object{{"format", kLoadFormat},
                                      {"difference", to_string(comparison.difference)},
                                      {"sentence", comparison.sentence},
                                      {"numbers", numbers}}) +
         "\n";
}

}  // namespace

int run_load_compare(const LoadCompareLine& line) {
  const auto before = read_run(line.before);
  if (!before.ok()) return complain(before.error().context, kLoadFailed);
  const auto after = read_run(line.after);
  if (!after.ok()) return complain(after.error().context, kLoadFailed);
  const load::Comparison comparison = load::compare(*before, *after);
  std::fputs((line.json ? json_of(comparison) : shown(comparison)).c_str(), stdout);
  switch (comparison.difference) {
    case load::Difference::better:
    case load::Difference::same:
      return kLoadDone;
    case load::Difference::worse:
      return kLoadBroken;
    case load::Difference::unclear:
      return kLoadNoVerdict;
  }
  return kLoadFailed;
}

}  // namespace hf::app
