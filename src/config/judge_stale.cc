// `stale_if_error`, where it does nothing or more than was meant.
#include <fmt/format.h>

#include <algorithm>

#include "config/draft.h"

namespace hf::config {
namespace {

bool reads(const call::RouteSettings& route) {
  const auto& methods = route.methods;
  const auto has = [&](std::string_view method) {
    return std::find(methods.begin(), methods.end(), method) != methods.end();
  };
  return !route.webhook && (methods.empty() || has("GET") || has("HEAD"));
}

// What tells that users are told apart here; empty: nothing does.
std::string personal(const RouteDraft& route) {
  const call::RouteSettings& settings = route.settings;
  if (settings.owner.kind == call::OwnerRule::Kind::anyone) return {};
  if (settings.owner.kind == call::OwnerRule::Kind::header) {
    return fmt::format("users are told apart by {}", settings.owner.header);
  }
  const auto& derive = settings.key.derive;
  if (std::find(derive.begin(), derive.end(), call::Derive::owner) != derive.end()) {
    return "keys are derived from the owner";
  }
  if (route.upstream != nullptr && route.upstream->settings.credentials_stored) {
    return "each client has a credential of its own at the upstream";
  }
  return {};
}

}  // namespace

void judge_stale(const Draft& draft, Findings& findings) {
  bool some = false;
  for (const RouteDraft& route : draft.routes) {
    const call::RouteSettings& settings = route.settings;
    if (!settings.stale_if_error) continue;
    some = true;
    if (!reads(settings)) {
      add(route, findings, Rule::stale_never, "stale_if_error",
          "no GET or HEAD comes here, and nothing else is answered from memory",
          "put it at the route that takes the reads");
    } else if (settings.mode == call::RouteMode::observe) {
      add(route, findings, Rule::stale_never, "stale_if_error",
          "the route only observes: errors go out as they are");
    } else if (const std::string why = personal(route); !why.empty()) {
      add(route, findings, Rule::stale_personal, "stale_if_error",
          why + ": an answer that is one user's and does not say so may be given to another",
          "the application says `Cache-Control: private` or `Vary`, or the route is for what "
          "everybody may see and has `owner: anyone`");
    }
  }
  const Node* written = draft.node->find("stale_cache");
  if (some || written == nullptr) return;
  findings.add(Rule::stale_unused, draft.node->place("stale_cache"), "stale_cache",
               "no route has `stale_if_error`: nothing is kept", "stale_if_error: 1h at a route");
}

}  // namespace hf::config
