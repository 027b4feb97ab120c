#include "sim/shares.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/fields.h"
#include "base/ip_address.h"

namespace hf::sim {
namespace {

using Kind = call::LimitPart::Kind;

// What one of so many in that time takes; the plans divide without rest.
std::int64_t unit_of(Duration time, std::int64_t count) {
  HF_CHECK(time.ns % count == 0);
  return time.ns / count;
}

bool waits_for_body(const call::LimitSettings& limit) {
  return std::any_of(limit.by.begin(), limit.by.end(),
                     [](const auto& part) { return part.kind == Kind::body; });
}

// The plans know "/shop/", "/shop/{desk}" and everything.
bool means(const call::LimitSettings& limit, const call::IncomingHead& head) {
  const bool method = limit.match.methods.empty() || limit.match.methods.front() == head.method;
  return method && (limit.match.path.empty() || head.target.starts_with("/shop/"));
}

bool listed(const std::vector<Network>& networks, const std::string& caller) {
  const auto address = parse_ip(caller);
  return address && std::any_of(networks.begin(), networks.end(),
                                [&](const Network& one) { return one.contains(*address); });
}

// Of what is no number from 1 on, one; and never more than the burst.
std::int64_t cost_of(const call::LimitSettings& limit, const Fields& fields) {
  const Field* said = limit.cost_header.empty() ? nullptr : find_field(fields, limit.cost_header);
  if (said == nullptr) return limit.cost_header.empty() ? std::min(limit.cost, limit.burst) : 1;
  std::int64_t cost = 0;
  for (const char c : said->value) {
    if (c < '0' || c > '9') return 1;
    cost = cost * 10 + (c - '0');
  }
  return std::min(std::max<std::int64_t>(cost, 1), limit.burst);
}

}  // namespace

void Shares::Bucket::leak(Instant now) {
  const std::int64_t gone = (now - at).ns;
  low = std::max<std::int64_t>(0, low - gone);
  high = std::max<std::int64_t>(0, high - gone);
  at = now;
}

void Shares::begin(const call::TrafficSettings& settings) {
  settings_ = &settings;
  before_ = std::exchange(known_, {});
}

std::string Shares::key_of(const call::LimitSettings& limit, const call::IncomingHead& head) const {
  std::string out;
  for (const call::LimitPart& part : limit.by) {
    std::string value;
    if (part.kind == Kind::header) {
      const Field* field = find_field(head.fields, part.name);
      if (field != nullptr) value = field->value;
    } else if (part.kind == Kind::path) {
      const std::string rest = head.target.substr(std::string_view("/shop/").size());
      value = rest.substr(0, rest.find('/'));
    }
    // Bodies here are no JSON: such a part is always missing.
    out += value.empty() ? "of " + caller_of(head) : "is " + value;
    out += '\n';
  }
  return out;
}

Shares::Findings Shares::look(const call::IncomingHead& head, bool at_body, Instant now) {
  Findings out;
  for (std::size_t i = 0; i < settings_->limits.size(); ++i) {
    const call::LimitSettings& limit = settings_->limits[i];
    if (waits_for_body(limit) != at_body || !means(limit, head)) continue;
    Finding finding;
    finding.limit = i;
    finding.key = key_of(limit, head);
    finding.cost = cost_of(limit, head.fields);
    if (listed(limit.block, caller_of(head))) {
      finding.says = Says::blocked;
    } else if (listed(limit.allow, caller_of(head))) {
      finding.says = Says::exempts;
    } else {
      weigh(limit, known_[{i, finding.key}], now, finding);
    }
    out.push_back(std::move(finding));
  }
  return out;
}

void Shares::weigh(const call::LimitSettings& limit, Known& known, Instant now,
                   Finding& out) const {
  Duration quota_again;
  if (limit.rate) {
    Bucket& used = known.used;
    used.leak(now);
    known.kept = known.kept && used.low > 0;
    if (!exact() && !known.kept) used.low = 0;
    const std::int64_t unit = unit_of(limit.rate->per, limit.rate->count);
    const std::int64_t holds = unit * limit.burst;
    const std::int64_t more = unit * out.cost;
    if (used.high + more > holds) {
      out.says = Says::quota;
      out.sure = used.low + more > holds;
      out.measured = (used.high + more + unit - 1) / unit;
      out.threshold = limit.burst;
      quota_again = {used.high + more - holds};
      out.again_after = quota_again;
    }
  }
  if (known.banned_until <= now || !limit.ban) return;
  out.says = Says::banned;
  out.measured = out.threshold = limit.ban->after;
  out.again_after = std::max(quota_again, known.banned_until - now);
}

// The offences leak evenly; where another would not fit there is a ban, and they begin anew.
bool Shares::offend(const call::LimitSettings& limit, Known& known, Instant now) {
  const std::int64_t unit = unit_of(limit.ban->within, limit.ban->after);
  known.changes += 1;
  known.offences.leak(now);
  known.offences.high += unit;
  if (known.offences.high + unit <= limit.ban->within.ns) return false;
  known.offences = {};
  known.banned_until = now + limit.ban->lasts;
  return true;
}

void Shares::count_refused(Finding& finding, const Said& said, Instant now) {
  const call::LimitSettings& one = limit(finding);
  const auto told = said.find(one.name);
  if (finding.says != Says::quota || (!finding.sure && told == said.end())) return;
  Known& known = known_[{finding.limit, finding.key}];
  if (!exact() && told != said.end()) {
    const std::int64_t unit = unit_of(one.rate->per, one.rate->count);
    const std::int64_t least = unit * (one.burst - finding.cost) + told->second.ns + 1;
    known.used.low = std::max(known.used.low, least);
    known.kept = true;
  }
  if (!one.ban || !one.ban->on.empty() || !offend(one, known, now)) return;
  finding.ban_begins = true;
  finding.again_after = std::max(*finding.again_after, one.ban->lasts);
}

void Shares::count(Findings& findings, bool refused, const Said& said, Instant now) {
  for (Finding& finding : findings) {
    if (finding.refuses() && (refused || finding.sure)) {
      count_refused(finding, said, now);
      continue;
    }
    if (refused || finding.says == Says::exempts) continue;
    const call::LimitSettings& one = limit(finding);
    Known& known = known_[{finding.limit, finding.key}];
    known.changes += 1;
    if (!one.rate) continue;
    const std::int64_t unit = unit_of(one.rate->per, one.rate->count);
    known.used.high = std::min(unit * one.burst, known.used.high + unit * finding.cost);
    if (exact() || known.kept) known.used.low += unit * finding.cost;
  }
}

bool Shares::answered(const Findings& findings, int status, Instant now) {
  bool bans = false;
  for (const Finding& finding : findings) {
    const call::LimitSettings& one = limit(finding);
    if (finding.says != Says::admits || !one.ban) continue;
    const std::vector<int>& on = one.ban->on;
    if (std::find(on.begin(), on.end(), status) == on.end()) continue;
    bans = offend(one, known_[{finding.limit, finding.key}], now) || bans;
  }
  return bans;
}

std::pair<std::string, std::string> Shares::announced(const Findings& findings, Instant now) {
  std::pair<std::string, std::string> out;
  for (const Finding& finding : findings) {
    const call::LimitSettings& one = limit(finding);
    const bool silent = !one.rate || !one.announce || !enforced(finding) ||
                        (finding.says != Says::admits && finding.says != Says::quota);
    if (silent) continue;
    Bucket& used = known_[{finding.limit, finding.key}].used;
    used.leak(now);
    const std::int64_t unit = unit_of(one.rate->per, one.rate->count);
    const std::string comma = out.first.empty() ? "" : ", ";
    const std::int64_t window = Duration{unit * one.burst}.ceil_seconds();
    out.first += fmt::format("{}\"{}\";q={};w={}", comma, one.name, one.burst, window);
    out.second +=
        fmt::format("{}\"{}\";r={};t={}", comma, one.name,
                    one.burst - (used.high + unit - 1) / unit, Duration{used.high}.ceil_seconds());
  }
  return out;
}

std::uint64_t Shares::changes(const Findings& findings) {
  std::uint64_t out = 0;
  for (const Finding& finding : findings)
    out += known_[{finding.limit, finding.key}].changes;
  return out;
}

bool Shares::owed_before(const Findings& findings, Instant now) const {
  return std::any_of(findings.begin(), findings.end(), [&](const Finding& finding) {
    const auto found = before_.find({finding.limit, finding.key});
    if (found == before_.end() || !enforced(finding)) return false;
    Known known = found->second;
    Finding then = finding;
    then.says = Says::admits;
    weigh(limit(finding), known, now, then);
    return then.refuses();
  });
}

}  // namespace hf::sim
