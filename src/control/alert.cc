#include "control/alert.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/quantity.h"
#include "call/reply_json.h"
#include "control/json.h"

namespace hf::control {
namespace {

constexpr std::int64_t kParts = 10'000;
constexpr int kDecimals = 4;
constexpr std::size_t kAmountMax = 20;  // characters

// The two largest units: nobody needs the seconds of three hours.
std::string rough(Duration time) {
  const std::int64_t total = std::max<std::int64_t>(0, time.ms() / 1000);
  if (total >= 86400) return fmt::format("{}d{}h", total / 86400, total % 86400 / 3600);
  if (total >= 3600) return fmt::format("{}h{}m", total / 3600, total % 3600 / 60);
  if (total >= 60) return fmt::format("{}m{}s", total / 60, total % 60);
  return fmt::format("{}s", total);
}

std::string count_of(const AlertNumbers& numbers, std::string_view what) {
  return fmt::format("{}{} {}call{}", numbers.at_least ? "at least " : "", numbers.calls, what,
                     numbers.calls == 1 && !numbers.at_least ? "" : "s");
}

std::string time_left(const AlertNumbers& numbers, WallTime now) {
  if (!numbers.runs_out) return {};
  if (*numbers.runs_out <= now) return "; the first runs out now";
  return fmt::format("; the first runs out in {}", rough(*numbers.runs_out - now));
}

std::string headline(const AlertFinding& finding, WallTime now) {
  const AlertNumbers& numbers = finding.numbers;
  const std::string& name = finding.upstream;
  switch (finding.cause) {
    case AlertCause::schedule_half:
      return fmt::format("{} to {} used up half of the time or more{}", count_of(numbers, "held "),
                         name, time_left(numbers, now));
    case AlertCause::schedule_three_quarters:
      return fmt::format("{} to {} used up three quarters of the time or more{}",
                         count_of(numbers, "held "), name, time_left(numbers, now));
    case AlertCause::schedule_exhausted:
      return fmt::format("{} to {} ran out of time within the last hour",
                         count_of(numbers, "held "), name);
    case AlertCause::failure_rate:
      return fmt::format("attempts at {} fail", name);
    case AlertCause::breaker_open:
      return fmt::format("the breaker of {} is open: nothing but probes is sent", name);
    case AlertCause::parked_calls:
      return fmt::format("{} to {} of unknown outcome, to be settled by a person",
                         count_of(numbers, ""), name);
    case AlertCause::standing_still:
      return fmt::format("calls to {} are due, and none is being attempted", name);
    case AlertCause::journal_refusing:
      return "the journal takes no new durable calls";
  }
  HF_CHECK(false);
}

call::JsonObject members(const Alert& alert, std::string_view stake_field, WallTime now) {
  const AlertFinding& finding = alert.finding;
  const AlertNumbers& numbers = finding.numbers;
  const auto time = [](call::JsonObject& out, std::string_view name,
                       const std::optional<WallTime>& at) {
    if (at) {
      out.text(name, format_rfc3339(*at));
    } else {
      out.null(name);
    }
  };
  call::JsonObject out;
  out.text("cause", to_string(finding.cause));
  if (finding.upstream.empty()) {
    out.null("upstream");
  } else {
    out.text("upstream", finding.upstream);
  }
  out.text("severity", is_critical(finding.cause) ? "critical" : "warning")
      .text("since", format_rfc3339(alert.since))
      .number("calls", static_cast<std::int64_t>(numbers.calls))
      .boolean("at_least", numbers.at_least);
  time(out, "oldest_at", numbers.oldest);
  time(out, "runs_out_at", numbers.runs_out);
  if (numbers.runs_out) {
    out.number("seconds_left", (*numbers.runs_out - now).ceil_seconds());
  } else {
    out.null("seconds_left");
  }
  if (numbers.stake) {
    out.raw("stake", call::JsonObject()
                         .text("field", stake_field)
                         .text("sum", numbers.stake->text())
                         .boolean("at_least", numbers.stake->at_least())
                         .done());
  } else {
    out.null("stake");
  }
  JsonArray advice;
  for (const std::string& line : alert_advice(finding))
    advice.add(call::json_string(line));
  out.text("text", alert_sentence(finding, now)).raw("do", advice.done());
  return out;
}

}  // namespace

std::string_view to_string(AlertCause cause) {
  switch (cause) {
    case AlertCause::schedule_half:
      return "schedule-half";
    case AlertCause::schedule_three_quarters:
      return "schedule-three-quarters";
    case AlertCause::schedule_exhausted:
      return "schedule-exhausted";
    case AlertCause::failure_rate:
      return "failure-rate";
    case AlertCause::breaker_open:
      return "breaker-open";
    case AlertCause::parked_calls:
      return "parked-calls";
    case AlertCause::standing_still:
      return "standing-still";
    case AlertCause::journal_refusing:
      return "journal-refusing";
  }
  return "unknown";
}

std::optional<AlertCause> parse_alert_cause(std::string_view text) {
  for (const AlertCause cause : kAlertCauses) {
    if (to_string(cause) == text) return cause;
  }
  return {};
}

bool is_critical(AlertCause cause) {
  return cause == AlertCause::schedule_three_quarters || cause == AlertCause::schedule_exhausted ||
         cause == AlertCause::parked_calls || cause == AlertCause::journal_refusing;
}

std::string_view to_string(Notice::What what) {
  switch (what) {
    case Notice::What::begun:
      return "begun";
    case Notice::What::still:
      return "still";
    case Notice::What::over:
      return "over";
  }
  return "begun";
}

void Stake::add(std::string_view amount) {
  const bool negative = amount.starts_with('-');
  if (negative) amount.remove_prefix(1);
  std::int64_t parts = 0;
  int decimals = -1;  // none yet
  bool sound = !amount.empty() && amount.size() <= kAmountMax && amount.front() != '.' &&
               amount.back() != '.';
  const auto digit = [&](char c) {
    sound = sound && !__builtin_mul_overflow(parts, 10, &parts) &&
            !__builtin_add_overflow(parts, c - '0', &parts);
  };
  for (const char c : amount) {
    if (c == '.' && decimals < 0) {
      decimals = 0;
    } else if (c >= '0' && c <= '9' && decimals < kDecimals) {
      digit(c);
      if (decimals >= 0) ++decimals;
    } else {
      sound = false;
    }
  }
  for (int i = decimals < 0 ? 0 : decimals; sound && i < kDecimals; ++i)
    digit('0');
  if (!sound || __builtin_add_overflow(parts_, negative ? -parts : parts, &parts)) {
    at_least_ = true;
    return;
  }
  parts_ = parts;
}

std::string Stake::text() const {
  const std::uint64_t size =
      parts_ < 0 ? 0 - static_cast<std::uint64_t>(parts_) : static_cast<std::uint64_t>(parts_);
  std::string out = fmt::format("{}{}", parts_ < 0 ? "-" : "", size / kParts);
  std::string decimals = fmt::format("{:04}", size % kParts);
  // As money is written: no decimals, or two of them at least.
  while (decimals.size() > 2 && decimals.back() == '0')
    decimals.pop_back();
  return decimals == "00" ? out : out + "." + decimals;
}

std::string alert_sentence(const AlertFinding& finding, WallTime now) {
  const AlertNumbers& numbers = finding.numbers;
  std::string out = headline(finding, now);
  if (numbers.oldest) out += fmt::format("; the oldest is {} old", rough(now - *numbers.oldest));
  if (numbers.stake) {
    out += fmt::format("; {}{} at stake", numbers.stake->at_least() ? "at least " : "",
                       numbers.stake->text());
  }
  if (!finding.detail.empty()) out += "; " + finding.detail;
  return out;
}

std::vector<std::string> alert_advice(const AlertFinding& finding) {
  const std::string& name = finding.upstream;
  switch (finding.cause) {
    case AlertCause::schedule_half:
    case AlertCause::schedule_three_quarters:
      return {fmt::format("holdfast calls list --state waiting --upstream {}", name),
              fmt::format("holdfast upstreams; if it is paused and may go on: holdfast resume {}",
                          name),
              "what must not wait for it: holdfast calls cancel ID, and do it another way"};
    case AlertCause::schedule_exhausted:
      return {fmt::format("holdfast calls list --state dead --upstream {}", name),
              fmt::format("holdfast calls list --state unknown --upstream {}", name),
              "what did not take effect and still should: holdfast calls retry ID"};
    case AlertCause::failure_rate:
      return {"holdfast incident --since 1h", "look at the upstream's own status"};
    case AlertCause::breaker_open:
      return {"holdfast upstreams", "it closes by itself when a probe succeeds"};
    case AlertCause::parked_calls:
      return {fmt::format("holdfast calls list --state unknown --upstream {}", name),
              "look at the upstream for each, then: holdfast calls resolve ID applied|not_applied "
              "--reason '...'"};
    case AlertCause::standing_still:
      return {"holdfast upstreams", fmt::format("if it is paused: holdfast resume {}", name)};
    case AlertCause::journal_refusing:
      return {"make room on the disk, or raise journal.max_bytes",
              "if it is broken: look at the log and the kernel's, and start Holdfast again"};
  }
  HF_CHECK(false);
}

std::string alert_json(const Alert& alert, std::string_view stake_field, WallTime now) {
  return members(alert, stake_field, now).done();
}

std::string notice_json(const Notice& notice, std::string_view stake_field) {
  const std::string first = call::JsonObject()
                                .number("version", 1)
                                .text("notice", to_string(notice.what))
                                .text("at", format_rfc3339(notice.at))
                                .done();
  return join_objects(first, members(notice.alert, stake_field, notice.at).done());
}

std::string notice_text(const Notice& notice) {
  const AlertFinding& finding = notice.alert.finding;
  const std::string name = finding.upstream.empty()
                               ? std::string(to_string(finding.cause))
                               : fmt::format("{} ({})", to_string(finding.cause), finding.upstream);
  const Duration lasted = notice.at - notice.alert.since;
  if (notice.what == Notice::What::over) {
    return fmt::format("Holdfast: over: {}, after {}", name, rough(lasted));
  }
  std::string out = fmt::format("Holdfast: {}: {}", name, alert_sentence(finding, notice.at));
  if (notice.what == Notice::What::still) out += fmt::format("; for {} now", rough(lasted));
  return out + ". Do: " + alert_advice(finding).front();
}

}  // namespace hf::control
