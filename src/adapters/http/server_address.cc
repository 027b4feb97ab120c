#include "adapters/http/server_address.h"

#include <fmt/format.h>

#include <boost/asio/ip/address.hpp>
#include <charconv>

namespace hf::adapters {
namespace {

using boost::asio::ip::tcp;

Error bad(const std::string& text, std::string_view why) {
  return fail(ErrorKind::invalid, fmt::format("listen address '{}': {}", text, why));
}

}  // namespace

Result<tcp::endpoint> parse_listen_address(const std::string& text) {
  std::string_view host;
  std::string_view port;
  const std::string_view all = text;
  if (all.starts_with('[')) {
    const auto end = all.find(']');
    if (end == std::string_view::npos) return bad(text, "the '[' has no ']'");
    host = all.substr(1, end - 1);
    if (all.substr(end + 1, 1) != ":") return bad(text, "':port' must follow the ']'");
    port = all.substr(end + 2);
  } else {
    const auto colon = all.find(':');
    if (colon == std::string_view::npos) return bad(text, "the ':port' is missing");
    if (all.find(':', colon + 1) != std::string_view::npos) {
      return bad(text, "an IPv6 address needs brackets, as in [::1]:8080");
    }
    host = all.substr(0, colon);
    port = all.substr(colon + 1);
  }
  if (host.empty()) return bad(text, "no address before the port; 0.0.0.0 means all of IPv4");
  boost::system::error_code ec;
  const auto address = boost::asio::ip::make_address(std::string(host), ec);
  if (ec) return bad(text, "the host must be an IP address, such as 127.0.0.1 or [::1]");
  if (address.is_v6() != all.starts_with('[')) {
    return bad(text, "brackets are for IPv6 addresses alone");
  }
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc{} || end != port.data() + port.size()) {
    return bad(text, "the port must be a number from 0 to 65535");
  }
  return tcp::endpoint(address, number);
}

std::string format_address(const tcp::endpoint& endpoint) {
  const auto address = endpoint.address();
  return fmt::format(fmt::runtime(address.is_v6() ? "[{}]:{}" : "{}:{}"), address.to_string(),
                     endpoint.port());
}

}  // namespace hf::adapters
