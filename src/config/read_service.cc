#include <fmt/format.h>

#include <algorithm>

#include "base/quantity.h"
#include "call/lifetime.h"
#include "config/address.h"
#include "config/draft.h"
#include "config/section.h"

namespace hf::config {
namespace {

constexpr Duration kDay = Duration::hours(24);
constexpr std::uint64_t kMiB = 1ULL << 20;
constexpr std::uint64_t kTiB = 1ULL << 40;

void read_address(Section& in, std::string_view key, std::string& out) {
  std::string text;
  in.text(key, text);
  if (text.empty()) return;
  const auto address = parse_listen(text);
  if (!address.ok()) {
    return in.add(Rule::bad_listen, key,
                  fmt::format("{}: {}", in_quotes(text), address.error().context),
                  "such as 127.0.0.1:8080 or [::1]:8080");
  }
  out = *address;
}

void read_retention(Section in, call::Retention& out) {
  const Within<Duration> within{Duration::seconds(1), kDay * 3650};
  in.duration("keys", out.keys, within);
  in.duration("bodies", out.bodies, within);
  in.duration("timeline", out.timeline, within);
  in.duration("tombstones", out.tombstones, within);
  in.close();
}

void read_journal(Section in, call::JournalSettings& out) {
  in.text("path", out.path);
  in.size("max_bytes", out.max_bytes, {16 * kMiB, 1024 * kTiB});
  read_retention(in.section("retention"), out.retention);
  in.text("key_file", out.key_file);
  in.close();
}

void read_tls(Section in, call::TlsListen& out) {
  in.text("certificate", out.certificate);
  in.text("key", out.key);
  in.close();
}

}  // namespace

Duration lifetime_margin(const call::UpstreamSettings& upstream) {
  return call::key_margin(upstream.timeouts, upstream.idempotency.lifetime.value_or(Duration{}));
}

std::string longest_deadline(const call::UpstreamSettings& upstream) {
  Duration left = upstream.idempotency.lifetime.value_or(Duration{}) - lifetime_margin(upstream);
  if (left < Duration::seconds(1)) return {};
  for (const Duration unit : {Duration::hours(1), Duration::minutes(1), Duration::seconds(1)}) {
    if (left < unit * 2) continue;
    left.ns -= left.ns % unit.ns;
    break;
  }
  return "at most " + format_duration(left);
}

Draft read_draft(const Node& root, Findings& findings) {
  Draft out;
  out.node = &root;
  auto& settings = out.settings;
  Section in(&root, "", findings);
  read_address(in, "listen", settings.listen);
  read_tls(in.section("tls"), settings.tls);
  read_address(in, "admin", settings.admin);
  read_address(in, "health", settings.health);
  in.size("buffers", settings.buffers, {kMiB, kTiB});
  in.integer("connections_max", settings.connections_max, {1, 1'000'000});
  in.size("stale_cache", settings.stale_cache, {4 * kMiB, kTiB});
  in.duration("drain", settings.drain, {Duration{}, Duration::hours(1)});
  read_journal(in.section("journal"), settings.journal);
  read_callbacks(in.section("callbacks"), settings.callbacks);
  read_alerts(in.section("alerts"), settings.alerts);
  read_client_address(in.section("client_address"), settings.traffic.client_address);
  read_features(in.section("features"), settings.features);
  read_limits(in, "limits", settings.traffic.limits);
  in.size("limit_keys", settings.traffic.keys_max, {1024, 1'000'000'000});
  read_review(in.section("review"), settings.accepted);
  out.upstreams = read_upstreams(in.raw("upstreams"), findings);
  out.routes = read_routes(in.raw("routes"), out.upstreams, findings);
  in.close();
  const Node* routes = root.find("routes");
  if (routes == nullptr || (routes->kind != Node::Kind::sequence) || routes->items.empty()) {
    const bool reported = routes != nullptr && routes->kind != Node::Kind::sequence;
    if (!reported) {
      findings.add(Rule::missing, root.place("routes"), "routes", "there is no route",
                   "routes: [ { path: /, upstream: NAME } ]");
    }
  }
  return out;
}

}  // namespace hf::config
