// URLs of upstreams and addresses of listeners, as people write them.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "call/url.h"

namespace hf::config {

using call::format_url;
using call::parse_url;

// "127.0.0.1:8080" or "[::1]:8080" in its one canonical spelling. Names are refused: what a name
// stands for may change, and with it who can reach the listener.
Result<std::string> parse_listen(const std::string& text);

// Of canonical listener addresses.
bool same_socket(std::string_view a, std::string_view b);  // both cannot be bound at once
bool loopback_listen(std::string_view address);
// localhost and the loopback addresses.
bool loopback_host(std::string_view host);

// RFC 9110 section 5.6.2.
bool is_token(std::string_view text);
// Visible ASCII and blanks within; what a field's value may hold here.
bool is_plain_value(std::string_view text);

}  // namespace hf::config
