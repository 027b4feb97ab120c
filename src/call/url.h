// URLs as people and clients write them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "call/settings.h"

namespace hf::call {

// "https://host[:port][/base]", scheme and host in lower case afterwards, no slash at the base's
// end. ErrorKind::invalid with a sentence that does not repeat the text: it may hold a password.
Result<Url> parse_url(std::string_view text);
std::string format_url(const Url& url);

// "host", "host:port", "[v6]", "[v6]:port", taken apart and not judged.
struct HostPort {
  std::string_view host;  // without brackets
  std::string_view port;  // empty: none
  bool bracketed = false;
};
std::optional<HostPort> split_authority(std::string_view text);
std::optional<std::uint16_t> port_number(std::string_view text);
// The canonical spelling of an IP address of that family (AF_INET, AF_INET6); nothing if it is
// none.
std::optional<std::string> canonical_ip(std::string_view text, int family);

}  // namespace hf::call
