#include "control/address_view.h"

#include "base/quantity.h"
#include "call/reply_json.h"
#include "control/json.h"

namespace hf::control {
namespace {

std::string one(const std::string& url, const std::string* address,
                const call::AddressFacts& facts) {
  const auto number = [](std::uint64_t value) { return static_cast<std::int64_t>(value); };
  call::JsonObject out;
  out.text("url", url);
  if (address != nullptr) {
    out.text("address", *address);
  } else {
    out.null("address");
  }
  out.text("state", to_string(facts.standing))
      .text("last_failure", facts.last_failure)
      .number("failures_in_a_row", facts.streak);
  if (facts.back_at) {
    out.text("back_at", format_rfc3339(*facts.back_at));
  } else {
    out.null("back_at");
  }
  out.number("in_flight", facts.under_way)
      .number("attempts", number(facts.attempts))
      .number("failures", number(facts.failures))
      .number("ejections", number(facts.ejections));
  return out.done();
}

}  // namespace

std::string addresses_json(const std::string& upstream, const engine::UpstreamStats& stats,
                           const OutgoingFacts& outgoing) {
  JsonArray out;
  for (const call::AddressFacts& url : stats.addresses)
    out.add(one(url.address, nullptr, url));
  for (const OutgoingFacts::Address& entry : outgoing.addresses) {
    if (entry.upstream == upstream) out.add(one(entry.url, &entry.facts.address, entry.facts));
  }
  return out.done();
}

std::string proxy_json(const call::UpstreamSettings& upstream, const OutgoingFacts& outgoing) {
  call::JsonObject connections;
  for (const OutgoingFacts::Proxy& one : outgoing.proxies) {
    if (one.upstream != upstream.name) continue;
    for (const auto& [result, count] : one.results)
      connections.number(result, static_cast<std::int64_t>(count));
  }
  return call::JsonObject()
      .text("address", upstream.proxy->authority())
      .raw("connections", connections.done())
      .done();
}

}  // namespace hf::control
