// `limits` and `client_address`: how much each client may ask of us.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/fields.h"
#include "config/address.h"
#include "config/draft.h"
#include "config/section.h"
#include "traffic/limiter.h"
#include "traffic/path_match.h"

namespace hf::config {
namespace {

using Kind = call::LimitPart::Kind;

constexpr std::size_t kPartsMax = 8;
constexpr int kBurstMax = 100'000'000;
constexpr Duration kLongest = Duration::hours(24 * 30);
constexpr std::string_view kPartShape =
    "address, { header: NAME }, { cookie: NAME }, { claim: NAME }, { path: NAME }, "
    "{ body: /json/pointer } or { form: NAME }";

std::vector<Network> read_networks(Section& in, std::string_view key) {
  std::vector<std::string> texts;
  in.texts(key, texts, "[10.0.0.0/8, \"2001:db8::/32\"]");
  std::vector<Network> out;
  for (const std::string& text : texts) {
    if (const auto network = parse_network(text)) {
      out.push_back(*network);
    } else {
      in.add(Rule::bad_value, key, fmt::format("{} is no address and no network", in_quotes(text)),
             "such as 10.0.0.0/8, with nothing set behind the prefix");
    }
  }
  return out;
}

// Networks, and values of the one part that is no address.
void read_list(Section& in, std::string_view key, const std::vector<call::LimitPart>& by,
               std::vector<Network>& networks, std::vector<std::string>& values) {
  const auto others = std::count_if(
      by.begin(), by.end(), [](const call::LimitPart& part) { return part.kind != Kind::address; });
  if (others != 1) {
    networks = read_networks(in, key);
    return;
  }
  std::vector<std::string> texts;
  in.texts(key, texts, "[10.0.0.0/8, some-value]");
  for (std::string& text : texts) {
    if (const auto network = parse_network(text)) {
      networks.push_back(*network);
    } else {
      values.push_back(std::move(text));
    }
  }
}

std::optional<call::LimitPart> read_named(Section& in, const Node::Key& key, const Node& value,
                                          const std::string& path) {
  constexpr std::array<std::pair<std::string_view, Kind>, 6> kKinds{{{"header", Kind::header},
                                                                     {"cookie", Kind::cookie},
                                                                     {"claim", Kind::claim},
                                                                     {"path", Kind::path},
                                                                     {"body", Kind::body},
                                                                     {"form", Kind::form}}};
  const auto found_kind = std::find_if(kKinds.begin(), kKinds.end(),
                                       [&](const auto& kind) { return kind.first == key.text; });
  if (found_kind == kKinds.end()) {
    in.findings().add(Rule::unknown_key, key.at, path,
                      fmt::format("unknown key {}", in_quotes(key.text)),
                      suggest(key.text, {"header", "cookie", "claim", "path", "body", "form"}));
    return std::nullopt;
  }
  call::LimitPart out{found_kind->second, value.text};
  const bool named = value.kind == Node::Kind::scalar && !value.text.empty();
  const bool token = out.kind == Kind::header || out.kind == Kind::cookie;
  if (!named || (token && !is_token(out.name)) ||
      (out.kind == Kind::body && !is_json_pointer(out.name))) {
    in.findings().add(
        Rule::bad_value, value.at, path,
        fmt::format("{} says nothing of where {} is", in_quotes(value.text), in_quotes(key.text)),
        std::string(kPartShape));
    return std::nullopt;
  }
  return out;
}

void read_by(Section& in, std::vector<call::LimitPart>& out) {
  const Node* node = in.raw("by");
  if (node == nullptr) return;
  if (node->kind != Node::Kind::sequence || node->items.size() > kPartsMax) {
    return in.add(Rule::wrong_type, "by",
                  fmt::format("expected a list of up to {} parts, {}", kPartsMax, found(*node)),
                  "by: [ address ]");
  }
  out.clear();
  for (std::size_t i = 0; i < node->items.size(); ++i) {
    const Node& one = node->items[i];
    const auto path = fmt::format("{}[{}]", in.path_of("by"), i);
    std::optional<call::LimitPart> part;
    if (one.kind == Node::Kind::scalar && one.text == "address") {
      part.emplace();
    } else if (one.kind == Node::Kind::mapping && one.keys.size() == 1) {
      part = read_named(in, one.keys[0], one.items[0], path);
      if (!part) continue;
    } else {
      in.findings().add(Rule::wrong_type, one.at, path, fmt::format("expected {}", kPartShape));
      continue;
    }
    if (std::find(out.begin(), out.end(), *part) != out.end()) {
      in.findings().add(Rule::bad_value, one.at, path, "the same part twice");
      continue;
    }
    out.push_back(std::move(*part));
  }
}

void read_match(Section in, call::LimitMatch& out) {
  in.text("path", out.path);
  if (!out.path.empty() && !traffic::PathTemplate::parse(out.path)) {
    in.add(Rule::bad_value, "path", fmt::format("{} is no path", in_quotes(out.path)),
           "such as /login or /users/{id}/orders, each name once");
    out.path.clear();
  }
  read_methods(in, "methods", out.methods);
  std::string method;
  in.text("method", method);
  if (!method.empty()) {
    if (!out.methods.empty()) in.add(Rule::bad_value, "method", "`methods` stands here as well");
    if (!is_token(method)) {
      in.add(Rule::bad_value, "method", fmt::format("{} is no method", in_quotes(method)));
    }
    out.methods = {method};
  }
  in.text("host", out.host);
  in.close();
}

void read_cost(Section& in, call::LimitSettings& out) {
  const Node* node = in.raw("cost");
  if (node == nullptr) return;
  if (node->kind != Node::Kind::mapping) {
    int cost = 1;
    in.integer("cost", cost, {1, kBurstMax});
    out.cost = cost;
    return;
  }
  Section rule = in.section("cost");
  rule.text("header", out.cost_header);
  rule.close();
  if (!is_token(out.cost_header)) {
    in.add(Rule::bad_value, "cost", "expected a number or the name of a header field",
           "cost: { header: X-Cost }");
  }
}

void read_ban(Section& in, std::optional<call::LimitBan>& out) {
  Section ban = in.section("ban");  // asked for first: that is how the key is known
  if (!in.has("ban")) return;
  out.emplace();
  ban.integer("after", out->after, {1, 1'000'000});
  ban.duration("within", out->within, {Duration::seconds(1), kLongest});
  ban.duration("for", out->lasts, {Duration::seconds(1), kLongest});
  ban.statuses("on", out->on);
  ban.close();
}

// Names go into header fields and metrics as they are.
bool is_limit_name(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

void read_rate(Section& in, call::LimitSettings& out) {
  if (in.has("rate")) {
    Rate rate;
    in.rate("rate", rate);
    if (rate.count < 1 || rate.per.ns < 1) return;
    if (rate.count > kBurstMax || rate.per > kLongest) {
      return in.add(Rule::out_of_range, "rate", "a rate of more than 100,000,000, or over 30 days");
    }
    out.rate = rate;
    out.burst = rate.count;
  } else if (out.block.empty() && out.block_values.empty() && !out.ban) {
    in.add(Rule::missing, "rate", "nothing is limited: no rate, no `block`, no `ban`",
           "rate: 100/s");
  }
  int burst = 0;
  in.integer("burst", burst, {1, kBurstMax});
  if (burst > 0) out.burst = burst;
}

void read_limit(Section in, std::size_t index, call::LimitSettings& out) {
  out.name = fmt::format("limit-{}", index + 1);
  in.text("name", out.name);
  if (!is_limit_name(out.name)) {
    in.add(Rule::bad_value, "name", fmt::format("{} is no name", in_quotes(out.name)),
           "up to 64 letters, digits, `-` and `_`");
  }
  read_match(in.section("match"), out.match);
  out.by = {call::LimitPart{}};
  read_by(in, out.by);
  const auto path = traffic::PathTemplate::parse(out.match.path);
  for (const call::LimitPart& part : out.by) {
    if (part.kind != Kind::path) continue;
    const bool known = path && std::find(path->names().begin(), path->names().end(), part.name) !=
                                   path->names().end();
    if (known) continue;
    in.add(Rule::bad_value, "by", fmt::format("`match.path` has no {{{}}}", part.name),
           fmt::format("match: {{ path: \"/users/{{{}}}\" }}", part.name));
  }
  read_list(in, "allow", out.by, out.allow, out.allow_values);
  read_list(in, "block", out.by, out.block, out.block_values);
  read_ban(in, out.ban);
  if (out.ban && out.ban->on.empty() && !in.has("rate")) {
    in.add(Rule::missing, "ban", "without a `rate` nothing is ever refused: there is no offence",
           "ban: { after: 10, within: 10m, for: 1h, on: [401] }");
  }
  read_rate(in, out);
  read_cost(in, out);
  using Mode = call::LimitMode;
  in.word<Mode>("mode", out.mode, {{"enforce", Mode::enforce}, {"observe", Mode::observe}});
  in.flag("announce", out.announce);
  using Full = call::WhenFull;
  in.word<Full>("when_full", out.when_full, {{"admit", Full::admit}, {"refuse", Full::refuse}});
  in.close();
}

}  // namespace

void read_client_address(Section in, call::ClientAddressSettings& out) {
  using From = call::ClientAddressSettings::From;
  in.word<From>("from", out.from,
                {{"x-forwarded-for", From::x_forwarded_for}, {"forwarded", From::forwarded}});
  out.trusted = read_networks(in, "trusted");
  in.integer("ipv6_prefix", out.v6_prefix, {16, 128});
  if (out.trusted.empty() && in.has("from")) {
    in.add(Rule::missing, "trusted", "without trusted proxies `from` is never read",
           "trusted: [10.0.0.0/8]");
  }
  in.close();
}

void read_limits(Section& in, std::string_view key, std::vector<call::LimitSettings>& out) {
  const Node* node = in.raw(key);
  if (node == nullptr) return;
  if (node->kind != Node::Kind::sequence) {
    return in.add(
        Rule::wrong_type, key, "expected a list of limits, " + found(*node),
        "limits: [ { name: login, match: { path: /login }, by: [ address ], rate: 5/20s } ]");
  }
  if (node->items.size() > traffic::kLimitsMax) {
    return in.add(Rule::out_of_range, key, fmt::format("{} limits", node->items.size()),
                  fmt::format("at most {}", traffic::kLimitsMax));
  }
  for (std::size_t i = 0; i < node->items.size(); ++i) {
    const auto path = fmt::format("{}[{}]", in.path_of(key), i);
    call::LimitSettings limit;
    read_limit({&node->items[i], path, in.findings()}, i, limit);
    const auto same = [&](const call::LimitSettings& other) { return other.name == limit.name; };
    if (std::any_of(out.begin(), out.end(), same)) {
      in.findings().add(Rule::bad_value, node->items[i].at, path + ".name",
                        fmt::format("there is a limit {} already", in_quotes(limit.name)));
    }
    out.push_back(std::move(limit));
  }
}

// ---- wisdom

void judge_limits(const Draft& draft, Findings& findings) {
  const call::TrafficSettings& traffic = draft.settings.traffic;
  for (const Network& network : traffic.client_address.trusted) {
    const bool everybody = network.bits == 0 || (network.base.is_v4() && network.bits == 96);
    if (!everybody) continue;
    findings.add(Rule::trusts_everybody, draft.node->place("client_address.trusted"),
                 "client_address.trusted",
                 fmt::format("{}: anybody may say what address it has", format_network(network)),
                 "the networks of the proxies alone");
  }
  const auto buffered =
      std::any_of(draft.routes.begin(), draft.routes.end(), [](const auto& route) {
        return route.settings.hold != call::Hold::never || !route.settings.key.from.empty() ||
               route.settings.webhook.has_value();
      });
  const Node* list = draft.node->find("limits");
  for (std::size_t i = 0; i < traffic.limits.size(); ++i) {
    const auto path = fmt::format("limits[{}]", i);
    const Position at = list->items[i].at;
    const auto has = [&](Kind kind) {
      return std::any_of(traffic.limits[i].by.begin(), traffic.limits[i].by.end(),
                         [&](const call::LimitPart& part) { return part.kind == kind; });
    };
    if (has(Kind::claim) && !has(Kind::address)) {
      findings.add(Rule::limit_claim, at, path + ".by",
                   "nobody has verified the token: with made-up claims its sender has as many "
                   "shares as it likes",
                   "a second limit by: [ address ]");
    }
    if ((has(Kind::body) || has(Kind::form)) && !buffered) {
      findings.add(Rule::limit_body, at, path + ".by",
                   "no route reads its requests whole: the address will count instead",
                   "a part of the head, or a route with a `key` or `hold`");
    }
  }
}

}  // namespace hf::config
