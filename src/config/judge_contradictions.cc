// What cannot be meant: each function looks at one kind of contradiction.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/fields.h"
#include "base/quantity.h"
#include "config/address.h"
#include "config/draft.h"

namespace hf::config {
namespace {

using call::HeldAnswer;
using call::Hold;
using call::Mode;

// ---- listeners

struct Listener {
  std::string path;
  std::string address;
  Position at;
  bool route = false;
};

std::vector<Listener> listeners(const Draft& draft) {
  const auto& settings = draft.settings;
  std::vector<Listener> out;
  out.push_back({"listen", settings.listen, draft.node->place("listen"), false});
  if (!settings.admin.empty()) {
    out.push_back({"admin", settings.admin, draft.node->place("admin"), false});
  }
  if (!settings.health.empty()) {
    out.push_back({"health", settings.health, draft.node->place("health"), false});
  }
  if (!settings.features.listen.empty()) {
    out.push_back(
        {"features.listen", settings.features.listen, draft.node->place("features.listen"), false});
  }
  for (const auto& route : draft.routes) {
    if (route.settings.listen.empty()) continue;
    out.push_back(
        {route.path + ".listen", route.settings.listen, route.node->place("listen"), true});
  }
  return out;
}

void judge_listeners(const Draft& draft, const std::vector<Listener>& all, Findings& findings) {
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      // Routes may share a listener of their own.
      const bool shared = all[i].route && all[j].route && all[i].address == all[j].address;
      if (shared || !same_socket(all[i].address, all[j].address)) continue;
      const bool main = all[i].route && all[j].path == "listen";
      findings.add(
          Rule::listen_twice, all[i].at, all[i].path,
          fmt::format("{} is taken by `{}` ({})", all[i].address, all[j].path, all[j].address),
          main ? "leave `listen` out of the route for the main listener" : "choose another port");
      break;
    }
  }
  const auto& tls = draft.settings.tls;
  if (tls.certificate.empty() != tls.key.empty()) {
    findings.add(
        Rule::tls_incomplete, draft.node->place("tls"), "tls",
        tls.key.empty() ? "a certificate without its key" : "a key without its certificate",
        "tls: { certificate: chain.pem, key: key.pem }");
  }
}

// ---- upstreams

void judge_ring(const std::vector<Listener>& all, const UpstreamDraft& upstream,
                std::string_view key, const call::Url& url, Findings& findings) {
  const bool v6 = url.host.find(':') != std::string::npos;
  const std::string host = url.host == "localhost" ? "127.0.0.1" : url.host;
  const auto address = fmt::format(fmt::runtime(v6 ? "[{}]:{}" : "{}:{}"), host, url.port);
  for (const auto& listener : all) {
    if (listener.address != address) continue;
    add(upstream, findings, Rule::upstream_is_self, key,
        fmt::format("{} is the listener `{}`", in_quotes(format_url(url)), listener.path),
        "calls would go round in a ring");
  }
}

void judge_urls(const std::vector<Listener>& all, const UpstreamDraft& upstream,
                Findings& findings) {
  const auto& urls = upstream.settings.urls;
  const std::string_view key = upstream.node->find("urls") != nullptr ? "urls" : "url";
  for (std::size_t i = 1; i < urls.size(); ++i) {
    if (std::find(urls.begin(), urls.begin() + static_cast<std::ptrdiff_t>(i), urls[i]) !=
        urls.begin() + static_cast<std::ptrdiff_t>(i)) {
      add(upstream, findings, Rule::urls_differ, key,
          fmt::format("{} stands here twice", in_quotes(format_url(urls[i]))));
    }
    const bool same_store = std::any_of(
        urls.begin(), urls.begin() + static_cast<std::ptrdiff_t>(i), [&](const auto& url) {
          return url.authority() == urls[i].authority() && url.tls != urls[i].tls;
        });
    if (same_store) {
      add(upstream, findings, Rule::urls_differ, key,
          fmt::format("{} stands here as http:// and as https://", in_quotes(urls[i].authority())),
          "a call in doubt belongs to one of them, by this name");
    }
    if (urls[i].base_path != urls.front().base_path) {
      add(upstream, findings, Rule::urls_differ, key, "the URLs have different base paths",
          "the same request must mean the same at each of them");
    }
  }
  for (const auto& url : urls)
    judge_ring(all, upstream, key, url, findings);
  const auto& proxy = upstream.settings.proxy;
  if (!proxy) return;
  call::Url as_url;
  as_url.host = proxy->host;
  as_url.port = proxy->port;
  judge_ring(all, upstream, "proxy", as_url, findings);
}

