#include <fmt/format.h>

#include <algorithm>

#include "base/fields.h"
#include "config/address.h"
#include "config/draft.h"
#include "config/read_overload.h"
#include "config/section.h"

namespace hf::config {
namespace {

constexpr std::size_t kMaxRoutes = 1'000;
constexpr std::size_t kMaxIndex = 8;
constexpr Duration kDay = Duration::hours(24);
constexpr std::uint64_t kKiB = 1024;
constexpr std::string_view kReserved = "/.holdfast/";

constexpr std::string_view kPartShape =
    "{ header: NAME }, { body: /json/pointer } or { form: NAME }";

// One `KIND: NAME` of a part.
std::optional<call::Part> read_part(const Node::Key& key, const Node& value,
                                    const std::string& path, Findings& findings) {
  using Kind = call::Part::Kind;
  if (value.kind != Node::Kind::scalar || value.text.empty()) {
    findings.add(Rule::wrong_type, value.at, path, fmt::format("expected {}", kPartShape));
    return std::nullopt;
  }
  const auto& name = value.text;
  if (key.text == "header") {
    if (is_token(name)) return call::Part{Kind::header, name};
    findings.add(Rule::bad_value, value.at, path,
                 fmt::format("{} is not a header field's name", in_quotes(name)));
  } else if (key.text == "body") {
    if (is_json_pointer(name)) return call::Part{Kind::body, name};
    findings.add(Rule::bad_value, value.at, path,
                 fmt::format("{} is not a JSON pointer", in_quotes(name)),
                 fmt::format("such as /{}", name.substr(0, 40)));
  } else if (key.text == "form") {
    return call::Part{Kind::form, name};
  } else {
    findings.add(Rule::unknown_key, key.at, path,
                 fmt::format("unknown key {}", in_quotes(key.text)),
                 suggest(key.text, {"header", "body", "form"}));
  }
  return std::nullopt;
}

// { header: NAME } | { body: /json/pointer } | { form: NAME }
std::optional<call::Part> read_part(const Node& node, const std::string& path, Findings& findings) {
  if (node.kind != Node::Kind::mapping || node.keys.size() != 1) {
    findings.add(Rule::wrong_type, node.at, path, fmt::format("expected {}", kPartShape));
    return std::nullopt;
  }
  return read_part(node.keys[0], node.items[0], path, findings);
}

void read_parts(Section& in, std::string_view key, std::vector<call::Part>& out) {
  const Node* node = in.raw(key);
  if (node == nullptr) return;
  if (node->kind != Node::Kind::sequence) {
    return in.add(Rule::wrong_type, key,
                  "expected a list such as [ { header: Idempotency-Key } ], " + found(*node));
  }
  if (node->items.size() > 32) {
    return in.add(Rule::out_of_range, key, fmt::format("{} parts", node->items.size()),
                  "at most 32");
  }
  out.clear();
  for (std::size_t i = 0; i < node->items.size(); ++i) {
    const auto path = fmt::format("{}[{}]", in.path_of(key), i);
    auto part = read_part(node->items[i], path, in.findings());
    if (!part) continue;
    if (std::find(out.begin(), out.end(), *part) != out.end()) {
      in.findings().add(Rule::bad_value, node->items[i].at, path, "the same part twice");
      continue;
    }
    out.push_back(std::move(*part));
  }
}

void read_owner(Section& in, call::OwnerRule& out) {
  using Kind = call::OwnerRule::Kind;
  const Node* node = in.raw("owner");
  if (node == nullptr) return;
  if (node->kind == Node::Kind::mapping) {
    Section rule = in.section("owner");
    rule.text("header", out.header);
    rule.close();
    out.kind = Kind::header;
    if (!is_token(out.header)) {
      in.add(Rule::bad_value, "owner", "expected the name of a header field",
             "owner: { header: X-User }");
    }
    return;
  }
  in.word<Kind>("owner", out.kind, {{"credential", Kind::credential}, {"anyone", Kind::anyone}});
}

// { form: customer } | { body: /card/number, sensitive: true }
std::optional<call::IndexField> read_index_field(const Node::Key& name, const Node& node,
                                                 const std::string& path, Findings& findings) {
  constexpr std::string_view kShape = "a part, and `sensitive: true` where only a hash may be kept";
  if (!is_token(name.text)) {
    findings.add(Rule::bad_value, name.at, path,
                 fmt::format("{} is no name for a searchable field", in_quotes(name.text)),
                 "letters, digits, `-` and `_`");
    return std::nullopt;
  }
  if (node.kind != Node::Kind::mapping || node.keys.empty()) {
    findings.add(Rule::wrong_type, node.at, path,
                 fmt::format("expected {}: {}", kPartShape, found(node)));
    return std::nullopt;
  }
  call::IndexField out{name.text, {}, false};
  std::optional<call::Part> part;
  for (std::size_t i = 0; i < node.keys.size(); ++i) {
    const Node& value = node.items[i];
    if (node.keys[i].text == "sensitive") {
      if (value.text != "true" && value.text != "false") {
        findings.add(Rule::wrong_type, value.at, path + ".sensitive", "expected true or false");
      }
      out.sensitive = value.text == "true";
    } else if (part) {
      findings.add(Rule::wrong_type, node.keys[i].at, path, fmt::format("expected {}", kShape));
      return std::nullopt;
    } else {
      part = read_part(node.keys[i], value, path, findings);
      if (!part) return std::nullopt;
    }
  }
  if (!part) {
    findings.add(Rule::missing, node.at, path, "nothing says where the field is",
                 std::string(kPartShape));
    return std::nullopt;
  }
  out.part = std::move(*part);
  return out;
}

// NAME: PART, of which the calls can be found by.
void read_index(Section& in, std::vector<call::IndexField>& out) {
  const Node* node = in.raw("index");
  if (node == nullptr) return;
  if (node->kind != Node::Kind::mapping) {
    return in.add(Rule::wrong_type, "index",
                  "expected fields such as { customer: { form: customer } }, " + found(*node));
  }
  if (node->keys.size() > kMaxIndex) {
    return in.add(Rule::out_of_range, "index", fmt::format("{} fields", node->keys.size()),
                  fmt::format("at most {}", kMaxIndex));
  }
  for (std::size_t i = 0; i < node->keys.size(); ++i) {
    const auto path = fmt::format("{}.{}", in.path_of("index"), node->keys[i].text);
    auto field = read_index_field(node->keys[i], node->items[i], path, in.findings());
    if (field) out.push_back(std::move(*field));
  }
}

void read_suspect(Section& in, call::SuspectRule& out) {
  using call::OnSuspect;
  in.word<OnSuspect>(
      "on_suspect", out.action,
      {{"off", OnSuspect::off}, {"note", OnSuspect::note}, {"warn", OnSuspect::warn}});
  Section rule = in.section("suspect");
  rule.duration("window", out.window, {Duration::seconds(1), kDay});
  read_parts(rule, "ignore", out.ignore);
  rule.close();
}

void read_derive(Section& in, std::vector<call::Derive>& out) {
  std::vector<std::string> words;
  in.texts("derive", words, "[owner, body]");
  for (const auto& word : words) {
    if (word != "owner" && word != "body") {
      in.add(Rule::bad_value, "derive",
             fmt::format("{} is nothing that a key is derived from", in_quotes(word)),
             suggest(word, {"owner", "body"}));
      continue;
    }
    const auto part = word == "owner" ? call::Derive::owner : call::Derive::body;
    if (std::find(out.begin(), out.end(), part) == out.end()) out.push_back(part);
  }
}

void read_key(Section in, const UpstreamDraft* upstream, call::KeyRule& out) {
  if (upstream != nullptr && upstream->preset != nullptr) out.scope = upstream->preset->scope;
  in.flag("required", out.required);
  read_parts(in, "from", out.from);
  in.flag("stable", out.stable);
  read_parts(in, "scope", out.scope);
  in.text("space", out.space);
  read_derive(in, out.derive);
  in.duration("window", out.derive_window, {Duration::seconds(1), kDay});
  in.close();
}

void read_limits(Section in, call::RouteLimits& out) {
  in.size("head", out.head, {kKiB, kKiB * kKiB});
  in.size("body", out.body, {0, kKiB * kKiB * kKiB});
  in.size("stored_answer", out.stored_answer, {0, kKiB * kKiB * kKiB});
  in.integer("waiters", out.waiters, {0, 10'000});
  in.close();
}

void read_retry(Section in, call::RetrySettings& out) {
  Section live = in.section("live");
  live.integer("attempts", out.live_attempts, {1, 20});
  live.range("backoff", out.live_backoff, {Duration::millis(1), Duration::hours(1)});
  live.size("buffer", out.live_buffer, {0, 64 * kKiB * kKiB});
  live.close();
  in.durations("held", out.held, {Duration::millis(1), kDay * 30});
  if (out.held.empty()) {
    in.add(Rule::out_of_range, "held", "an empty schedule", "leave the key out for the default");
  }
  in.permille("budget", out.budget_permille, {0, 1000});
  in.close();
}

void read_path(Section& in, call::RouteSettings& out) {
  in.text("path", out.path);
  if (!in.has("path")) {
    return in.add(Rule::missing, "path", "a route needs its path", "path: /");
  }
  const std::string_view path = out.path;
  const auto bad = [](char c) { return c <= 0x20 || c >= 0x7f || c == '?' || c == '#'; };
  if (!path.starts_with('/')) {
    in.add(Rule::bad_value, "path", fmt::format("{} does not begin with a slash", in_quotes(path)),
           fmt::format("write `/{}`", path.substr(0, 60)));
  } else if (std::any_of(path.begin(), path.end(), bad)) {
    in.add(Rule::bad_value, "path",
           fmt::format("{} is no path: visible ASCII without `?` and `#`", in_quotes(path)));
  } else if (path.starts_with(kReserved) || path == "/.holdfast") {
    in.add(Rule::bad_value, "path", "paths below /.holdfast/ are Holdfast's own");
  }
}

void read_listen(Section& in, std::string& out) {
  std::string text;
  in.text("listen", text);
  if (text.empty()) return;
  const auto address = parse_listen(text);
  if (!address.ok()) {
    return in.add(Rule::bad_listen, "listen",
                  fmt::format("{}: {}", in_quotes(text), address.error().context),
                  "such as 127.0.0.1:8080 or [::1]:8080");
  }
  out = *address;
}

const UpstreamDraft* find_upstream(Section& in, const std::vector<UpstreamDraft>& upstreams,
                                   std::string& name) {
  in.text("upstream", name);
  if (!in.has("upstream")) {
    in.add(Rule::missing, "upstream", "a route needs its upstream", "upstream: NAME");
    return nullptr;
  }
  std::vector<std::string_view> known;
  for (const auto& upstream : upstreams) {
    if (upstream.settings.name == name) return &upstream;
    known.push_back(upstream.settings.name);
  }
  if (!name.empty()) {
    in.add(Rule::unknown_upstream, "upstream", fmt::format("no upstream {}", in_quotes(name)),
           known.empty() ? "declare it under `upstreams`" : suggest(name, known));
  }
  return nullptr;
}

// Not written, the deadline is the default or what the key's lifetime leaves of it.
void fit_deadline(const UpstreamDraft* upstream, Duration& deadline) {
  if (upstream == nullptr || upstream->settings.idempotency.mode != call::Mode::key) return;
  const auto lifetime = upstream->settings.idempotency.lifetime;
  if (!lifetime) return;
  const Duration usable = *lifetime - lifetime_margin(upstream->settings);
  deadline = std::min(deadline, std::max(usable, Duration::seconds(1)));
}

RouteDraft read_route(const Node& node, std::size_t index,
                      const std::vector<UpstreamDraft>& upstreams, Findings& findings) {
  RouteDraft out;
  out.node = &node;
  out.path = fmt::format("routes[{}]", index);
  auto& route = out.settings;
  Section in(&node, out.path, findings);
  if (in.node() == nullptr) return out;
  read_path(in, route);
  in.text("host_match", route.host_match);
  read_methods(in, "methods", route.methods);
  read_listen(in, route.listen);
  out.upstream = find_upstream(in, upstreams, route.upstream);
  in.word<call::RouteMode>(
      "mode", route.mode,
      {{"enforce", call::RouteMode::enforce}, {"observe", call::RouteMode::observe}});
  in.flag("strip_prefix", route.strip_prefix);
  in.word<bool>("host", route.host_keep, {{"upstream", false}, {"keep", true}});
  read_owner(in, route.owner);
  read_key(in.section("key"), out.upstream, route.key);
  Section fingerprint = in.section("fingerprint");
  read_parts(fingerprint, "ignore", route.fingerprint_ignore);
  fingerprint.close();
  read_index(in, route.index);
  read_suspect(in, route.suspect);
  in.word<call::Hold>("hold", route.hold,
                      {{"never", call::Hold::never},
                       {"on_failure", call::Hold::on_failure},
                       {"always", call::Hold::always}});
  in.word<call::HeldAnswer>(
      "held_answer", route.held_answer,
      {{"error", call::HeldAnswer::error}, {"202", call::HeldAnswer::accepted}});
  in.duration("wait", route.wait, {Duration{}, kDay});
  if (in.has("stale_if_error")) {
    in.duration("stale_if_error", route.stale_if_error.emplace(),
                {Duration::seconds(1), kDay * 30});
  }
  if (!in.has("deadline")) fit_deadline(out.upstream, route.deadline);
  in.duration("deadline", route.deadline, {Duration::seconds(1), kDay * 400});
  in.flag("head_is_proof", route.head_is_proof);
  read_class(in, route.importance);
  read_route_webhooks(in, route);
  read_limits(in.section("limits"), route.limits);
  read_retry(in.section("retry"), route.retry);
  read_review(in.section("review"), route.accepted);
  in.close();
  return out;
}

}  // namespace

void read_methods(Section& in, std::string_view key, std::vector<std::string>& out) {
  in.texts(key, out, "[POST, PUT]");
  std::vector<std::string> seen;
  for (const auto& method : out) {
    std::string upper = method;
    std::transform(upper.begin(), upper.end(), upper.begin(), [](char c) {
      return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    });
    if (!is_token(method) || method == "CONNECT") {
      in.add(Rule::bad_value, key,
             fmt::format("{} is no method that can be taken", in_quotes(method)));
    } else if (upper != method) {
      in.add(Rule::bad_value, key, fmt::format("methods are case-sensitive: {}", in_quotes(method)),
             fmt::format("write `{}`", upper.substr(0, 40)));
    } else if (std::find(seen.begin(), seen.end(), method) != seen.end()) {
      in.add(Rule::bad_value, key, fmt::format("{} stands here twice", in_quotes(method)));
    }
    seen.push_back(method);
  }
}

std::vector<RouteDraft> read_routes(const Node* node, const std::vector<UpstreamDraft>& upstreams,
                                    Findings& findings) {
  std::vector<RouteDraft> out;
  if (node == nullptr) return out;
  if (node->kind != Node::Kind::sequence) {
    findings.add(Rule::wrong_type, node->at, "routes", "expected a list of routes, " + found(*node),
                 "begin each with `- path: /...`");
    return out;
  }
  if (node->items.size() > kMaxRoutes) {
    findings.add(Rule::out_of_range, node->at, "routes",
                 fmt::format("{} routes", node->items.size()),
                 fmt::format("at most {}", kMaxRoutes));
    return out;
  }
  for (std::size_t i = 0; i < node->items.size(); ++i)
    out.push_back(read_route(node->items[i], i, upstreams, findings));
  return out;
}

}  // namespace hf::config
