// What people are told before it is too late: the causes, and how one reads. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace hf::control {

// The names are fixed: docs/operating.md says what to do for each.
enum class AlertCause : std::uint8_t {
  schedule_half,            // held calls have used up half of their time or schedule
  schedule_three_quarters,  // three quarters of it
  schedule_exhausted,       // within the last hour calls ended without an answer, their time over
  failure_rate,
  breaker_open,
  parked_calls,  // `unknown`: a person must settle them
  standing_still,
  journal_refusing,
};
inline constexpr AlertCause kAlertCauses[] = {
    AlertCause::schedule_half,      AlertCause::schedule_three_quarters,
    AlertCause::schedule_exhausted, AlertCause::failure_rate,
    AlertCause::breaker_open,       AlertCause::parked_calls,
    AlertCause::standing_still,     AlertCause::journal_refusing};
std::string_view to_string(AlertCause cause);  // "schedule-half"
std::optional<AlertCause> parse_alert_cause(std::string_view text);
// True where a person must act, whatever the upstream does.
bool is_critical(AlertCause cause);

// A sum of amounts as applications write them ("4200", "42.50"), exact to four decimals.
class Stake {
 public:
  // What is no such number, or would overflow, makes the sum one of "at least".
  void add(std::string_view amount);
  void cut() { at_least_ = true; }
  [[nodiscard]] bool at_least() const { return at_least_; }
  [[nodiscard]] std::string text() const;
  bool operator==(const Stake&) const = default;

 private:
  std::int64_t parts_ = 0;  // ten-thousandths
  bool at_least_ = false;
};

// How many calls, how old, how long still, and what is at stake.
struct AlertNumbers {
  std::uint64_t calls = 0;
  bool at_least = false;             // there are more than were counted
  std::optional<WallTime> oldest;    // when the oldest of them was accepted
  std::optional<WallTime> runs_out;  // when the first of them has run out
  std::optional<Stake> stake;
  bool operator==(const AlertNumbers&) const = default;
};

// Something that is the case now.
struct AlertFinding {
  AlertCause cause = AlertCause::schedule_half;
  std::string upstream;  // empty: not of one upstream
  AlertNumbers numbers;
  std::string detail;  // one more fact for people; may be empty
};

struct Alert {
  AlertFinding finding;
  WallTime since;
};

struct Notice {
  enum class What : std::uint8_t { begun, still, over } what = What::begun;
  Alert alert;
  WallTime at;
};
std::string_view to_string(Notice::What what);

// One sentence, without a full stop.
std::string alert_sentence(const AlertFinding& finding, WallTime now);
// What to do, the commands first.
std::vector<std::string> alert_advice(const AlertFinding& finding);

// docs/admin-api.md has the members. `stake_field` names the summed field.
std::string alert_json(const Alert& alert, std::string_view stake_field, WallTime now);
// docs/operating.md has the members: those of the alert, and which notice it is.
std::string notice_json(const Notice& notice, std::string_view stake_field);
// The text of a chat message or a log line.
std::string notice_text(const Notice& notice);

}  // namespace hf::control
