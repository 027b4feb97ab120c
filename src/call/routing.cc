#include "call/routing.h"

#include <algorithm>
#include <tuple>

#include "call/intake.h"

namespace hf::call {
namespace {

std::string_view host_of(std::string_view authority) {
  const auto bracket = authority.rfind(']');
  const auto colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  return authority.substr(0, colon);
}

bool host_fits(const RouteSettings& route, const Fields& fields) {
  if (route.host_match.empty()) return true;
  const Field* host = find_field(fields, "Host");
  if (host == nullptr) return false;
  const auto authority = trim_blanks(host->value);
  return same_name(authority, route.host_match) || same_name(host_of(authority), route.host_match);
}

bool method_fits(const RouteSettings& route, std::string_view method) {
  const auto& methods = route.methods;
  return methods.empty() || std::find(methods.begin(), methods.end(), method) != methods.end();
}

}  // namespace

std::string_view path_of(std::string_view target) {
  return target.substr(0, target.find('?'));
}

std::string_view query_of(std::string_view target) {
  return target.substr(path_of(target).size());
}

bool below(std::string_view path, std::string_view prefix) {
  if (!path.starts_with(prefix)) return false;
  return prefix.ends_with('/') || path.size() == prefix.size() || path[prefix.size()] == '/';
}

std::shared_ptr<const RouteSettings> find_route(const Settings& settings,
                                                const IncomingHead& head) {
  const auto path = path_of(head.target);
  const auto rank = [](const RouteSettings& route) {
    return std::tuple(route.path.size(), !route.host_match.empty(), !route.methods.empty());
  };
  std::shared_ptr<const RouteSettings> best;
  for (const auto& route : settings.routes) {
    const bool fits = route->listen == head.listener && below(path, route->path) &&
                      method_fits(*route, head.method) && host_fits(*route, head.fields);
    if (fits && (!best || rank(*route) > rank(*best))) best = route;
  }
  return best;
}

std::string upstream_target(const RouteSettings& route, const UpstreamSettings& upstream,
                            std::string_view target) {
  std::string out = upstream.urls.empty() ? std::string() : upstream.urls.front().base_path;
  if (route.strip_prefix) {
    // The slash at the end of the prefix stays: it begins the path that is left.
    const bool slash = route.path.ends_with('/');
    target.remove_prefix(std::min(target.size(), route.path.size() - (slash ? 1 : 0)));
    if (!target.starts_with('/')) out += '/';
  }
  out += target;
  return out;
}

bool is_loop(const Fields& fields) {
  int passes = 0;
  for (const auto element : list_elements(fields, "Via")) {
    // received-protocol, blanks, received-by, perhaps a comment
    const auto blank = element.find_first_of(" \t");
    if (blank == std::string_view::npos) continue;
    const auto rest = trim_blanks(element.substr(blank));
    if (same_name(rest.substr(0, rest.find_first_of(" \t(")), kPseudonym)) ++passes;
  }
  return passes > kPasses;
}

bool safe_method(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "TRACE";
}

}  // namespace hf::call
