#include "control/top_view.h"

#include <map>

#include "base/quantity.h"
#include "call/reply_json.h"
#include "control/json.h"
#include "control/problems.h"

namespace hf::control {
namespace {

std::int64_t number(std::uint64_t value) {
  return static_cast<std::int64_t>(value);
}

std::string counts_json(const std::map<std::string, std::uint64_t>& counts) {
  call::JsonObject out;
  for (const auto& [name, count] : counts)
    out.number(name, number(count));
  return out.done();
}

std::string clients_json(const ClientFacts& clients) {
  JsonArray list;
  for (const ClientFacts::Client& one : clients.busiest) {
    list.add(call::JsonObject()
                 .text("client", one.address)
                 .number("asked", number(one.asked))
                 .number("refused", number(one.refused))
                 .done());
  }
  return call::JsonObject().number("over_ms", clients.over.ms()).raw("busiest", list.done()).done();
}

}  // namespace

std::string top_json(const engine::Stats& stats, const Facts& facts, const TopParts& parts,
                     WallTime now) {
  const ServerFacts& server = facts.server;
  return call::JsonObject()
      .text("at", format_rfc3339(now))
      .text("version", facts.process.version)
      .text("started", format_rfc3339(facts.process.started))
      .number("cpu_us", number(facts.process.cpu_micros))
      .number("resident_bytes", number(facts.process.resident_bytes))
      .raw("requests", counts_json(stats.requests_by_route))
      .raw("problems", counts_json(problems_of(stats, server).by_code()))
      .raw("server", call::JsonObject()
                         .number("connections", number(server.connections))
                         .number("requests", number(server.requests))
                         .number("answers", number(server.answers))
                         .number("gone", number(server.gone))
                         .done())
      .number("active_calls", number(stats.active_calls))
      .number("replayed", number(stats.replayed))
      .raw("clients", clients_json(facts.clients))
      .raw("upstreams", parts.upstreams)
      .raw("limits", parts.limits)
      .raw("features", parts.features)
      .raw("autoscale", parts.autoscale)
      .done();
}

}  // namespace hf::control
