// Sockets that listen: one of our own, or one that was passed to the process.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <string>

#include "adapters/system/passed_sockets.h"
#include "base/result.h"

namespace hf::adapters {

// Makes `acceptor` listen at `address` ("127.0.0.1:8080", "[::1]:8080"; port 0 takes a free one)
// and gives the port. With `passed`, which listens there already, it takes a duplicate of that
// socket: closing the acceptor then refuses nobody, who comes waits for the next one that takes
// it. Errors: invalid (address), unavailable (bind).
Result<std::uint16_t> start_listening(boost::asio::ip::tcp::acceptor& acceptor,
                                      const std::string& address, const PassedSocket* passed);

}  // namespace hf::adapters