void judge_tls(const UpstreamDraft& upstream, Findings& findings) {
  const auto& tls = upstream.settings.tls;
  constexpr std::string_view kBoth = "tls: { certificate: client.pem, key: client.key }";
  if (tls.certificate.empty() != tls.key.empty()) {
    add(upstream, findings, Rule::tls_incomplete, "tls",
        tls.key.empty() ? "a certificate without its key" : "a key without its certificate",
        std::string(kBoth));
  } else if (!tls.passphrase.empty() && tls.key.empty()) {
    add(upstream, findings, Rule::tls_incomplete, "tls.passphrase", "a passphrase without a key",
        std::string(kBoth));
  }
  const auto& urls = upstream.settings.urls;
  const bool spoken = urls.empty() || std::any_of(urls.begin(), urls.end(),
                                                  [](const auto& url) { return url.tls; });
  if (spoken || tls == call::UpstreamTls{}) return;
  add(upstream, findings, Rule::tls_unused,
      upstream.node->find("tls") != nullptr ? "tls" : "ca_file",
      "no URL of this upstream begins with https://", "https://, or leave it out");
}

void judge_statuses(const UpstreamDraft& upstream, Findings& findings) {
  const auto& rules = upstream.settings.idempotency;
  const auto twice = [&](const std::vector<int>& a, const std::vector<int>& b,
                         std::string_view names) {
    for (const int status : a) {
      if (std::find(b.begin(), b.end(), status) == b.end()) continue;
      add(upstream, findings, Rule::status_conflict, "idempotency",
          fmt::format("{} stands in both {}", status, names), "it can mean one thing only");
    }
  };
  twice(rules.refused, rules.in_progress, "`refused` and `in_progress`");
  twice(rules.refused, rules.settles, "`refused` and `settles`");
  twice(rules.in_progress, rules.settles, "`in_progress` and `settles`");
}

// Written at all, even where a field of it was refused, which has been reported.
bool injects(const UpstreamDraft& upstream) {
  const Node* node = upstream.node->find("inject");
  return node != nullptr && !node->items.empty();
}

bool finds_in_list(std::string_view pointer) {
  const auto slash = pointer.rfind('/');
  if (slash == std::string_view::npos) return false;
  const auto last = pointer.substr(slash + 1);
  return !last.empty() &&
         std::all_of(last.begin(), last.end(), [](char c) { return c >= '0' && c <= '9'; });
}

void judge_upstream(const std::vector<Listener>& all, const UpstreamDraft& upstream,
                    Findings& findings) {
  const auto& settings = upstream.settings;
  const auto& rules = settings.idempotency;
  judge_urls(all, upstream, findings);
  judge_tls(upstream, findings);
  judge_statuses(upstream, findings);
  const auto& lookup = settings.lookup;
  if (rules.mode == Mode::verify && !lookup) {
    add(upstream, findings, Rule::lookup_missing, "idempotency.mode",
        "`mode: verify` needs `lookup`: how the upstream is asked what became of a call",
        "lookup: { get: \"/charges?ref={key}\", found: /data/0, where: { /status: succeeded }, "
        "settle: 35s }");
  }
  if (lookup && lookup->absent_status.empty() && !finds_in_list(lookup->found)) {
    add(upstream, findings, Rule::lookup_absence, "idempotency.lookup.found",
        fmt::format("{} is no element of a list, and there is no `absent_status`",
                    in_quotes(lookup->found)),
        "found: /data/0, or absent_status: [404]");
  }
  if (rules.mode == Mode::key && !rules.lifetime &&
      upstream.node->find_path("idempotency.lifetime") == nullptr) {
    add(upstream, findings, Rule::key_lifetime, "idempotency.mode",
        "`mode: key` needs `lifetime`: for how long the upstream remembers a key",
        "lifetime: 24h, if its documentation says so");
  }
  if (injects(upstream) && settings.credentials_stored) {
    add(upstream, findings, Rule::credentials_both, "credentials",
        "`inject` and `credentials: stored` together", "keep the one that the upstream is to get");
  }
}

// ---- routes

bool methods_meet(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  if (a.empty() != b.empty()) return false;  // the one that names methods goes first
  if (a.empty()) return true;
  return std::any_of(a.begin(), a.end(), [&](const std::string& method) {
    return std::find(b.begin(), b.end(), method) != b.end();
  });
}

void judge_duplicates(const Draft& draft, Findings& findings) {
  for (std::size_t i = 0; i < draft.routes.size(); ++i) {
    const auto& route = draft.routes[i].settings;
    for (std::size_t j = 0; j < i; ++j) {
      const auto& other = draft.routes[j].settings;
      // A route without a path has been reported already.
      if (draft.routes[i].node->find("path") == nullptr ||
          draft.routes[j].node->find("path") == nullptr) {
        continue;
      }
      if (route.path != other.path || route.listen != other.listen ||
          !same_name(route.host_match, other.host_match) ||
          !methods_meet(route.methods, other.methods)) {
        continue;
      }
      add(draft.routes[i], findings, Rule::route_duplicate, "path",
          fmt::format("{} is already routed by {}", in_quotes(route.path), draft.routes[j].path),
          "tell them apart by path, host_match, methods or listen");
      break;
    }
  }
}

// Whether a client's key can be found on the route at all.
bool has_key(const RouteDraft& route) {
  return !route.settings.key.from.empty() || route.upstream->settings.idempotency.mode == Mode::key;
}

