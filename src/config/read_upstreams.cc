#include <fmt/format.h>

#include <algorithm>

#include "base/fields.h"
#include "config/address.h"
#include "config/draft.h"
#include "config/read_classify.h"
#include "config/read_lookup.h"
#include "config/read_overload.h"
#include "config/read_reach.h"
#include "config/section.h"

namespace hf::config {
namespace {

constexpr std::size_t kMaxUrls = 64;
constexpr Within<Duration> kShort{Duration::millis(1), Duration::minutes(10)};
constexpr Within<Duration> kLong{Duration::millis(1), Duration::hours(24)};
constexpr Within<Duration> kLifetime{Duration::seconds(1), Duration::hours(24 * 400)};

const std::vector<Word<call::Mode>>& modes() {
  static const std::vector<Word<call::Mode>> kModes{{"none", call::Mode::none},
                                                    {"key", call::Mode::key},
                                                    {"verify", call::Mode::verify},
                                                    {"repeatable", call::Mode::repeatable}};
  return kModes;
}

bool is_name(std::string_view text) {
  return is_token(text) && text.size() <= 64 && text.find_first_of("!#$%&'*^`|~") == text.npos;
}

void add_url(Section& in, std::string_view key, const Node& node, std::vector<call::Url>& out) {
  if (node.kind != Node::Kind::scalar) {
    return in.findings().add(Rule::wrong_type, node.at, in.path_of(key),
                             "expected a URL such as https://api.example.com, " + found(node));
  }
  auto url = parse_url(node.text);
  if (!url.ok()) {
    const bool bare = node.text.find("://") == std::string::npos;
    return in.findings().add(Rule::bad_url, node.at, in.path_of(key), url.error().context,
                             bare ? "such as https://api.example.com" : "");
  }
  out.push_back(std::move(url).value());
}

void read_urls(Section& in, call::UpstreamSettings& out) {
  const Node* one = in.raw("url");
  const Node* many = in.raw("urls");
  if (one != nullptr && many != nullptr) {
    in.add(Rule::mode_mismatch, "urls", "both `url` and `urls`", "list every URL under `urls`");
  }
  if (one != nullptr) add_url(in, "url", *one, out.urls);
  if (many != nullptr && many->kind != Node::Kind::sequence) {
    in.add(Rule::wrong_type, "urls", "expected a list of URLs, " + found(*many),
           "a single one goes under `url`");
  } else if (many != nullptr && (many->items.empty() || many->items.size() > kMaxUrls)) {
    in.add(Rule::out_of_range, "urls", fmt::format("a list of {}", many->items.size()),
           fmt::format("1 to {} URLs", kMaxUrls));
  } else if (many != nullptr) {
    for (std::size_t i = 0; i < many->items.size(); ++i)
      add_url(in, fmt::format("urls[{}]", i), many->items[i], out.urls);
  }
  if (one == nullptr && many == nullptr) {
    in.add(Rule::missing, "url", "an upstream needs its URL", "url: https://api.example.com");
  }
}

void read_advice(Section& in, std::vector<Field>& out) {
  const Node* node = in.raw("no_retry_advice");
  if (node == nullptr) return;
  Section fields(node, in.path_of("no_retry_advice"), in.findings());
  out.clear();
  if (fields.node() == nullptr) return;
  for (std::size_t i = 0; i < node->keys.size(); ++i) {
    const auto& name = node->keys[i];
    const auto& value = node->items[i];
    if (!is_token(name.text) || value.kind != Node::Kind::scalar || !is_plain_value(value.text)) {
      in.findings().add(Rule::bad_value, name.at, fields.path(),
                        "expected a header field and its value", "such as x-should-retry: false");
      continue;
    }
    out.push_back({name.text, value.text});
  }
}

void read_field_name(Section& in, std::string_view key, std::string& out) {
  in.text(key, out);
  if (!out.empty() && !is_token(out)) {
    in.add(Rule::bad_value, key, fmt::format("{} is not a header field's name", in_quotes(out)));
  }
}

void read_idempotency(Section in, call::UpstreamSettings& upstream) {
  call::Idempotency& out = upstream.idempotency;
  const call::Mode preset_mode = out.mode;
  in.word("mode", out.mode, modes());
  // RFC draft idempotency-key section 2.6: 409 while the first request is being worked on.
  if (out.mode == call::Mode::key && preset_mode != call::Mode::key) out.in_progress = {409};
  read_field_name(in, "header", out.header);
  if (in.has("lifetime")) {
    Duration lifetime = Duration::hours(24);
    in.duration("lifetime", lifetime, kLifetime);
    out.lifetime = lifetime;
  }
  in.raw("lifetime");
  in.statuses("refused", out.refused);
  in.statuses("in_progress", out.in_progress);
  in.statuses("settles", out.settles);
  read_field_name(in, "settles_field", out.settles_field);
  in.text("settles_unless_type", out.settles_unless_type);
  read_field_name(in, "replay_marker", out.replay_marker);
  read_advice(in, out.no_retry_advice);
  if (in.has("lookup")) read_lookup(in.section("lookup"), upstream);
  in.close();
  if (out.mode == call::Mode::key) return;
  const bool verify = out.mode == call::Mode::verify;
  for (const std::string_view key : {"header", "lookup", "lifetime", "in_progress", "settles",
                                     "settles_field", "settles_unless_type", "replay_marker"}) {
    if (!in.has(key) || (verify && (key == "header" || key == "lookup"))) continue;
    in.add(Rule::mode_mismatch, key,
           fmt::format("`{}` means nothing with `mode: {}`", key, to_string(out.mode)),
           "leave it out, or write `mode: key`");
  }
  // What only `key` reads is as if nobody had said it, a preset's included.
  call::Idempotency plain;
  plain.mode = out.mode;
  plain.refused = std::move(out.refused);
  plain.no_retry_advice = std::move(out.no_retry_advice);
  if (verify) {
    plain.header = std::move(out.header);
    plain.settle = out.settle;
  } else {
    upstream.lookup.reset();
  }
  out = std::move(plain);
}

}  // namespace

bool references_are_sound(std::string_view value) {
  for (auto at = value.find("${"); at != std::string_view::npos; at = value.find("${", at)) {
    const auto end = value.find('}', at);
    if (end == std::string_view::npos) return false;
    const auto inside = value.substr(at + 2, end - at - 2);
    const bool file = inside.starts_with("file:") && inside.size() > 5;
    const bool env = inside.starts_with("env:") && inside.size() > 4;
    if (!file && !env) return false;
    at = end;
  }
  return true;
}

namespace {

// Fields that say how a message is framed, or that Holdfast itself writes.
bool may_be_injected(std::string_view name, const call::Idempotency& rules) {
  const std::string lower = lower_ascii(name);
  for (const std::string_view own :
       {"host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer",
        "upgrade", "expect", "via", "forwarded", "proxy-connection"}) {
    if (lower == own) return false;
  }
  const bool key_field = rules.mode == call::Mode::key && same_name(name, rules.header);
  return !key_field && !lower.starts_with("holdfast-");
}

void read_timeouts(Section in, call::Timeouts& out) {
  in.duration("connect", out.connect, kShort);
  in.duration("head", out.head, kLong);
  in.duration("idle", out.idle, kLong);
  in.close();
}

void read_breaker(Section in, call::BreakerSettings& out) {
  in.permille("failures", out.failure_permille, {1, 1000});
  in.integer("of_at_least", out.of_at_least, {1, 100'000});
  in.duration("within", out.within, {Duration::millis(100), Duration::hours(24)});
  in.integer("consecutive", out.consecutive, {1, 100'000});
  in.range("open", out.open, {Duration::millis(1), Duration::hours(24)});
  in.close();
}

void read_ejection(Section in, call::EjectionSettings& out) {
  in.integer("consecutive", out.consecutive, {1, 100'000});
  in.range("out", out.out, {Duration::millis(1), Duration::hours(24)});
  in.permille("most", out.most_permille, {0, 1000});
  in.close();
}

void read_preset(Section& in, UpstreamDraft& out) {
  std::string name;
  in.text("preset", name);
  if (name.empty()) return;
  out.preset = find_preset(name);
  if (out.preset == nullptr) {
    std::vector<std::string_view> known;
    for (const auto& preset : presets())
      known.push_back(preset.name);
    return in.add(Rule::unknown_preset, "preset", fmt::format("no preset {}", in_quotes(name)),
                  suggest(name, known));
  }
  out.settings.preset = name;
  out.settings.idempotency = out.preset->idempotency;
  out.settings.classify = out.preset->classify;
  out.settings.timeouts = out.preset->timeouts;
}

UpstreamDraft read_upstream(const Node::Key& name, const Node& node, Findings& findings) {
  UpstreamDraft out;
  out.node = &node;
  out.at = name.at;
  out.path = "upstreams." + name.text;
  out.settings.name = name.text;
  if (!is_name(name.text)) {
    findings.add(Rule::bad_value, name.at, out.path,
                 "an upstream's name is 1 to 64 letters, digits, `.`, `_`, `-` and `+`");
  }
  Section in(&node, out.path, findings);
  auto& settings = out.settings;
  read_urls(in, settings);
  read_preset(in, out);
  in.flag("one_key_store", settings.one_key_store);
  read_upstream_tls(in, settings.tls);
  read_upstream_proxy(in, settings.proxy);
  read_idempotency(in.section("idempotency"), settings);
  read_classify(in, settings);
  read_inject(in, "inject", settings);
  in.word<bool>("credentials", settings.credentials_stored, {{"stored", true}});
  in.text("account", settings.account);
  read_timeouts(in.section("timeouts"), settings.timeouts);
  read_concurrency(in, settings);
  if (in.has("rate")) {
    Rate rate{100, Duration::seconds(1)};
    in.rate("rate", rate);
    settings.rate = rate;
  }
  in.raw("rate");
  in.duration("max_pause", settings.max_pause, {Duration::seconds(1), Duration::hours(24 * 30)});
  read_breaker(in.section("breaker"), settings.breaker);
  read_ejection(in.section("ejection"), settings.ejection);
  read_review(in.section("review"), settings.accepted);
  in.close();
  return out;
}

}  // namespace

void read_url(Section& in, std::vector<call::Url>& out) {
  if (const Node* url = in.raw("url")) return add_url(in, "url", *url, out);
  in.add(Rule::missing, "url", "there is nowhere to send notices to", "url: https://...");
}

// The value is never repeated in a finding: it may be a secret in the wrong place.
void read_inject(Section& in, std::string_view key, call::UpstreamSettings& out) {
  const Node* node = in.raw(key);
  if (node == nullptr) return;
  Section fields(node, in.path_of(key), in.findings());
  if (fields.node() == nullptr) return;
  for (std::size_t i = 0; i < node->keys.size(); ++i) {
    const auto& name = node->keys[i];
    const auto& value = node->items[i];
    const auto path = fields.path_of(name.text);
    const auto known = [&](const call::Injected& other) {
      return same_name(other.name, name.text);
    };
    if (!is_token(name.text) || value.kind != Node::Kind::scalar || !is_plain_value(value.text)) {
      in.findings().add(Rule::bad_value, name.at, fields.path(),
                        "expected a header field and its value in visible ASCII",
                        "such as Authorization: \"Bearer ${file:/run/secrets/name}\"");
    } else if (!may_be_injected(name.text, out.idempotency)) {
      in.findings().add(Rule::inject_field, name.at, path, "this field cannot be put in");
    } else if (std::any_of(out.inject.begin(), out.inject.end(), known)) {
      in.findings().add(Rule::duplicate_key, name.at, path, "this field stands here twice");
    } else if (!references_are_sound(value.text)) {
      in.findings().add(Rule::secret_reference, value.at, path, "a reference that is not known",
                        "${file:PATH} or ${env:NAME}");
    } else {
      out.inject.push_back({name.text, value.text});
    }
  }
}

std::vector<UpstreamDraft> read_upstreams(const Node* node, Findings& findings) {
  std::vector<UpstreamDraft> out;
  Section all(node, "upstreams", findings);
  if (all.node() == nullptr) return out;
  for (std::size_t i = 0; i < node->keys.size(); ++i)
    out.push_back(read_upstream(node->keys[i], node->items[i], findings));
  return out;
}

}  // namespace hf::config
