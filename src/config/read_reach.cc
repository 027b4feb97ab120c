#include "config/read_reach.h"

#include <fmt/format.h>

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

}  // namespace

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
