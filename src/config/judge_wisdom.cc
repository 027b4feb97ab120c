// What is allowed and probably not wanted.
#include <fmt/format.h>

#include <algorithm>

#include "base/fields.h"
#include "base/quantity.h"
#include "config/address.h"
#include "config/draft.h"

namespace hf::config {
namespace {

using call::HeldAnswer;
using call::Hold;
using call::Mode;

// What clients without an SDK that says otherwise wait: most give up earlier.
constexpr Duration kPatience = Duration::seconds(80);

// ---- the service

void judge_service(const Draft& draft, Findings& findings) {
  const auto& settings = draft.settings;
  const auto public_plain = [&](const std::string& address, Position at, std::string path) {
    if (address.empty() || loopback_listen(address) || !settings.tls.certificate.empty()) return;
    findings.add(Rule::listen_public, at, std::move(path),
                 fmt::format("{} can be reached from other machines, without TLS", address),
                 "127.0.0.1, or `tls: { certificate: FILE, key: FILE }`");
  };
  public_plain(settings.listen, draft.node->place("listen"), "listen");
  for (const auto& route : draft.routes)
    public_plain(route.settings.listen, route.node->place("listen"), route.path + ".listen");
  if (!settings.admin.empty() && !loopback_listen(settings.admin)) {
    findings.add(Rule::admin_public, draft.node->place("admin"), "admin",
                 "the admin API speaks plain HTTP: its token can be read on the way",
                 "127.0.0.1, and `health` for probes and scrapers");
  }
  const auto& keep = settings.journal.retention;
  const auto retention = [&](Rule rule, std::string_view key, std::string message) {
    findings.add(rule, draft.node->place(fmt::format("journal.retention.{}", key)),
                 fmt::format("journal.retention.{}", key), std::move(message),
                 fmt::format("at least {}", format_duration(keep.keys)));
  };
  if (keep.bodies < keep.keys) {
    retention(Rule::retention_bodies, "bodies",
              "bodies go before keys: a replay will then be 409 `answer-not-kept`");
  }
  if (keep.tombstones < keep.keys) {
    retention(Rule::retention_tombstones, "tombstones", "tombstones go before keys");
  }
}

// ---- upstreams

void judge_statuses(const UpstreamDraft& upstream, Findings& findings) {
  const auto& rules = upstream.settings.idempotency;
  for (const int status : rules.refused) {
    if (status != 408 && (status < 500 || status == 503)) continue;
    add(upstream, findings, Rule::refused_unwise, "idempotency.refused",
        fmt::format("{} seldom promises that nothing was applied", status),
        "without that promise a repeat can take effect twice");
  }
  for (const int status : rules.settles) {
    if (status < 500) continue;
    add(upstream, findings, Rule::refused_unwise, "idempotency.settles",
        fmt::format("{} seldom tells what became of an earlier attempt", status));
  }
}

void judge_preset(const UpstreamDraft& upstream, Findings& findings) {
  const auto& settings = upstream.settings;
  // Where the provider's page knows no way to repeat a request, a lookup or a token may be one.
  if (upstream.preset != nullptr && upstream.preset->idempotency.mode != Mode::none &&
      upstream.preset->idempotency.mode != settings.idempotency.mode) {
    add(upstream, findings, Rule::preset_overridden, "idempotency.mode",
        fmt::format("the preset {} is `mode: {}`", in_quotes(settings.preset),
                    to_string(upstream.preset->idempotency.mode)),
        "leave the mode out, or the preset");
  }
  if (upstream.preset != nullptr || upstream.node->find("idempotency") != nullptr) return;
  for (const auto& url : settings.urls) {
    const Preset* known = preset_for_host(url.host);
    if (known == nullptr) continue;
    add(upstream, findings, Rule::preset_known_host, "url",
        fmt::format("{} is known, but treated as `mode: none`", url.host),
        fmt::format("preset: {}", known->name));
  }
}

void judge_upstream(const Draft& draft, const UpstreamDraft& upstream, Findings& findings) {
  const auto& settings = upstream.settings;
  const auto& rules = settings.idempotency;
  judge_statuses(upstream, findings);
  judge_preset(upstream, findings);
  const bool plain = std::any_of(settings.urls.begin(), settings.urls.end(), [](const auto& url) {
    return !url.tls && !loopback_host(url.host);
  });
  if (plain) {
    add(upstream, findings, Rule::upstream_plain,
        upstream.node->find("urls") != nullptr ? "urls" : "url",
        "bodies and credentials travel to another machine in clear", "use https://");
  }
  if (rules.mode == Mode::key && settings.urls.size() > 1 && !settings.one_key_store) {
    add(upstream, findings, Rule::key_stores, "urls",
        "a call in doubt stays with the URL that first saw it",
        "`one_key_store: true` if they share one memory of keys");
  }
  if (rules.mode == Mode::key && rules.lifetime &&
      draft.settings.journal.retention.keys < *rules.lifetime) {
    findings.add(Rule::retention_keys, draft.node->place("journal.retention.keys"),
                 "journal.retention.keys",
                 fmt::format("keys are kept for {}, upstream {} remembers them for {}",
                             format_duration(draft.settings.journal.retention.keys),
                             in_quotes(settings.name), format_duration(*rules.lifetime)),
                 fmt::format("keys: {}", format_duration(*rules.lifetime)));
  }
  const Duration settle = settings.idempotency.settle;
  if (settings.lookup && settle.ns > 0 && settle < settings.timeouts.head) {
    add(upstream, findings, Rule::settle_short, "idempotency.lookup.settle",
        fmt::format("an attempt may be answered after {}, so the upstream may be at work longer "
                    "than {}",
                    format_duration(settings.timeouts.head),
                    format_duration(settings.idempotency.settle)),
        "the longest that it works on a request, and the time until its lookups show it");
  }
  const bool llm = upstream.preset != nullptr && upstream.preset->sdk_timeout > kPatience;
  const Duration least = llm ? Duration::minutes(1) : Duration::seconds(1);
  if (settings.timeouts.head < least) {
    add(upstream, findings, Rule::head_short, "timeouts.head",
        "answers that come later leave the call in doubt",
        fmt::format("at least {}", format_duration(least)));
  }
  for (const auto& field : settings.inject) {
    if (!is_secret_literal(field)) continue;
    add(upstream, findings, Rule::secret_literal, "inject." + field.name,
        "a secret in the configuration itself", "${file:PATH} or ${env:NAME}");
  }
  // With a route that names no known upstream, who knows which one it means.
  const bool used = std::any_of(draft.routes.begin(), draft.routes.end(), [&](const auto& route) {
    return route.upstream == nullptr || route.upstream->settings.name == settings.name;
  });
  if (!used) {
    findings.add(Rule::upstream_unused, upstream.at, upstream.path, "no route leads here");
  }
}

// ---- routes

void judge_hold(const RouteDraft& route, Findings& findings) {
  const auto& settings = route.settings;
  const auto& upstream = route.upstream->settings;
  if (settings.hold == Hold::never) return;
  const bool accepted =
      settings.hold == Hold::always || settings.held_answer == HeldAnswer::accepted;
  if (accepted && route.upstream->preset != nullptr) {
    add(route, findings, Rule::held_202_sdk, settings.hold == Hold::always ? "hold" : "held_answer",
        fmt::format("{}'s SDK takes the 202 of a held call for success", upstream.preset),
        "hold: on_failure with held_answer: error, and ask again with the same key");
  }
  if (upstream.idempotency.mode == Mode::none) {
    add(route, findings, Rule::hold_mode_none, "hold",
        fmt::format(
            "upstream {} is `mode: none`: held are only calls that surely were not applied, "
            "and one in doubt ends in `unknown`",
            in_quotes(upstream.name)),
        "declare its idempotency, if it has any");
  }
  const bool holdable =
      settings.methods.empty() ||
      std::any_of(settings.methods.begin(), settings.methods.end(), [](const std::string& method) {
        return method != "GET" && method != "HEAD" && method != "OPTIONS" && method != "TRACE" &&
               method != "PUT" && method != "PATCH" && method != "DELETE";
      });
  if (!holdable) {
    add(route, findings, Rule::hold_methods, "methods",
        "calls of these methods are held only with `Holdfast-Order`",
        "hold: never, unless the clients send it");
  }
}

void judge_key(const RouteDraft& route, Findings& findings) {
  const Preset* preset = route.upstream->preset;
  const auto& key = route.settings.key;
  const auto& rules = route.upstream->settings.idempotency;
  const bool sdk_header =
      key.from.empty() || (!key.business() && same_name(key.from.front().name, rules.header));
  if (key.stable && sdk_header && preset != nullptr && preset->name == "stripe") {
    add(route, findings, Rule::stable_sdk_key, "key.stable",
        "Stripe's SDK makes a fresh key for each call, and those are not taken for stable",
        "pass `idempotencyKey` in the application, or name the business in `key.from`");
  }
  if (preset == nullptr) return;
  for (const auto& part : preset->scope) {
    if (std::find(key.scope.begin(), key.scope.end(), part) != key.scope.end()) continue;
    add(route, findings, Rule::preset_scope, "key.scope",
        fmt::format("without {} two accounts share their keys", part.name),
        fmt::format("scope: [ {{ header: {} }} ]", part.name));
  }
}

void judge_times(const RouteDraft& route, Findings& findings) {
  const auto& settings = route.settings;
  const auto& upstream = route.upstream->settings;
  const Preset* preset = route.upstream->preset;
  const bool known = preset != nullptr && preset->sdk_timeout.ns > 0;
  const Duration patience = known ? preset->sdk_timeout : kPatience;
  if (settings.wait > patience) {
    add(route, findings, Rule::wait_long, "wait",
        fmt::format("clients give up after {} or earlier", format_duration(patience)),
        fmt::format("at most {}", format_duration(patience)));
  }
  const auto lifetime = upstream.idempotency.lifetime;
  const Duration margin = lifetime_margin(upstream);
  if (upstream.idempotency.mode == Mode::key && lifetime && settings.deadline <= *lifetime &&
      settings.deadline > *lifetime - margin) {
    add(route, findings, Rule::deadline_margin, "deadline",
        fmt::format("no attempt starts in the last {} of a key's {}",
                    format_duration(Duration::seconds(margin.ceil_seconds())),
                    format_duration(*lifetime)),
        longest_deadline(upstream));
  }
  Duration schedule;
  for (const auto pause : settings.retry.held)
    schedule = schedule + pause;
  const bool cut = settings.hold != Hold::never && schedule > settings.deadline &&
                   route.node->find_path("retry.held") != nullptr;
  if (cut || settings.deadline < settings.wait) {
    add(route, findings, Rule::deadline_schedule, "deadline",
        cut ? fmt::format("`retry.held` takes {}, the deadline is {}", format_duration(schedule),
                          format_duration(settings.deadline))
            : fmt::format("`wait` is {}, the deadline is {}", format_duration(settings.wait),
                          format_duration(settings.deadline)));
  }
}

void judge_index(const RouteDraft& route, Findings& findings) {
  const auto& settings = route.settings;
  const auto mode = route.upstream->settings.idempotency.mode;
  const bool lasting = mode == Mode::key || mode == Mode::verify;
  const bool journaled = lasting || !settings.key.from.empty() || !settings.key.derive.empty() ||
                         settings.hold != call::Hold::never;
  if (settings.index.empty() || journaled) return;
  add(route, findings, Rule::index_unrecorded, "index",
      "calls without a key that are not held leave no record that could be searched",
      "give the route a `key` or `hold`");
}

// What does not happen while a route only observes, and may be counted on.
void judge_observed(const RouteDraft& route, Findings& findings) {
  if (route.settings.mode != call::RouteMode::observe) return;
  if (route.settings.webhook) {
    add(route, findings, Rule::observe_passes, "mode",
        "webhooks without a good signature pass while the route only observes",
        "the application must check signatures itself until `mode: observe` is gone");
  }
  if (!route.upstream->settings.inject.empty()) {
    add(route, findings, Rule::observe_passes, "mode",
        fmt::format("`inject` of upstream {} is left out while the route only observes",
                    in_quotes(route.upstream->settings.name)),
        "the application must send its own credential until `mode: observe` is gone");
  }
}

void judge_route(const RouteDraft& route, Findings& findings) {
  if (route.settings.retry.budget_permille == 0) {
    add(route, findings, Rule::budget_zero, "retry.budget",
        "successes earn no second attempts; only the floor of 10/s is left", "such as 20%");
  }
  if (route.upstream == nullptr) return;
  judge_observed(route, findings);
  judge_hold(route, findings);
  judge_key(route, findings);
  judge_index(route, findings);
  judge_times(route, findings);
}

// The value without its references.
std::string literal_part(std::string_view value) {
  std::string out;
  while (!value.empty()) {
    const auto open = std::min(value.find("${"), value.size());
    out += value.substr(0, open);
    value.remove_prefix(open);
    const auto close = value.find('}');
    value.remove_prefix(close == std::string_view::npos ? value.size() : close + 1);
  }
  return out;
}

}  // namespace

bool is_secret_literal(const call::Injected& field) {
  const std::string name = lower_ascii(field.name);
  bool credential = false;
  for (const std::string_view mark :
       {"auth", "key", "token", "secret", "cookie", "password", "credential", "signature"}) {
    credential = credential || name.find(mark) != std::string::npos;
  }
  if (!credential) return false;
  const std::string literal = literal_part(field.value);
  if (literal.empty()) return false;
  // "Bearer " before a reference is no secret.
  const bool scheme = literal.size() <= 16 && literal.ends_with(' ') &&
                      literal.find(' ') == literal.size() - 1 && field.value.starts_with(literal);
  return !scheme;
}

namespace {

void judge_alerts(const Draft& draft, Findings& findings) {
  const call::AlertSettings& alerts = draft.settings.alerts;
  const auto find = [&](Rule rule, const std::string& path, std::string message, std::string hint) {
    findings.add(rule, draft.node->place(path), path, std::move(message), std::move(hint));
  };
  for (const auto& target : alerts.targets) {
    const std::string path = "alerts." + target.upstream.name;
    const call::Url& url = target.upstream.urls.front();
    if (!url.tls && !loopback_host(url.host)) {
      find(Rule::upstream_plain, path + ".url", "notices travel to another machine in clear",
           "use https://");
    }
    for (const auto& field : target.upstream.inject) {
      if (!is_secret_literal(field)) continue;
      find(Rule::secret_literal, path + ".headers." + field.name,
           "a secret in the configuration itself", "${file:PATH} or ${env:NAME}");
    }
  }
  if (alerts.stake.empty()) return;
  for (const auto& route : draft.routes) {
    for (const auto& field : route.settings.index) {
      if (field.name == alerts.stake && !field.sensitive) return;
    }
  }
  find(Rule::alerts_stake, "alerts.stake", "no route has this field in its `index` in clear",
       "index: { amount: { body: /amount } } on the routes whose calls cost");
}

}  // namespace

void judge_wisdom(const Draft& draft, Findings& findings) {
  judge_service(draft, findings);
  judge_alerts(draft, findings);
  judge_limits(draft, findings);
  judge_stale(draft, findings);
  for (const auto& upstream : draft.upstreams)
    judge_upstream(draft, upstream, findings);
  for (const auto& route : draft.routes)
    judge_route(route, findings);
}

}  // namespace hf::config
