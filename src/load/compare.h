// Whether one run was better than another, or whether that cannot be told.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "load/result.h"

namespace hf::load {

enum class Difference : std::uint8_t { better, worse, same, unclear };
std::string_view to_string(Difference difference);

// How one number differs between two runs: the Mann-Whitney U test over blocks of time, two-sided,
// by the normal approximation with ties; the shift is Hodges and Lehmann's, with the interval that
// the same test would not refuse.
struct ShiftTest {
  double before = 0;  // medians
  double after = 0;
  double shift = 0;
  double low = 0;  // of the shift, at 99 %
  double high = 0;
  double p = 1;
};
// Each at least one value.
ShiftTest shift_test(const std::vector<double>& before, const std::vector<double>& after);

struct ComparedNumber {
  std::string name;  // "p99"
  std::string unit;  // "us", "/s", "share"
  ShiftTest test;
  Difference difference = Difference::unclear;  // of `after`
};

struct Comparison {
  Difference difference = Difference::unclear;
  std::string sentence;
  std::vector<ComparedNumber> numbers;  // of runs at one rate
};

// Of two runs at the same rate: their blocks of a second or more, settling left out, eight at
// least. A number differs where the test says so at 1 % over all numbers together and the shift is
// worth a word: 5 %, and 0.1 ms. Of two searches: their brackets. Runs that were cut short, that
// the generator limited, or of different kinds or rates cannot be compared.
Comparison compare(const RunResult& before, const RunResult& after);

}  // namespace hf::load
