#include "control/guard.h"

#include <algorithm>

namespace hf::control {
namespace {

constexpr std::string_view kBearer = "Bearer ";

// "name:80", "1.2.3.4" and "[::1]:80" without the port; brackets stay.
std::string host_of(std::string_view authority) {
  const auto bracket = authority.rfind(']');
  const auto colon = authority.rfind(':');
  const bool port =
      colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
  return lower_ascii(authority.substr(0, port ? colon : authority.size()));
}

bool ip_literal(std::string_view host) {
  if (host.starts_with('[')) return host.ends_with(']');
  return !host.empty() && host.find_first_not_of("0123456789.") == std::string_view::npos;
}

bool loopback(std::string_view host) {
  if (host == "localhost" || host == "[::1]") return true;
  return host.starts_with("127.") && ip_literal(host);
}

}  // namespace

bool same_secret(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  volatile unsigned char difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto delta = static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
    difference = static_cast<unsigned char>(difference | delta);
  }
  return difference == 0;
}

bool has_token(const Fields& fields, std::string_view token) {
  if (token.empty() || count_fields(fields, "Authorization") != 1) return false;
  const std::string_view value = find_field(fields, "Authorization")->value;
  return value.size() > kBearer.size() && same_name(value.substr(0, kBearer.size()), kBearer) &&
         same_secret(trim_blanks(value.substr(kBearer.size())), token);
}

bool host_allowed(const Fields& fields, std::string_view listen,
                  const std::vector<std::string>& also) {
  if (count_fields(fields, "Host") != 1) return false;
  const std::string host = host_of(find_field(fields, "Host")->value);
  if (host.empty()) return false;
  const std::string own = host_of(listen);
  if (loopback(host) || host == own) return true;
  if ((own == "0.0.0.0" || own == "[::]") && ip_literal(host)) return true;
  return std::any_of(also.begin(), also.end(),
                     [&](const std::string& name) { return host_of(name) == host; });
}

}  // namespace hf::control
