// Where to listen, as people write it.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hf::adapters {

// "127.0.0.1:8080" or "[::1]:8080", port 0 to 65535. Names are refused: what a name stands for may
// change, and with it who can reach the listener.
Result<boost::asio::ip::tcp::endpoint> parse_listen_address(const std::string& text);

// "127.0.0.1:8080", "[::1]:8080".
std::string format_address(const boost::asio::ip::tcp::endpoint& endpoint);

}  // namespace hf::adapters
