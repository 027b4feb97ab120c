#include "sim/door_witness.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "base/planted.h"

namespace hf::sim {
namespace {

using Says = Shares::Says;

std::string value_of(const Fields& fields, std::string_view name) {
  const Field* field = find_field(fields, name);
  return field == nullptr ? std::string() : field->value;
}

// The same request of the same client.
std::string who_of(const call::IncomingHead& head) {
  return fmt::format("{} {} of {} ({}, '{}', '{}')", head.method, head.target, caller_of(head),
                     value_of(head.fields, "Authorization"), value_of(head.fields, "X-Client"),
                     value_of(head.fields, "X-Cost"));
}

struct Words {
  int status = 429;
  std::string_view type = "https://iana.org/assignments/http-problem-types#quota-exceeded";
  std::string_view code = "quota-exceeded";
  std::string_view unit = "units";
  bool again = true;  // a program may repeat it by itself
};

Words words_of(Says says) {
  if (says == Says::blocked) return {403, "urn:holdfast:problem:blocked", "blocked", "", false};
  if (says != Says::banned) return {};
  return {429, "https://iana.org/assignments/http-problem-types#abnormal-usage-detected", "banned",
          "offences", false};
}

bool says_all(const std::string& body, std::initializer_list<std::string> parts) {
  return std::all_of(parts.begin(), parts.end(),
                     [&](const std::string& part) { return body.find(part) != std::string::npos; });
}

// Who is refused for good comes last, who has to wait longest before it.
bool lasts_longer(const Shares::Finding& a, const Shares::Finding& b) {
  return b.again_after && (!a.again_after || *a.again_after > *b.again_after);
}

}  // namespace

struct DoorWitness::Watched final : ports::Door::Stay {
  std::unique_ptr<Stay> real;
  Shares::Findings admitted;
  std::string policies;
  std::string quotas;
};

void DoorWitness::attach(runtime::LimitsDoor& door,
                         std::shared_ptr<const call::Settings> settings) {
  shares_.begin(settings->traffic);
  door_ = &door;
  settings_ = std::move(settings);
  waiting_.clear();
  banned_.clear();
  door.limiter().tell(
      [this](const auto& refusal, bool acted) { said_.emplace_back(refusal.limit->name, acted); });
}

void DoorWitness::wrong(const std::string& who, const std::string& what) {
  world_.violation("limits: " + who + " " + what);
}

ports::Door::Word DoorWitness::on_head(const call::IncomingHead& head) {
  said_.clear();
  Word word = door_->on_head(head);
  auto findings = shares_.look(head, false, world_.now());
  const std::uint64_t changes = shares_.changes(findings);
  judge(head, findings, word.refused);
  judge_wait(who_of(head), findings, changes, word.refused);
  auto watched = std::make_unique<Watched>();
  std::tie(watched->policies, watched->quotas) = shares_.announced(findings, world_.now());
  if (!word.refused) watched->admitted = std::move(findings);
  watched->real = std::move(word.stay);
  word.stay = std::move(watched);
  return word;
}

std::optional<call::Reply> DoorWitness::on_body(const call::IncomingHead& head,
                                                std::string_view body, Stay& stay) {
  auto* watched = dynamic_cast<Watched*>(&stay);
  HF_CHECK(watched != nullptr);
  said_.clear();
  auto refused = door_->on_body(head, body, *watched->real);
  auto findings = shares_.look(head, true, world_.now());
  judge(head, findings, refused);
  if (refused) HF_PROBE("refused-for-its-body");
  const auto [policies, quotas] = shares_.announced(findings, world_.now());
  const bool both = !policies.empty() && !watched->policies.empty();
  watched->policies += (both ? ", " : "") + policies;
  watched->quotas += (both ? ", " : "") + quotas;
  if (!refused) std::move(findings.begin(), findings.end(), std::back_inserter(watched->admitted));
  return refused;
}

void DoorWitness::on_answer(Stay& stay, int status, Fields& fields) {
  auto* watched = dynamic_cast<Watched*>(&stay);
  HF_CHECK(watched != nullptr);
  door_->on_answer(*watched->real, status, fields);
  if (shares_.answered(watched->admitted, status, world_.now())) HF_PROBE("banned-for-an-answer");
  if (!shares_.exact()) return;
  const std::string policies = value_of(fields, "RateLimit-Policy");
  const std::string quotas = value_of(fields, "RateLimit");
  if (policies == watched->policies && quotas == watched->quotas) return;
  wrong("an answer", fmt::format("says {} {}, and it should be {} {}", policies, quotas,
                                 watched->policies, watched->quotas));
}

void DoorWitness::judge(const call::IncomingHead& head, Shares::Findings& findings,
                        const std::optional<call::Reply>& refused) {
  const std::string who = who_of(head);
  if (refused) {
    refused_ += 1;
    shares_.count(findings, true, told_to_wait(*refused), world_.now());
    judge_refusal(who, findings, *refused);
  } else {
    for (const Shares::Finding& finding : findings) {
      if (!finding.refuses() || !finding.sure || !shares_.enforced(finding)) continue;
      wrong(who, fmt::format("was let in, and has used {} of {} of {}", finding.measured,
                             finding.threshold, shares_.limit(finding).name));
    }
    shares_.count(findings, false, {}, world_.now());
  }
  if (shares_.exact()) judge_said(who, findings);
  note_rare(findings, refused.has_value());
  if (world_.trace && refused) world_.trace("refused " + who);
}

// The reply names one limit, and its wait is rounded up.
Shares::Said DoorWitness::told_to_wait(const call::Reply& reply) const {
  Shares::Said out;
  const std::string again = value_of(reply.fields, "Retry-After");
  const Duration wait = Duration::seconds(again.empty() ? 0 : std::stoll(again) - 1);
  for (const auto& [name, acted] : said_) {
    const bool named = view(reply.body).find("\"rule\":\"" + name + "\"") != std::string::npos;
    out[name] = named ? wait : Duration{};
  }
  return out;
}

// By one that would, which lasts longest; and in the words that are right for it.
void DoorWitness::judge_refusal(const std::string& who, const Shares::Findings& findings,
                                const call::Reply& reply) {
  const std::string body(view(reply.body));
  const Shares::Finding* longest = nullptr;
  const Shares::Finding* by = nullptr;
  for (const Shares::Finding& finding : findings) {
    if (!finding.refuses() || !shares_.enforced(finding)) continue;
    if (longest == nullptr || lasts_longer(finding, *longest)) longest = &finding;
    const std::string rule = "\"rule\":\"" + shares_.limit(finding).name + "\"";
    if (body.find(rule) != std::string::npos || finding.says == Says::blocked) by = &finding;
  }
  if (by == nullptr) {
    wrong(who, "was refused within its own share: " + body);
    return;
  }
  const Words words = words_of(by->says);
  const bool advised = value_of(reply.fields, "x-should-retry") != "false";
  if (reply.status != words.status || advised != words.again ||
      !says_all(body, {fmt::format("{{\"type\":\"{}\"", words.type),
                       fmt::format("\"code\":\"{}\"", words.code)})) {
    wrong(who, fmt::format("was told {} {}", reply.status, body));
  }
  if (!shares_.exact()) return;
  if (lasts_longer(*longest, *by)) {
    wrong(who, fmt::format("was refused by {}, and {} lasts longer", shares_.limit(*by).name,
                           shares_.limit(*longest).name));
  }
  if (by->says == Says::blocked) return;
  const auto seconds = std::max<std::int64_t>(1, by->again_after->ceil_seconds());
  const std::string limit = fmt::format(R"("measured":{},"threshold":{},"unit":"{}"}})",
                                        by->measured, by->threshold, words.unit);
  if (value_of(reply.fields, "Retry-After") != std::to_string(seconds) ||
      !says_all(body, {limit})) {
    wrong(who, fmt::format("was told to wait {} s, and {}; it must wait {} s, with {}",
                           value_of(reply.fields, "Retry-After"), body, seconds, limit));
  }
}

// Whoever has waited as it was told, while nothing else of its client was admitted or offended,
// is admitted.
void DoorWitness::judge_wait(const std::string& who, const Shares::Findings& findings,
                             std::uint64_t changes, const std::optional<call::Reply>& refused) {
  const auto known = waiting_.find(who);
  if (known != waiting_.end()) {
    const Waiting was = known->second;
    waiting_.erase(known);
    if (world_.now() >= was.until && refused && changes == was.changes) {
      wrong(who, "waited for as long as it was told, and is refused again");
    }
    if (world_.now() >= was.until && !refused) {
      HF_PROBE("admitted-after-it-waited");
      waited_ += 1;
    }
  }
  const std::string again = refused ? value_of(refused->fields, "Retry-After") : std::string();
  if (again.empty()) return;
  waiting_[who] = {world_.now() + Duration::seconds(std::stoll(again)), shares_.changes(findings)};
}

// The log and the counters hear of each limit that refuses, or would.
void DoorWitness::judge_said(const std::string& who, const Shares::Findings& findings) {
  Said expected;
  for (const Shares::Finding& finding : findings) {
    if (!finding.refuses()) continue;
    expected.emplace_back(shares_.limit(finding).name, shares_.enforced(finding));
  }
  if (said_ == expected) return;
  std::string both;
  for (const Said* list : {&said_, &expected}) {
    both += list == &said_ ? "" : ", and should be";
    for (const auto& [name, acted] : *list)
      both += fmt::format(" {}{}", name, acted ? "" : " (observes)");
  }
  wrong(who, "is reported for" + both);
}

void DoorWitness::note_rare(const Shares::Findings& findings, bool refused) {
  std::size_t acting = 0;
  for (const Shares::Finding& finding : findings) {
    const bool enforced = shares_.enforced(finding);
    const std::pair<std::size_t, std::string> key{finding.limit, finding.key};
    if (finding.refuses() && enforced) acting += 1;
    if (finding.says == Says::quota && enforced) HF_PROBE("refused-for-its-quota");
    if (finding.says == Says::blocked && enforced) HF_PROBE("refused-as-blocked");
    if (finding.says == Says::exempts) HF_PROBE("not-looked-at-by-a-limit");
    if (finding.refuses() && !enforced && !refused) HF_PROBE("would-be-refused-and-was-let-in");
    if (finding.ban_begins && enforced) HF_PROBE("banned-for-refusals");
    if (finding.says == Says::banned && enforced) {
      HF_PROBE("refused-while-banned");
      banned_.insert(key);
    }
    if (!refused && enforced && banned_.erase(key) > 0) HF_PROBE("let-in-after-a-ban");
  }
  if (acting > 1) HF_PROBE("refused-by-several-limits");
  if (!refused && shares_.owed_before(findings, world_.now())) {
    HF_PROBE("a-restart-forgot-what-was-owed");
  }
}

}  // namespace hf::sim
