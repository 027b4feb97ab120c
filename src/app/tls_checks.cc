#include "app/tls_checks.h"

#include <fmt/format.h>

#include <algorithm>

#include "adapters/http/upstream_secret.h"
#include "adapters/tls/client_context.h"
#include "base/quantity.h"

namespace hf::app {
namespace {

using config::Rule;

constexpr Duration kSoon = Duration::hours(14 * 24);

class FileJudge {
 public:
  FileJudge(const std::string& file_name, WallTime now) : findings_(file_name), now_(now) {}

  void judge(const config::Place& place, const call::UpstreamTls& tls) {
    std::string passphrase;
    if (!tls.passphrase.empty()) {
      auto resolved = adapters::resolve_secret(tls.passphrase);
      if (!resolved.ok()) return refuse(place, resolved.error());
      passphrase = std::move(resolved).value();
    }
    const auto made = adapters::ClientContext::make(tls, passphrase);
    if (!made.ok()) return refuse(place, made.error());
    if (!(*made)->own()) return;
    const auto trouble = certificate_trouble(*(*made)->own(), now_);
    if (trouble) add(trouble->rule, place, trouble->text);
  }
  config::Findings& findings() { return findings_; }

 private:
  void refuse(const config::Place& place, const Error& why) {
    const bool unreadable = why.kind == ErrorKind::unavailable;
    add(unreadable ? Rule::tls_unreadable : Rule::tls_files, place, why.context);
  }
  void add(Rule rule, const config::Place& place, const std::string& text) {
    findings_.add(rule, place.at, place.path, text);
  }

  config::Findings findings_;
  WallTime now_;
};

}  // namespace

std::optional<CertificateTrouble> certificate_trouble(const adapters::OwnCertificate& certificate,
                                                      WallTime now) {
  const auto text = [&](std::string_view what, WallTime when) {
    return fmt::format("the certificate of {} {} {}", certificate.subject, what,
                       format_rfc3339(when));
  };
  if (certificate.not_before > now) {
    return CertificateTrouble{Rule::tls_expired, text("is good only from", certificate.not_before)};
  }
  if (certificate.not_after <= now) {
    return CertificateTrouble{Rule::tls_expired, text("was good until", certificate.not_after)};
  }
  if (certificate.not_after - now > kSoon) return std::nullopt;
  return CertificateTrouble{Rule::tls_expires, text("is good only until", certificate.not_after)};
}

void judge_files(config::Loaded& loaded, const std::string& file_name, WallTime now) {
  if (!loaded.settings) return;
  FileJudge judge(file_name, now);
  const auto& listen = loaded.settings->tls;
  if (!listen.certificate.empty()) {
    call::UpstreamTls own;
    own.certificate = listen.certificate;
    own.key = listen.key;
    judge.judge(loaded.places.of_service("tls"), own);
  }
  for (const auto& [name, upstream] : loaded.settings->upstreams) {
    if (upstream->tls == call::UpstreamTls{}) continue;
    auto place = loaded.places.of_upstream(*upstream, "tls");
    const auto short_way = loaded.places.of_upstream(*upstream, "ca_file");
    if (place.from != config::Place::From::written) place.at = short_way.at;
    judge.judge(place, upstream->tls);
  }
  if (judge.findings().failed()) loaded.settings = nullptr;
  for (auto& finding : judge.findings().take())
    loaded.findings.push_back(std::move(finding));
  std::stable_sort(loaded.findings.begin(), loaded.findings.end(),
                   [](const auto& a, const auto& b) { return a.line < b.line; });
}

}  // namespace hf::app
