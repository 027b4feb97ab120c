#include "traffic/limiter.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/check.h"
#include "base/planted.h"
#include "call/client_address.h"

namespace hf::traffic {
namespace {

using Kind = call::LimitPart::Kind;

bool in_list(const std::vector<std::string>& list, const std::string& text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

bool in_list(const std::vector<Network>& list, const std::optional<IpAddress>& address) {
  return address && std::any_of(list.begin(), list.end(),
                                [&](const Network& network) { return network.contains(*address); });
}

// What a request costs; a client that says nothing sensible pays for one.
std::int64_t cost_of(const call::LimitSettings& limit, const Fields& fields) {
  if (limit.cost_header.empty()) return std::min(limit.cost, limit.burst);
  const Field* field = find_field(fields, limit.cost_header);
  if (field == nullptr) return 1;
  const auto text = trim_blanks(field->value);
  std::int64_t cost = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), cost);
  if (end != text.data() + text.size() || text.empty()) return 1;
  if (error == std::errc::result_out_of_range) return limit.burst;
  return std::clamp<std::int64_t>(cost, 1, limit.burst);
}

// Whether one of several fields of that name has a value that is blocked: they are nobody's single
// value, but the application may read any of them.
bool any_blocked(const call::LimitSettings& limit, const Fields& fields) {
  if (limit.block_values.empty()) return false;
  return std::any_of(limit.by.begin(), limit.by.end(), [&](const call::LimitPart& part) {
    return part.kind == Kind::header &&
           std::any_of(fields.begin(), fields.end(), [&](const Field& field) {
             return same_name(field.name, part.name) &&
                    in_list(limit.block_values, std::string(trim_blanks(field.value)));
           });
  });
}

// A string of RFC 9651 section 3.3.3; names of limits hold nothing that would need more.
std::string item(std::string_view name) {
  return fmt::format("\"{}\"", name);
}

void append_item(std::string& list, std::string_view one) {
  if (!list.empty()) list += ", ";
  list += one;
}

std::string_view host_of(const Fields& fields) {
  const Field* host = find_field(fields, "Host");
  return host == nullptr ? std::string_view{} : trim_blanks(host->value);
}

bool same_host(std::string_view wanted, std::string_view host) {
  // With or without a port.
  if (host.size() > wanted.size() && host[wanted.size()] == ':') {
    host = host.substr(0, wanted.size());
  }
  return same_name(wanted, host);
}

}  // namespace

std::string_view to_string(Why why) {
  switch (why) {
    case Why::quota:
      return "quota";
    case Why::banned:
      return "banned";
    case Why::blocked:
      return "blocked";
    case Why::full:
      return "full";
  }
  return "?";
}

Limiter::Limiter(call::TrafficSettings settings, HashSecret secret)
    : settings_(std::move(settings)), secret_(secret), table_(settings_.keys_max) {
  HF_CHECK(settings_.limits.size() <= kLimitsMax);
  for (const call::LimitSettings& limit : settings_.limits) {
    Rule rule;
    rule.settings = &limit;
    auto path = PathTemplate::parse(limit.match.path.empty() ? "/" : limit.match.path);
    HF_CHECK_MSG(path, limit.name);  // config refuses it
    rule.path = std::move(*path);
    if (limit.rate) {
      rule.rate.emplace(*limit.rate, limit.burst);
      // As written, not as rounded up: 3/20s is a window of 20 s.
      const Duration window = limit.rate->per * limit.burst / limit.rate->count;
      rule.policy_item =
          fmt::format("{};q={};w={}", item(limit.name), limit.burst, window.ceil_seconds());
    }
    if (limit.ban) {
      rule.offences.emplace(Rate{limit.ban->after, limit.ban->within}, limit.ban->after);
    }
    rule.needs_body = std::any_of(limit.by.begin(), limit.by.end(), [](const auto& part) {
      return part.kind == Kind::body || part.kind == Kind::form;
    });
    rules_.push_back(std::move(rule));
  }
}

