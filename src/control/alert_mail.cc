#include "control/alert_mail.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/quantity.h"
#include "call/reply_json.h"
#include "control/json.h"

namespace hf::control {
namespace {

using Format = call::AlertTarget::Format;

constexpr std::uint64_t kAnswerMax = 64 * 1024;
constexpr Duration kPauseMax = Duration::minutes(1);
constexpr int kDoublings = 6;

// "schedule-half" as Alertmanager names alerts: HoldfastScheduleHalf.
std::string alert_name(AlertCause cause) {
  std::string out = "Holdfast";
  bool upper = true;
  for (const char c : to_string(cause)) {
    if (c != '-') out += upper ? static_cast<char>(c - 'a' + 'A') : c;
    upper = c == '-';
  }
  return out;
}

std::string alertmanager_alert(const Alert& alert, std::string_view stake_field, WallTime now,
                               WallTime ends) {
  const AlertFinding& finding = alert.finding;
  call::JsonObject labels;
  labels.text("alertname", alert_name(finding.cause))
      .text("cause", to_string(finding.cause))
      .text("severity", is_critical(finding.cause) ? "critical" : "warning");
  if (!finding.upstream.empty()) labels.text("upstream", finding.upstream);
  call::JsonObject notes;
  notes.text("summary", alert_sentence(finding, now))
      .text("do", alert_advice(finding).front())
      .text("calls", std::to_string(finding.numbers.calls));
  if (finding.numbers.stake) {
    notes.text("stake",
               fmt::format("{} {}", finding.numbers.stake->text(), std::string(stake_field)));
  }
  return call::JsonObject()
      .raw("labels", labels.done())
      .raw("annotations", notes.done())
      .text("startsAt", format_rfc3339(alert.since))
      .text("endsAt", format_rfc3339(ends))
      .done();
}

bool will_never_do(const call::AttemptOutcome& outcome) {
  const int status = outcome.evidence >= call::Evidence::answer_begun ? outcome.head.status : 0;
  return status >= 400 && status < 500 && status != 408 && status != 429;
}

}  // namespace

std::string alertmanager_body(const std::vector<Alert>& active, const std::vector<Notice>& notices,
                              std::string_view stake_field, WallTime now) {
  JsonArray out;
  for (const Alert& alert : active)
    out.add(alertmanager_alert(alert, stake_field, now, now + kResolvedAfter));
  for (const Notice& notice : notices) {
    if (notice.what == Notice::What::over) {
      out.add(alertmanager_alert(notice.alert, stake_field, now, now));
    }
  }
  return out.done();
}

AlertMail::AlertMail(ports::Upstream& upstream, const call::AlertSettings& settings,
                     std::function<void(const std::string&)> complain)
    : upstream_(upstream), stake_(settings.stake), complain_(std::move(complain)) {
  for (const call::AlertTarget& target : settings.targets) {
    Box box;
    box.format = target.format;
    box.to = std::make_shared<const call::UpstreamSettings>(target.upstream);
    box.counts.target = target.upstream.name;
    boxes_.push_back(std::move(box));
  }
}

void AlertMail::send(const std::vector<Notice>& notices, const std::vector<Alert>& active,
                     const Now& now) {
  now_ = now;
  for (Box& box : boxes_) {
    write(box, notices, active, now);
    pump(box);
  }
}

void AlertMail::write(Box& box, const std::vector<Notice>& notices,
                      const std::vector<Alert>& active, const Now& now) {
  if (box.format == Format::alertmanager) {
    const bool again = !active.empty() && box.letters.empty() &&
                       (box.posted == Instant{} || now.mono - box.posted >= kPostAgain);
    if (notices.empty() && !again) return;
    box.posted = now.mono;
    push(box, alertmanager_body(active, notices, stake_, now.wall));
    return;
  }
  for (const Notice& notice : notices) {
    push(box, box.format == Format::slack
                  ? call::JsonObject().text("text", notice_text(notice)).done()
                  : notice_json(notice, stake_));
  }
}

void AlertMail::push(Box& box, std::string body) {
  if (box.letters.size() >= kLettersMax) {
    // The one under way stays: its end is still to come.
    box.letters.erase(box.letters.begin() + (box.flying ? 1 : 0));
    box.counts.dropped += 1;
  }
  box.letters.push_back({std::move(body), now_.mono});
}

void AlertMail::pump(Box& box) {
  if (box.flying) return;
  while (!box.letters.empty() && now_.mono - box.letters.front().written >= kLetterAge) {
    box.letters.pop_front();
    box.counts.dropped += 1;
  }
  if (!box.letters.empty() && now_.mono >= box.next_try) start(box);
}

void AlertMail::start(Box& box) {
  auto request = std::make_shared<call::Request>();
  request->method = "POST";
  request->target = box.to->urls.front().base_path;
  if (box.format == Format::alertmanager) request->target += "/api/v2/alerts";
  if (request->target.empty()) request->target = "/";
  request->fields = {{"Content-Type", "application/json"}};
  request->body = make_body(std::string(box.letters.front().body));
  ports::AttemptSpec spec;
  spec.id = AttemptId{next_attempt_++};
  spec.upstream = box.to;
  spec.request = std::move(request);
  spec.careful_reuse = true;
  spec.capture_max = kAnswerMax;
  box.flying = spec.id;
  upstream_.start(std::move(spec));
}

void AlertMail::on_answer_head(AttemptId id, call::AnswerHead, bool) {
  upstream_.cancel(id);  // nobody reads so much; its head has told enough
}

void AlertMail::on_attempt_done(AttemptId id, call::AttemptOutcome outcome) {
  const auto found =
      std::find_if(boxes_.begin(), boxes_.end(), [&](const Box& box) { return box.flying == id; });
  if (found == boxes_.end()) return;
  Box& box = *found;
  box.flying.reset();
  const int status = outcome.evidence >= call::Evidence::answer_begun ? outcome.head.status : 0;
  if (status >= 200 && status < 300) {
    box.counts.sent += 1;
    box.failures = 0;
    box.letters.pop_front();
    pump(box);
    return;
  }
  box.counts.failed += 1;
  const std::string why =
      status != 0 ? fmt::format("status {}", status) : std::string(to_string(outcome.cause));
  if (will_never_do(outcome)) {
    box.letters.pop_front();
    box.counts.dropped += 1;
    complain_(fmt::format("{} refuses a notice ({}); it is given up", box.counts.target, why));
  } else if (box.failures == 0) {
    complain_(
        fmt::format("a notice did not reach {} ({}); it is tried again", box.counts.target, why));
  }
  const Duration pause = Duration::seconds(std::int64_t{1} << std::min(box.failures, kDoublings));
  box.next_try = now_.mono + std::min(pause, kPauseMax);
  box.failures = std::min(box.failures + 1, kDoublings);
}

std::vector<MailCounts> AlertMail::counts() const {
  std::vector<MailCounts> out;
  for (const Box& box : boxes_)
    out.push_back(box.counts);
  return out;
}

}  // namespace hf::control
