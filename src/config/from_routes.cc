// `serve --route /stripe/=https://api.stripe.com`: the same road as a file takes, so that what is
// refused there is refused here. The specs become YAML, and findings are told by their spec.
#include <fmt/format.h>

#include <map>

#include "config/address.h"
#include "config/load.h"
#include "config/presets.h"

namespace hf::config {
namespace {

constexpr std::size_t kMaxSpecs = 200;

struct Spec {
  std::string path;
  std::string url;
  std::string upstream;  // name
};

// Any text that stands on one line, as a double-quoted scalar.
std::string quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string shown(const std::string& spec) {
  // Whatever stands before an "@" may be a password.
  const auto at = spec.rfind('@');
  const auto scheme = spec.find("://");
  if (at == std::string::npos || scheme == std::string::npos || scheme > at) return spec;
  return spec.substr(0, scheme + 3) + "***" + spec.substr(at);
}

// "stripe" for a host with a preset, else the host; "-2" and so on behind it when that is taken by
// another URL. The same URL is the same upstream.
std::string name_for(const call::Url& url, std::map<std::string, std::string>& taken) {
  const Preset* preset = preset_for_host(url.host);
  std::string base = preset != nullptr ? std::string(preset->name) : url.host.substr(0, 56);
  for (char& c : base) {
    if (c == ':') c = '-';  // of an IPv6 address
  }
  const auto text = format_url(url);
  std::string name = base;
  for (int i = 2;; ++i) {
    const auto [at, fresh] = taken.emplace(name, text);
    if (fresh || at->second == text) return name;
    name = fmt::format("{}-{}", base, i);
  }
}

// Which spec a finding belongs to, by its path; null: all of them.
const std::string* spec_of(const Finding& finding, const std::vector<std::string>& texts,
                           const std::vector<Spec>& specs) {
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const auto route = fmt::format("routes[{}]", i);
    const auto upstream = fmt::format("upstreams.{}", specs[i].upstream);
    for (const auto& prefix : {route, upstream}) {
      if (finding.path == prefix || finding.path.starts_with(prefix + ".")) return &texts[i];
    }
  }
  return nullptr;
}

std::string to_yaml(const std::vector<Spec>& specs, const RouteOptions& options) {
  std::string out;
  const auto put = [&](std::string_view key, const std::string& value) {
    if (!value.empty()) out += fmt::format("{}: {}\n", key, quote(value));
  };
  put("listen", options.listen);
  put("admin", options.admin);
  put("health", options.health);
  if (!options.journal_path.empty()) {
    out += fmt::format("journal:\n  path: {}\n", quote(options.journal_path));
  }
  out += "upstreams:\n";
  std::map<std::string, bool> written;
  for (const auto& spec : specs) {
    if (!written.emplace(spec.upstream, true).second) continue;
    out += fmt::format("  {}:\n    url: {}\n", quote(spec.upstream), quote(spec.url));
    auto url = parse_url(spec.url);
    const Preset* preset = url.ok() ? preset_for_host(url->host) : nullptr;
    if (preset != nullptr) out += fmt::format("    preset: {}\n", preset->name);
  }
  out += "routes:\n";
  for (const auto& spec : specs) {
    out += fmt::format("  - path: {}\n    upstream: {}\n    strip_prefix: {}\n", quote(spec.path),
                       quote(spec.upstream), spec.path == "/" ? "false" : "true");
  }
  return out;
}

}  // namespace

Loaded from_routes(const std::vector<std::string>& texts, const RouteOptions& options) {
  Findings wrong("--route");
  std::vector<Spec> specs;
  std::map<std::string, std::string> taken;
  if (texts.size() > kMaxSpecs) {
    wrong.add(Rule::out_of_range, {}, {}, fmt::format("{} routes", texts.size()),
              fmt::format("at most {}; write a file", kMaxSpecs));
    return {nullptr, wrong.take(), {}};
  }
  for (const auto& text : texts) {
    const auto equals = text.find('=');
    const auto url = equals == std::string::npos
                         ? Result<call::Url>(fail(ErrorKind::invalid, "there is no `=`"))
                         : parse_url(std::string_view(text).substr(equals + 1));
    if (!url.ok()) {
      wrong.add(Rule::bad_url, {}, {},
                fmt::format("{}: {}", in_quotes(shown(text)), url.error().context),
                "--route /stripe/=https://api.stripe.com");
      continue;
    }
    specs.push_back(
        {text.substr(0, equals), format_url(url.value()), name_for(url.value(), taken)});
  }
  if (wrong.failed()) return {nullptr, wrong.take(), {}};
  Loaded out = load_text(to_yaml(specs, options), "--route");
  for (auto& finding : out.findings) {
    finding.line = 0;
    finding.column = 0;
    if (const auto* text = spec_of(finding, texts, specs)) finding.file = "--route " + *text;
  }
  return out;
}

}  // namespace hf::config