Subject Limiter::subject_of(const call::IncomingHead& head, std::string_view body) const {
  Subject out;
  out.head = &head;
  out.path = plain_path(head.target);
  out.address = call::client_address(settings_.client_address, head.client_address, head.fields);
  out.v6_prefix = settings_.client_address.v6_prefix;
  out.body = body;
  return out;
}

std::optional<std::vector<std::string_view>> Limiter::matched(const Rule& rule,
                                                              const Subject& subject) const {
  const call::LimitMatch& match = rule.settings->match;
  if (!match.methods.empty() && !in_list(match.methods, subject.head->method)) return std::nullopt;
  if (!match.host.empty() && !same_host(match.host, host_of(subject.head->fields))) {
    return std::nullopt;
  }
  return rule.path.match(subject.path);
}

// Nothing: the limit does not mean this request.
std::optional<Limiter::Finding> Limiter::look(std::size_t index, const Subject& subject,
                                              Instant now) {
  const Rule& rule = rules_[index];
  const auto path_values = matched(rule, subject);
  if (!path_values) return std::nullopt;
  Finding out;
  out.rule = index;
  for (const call::LimitPart& part : rule.settings->by)
    out.parts.push_back(part_text(part, subject, rule.path, *path_values));
  out.key = client_key(secret_, *rule.settings, out.parts, subject);
  look_at_lists(rule, subject, out);
  if (!out.exempt && !out.refused) look_at_quota(rule, subject, now, out);
  return out;
}

void Limiter::look_at_lists(const Rule& rule, const Subject& subject, Finding& out) const {
  const call::LimitSettings& limit = *rule.settings;
  const std::string* value = nullptr;
  for (std::size_t i = 0; i < out.parts.size(); ++i) {
    if (limit.by[i].kind != Kind::address && out.parts[i]) value = &*out.parts[i];
  }
  const auto listed = [&](const std::vector<Network>& networks,
                          const std::vector<std::string>& values) {
    return in_list(networks, subject.address) || (value != nullptr && in_list(values, *value));
  };
  if (listed(limit.block, limit.block_values) || any_blocked(limit, subject.head->fields)) {
    out.refused = Why::blocked;
    out.measured = 1;  // of entries that are allowed to mean it, none
  } else if (listed(limit.allow, limit.allow_values)) {
    out.exempt = true;
  }
}

void Limiter::look_at_quota(const Rule& rule, const Subject& subject, Instant now, Finding& out) {
  if (!rule.rate && !rule.offences) return;
  const ClientState* state = table_.find_or_add(out.key, now);
  if (state == nullptr) {
    out.untracked = true;
    if (rule.settings->when_full == call::WhenFull::refuse) {
      out.refused = Why::full;
      out.measured = static_cast<std::int64_t>(table_.size());
      out.threshold = static_cast<std::int64_t>(table_.keys_max());
      out.again_after = Duration::seconds(1);
    }
    return;
  }
  if (rule.rate) {
    out.quota = rule.rate->ask(state->arrival, now, cost_of(*rule.settings, subject.head->fields));
  }
  if (state->banned_until > now.ns) {
    out.refused = Why::banned;
    out.measured = out.threshold = rule.settings->ban ? rule.settings->ban->after : 0;
    // A ban may end before the quota is there again.
    out.again_after = std::max(Duration{state->banned_until - now.ns}, out.quota.again_after);
    return;
  }
  if (!rule.rate) return;
  out.measured = out.quota.used;
  out.threshold = rule.rate->burst();
  if (out.quota.admitted) return;
  out.refused = Why::quota;
  out.again_after = out.quota.again_after;
}

LimitVerdict Limiter::on_head(const call::IncomingHead& head, Instant now, bool only_report) {
  LimitVerdict out;
  const Subject subject = subject_of(head, {});
  std::vector<Finding> findings;
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    if (rules_[i].needs_body) {
      if (matched(rules_[i], subject)) out.pass.later.push_back(i);
      continue;
    }
    if (auto found = look(i, subject, now)) findings.push_back(std::move(*found));
  }
  out.refusal = settle(findings, subject, out.pass, now, only_report);
  return out;
}

