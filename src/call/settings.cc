#include "call/settings.h"

#include <fmt/format.h>

#include <algorithm>

namespace hf::call {

std::string Url::authority() const {
  const bool v6 = host.find(':') != std::string::npos;
  const std::string name = v6 ? "[" + host + "]" : host;
  const bool own_port = port == (tls ? 443 : 80);
  return own_port ? name : name + ":" + std::to_string(port);
}

std::string Proxy::authority() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                             : fmt::format("[{}]:{}", host, port);
}

bool Settings::needs_journal() const {
  return std::any_of(routes.begin(), routes.end(), [&](const auto& route) {
    if (route->mode == RouteMode::observe) return false;
    const auto upstream = upstreams.find(route->upstream);
    const bool keyed_upstream =
        upstream != upstreams.end() && upstream->second->idempotency.mode == Mode::key;
    return keyed_upstream || route->hold != Hold::never || !route->key.from.empty() ||
           !route->key.derive.empty();
  });
}

bool Settings::observes() const {
  return std::any_of(routes.begin(), routes.end(),
                     [](const auto& route) { return route->mode == RouteMode::observe; });
}

bool Settings::keeps_answers() const {
  return std::any_of(routes.begin(), routes.end(), [](const auto& route) {
    return route->stale_if_error && route->mode == RouteMode::enforce;
  });
}

std::string_view to_string(TlsVersion version) {
  return version == TlsVersion::tls12 ? "1.2" : "1.3";
}

std::string_view to_string(Mode mode) {
  switch (mode) {
    case Mode::none:
      return "none";
    case Mode::key:
      return "key";
    case Mode::verify:
      return "verify";
    case Mode::repeatable:
      return "repeatable";
  }
  return "?";
}

std::string_view to_string(Meaning meaning) {
  switch (meaning) {
    case Meaning::refused:
      return "refused";
    case Meaning::in_progress:
      return "in_progress";
    case Meaning::credentials:
      return "credentials";
    case Meaning::unresolved:
      return "unresolved";
    case Meaning::error:
      return "error";
  }
  return "?";
}

std::string_view to_string(CallClass importance) {
  switch (importance) {
    case CallClass::optional:
      return "optional";
    case CallClass::low:
      return "low";
    case CallClass::normal:
      return "normal";
    case CallClass::critical:
      return "critical";
  }
  return "?";
}

std::string_view to_string(OnSuspect action) {
  switch (action) {
    case OnSuspect::off:
      return "off";
    case OnSuspect::note:
      return "note";
    case OnSuspect::warn:
      return "warn";
  }
  return "?";
}

std::string_view to_string(Derive part) {
  switch (part) {
    case Derive::owner:
      return "owner";
    case Derive::body:
      return "body";
  }
  return "?";
}

std::string_view to_string(Hold hold) {
  switch (hold) {
    case Hold::never:
      return "never";
    case Hold::on_failure:
      return "on_failure";
    case Hold::always:
      return "always";
  }
  return "?";
}

std::string_view to_string(WebhookScheme scheme) {
  switch (scheme) {
    case WebhookScheme::stripe:
      return "stripe";
    case WebhookScheme::standard:
      return "standard";
    case WebhookScheme::hmac:
      return "hmac";
  }
  return "?";
}

}  // namespace hf::call