void judge_derive(const RouteDraft& route, Findings& findings) {
  const auto& key = route.settings.key;
  if (key.derive.empty()) return;
  const Node* written = route.node->find_path("key.derive");
  const bool all_read = written == nullptr || written->items.size() == key.derive.size();
  if (all_read &&
      std::find(key.derive.begin(), key.derive.end(), call::Derive::body) == key.derive.end()) {
    add(route, findings, Rule::derive_content, "key.derive",
        "without `body`, requests of other content would be taken for one",
        "derive: [owner, body]");
  }
  if (key.required) {
    add(route, findings, Rule::derive_content, "key.derive",
        "a request without a key is refused, so none is ever derived",
        "leave out `required` or `derive`");
  }
}

void judge_key(const RouteDraft& route, Findings& findings) {
  const auto& key = route.settings.key;
  judge_derive(route, findings);
  const bool from_failed = key.from.empty() && route.node->find_path("key.from") != nullptr &&
                           !route.node->find_path("key.from")->items.empty();
  if (has_key(route) || from_failed) return;
  constexpr std::string_view kFix = "key: { from: [ { header: Idempotency-Key } ] }";
  if (key.required) {
    add(route, findings, Rule::required_without_key, "key.required",
        "a key is required, but nothing says where it comes from", std::string(kFix));
  }
  if (key.stable) {
    add(route, findings, Rule::stable_without_key, "key.stable",
        "a key is stable, but nothing says where it comes from", std::string(kFix));
  }
}

void judge_hold(const RouteDraft& route, Findings& findings) {
  const auto& settings = route.settings;
  const auto& upstream = route.upstream->settings;
  const bool answer_written = route.node->find("held_answer") != nullptr;
  if (settings.hold == Hold::never) {
    if (answer_written && settings.held_answer == HeldAnswer::accepted) {
      add(route, findings, Rule::held_answer_conflict, "held_answer",
          "`held_answer: 202` on a route that never holds", "hold: on_failure");
    }
    return;
  }
  if (settings.hold == Hold::always && answer_written &&
      settings.held_answer == HeldAnswer::error) {
    add(route, findings, Rule::held_answer_conflict, "held_answer",
        "`hold: always` answers 202, `held_answer: error` does not", "hold: on_failure");
  }
  if (!injects(*route.upstream) && !upstream.credentials_stored) {
    add(route, findings, Rule::hold_credentials, "hold",
        fmt::format("a held call needs a credential, and upstream {} has neither `inject` nor "
                    "`credentials: stored`",
                    in_quotes(upstream.name)),
        fmt::format("add `credentials: stored` to {}", route.upstream->path));
  }
  const bool recognised = settings.key.business() || (settings.key.stable && has_key(route));
  const bool from_written = route.node->find_path("key.from") != nullptr;
  if (settings.hold == Hold::on_failure && settings.held_answer == HeldAnswer::error &&
      !recognised && !(from_written && settings.key.from.empty() && settings.key.stable)) {
    add(route, findings, Rule::hold_unrecognised, "hold",
        "a held call could not be recognised when it is asked for again",
        "name the business with `key: { from: [ { body: /order_id } ] }`, or say `key: { stable: "
        "true }` if the application makes the header once per intent");
  }
}

void judge_deadline(const RouteDraft& route, Findings& findings) {
  const auto& upstream = route.upstream->settings;
  if (upstream.idempotency.mode != Mode::key || !upstream.idempotency.lifetime) return;
  if (route.node->find("deadline") == nullptr ||
      route.settings.deadline <= *upstream.idempotency.lifetime) {
    return;
  }
  add(route, findings, Rule::deadline_lifetime, "deadline",
      fmt::format("upstream {} remembers a key for {} only", in_quotes(upstream.name),
                  format_duration(*upstream.idempotency.lifetime)),
      longest_deadline(upstream));
}

void judge_route(const Draft& draft, const RouteDraft& route, Findings& findings) {
  const auto& settings = route.settings;
  if (settings.strip_prefix && settings.path == "/") {
    add(route, findings, Rule::strip_root, "strip_prefix", "there is no prefix to strip from `/`",
        "leave it out");
  }
  if (settings.limits.body > draft.settings.buffers ||
      settings.limits.stored_answer > draft.settings.buffers) {
    const bool body = settings.limits.body > draft.settings.buffers;
    add(route, findings, Rule::body_buffers, body ? "limits.body" : "limits.stored_answer",
        fmt::format("larger than `buffers` ({}), which all calls share",
                    format_size(draft.settings.buffers)));
  }
  judge_webhooks(draft, route, findings);
  if (route.upstream == nullptr) return;
  judge_key(route, findings);
  judge_hold(route, findings);
  judge_deadline(route, findings);
}

}  // namespace

void judge_contradictions(const Draft& draft, Findings& findings) {
  const auto all = listeners(draft);
  judge_listeners(draft, all, findings);
  for (const auto& upstream : draft.upstreams)
    judge_upstream(all, upstream, findings);
  judge_duplicates(draft, findings);
  judge_features(draft, findings);
  for (const auto& route : draft.routes)
    judge_route(draft, route, findings);
}

}  // namespace hf::config