std::optional<Refusal> Limiter::on_body(const call::IncomingHead& head, std::string_view body,
                                        Pass& pass, Instant now, bool only_report) {
  if (pass.later.empty()) return std::nullopt;
  const Subject subject = subject_of(head, body);
  std::vector<Finding> findings;
  for (const std::size_t index : std::exchange(pass.later, {})) {
    if (auto found = look(index, subject, now)) findings.push_back(std::move(*found));
  }
  return settle(findings, subject, pass, now, only_report);
}

// All limits that act must admit a request, or none has counted it.
std::optional<Refusal> Limiter::settle(std::vector<Finding>& findings, const Subject& subject,
                                       Pass& pass, Instant now, bool only_report) {
  const auto acts = [&](const Finding& finding) {
    const bool enforced = rules_[finding.rule].settings->mode == call::LimitMode::enforce;
    return !only_report && (enforced || HF_BUG("refuse-while-observing"));
  };
  std::optional<Refusal> refusal;
  for (const Finding& finding : findings) {
    if (!finding.refused) continue;
    Refusal one = refuse(finding, subject, now, acts(finding));
    // Of several the one that lasts longest: to come back sooner would not help.
    const bool longer = !refusal || !one.again_after ||
                        (refusal->again_after && *one.again_after > *refusal->again_after);
    if (acts(finding) && longer) refusal = std::move(one);
  }
  for (const Finding& finding : findings) {
    const Rule& rule = rules_[finding.rule];
    if ((!refusal || HF_BUG("count-what-is-refused")) && !finding.refused) {
      admit(finding, pass, now);
    }
    const bool told = rule.rate && acts(finding) && rule.settings->announce && !finding.exempt &&
                      !finding.untracked && finding.refused != Why::blocked &&
                      finding.refused != Why::banned;
    if (!told) continue;
    append_item(pass.policies, rule.policy_item);
    // Refused by another limit it has counted for none.
    const ClientState* state = table_.find(finding.key);
    const auto quota =
        refusal ? rule.rate->look(state == nullptr ? 0 : state->arrival, now) : finding.quota;
    append_item(pass.quotas, fmt::format("{};r={};t={}", item(rule.settings->name), quota.remaining,
                                         quota.full_after.ceil_seconds()));
  }
  return refusal;
}

void Limiter::admit(const Finding& finding, Pass& pass, Instant now) {
  Rule& rule = rules_[finding.rule];
  if (finding.exempt) {
    ++rule.counts.exempt;
    return;
  }
  ++rule.counts.admitted;
  if (finding.untracked) {
    ++rule.counts.untracked;
    return;
  }
  if (rule.rate) {
    if (finding.quota.used * 5 >= rule.rate->burst() * 4) ++rule.counts.near;
    ClientState* state = table_.find_or_add(finding.key, now);
    if (state != nullptr) {
      if (state->arrival <= now.ns) state->banned_until = 0;  // it owed nothing any more
      state->arrival = finding.quota.arrival;
    }
  }
  if (rule.offences && !rule.settings->ban->on.empty()) {
    pass.watches.push_back({finding.rule, finding.key});
  }
}

