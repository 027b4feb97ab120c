#include "config/print.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/quantity.h"
#include "call/callback.h"
#include "config/address.h"
#include "config/draft.h"

namespace hf::config {
namespace {

constexpr std::string_view kHidden = "(hidden)";

// Plain scalars need no quotes. `more` are characters allowed beside letters and digits.
bool is_simple(std::string_view text, std::string_view more) {
  const auto plain = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           more.find(c) != std::string_view::npos;
  };
  // A leading "-" or "." could begin a list or a document's end; these words would read as nothing.
  return !text.empty() && text.front() != '-' && text.front() != '@' &&
         (text.front() != '.' || text.starts_with("./")) && text != "null" && text != "Null" &&
         text != "NULL" && std::all_of(text.begin(), text.end(), plain);
}

// A scalar that is safe anywhere.
std::string scalar(std::string_view text) {
  if (is_simple(text, "_./@+-")) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

// The same where a line of its own follows: addresses and URLs need no quotes there.
std::string block_scalar(std::string_view text) {
  const bool plain = is_simple(text, "_./@+-:") && !text.ends_with(':') && !text.starts_with(':');
  return plain ? std::string(text) : scalar(text);
}

std::string flag(bool value) {
  return value ? "true" : "false";
}

std::string range(const DurationRange& value) {
  if (value.low == value.high) return format_duration(value.low);
  return fmt::format("{}..{}", format_duration(value.low), format_duration(value.high));
}

template <typename T, typename One>
std::string list(const std::vector<T>& items, One one) {
  std::string out = "[";
  for (const auto& item : items) {
    if (out.size() > 1) out += ", ";
    out += one(item);
  }
  return out + "]";
}

std::string statuses(const std::vector<int>& values) {
  return list(values, [](int status) { return std::to_string(status); });
}

std::string one_part(const call::Part& part) {
  const std::string_view kind = part.kind == call::Part::Kind::header ? "header"
                                : part.kind == call::Part::Kind::body ? "body"
                                                                      : "form";
  return fmt::format("{}: {}", kind, scalar(part.name));
}

std::string parts(const std::vector<call::Part>& values) {
  return list(values,
              [](const call::Part& part) { return fmt::format("{{ {} }}", one_part(part)); });
}

// Lines of "key: value" below one indentation.
class Lines {
 public:
  Lines(std::string& out, std::string indent) : out_(out), indent_(std::move(indent)) {}
  void put(std::string_view key, std::string_view value) {
    out_ += fmt::format("{}{}: {}\n", indent_, key, value);
  }
  void put_text(std::string_view key, std::string_view text) {
    if (!text.empty()) put(key, block_scalar(text));
  }
  void open(std::string_view key) { out_ += fmt::format("{}{}:\n", indent_, key); }
  [[nodiscard]] Lines deeper() const { return {out_, indent_ + "  "}; }

 private:
  std::string& out_;
  std::string indent_;
};

void print_lookup(Lines in, const call::Lookup& lookup, Duration settle) {
  in.put("get", scalar(lookup.get));
  in.put("found", scalar(lookup.found));
  in.open("where");
  Lines conditions = in.deeper();
  for (const auto& where : lookup.where) {
    conditions.put(scalar(where.pointer),
                   list(where.values, [](const std::string& value) { return scalar(value); }));
  }
  in.put("absent_status", statuses(lookup.absent_status));
  in.put("settle", format_duration(settle));
  if (lookup.answer) in.put("answer", scalar(*lookup.answer));
}

void print_idempotency(Lines in, const call::UpstreamSettings& upstream) {
  const call::Idempotency& rules = upstream.idempotency;
  in.put("mode", to_string(rules.mode));
  if (rules.mode == call::Mode::verify) in.put_text("header", rules.header);
  if (upstream.lookup) {
    in.open("lookup");
    print_lookup(in.deeper(), *upstream.lookup, rules.settle);
  }
  if (rules.mode == call::Mode::key) {
    in.put_text("header", rules.header);
    if (rules.lifetime) in.put("lifetime", format_duration(*rules.lifetime));
  }
  in.put("refused", statuses(rules.refused));
  if (rules.mode == call::Mode::key) {
    in.put("in_progress", statuses(rules.in_progress));
    in.put("settles", statuses(rules.settles));
    in.put_text("settles_field", rules.settles_field);
    in.put_text("settles_unless_type", rules.settles_unless_type);
    in.put_text("replay_marker", rules.replay_marker);
  }
  if (rules.no_retry_advice.empty()) return in.put("no_retry_advice", "{}");
  in.open("no_retry_advice");
  Lines fields = in.deeper();
  for (const auto& field : rules.no_retry_advice)
    fields.put(scalar(field.name), scalar(field.value));
}

std::string texts(const std::vector<std::string>& values) {
  return list(values, [](const std::string& text) { return scalar(text); });
}

bool is_reference(std::string_view value) {
  return value.starts_with("${") && value.find('}') == value.size() - 1;
}

std::string secret(const std::string& value) {
  const bool marked =
      value.starts_with("whsec_") && is_reference(std::string_view(value).substr(6));
  return scalar(is_reference(value) || marked ? std::string_view(value) : kHidden);
}

std::string secrets(const std::vector<std::string>& values) {
  return list(values, secret);
}

void print_callbacks(Lines in, const call::CallbackSettings& callbacks) {
  in.put("allow", texts(callbacks.allow));
  in.put("private_addresses", flag(callbacks.private_addresses));
  in.put("secrets", secrets(callbacks.secrets));
  in.put("retry", fmt::format("{{ held: {} }}", list(callbacks.held, format_duration)));
  in.put("deadline", format_duration(callbacks.deadline));
}

void print_webhook(Lines in, const call::WebhookRule& rule) {
  in.put("scheme", to_string(rule.scheme));
  in.put("secrets", secrets(rule.secrets));
  if (rule.scheme != call::WebhookScheme::hmac) {
    return in.put("tolerance", format_duration(rule.tolerance));
  }
  in.put_text("header", rule.header);
  if (!rule.prefix.empty()) in.put("prefix", scalar(rule.prefix));
  in.put("encoding", rule.encoding == call::WebhookEncoding::hex ? "hex" : "base64");
}

void print_inject(Lines in, std::string_view key, const std::vector<call::Injected>& fields) {
  if (fields.empty()) return;
  in.open(key);
  Lines lines = in.deeper();
  for (const auto& field : fields) {
    lines.put(scalar(field.name),
              scalar(is_secret_literal(field) ? kHidden : std::string_view(field.value)));
  }
}

void print_tls(Lines in, const call::UpstreamTls& tls) {
  if (tls == call::UpstreamTls{}) return;
  in.open("tls");
  Lines lines = in.deeper();
  lines.put_text("ca", tls.ca);
  lines.put_text("certificate", tls.certificate);
  lines.put_text("key", tls.key);
  if (!tls.passphrase.empty()) lines.put("passphrase", secret(tls.passphrase));
  lines.put_text("server_name", tls.server_name);
  lines.put("min_version", scalar(to_string(tls.min_version)));
}

// RFC 3986 section 2.1, but for references.
std::string escaped(std::string_view text) {
  if (text.find("${") != std::string_view::npos) return std::string(text);
  std::string out;
  for (const char c : text) {
    const bool plain = is_simple({&c, 1}, "_~()") || c == '-' || c == '.';
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

void print_proxy(Lines in, const std::optional<call::Proxy>& proxy) {
  if (!proxy) return;
  std::string user = escaped(proxy->user);
  if (!proxy->password.empty()) {
    user += ':';
    user += is_reference(proxy->password) ? std::string_view(proxy->password) : kHidden;
  }
  in.put("proxy",
         scalar(fmt::format("http://{}{}{}", user, user.empty() ? "" : "@", proxy->authority())));
}

void print_review(Lines in, const std::vector<call::Accepted>& accepted) {
  if (accepted.empty()) return;
  in.open("review");
  in.deeper().open("accept");
  Lines lines = in.deeper().deeper();
  for (const auto& one : accepted)
    lines.put(one.rule, scalar(one.reason));
}

std::string quoted_texts(const std::vector<std::string>& values) {
  return list(values, [](const std::string& value) { return scalar(value); });
}

void print_tests(Lines in, std::string_view key, const std::vector<call::AnswerTest>& tests) {
  using Kind = call::AnswerTest::Kind;
  if (tests.empty()) return;
  in.open(key);
  Lines lines = in.deeper();
  for (const auto& test : tests) {
    const bool values = test.kind == Kind::equals || test.kind == Kind::ends;
    const std::string list = values ? quoted_texts(test.values) : std::string();
    lines.put(scalar(test.where), test.kind == Kind::equals    ? list
                                  : test.kind == Kind::ends    ? fmt::format("{{ ends: {} }}", list)
                                  : test.kind == Kind::present ? "{ exists: true }"
                                                               : "{ exists: false }");
  }
}

void print_classify(Lines in, const std::vector<call::AnswerRule>& rules) {
  if (rules.empty()) return;
  in.open("classify");
  for (const auto& rule : rules) {
    in.deeper().put("- means", to_string(rule.means));
    Lines lines = in.deeper().deeper();
    if (!rule.status.empty()) lines.put("status", statuses(rule.status));
    print_tests(lines, "headers", rule.headers);
    print_tests(lines, "json", rule.json);
    print_tests(lines, "form", rule.form);
    if (!rule.contains.empty()) lines.put("contains", quoted_texts(rule.contains));
    lines.put_text("pause_until", rule.pause_until);
    if (rule.pause) lines.put("pause", format_duration(*rule.pause));
  }
}

void print_overload(Lines in, const call::UpstreamSettings& upstream) {
  if (upstream.adaptive) {
    in.put("concurrency",
           fmt::format("{{ adaptive: true, min: {}, max: {}, start: {} }}", upstream.adaptive->min,
                       upstream.concurrency, upstream.adaptive->start));
  } else {
    in.put("concurrency", std::to_string(upstream.concurrency));
  }
  if (const auto& overload = upstream.overload) {
    in.put(
        "overload",
        fmt::format("{{ target: {}, interval: {}, calm: {} }}", format_duration(overload->target),
                    format_duration(overload->interval), format_duration(overload->calm)));
  } else if (upstream.adaptive) {
    in.put("overload", "off");
  }
}

void print_class(Lines in, const call::ClassSettings& rule) {
  if (rule == call::ClassSettings{}) return;
  if (!rule.by_priority && rule.match.empty()) {
    in.put("class", call::to_string(rule.at_most));
    return;
  }
  in.open("class");
  Lines lines = in.deeper();
  lines.put("at_most", call::to_string(rule.at_most));
  lines.put("by_priority", flag(rule.by_priority));
  if (rule.match.empty()) return;
  lines.put("match", list(rule.match, [](const call::ClassRule& one) {
              return fmt::format("{{ header: {}, values: {}, class: {} }}", scalar(one.header),
                                 quoted_texts(one.values), call::to_string(one.importance));
            }));
}

void print_upstream(Lines in, const call::UpstreamSettings& upstream) {
  const auto url = [](const call::Url& one) { return scalar(format_url(one)); };
  if (upstream.urls.size() == 1) {
    in.put_text("url", format_url(upstream.urls.front()));
  } else {
    in.put("urls", list(upstream.urls, url));
  }
  in.put("one_key_store", flag(upstream.one_key_store));
  print_tls(in, upstream.tls);
  print_proxy(in, upstream.proxy);
  in.put_text("preset", upstream.preset);
  in.open("idempotency");
  print_idempotency(in.deeper(), upstream);
  print_classify(in, upstream.classify);
  print_inject(in, "inject", upstream.inject);
  if (upstream.credentials_stored) in.put("credentials", "stored");
  in.put_text("account", upstream.account);
  const auto& timeouts = upstream.timeouts;
  in.put("timeouts",
         fmt::format("{{ connect: {}, head: {}, idle: {} }}", format_duration(timeouts.connect),
                     format_duration(timeouts.head), format_duration(timeouts.idle)));
  print_overload(in, upstream);
  if (upstream.rate) in.put("rate", format_rate(*upstream.rate));
  in.put("max_pause", format_duration(upstream.max_pause));
  const auto& breaker = upstream.breaker;
  in.put("breaker",
         fmt::format("{{ failures: {}, of_at_least: {}, within: {}, consecutive: {}, open: {} }}",
                     format_permille(breaker.failure_permille), breaker.of_at_least,
                     format_duration(breaker.within), breaker.consecutive, range(breaker.open)));
  const auto& ejection = upstream.ejection;
  in.put("ejection", fmt::format("{{ consecutive: {}, out: {}, most: {} }}", ejection.consecutive,
                                 range(ejection.out), format_permille(ejection.most_permille)));
  print_review(in, upstream.accepted);
}

void print_key(Lines in, const call::KeyRule& key) {
  in.put("required", flag(key.required));
  in.put("from", parts(key.from));
  in.put("stable", flag(key.stable));
  in.put("scope", parts(key.scope));
  in.put_text("space", key.space);
  if (key.derive.empty()) return;
  in.put("derive", list(key.derive, [](call::Derive part) { return to_string(part); }));
  in.put("window", format_duration(key.derive_window));
}

void print_index(Lines in, const std::vector<call::IndexField>& index) {
  if (index.empty()) return;
  in.open("index");
  Lines fields = in.deeper();
  for (const auto& field : index) {
    fields.put(scalar(field.name), fmt::format("{{ {}{} }}", one_part(field.part),
                                               field.sensitive ? ", sensitive: true" : ""));
  }
}

void print_retry(Lines in, const call::RetrySettings& retry) {
  in.put("live", fmt::format("{{ attempts: {}, backoff: {}, buffer: {} }}", retry.live_attempts,
                             range(retry.live_backoff), format_size(retry.live_buffer)));
  in.put("held", list(retry.held, [](Duration pause) { return format_duration(pause); }));
  in.put("budget", format_permille(retry.budget_permille));
}

std::string owner(const call::OwnerRule& rule) {
  switch (rule.kind) {
    case call::OwnerRule::Kind::credential:
      return "credential";
    case call::OwnerRule::Kind::anyone:
      return "anyone";
    case call::OwnerRule::Kind::header:
      return fmt::format("{{ header: {} }}", scalar(rule.header));
  }
  return {};
}

void print_route(Lines in, const call::RouteSettings& route) {
  in.put_text("host_match", route.host_match);
  if (!route.methods.empty()) {
    in.put("methods",
           list(route.methods, [](const std::string& method) { return scalar(method); }));
  }
  in.put_text("listen", route.listen);
  in.put("upstream", scalar(route.upstream));
  if (route.mode == call::RouteMode::observe) in.put("mode", "observe");
  in.put("strip_prefix", flag(route.strip_prefix));
  in.put("host", route.host_keep ? "keep" : "upstream");
  in.put("owner", owner(route.owner));
  in.open("key");
  print_key(in.deeper(), route.key);
  in.put("fingerprint", fmt::format("{{ ignore: {} }}", parts(route.fingerprint_ignore)));
  print_index(in, route.index);
  in.put("on_suspect", to_string(route.suspect.action));
  if (route.suspect.action != call::OnSuspect::off) {
    in.put("suspect",
           fmt::format("{{ window: {}, ignore: {} }}", format_duration(route.suspect.window),
                       parts(route.suspect.ignore)));
  }
  in.put("hold", to_string(route.hold));
  // `hold: always` and `never` have their answer; the default says nothing.
  if (route.held_answer == call::HeldAnswer::accepted) in.put("held_answer", "202");
  in.put("wait", format_duration(route.wait));
  if (route.stale_if_error) in.put("stale_if_error", format_duration(*route.stale_if_error));
  in.put("deadline", format_duration(route.deadline));
  in.put("head_is_proof", flag(route.head_is_proof));
  print_class(in, route.importance);
  in.put_text("callback", route.callback);
  if (route.callback_answer > 0) {
    in.put("callback_answer", format_size(route.callback_answer));
  }
  if (route.webhook) {
    in.open("webhook");
    print_webhook(in.deeper(), *route.webhook);
  }
  const auto& limits = route.limits;
  in.put("limits", fmt::format("{{ head: {}, body: {}, stored_answer: {}, waiters: {} }}",
                               format_size(limits.head), format_size(limits.body),
                               format_size(limits.stored_answer), limits.waiters));
  in.open("retry");
  print_retry(in.deeper(), route.retry);
  print_review(in, route.accepted);
}

void print_alerts(Lines in, const call::AlertSettings& alerts) {
  for (const auto& target : alerts.targets) {
    const auto& to = target.upstream;
    in.open(to.name);
    Lines lines = in.deeper();
    call::Url url = to.urls.front();
    // The path of a chat's webhook is its secret.
    const bool secret = target.format != call::AlertTarget::Format::alertmanager;
    if (secret && !url.base_path.empty()) url.base_path = "/" + std::string(kHidden);
    lines.put_text("url", format_url(url));
    print_inject(lines, "headers", to.inject);
    lines.put_text("ca_file", to.tls.ca);
    if (target.format == call::AlertTarget::Format::json) lines.put("format", "json");
    if (target.format == call::AlertTarget::Format::slack) lines.put("format", "slack");
  }
  in.put("failure_rate",
         fmt::format("{{ failures: {}, of_at_least: {}, within: {} }}",
                     format_permille(alerts.failure_permille), alerts.failure_of_at_least,
                     format_duration(alerts.failure_within)));
  in.put("every", format_duration(alerts.every));
  in.put("over_after", format_duration(alerts.over_after));
  in.put("standing_still", format_duration(alerts.standing_still));
  in.put_text("stake", alerts.stake);
}

std::string limit_parts(const std::vector<call::LimitPart>& values) {
  return list(values, [](const call::LimitPart& part) {
    if (part.kind == call::LimitPart::Kind::address) return std::string("address");
    return fmt::format("{{ {}: {} }}", to_string(part.kind), scalar(part.name));
  });
}

// `hidden`: the values may be credentials.
std::string networks(const std::vector<Network>& values, const std::vector<std::string>& more,
                     bool hidden) {
  std::vector<std::string> all;
  for (const Network& network : values)
    all.push_back(format_network(network));
  for (const std::string& value : more)
    all.push_back(hidden ? std::string(kHidden) : value);
  return list(all, [](const std::string& text) { return scalar(text); });
}

void print_limit(Lines in, const call::LimitSettings& limit) {
  std::string match;
  const auto add = [&](std::string_view key, const std::string& value) {
    match += fmt::format("{}{}: {}", match.empty() ? "" : ", ", key, value);
  };
  if (!limit.match.path.empty()) add("path", scalar(limit.match.path));
  if (!limit.match.methods.empty()) add("methods", texts(limit.match.methods));
  if (!limit.match.host.empty()) add("host", scalar(limit.match.host));
  if (!match.empty()) in.put("match", fmt::format("{{ {} }}", match));
  in.put("by", limit_parts(limit.by));
  const bool hidden = std::any_of(limit.by.begin(), limit.by.end(), [](const auto& part) {
    return part.kind == call::LimitPart::Kind::header || part.kind == call::LimitPart::Kind::cookie;
  });
  if (limit.rate) in.put("rate", format_rate(*limit.rate));
  if (limit.rate) in.put("burst", std::to_string(limit.burst));
  if (!limit.cost_header.empty()) {
    in.put("cost", fmt::format("{{ header: {} }}", scalar(limit.cost_header)));
  } else {
    in.put("cost", std::to_string(limit.cost));
  }
  if (!limit.allow.empty() || !limit.allow_values.empty()) {
    in.put("allow", networks(limit.allow, limit.allow_values, hidden));
  }
  if (!limit.block.empty() || !limit.block_values.empty()) {
    in.put("block", networks(limit.block, limit.block_values, hidden));
  }
  if (limit.ban) {
    std::string on = limit.ban->on.empty() ? "" : ", on: " + statuses(limit.ban->on);
    in.put("ban",
           fmt::format("{{ after: {}, within: {}, for: {}{} }}", limit.ban->after,
                       format_duration(limit.ban->within), format_duration(limit.ban->lasts), on));
  }
  in.put("mode", to_string(limit.mode));
  in.put("announce", flag(limit.announce));
  in.put("when_full", to_string(limit.when_full));
}

void print_traffic(Lines in, const call::TrafficSettings& traffic) {
  const call::ClientAddressSettings& client = traffic.client_address;
  if (!client.trusted.empty()) {
    const bool forwarded = client.from == call::ClientAddressSettings::From::forwarded;
    in.put("client_address", fmt::format("{{ from: {}, trusted: {}, ipv6_prefix: {} }}",
                                         forwarded ? "forwarded" : "x-forwarded-for",
                                         networks(client.trusted, {}, false), client.v6_prefix));
  }
  if (traffic.limits.empty()) return;
  in.put("limit_keys", std::to_string(traffic.keys_max));
  in.open("limits");
  for (const call::LimitSettings& limit : traffic.limits) {
    in.deeper().put("- name", scalar(limit.name));
    print_limit(in.deeper().deeper(), limit);
  }
}

void print_features(Lines in, const call::FeatureSettings& features) {
  in.put_text("listen", features.listen);
  if (!features.token.empty()) in.put("token", scalar(kHidden));
  if (!features.origins.empty()) in.put("origins", texts(features.origins));
  if (!features.watch.empty()) in.put("watch", texts(features.watch));
  in.put("target", format_duration(features.target));
  in.put("flags", list(features.flags, [](const call::FeatureFlag& flag) {
           return fmt::format("{{ name: {}, on: {}, off: {} }}", scalar(flag.name), flag.on,
                              flag.off);
         }));
}

void print_journal(Lines in, const call::JournalSettings& journal) {
  const auto& keep = journal.retention;
  in.put_text("path", journal.path);
  in.put("max_bytes", format_size(journal.max_bytes));
  in.put("retention",
         fmt::format("{{ keys: {}, bodies: {}, timeline: {}, tombstones: {} }}",
                     format_duration(keep.keys), format_duration(keep.bodies),
                     format_duration(keep.timeline), format_duration(keep.tombstones)));
  in.put_text("key_file", journal.key_file);
}

}  // namespace

std::string print(const call::Settings& settings) {
  std::string out;
  Lines top(out, "");
  top.put_text("listen", settings.listen);
  if (!settings.tls.certificate.empty()) {
    top.put("tls", fmt::format("{{ certificate: {}, key: {} }}", scalar(settings.tls.certificate),
                               scalar(settings.tls.key)));
  }
  top.put_text("admin", settings.admin);
  top.put_text("health", settings.health);
  top.put("buffers", format_size(settings.buffers));
  top.put("connections_max", std::to_string(settings.connections_max));
  if (settings.keeps_answers()) top.put("stale_cache", format_size(settings.stale_cache));
  top.put("drain", format_duration(settings.drain));
  top.open("journal");
  print_journal(top.deeper(), settings.journal);
  if (!settings.callbacks.allow.empty()) {
    top.open("callbacks");
    print_callbacks(top.deeper(), settings.callbacks);
  }
  top.open("alerts");
  print_alerts(top.deeper(), settings.alerts);
  print_traffic(top, settings.traffic);
  if (!settings.features.listen.empty()) {
    top.open("features");
    print_features(top.deeper(), settings.features);
  }
  print_review(top, settings.accepted);
  if (!settings.upstreams.empty()) {
    top.open("upstreams");
    for (const auto& [name, upstream] : settings.upstreams) {
      if (call::is_callback_upstream(name)) continue;
      top.deeper().open(scalar(name));
      print_upstream(top.deeper().deeper(), *upstream);
    }
  }
  top.open("routes");
  for (const auto& route : settings.routes) {
    out += fmt::format("  - path: {}\n", scalar(route->path));
    print_route(top.deeper().deeper(), *route);
  }
  return out;
}

}  // namespace hf::config
