#include "call/relayed.h"

#include <array>
#include <utility>

#include "base/check.h"
#include "call/routing.h"
#include "http1/hop.h"

namespace hf::call {
namespace {

constexpr std::array<std::string_view, 3> kFraming{"Content-Length", "Transfer-Encoding", "Expect"};

}  // namespace

RelayedRoutes relayed_routes(const Settings& settings) {
  RelayedRoutes out;
  for (const auto& route : settings.routes) {
    if (route->mode != RouteMode::observe) continue;
    const auto found = settings.upstreams.find(route->upstream);
    HF_CHECK_MSG(found != settings.upstreams.end(), route->upstream);  // config refuses it
    auto plain = std::make_shared<RouteSettings>(*route);
    plain->retry.live_buffer = 0;
    auto upstream = std::make_shared<UpstreamSettings>(*found->second);
    upstream->inject.clear();
    upstream->signing.clear();
    upstream->timeouts = {kRelayConnect, kRelayIdle, kRelayIdle};
    out.emplace(route.get(), RelayedRoute{std::move(plain), std::move(upstream)});
  }
  return out;
}

NewCall relayed_call(const RelayedRoute& as, const IncomingHead& head) {
  Request request;
  request.method = head.method;
  request.target = upstream_target(*as.route, *as.upstream, head.target);
  request.fields = head.fields;
  http1::drop_hop_by_hop(request.fields);
  for (const auto name : kFraming)
    remove_fields(request.fields, name);
  if (!as.route->host_keep) remove_fields(request.fields, "Host");
  NewCall call;
  call.route = as.route;
  call.upstream = as.upstream;
  call.request = std::make_shared<const Request>(std::move(request));
  call.streamed = true;
  call.has_body = head.has_body;
  call.safe = safe_method(head.method);
  call.client_address = head.client_address;
  call.relayed = std::make_shared<const IncomingHead>(head);
  return call;
}

Settings acting(const Settings& settings) {
  Settings out = settings;
  for (auto& route : out.routes) {
    if (route->mode == RouteMode::enforce) continue;
    auto copy = std::make_shared<RouteSettings>(*route);
    copy->mode = RouteMode::enforce;
    route = std::move(copy);
  }
  return out;
}

}  // namespace hf::call
