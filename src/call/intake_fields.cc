#include "call/intake_fields.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "call/classify.h"
#include "call/routing.h"
#include "http1/hop.h"

namespace hf::call {
namespace {

constexpr std::array<std::string_view, 4> kPerAttempt{"traceparent", "tracestate", "Via",
                                                      "Forwarded"};
constexpr std::array<std::string_view, 4> kFraming{"Content-Length", "Transfer-Encoding", "Expect",
                                                   "Trailer"};

void keep_headers(const std::vector<Part>& parts, std::vector<std::string>& out) {
  for (const auto& part : parts) {
    if (part.kind == Part::Kind::header) out.push_back(part.name);
  }
}

// What `Connection` must not be able to name away on this route.
std::vector<std::string> kept_names(const RouteSettings& route, const UpstreamSettings& upstream) {
  std::vector<std::string> out{"X-Api-Key", "Api-Key", upstream.idempotency.header};
  keep_headers(route.key.from, out);
  keep_headers(route.key.scope, out);
  if (route.owner.kind == OwnerRule::Kind::header) out.push_back(route.owner.header);
  return out;
}

// All lines of a list field as one, with `element` at its end (RFC 9110 section 5.3).
std::string appended(const Fields& fields, std::string_view name, std::string_view element) {
  std::string out;
  for (const auto& field : fields) {
    if (!same_name(field.name, name) || trim_blanks(field.value).empty()) continue;
    out += trim_blanks(field.value);
    out += ", ";
  }
  return out.append(element);
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out + "\"";
}

std::string forwarded_element(const IncomingHead& head) {
  std::string out = "for=" + quoted(head.client_address);
  if (const Field* host = find_field(head.fields, "Host")) {
    out += ";host=" + quoted(trim_blanks(host->value));
  }
  return out + (head.tls ? ";proto=https" : ";proto=http");
}

}  // namespace

Fields frozen_fields(const RouteSettings& route, const UpstreamSettings& upstream,
                     const Fields& fields) {
  // Not `Connection`: what it names must go first.
  const auto ours = [&](const std::string& name) {
    const auto same = [&](std::string_view other) { return same_name(name, other); };
    if (same("Connection")) return false;
    return std::any_of(kPerAttempt.begin(), kPerAttempt.end(), same) ||
           std::any_of(kFraming.begin(), kFraming.end(), same) ||
           (!route.host_keep && same("Host")) ||
           std::any_of(upstream.inject.begin(), upstream.inject.end(),
                       [&](const auto& injected) { return same(injected.name); });
  };
  const bool names_some = find_field(fields, "Connection") != nullptr;
  Fields out;
  out.reserve(fields.size());
  for (const Field& field : fields) {
    if (!ours(field.name)) out.push_back(field);
  }
  http1::drop_hop_by_hop(out,
                         names_some ? kept_names(route, upstream) : std::vector<std::string>{});
  http1::drop_holdfast_fields(out);
  // What is to be read must not come packed.
  if (reads_bodies(upstream.classify)) {
    for (auto& field : out) {
      if (same_name(field.name, "Accept-Encoding")) field.value = "identity";
    }
  }
  return out;
}

Fields per_attempt_fields(const RouteSettings& route, const IncomingHead& head) {
  static const std::string via = "1.1 " + std::string(kPseudonym);
  Fields out;
  for (const auto& field : head.fields) {
    if (same_name(field.name, "traceparent") || same_name(field.name, "tracestate")) {
      out.push_back(field);
    }
  }
  out.push_back({"Via", appended(head.fields, "Via", via)});
  if (route.host_keep) {
    out.push_back({"Forwarded", appended(head.fields, "Forwarded", forwarded_element(head))});
  }
  return out;
}

}  // namespace hf::call
