#include "config/read_reach.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/fields.h"
#include "config/address.h"
#include "config/draft.h"

namespace hf::config {
namespace {

void read_server_name(Section& in, std::string& out) {
  std::string text;
  in.text("server_name", text);
  if (text.empty()) return;
  const auto parsed = parse_url("https://" + text);
  if (!parsed.ok() || format_url(*parsed) != "https://" + parsed->authority() ||
      parsed->port != 443) {
    return in.add(Rule::bad_value, "server_name",
                  fmt::format("{} is no host name or address", in_quotes(text)),
                  "such as api.example.com");
  }
  out = parsed->host;
}

// Never repeated in a finding: it may be the secret itself.
void read_passphrase(Section& in, std::string& out) {
  constexpr std::string_view kExample = "${file:PATH} or ${env:NAME}";
  std::string text;
  in.text("passphrase", text);
  if (text.empty()) return;
  if (!is_plain_value(text)) {
    return in.add(Rule::bad_value, "passphrase", "a passphrase is visible ASCII",
                  std::string(kExample));
  }
  if (!references_are_sound(text)) {
    return in.add(Rule::secret_reference, "passphrase", "a reference that is not known",
                  std::string(kExample));
  }
  out = text;
  if (text.find("${") != std::string::npos) return;
  in.add(Rule::secret_literal, "passphrase", "a secret in the configuration itself",
         std::string(kExample));
}

// What stands before and behind the colon, but for one inside of ${...}.
std::pair<std::string_view, std::string_view> split_user(std::string_view text) {
  bool inside = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i).starts_with("${")) inside = true;
    if (text[i] == '}') inside = false;
    if (text[i] == ':' && !inside) return {text.substr(0, i), text.substr(i + 1)};
  }
  return {text, {}};
}

// RFC 3986 section 2.1. A text with references is taken as it is.
std::optional<std::string> unescaped(std::string_view text) {
  if (text.find("${") != std::string_view::npos) return std::string(text);
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    unsigned value = 0;
    const auto* from = text.data() + i + 1;
    const auto* end = text.data() + std::min(text.size(), i + 3);
    if (end - from != 2 || std::from_chars(from, end, value, 16).ptr != end) return std::nullopt;
    out += static_cast<char>(value);
    i += 2;
  }
  if (out.find("${") != std::string::npos) return std::nullopt;
  return out;
}

// Null where it can be used, else what is wrong. Nothing of it is repeated: it is half a secret.
const char* read_user(std::string_view text, call::Proxy& out) {
  const auto [name, word] = split_user(text);
  const auto user = unescaped(name);
  const auto password = unescaped(word);
  if (!user || !password) return "a % in the user name or password begins no %XX, or hides a ${";
  if (user->empty()) return "there is no user name before the @";
  const bool plain = is_plain_value(*user) && (password->empty() || is_plain_value(*password));
  if (!plain) return "user name and password are visible ASCII";
  if (user->find("${") == std::string::npos && user->find(':') != std::string::npos) {
    return "a user name cannot hold a colon";
  }
  out.user = *user;
  out.password = *password;
  return nullptr;
}

// The same of the whole. A path may follow in ${file:...} only, so that the last @ is ours.
const char* read_proxy(std::string_view text, call::Proxy& out) {
  if (!lower_ascii(text.substr(0, 7)).starts_with("http://")) {
    return "a proxy is spoken to in plain HTTP, and its URL begins with http://";
  }
  text.remove_prefix(7);
  const auto at = text.rfind('@');
  if (at != std::string_view::npos) {
    if (const char* wrong = read_user(text.substr(0, at), out)) return wrong;
    text.remove_prefix(at + 1);
  }
  if (text.ends_with('/')) text.remove_suffix(1);
  const auto url = parse_url("http://" + std::string(text));
  const auto parts = call::split_authority(text);
  if (!url.ok() || !parts) return "host and port of the proxy are not readable";
  if (!url->base_path.empty()) return "a proxy has no path";
  if (parts->port.empty()) return "the proxy's port is missing, and there is no usual one";
  out.host = url->host;
  out.port = url->port;
  return nullptr;
}

}  // namespace

void read_upstream_proxy(Section& in, std::optional<call::Proxy>& out) {
  constexpr std::string_view kExample =
      "http://proxy.example:3128, or http://USER:${file:PATH}@proxy.example:3128";
  std::string text;
  in.text("proxy", text);
  if (text.empty()) return;
  call::Proxy proxy;
  if (const char* wrong = read_proxy(text, proxy)) {
    return in.add(Rule::bad_proxy, "proxy", wrong, std::string(kExample));
  }
  if (!references_are_sound(proxy.user) || !references_are_sound(proxy.password)) {
    return in.add(Rule::secret_reference, "proxy", "a reference that is not known",
                  "${file:PATH} or ${env:NAME}");
  }
  if (!proxy.password.empty() && proxy.password.find("${") == std::string::npos) {
    in.add(Rule::secret_literal, "proxy", "a secret in the configuration itself",
           "http://USER:${file:PATH}@HOST:PORT, or ${env:NAME}");
  }
  out = std::move(proxy);
}

void read_upstream_tls(Section& in, call::UpstreamTls& out) {
  Section tls = in.section("tls");
  tls.text("ca", out.ca);
  tls.text("certificate", out.certificate);
  tls.text("key", out.key);
  read_passphrase(tls, out.passphrase);
  read_server_name(tls, out.server_name);
  tls.word("min_version", out.min_version,
           std::vector<Word<call::TlsVersion>>{{"1.2", call::TlsVersion::tls12},
                                               {"1.3", call::TlsVersion::tls13}});
  tls.close();
  if (in.has("ca_file") && tls.has("ca")) {
    in.add(Rule::duplicate_key, "ca_file", "`ca_file` and `tls.ca` are the same", "keep `tls.ca`");
  }
  in.text("ca_file", out.ca);
}

}  // namespace hf::config