Refusal Limiter::refuse(const Finding& finding, const Subject& subject, Instant now, bool acted) {
  Rule& rule = rules_[finding.rule];
  Refusal out;
  out.limit = rule.settings;
  out.why = *finding.refused;
  out.measured = finding.measured;
  out.threshold = finding.threshold;
  out.again_after = finding.again_after;
  out.client = client_label(*rule.settings, finding.parts, subject, finding.key);
  switch (out.why) {
    case Why::quota: {
      ++rule.counts.quota;
      // Found a moment ago, but another limit of this very request may have taken its place.
      ClientState* state = table_.find_or_add(finding.key, now);
      if (state == nullptr) break;
      state->arrival = finding.quota.arrival;
      state->banned_until = ClientState::kRefused;  // it is not banned, or would not be asked
      if (rule.offences && rule.settings->ban->on.empty()) {
        // What was let through on a route that only observes shuts nobody out of the others.
        const bool observes = rule.settings->mode == call::LimitMode::observe;
        if (!acted && !observes) break;
        offend(rule, *state, now);
        // Banned with this very refusal: to come back sooner would not help.
        if (!HF_BUG("promise-within-a-ban")) {
          out.again_after = std::max(*out.again_after, Duration{state->banned_until - now.ns});
        }
      }
      break;
    }
    case Why::banned:
      ++rule.counts.banned;
      break;
    case Why::blocked:
      ++rule.counts.blocked;
      break;
    case Why::full:
      ++rule.counts.untracked;
      break;
  }
  remember(rule, finding, out.client, now);
  if (told_) told_(out, acted);
  return out;
}

void Limiter::offend(Rule& rule, ClientState& state, Instant now) {
  const auto verdict = rule.offences->ask(state.offences, now);
  if (verdict.admitted) state.offences = verdict.arrival;
  if (verdict.admitted && verdict.remaining > 0) return;
  state.banned_until = (now + rule.settings->ban->lasts).ns;
  state.offences = 0;
  ++rule.counts.bans;
}

void Limiter::on_answer(const Pass& pass, int status, Instant now) {
  for (const Pass::Watch& watch : pass.watches) {
    Rule& rule = rules_[watch.limit];
    const std::vector<int>& on = rule.settings->ban->on;
    if (std::find(on.begin(), on.end(), status) == on.end()) continue;
    if (ClientState* state = table_.find_or_add(watch.key, now)) offend(rule, *state, now);
  }
}

void Limiter::remember(Rule& rule, const Finding& finding, const std::string& client, Instant now) {
  auto& list = rule.offenders;
  auto at = std::find_if(list.begin(), list.end(),
                         [&](const Offender& one) { return one.key == finding.key; });
  if (at == list.end() && list.size() < kOffendersShown) {
    at = list.insert(list.end(), {finding.key, client, 0, 0, now});
  } else if (at == list.end()) {
    at = std::min_element(list.begin(), list.end(), [](const Offender& a, const Offender& b) {
      return a.refused < b.refused;
    });
    *at = {finding.key, client, at->refused, at->refused, now};
  }
  ++at->refused;
  at->last = now;
}

std::vector<Offender> Limiter::offenders(std::size_t limit) const {
  std::vector<Offender> out = rules_[limit].offenders;
  std::stable_sort(out.begin(), out.end(),
                   [](const Offender& a, const Offender& b) { return a.refused > b.refused; });
  return out;
}

std::optional<Instant> Limiter::banned_until(const ClientKey& key, Instant now) {
  const ClientState* state = table_.find(key);
  if (state == nullptr || state->banned_until <= now.ns) return std::nullopt;
  return Instant{state->banned_until};
}

bool Limiter::lift(std::string_view limit, std::string_view client) {
  bool any = false;
  for (Rule& rule : rules_) {
    if (rule.settings->name != limit) continue;
    for (const Offender& one : rule.offenders)
      if (one.client == client) any = table_.erase(one.key) || any;
    std::erase_if(rule.offenders, [&](const Offender& one) { return one.client == client; });
    const bool by_address =
        rule.settings->by.size() == 1 && rule.settings->by[0].kind == Kind::address;
    const auto address = parse_network(client);
    if (!by_address || !address) continue;
    Subject subject;
    subject.address = address->base;
    subject.v6_prefix = settings_.client_address.v6_prefix;
    const std::vector<std::optional<std::string>> parts{address_text(subject)};
    any = table_.erase(client_key(secret_, *rule.settings, parts, subject)) || any;
  }
  return any;
}

}  // namespace hf::traffic
