#include "control/health.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "control/admin_reply.h"
#include "control/metrics.h"

namespace hf::control {
namespace {

ports::ControlReply plain(int status, std::string_view text) {
  return {status, "text/plain; charset=utf-8", std::string(text) + "\n", {}};
}

}  // namespace

ports::ControlReply metrics_reply(runtime::Driver& driver, const FactSource& facts) {
  return {200, std::string(kMetricsType), metrics_text(driver.stats(), facts()), {}};
}

std::string status_line(const Facts& facts) {
  std::string out = facts.draining ? "draining" : "taking calls";
  if (!facts.journal) return out;
  std::string standing;
  for (const auto& group : facts.journal->standing) {
    if (group.calls == 0) continue;
    standing += fmt::format("{}{} {}", standing.empty() ? "; " : ", ", group.calls, group.state);
  }
  out += standing;
  if (!facts.journal->accepting) out += "; the journal takes no new durable calls";
  if (facts.journal->broken) out += "; the journal is broken";
  return out;
}

Health::Health(runtime::Driver& driver, FactSource facts, const Autoscale& autoscale)
    : driver_(driver), facts_(std::move(facts)), autoscale_(autoscale) {}

ports::ControlReply Health::demand(std::string_view query) const {
  if (query.empty()) return json(autoscale_json(autoscale_));
  const auto pairs = query_pairs(query);
  if (!pairs.ok() || pairs->size() != 1 || pairs->front().first != "upstream") {
    return plain(400, "write /autoscale or /autoscale?upstream=NAME");
  }
  auto one = autoscale_json(autoscale_, pairs->front().second);
  if (!one) return plain(404, "no such upstream is configured");
  return json(std::move(*one));
}

ports::ControlReply Health::ready() const {
  const Facts facts = facts_();
  if (facts.draining) return plain(503, "draining");
  if (driver_.broken() || (facts.journal && facts.journal->broken)) {
    return plain(503, "the journal is broken");
  }
  if (facts.journal && !facts.journal->accepting) {
    return plain(503, "the journal takes no new durable calls (disk or max_bytes)");
  }
  return plain(200, "ready");
}

void Health::handle(const ports::ControlRequest& request,
                    const ports::ControlRespond& respond) const {
  const std::string_view target = request.target;
  const std::string_view path = target.substr(0, target.find('?'));
  const bool known =
      path == "/healthz" || path == "/readyz" || path == "/metrics" || path == "/autoscale";
  if (!known) {
    respond(plain(404, "here are /healthz, /readyz, /metrics and /autoscale"));
  } else if (request.method != "GET" && request.method != "HEAD") {
    auto reply = plain(405, "only GET and HEAD");
    reply.fields = {{"Allow", "GET, HEAD"}};
    respond(std::move(reply));
  } else if (path == "/healthz") {
    respond(plain(200, "alive"));
  } else if (path == "/readyz") {
    respond(ready());
  } else if (path == "/autoscale") {
    respond(demand(target.substr(std::min(path.size() + 1, target.size()))));
  } else {
    respond(metrics_reply(driver_, facts_));
  }
}

}  // namespace hf::control
