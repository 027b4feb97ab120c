// `features`: optional parts of an application, switched off under load.
#include <fmt/format.h>

#include <algorithm>

#include "base/fields.h"
#include "call/reply_json.h"
#include "config/address.h"
#include "config/draft.h"
#include "config/section.h"
#include "traffic/features.h"

namespace hf::config {
namespace {

enum class Kind { boolean, number, text };

struct Value {
  Kind kind = Kind::boolean;
  std::string json;
};

// RFC 8259 section 6.
bool is_number(std::string_view text) {
  std::size_t at = text.starts_with('-') ? 1 : 0;
  const auto digits = [&] {
    const auto from = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9')
      ++at;
    return at > from;
  };
  const bool zero = at < text.size() && text[at] == '0';
  const auto first = at;
  if (!digits() || (zero && at - first > 1) || at - first > 15) return false;
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (!digits()) return false;
  }
  return at == text.size();
}

Value value_of(const std::string& text) {
  if (text == "true" || text == "false") return {Kind::boolean, text};
  if (is_number(text)) return {Kind::number, text};
  return {Kind::text, call::json_string(text)};
}

// Keys go into paths and headers of SDKs as they are.
bool is_flag_name(std::string_view text) {
  return !text.empty() && text.size() <= 128 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

void read_flag(const Node& node, const std::string& path, Findings& findings,
               call::FeatureFlag& out) {
  if (node.kind == Node::Kind::scalar) {
    out.name = node.text;
    if (!is_flag_name(out.name)) {
      findings.add(Rule::bad_value, node.at, path,
                   fmt::format("{} is no feature's name", in_quotes(out.name)),
                   "up to 128 letters, digits, `-`, `_` and `.`");
    }
    return;
  }
  Section in(&node, path, findings);
  in.text("name", out.name);
  if (!is_flag_name(out.name)) {
    in.add(in.has("name") ? Rule::bad_value : Rule::missing, "name",
           "a feature needs a name of letters, digits, `-`, `_` and `.`",
           "{ name: recommendations }");
  }
  std::string on = "true";
  std::string off = "false";
  in.text("on", on);
  in.text("off", off);
  in.close();
  const Value one = value_of(on);
  const Value other = value_of(off);
  if (one.kind != other.kind) {
    in.add(Rule::bad_value, "off",
           fmt::format("{} and {} are of two kinds: an SDK takes one of them for an error",
                       in_quotes(on), in_quotes(off)),
           "both true or false, both numbers, or both texts");
  } else if (one.json == other.json) {
    in.add(Rule::bad_value, "off", "on and off are the same value");
  }
  out.on = one.json;
  out.off = other.json;
}

void read_flags(Section& in, std::vector<call::FeatureFlag>& out) {
  const Node* node = in.raw("flags");
  if (node == nullptr) {
    if (in.node() != nullptr) {
      in.add(Rule::missing, "flags", "there is no feature", "flags: [ recommendations ]");
    }
    return;
  }
  if (node->kind != Node::Kind::sequence || node->items.size() > traffic::kFlagsMax) {
    return in.add(
        Rule::wrong_type, "flags",
        fmt::format("expected a list of up to {} features, {}", traffic::kFlagsMax, found(*node)),
        "flags: [ recommendations, { name: search, on: full, off: basic } ]");
  }
  for (std::size_t i = 0; i < node->items.size(); ++i) {
    const auto path = fmt::format("{}[{}]", in.path_of("flags"), i);
    call::FeatureFlag flag;
    read_flag(node->items[i], path, in.findings(), flag);
    if (flag.name.empty()) continue;  // has been said
    const auto same = [&](const call::FeatureFlag& other) { return other.name == flag.name; };
    if (std::any_of(out.begin(), out.end(), same)) {
      in.findings().add(Rule::bad_value, node->items[i].at, path,
                        fmt::format("there is a feature {} already", in_quotes(flag.name)));
    }
    out.push_back(std::move(flag));
  }
}

}  // namespace

void read_features(Section in, call::FeatureSettings& out) {
  if (in.node() == nullptr) return;
  std::string listen;
  in.text("listen", listen);
  if (listen.empty()) {
    in.add(Rule::missing, "listen", "nobody could ask for the features", "listen: 127.0.0.1:8083");
  } else if (const auto address = parse_listen(listen); address.ok()) {
    out.listen = *address;
  } else {
    in.add(Rule::bad_listen, "listen",
           fmt::format("{}: {}", in_quotes(listen), address.error().context),
           "such as 127.0.0.1:8083");
  }
  in.text("token", out.token);
  if (!references_are_sound(out.token)) {
    in.add(Rule::secret_reference, "token", "a reference that is not known",
           "${file:PATH} or ${env:NAME}");
  } else if (!out.token.empty() && out.token.find("${") == std::string::npos) {
    in.add(Rule::secret_literal, "token", "a secret in the configuration itself",
           "${file:PATH} or ${env:NAME}");
  }
  in.texts("origins", out.origins, "[\"https://shop.example\"]");
  in.texts("watch", out.watch, "[app]");
  in.duration("target", out.target, {Duration::millis(1), Duration::seconds(60)});
  read_flags(in, out.flags);
  in.close();
}

void judge_features(const Draft& draft, Findings& findings) {
  const call::FeatureSettings& features = draft.settings.features;
  for (const std::string& name : features.watch) {
    const auto known =
        std::any_of(draft.upstreams.begin(), draft.upstreams.end(),
                    [&](const auto& upstream) { return upstream.settings.name == name; });
    if (known) continue;
    std::vector<std::string_view> names;
    for (const auto& upstream : draft.upstreams)
      names.push_back(upstream.settings.name);
    findings.add(Rule::unknown_upstream, draft.node->place("features.watch"), "features.watch",
                 fmt::format("no upstream {} is declared", in_quotes(name)), suggest(name, names));
  }
}

}  // namespace hf::config
