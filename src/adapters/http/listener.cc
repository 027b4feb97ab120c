#include "adapters/http/listener.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "adapters/http/server_address.h"

namespace hf::adapters {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

void take_over(tcp::acceptor& acceptor, const tcp::endpoint& endpoint, int passed, error_code& ec) {
  const int fd = ::fcntl(passed, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) {
    ec = error_code(errno, boost::system::system_category());
    return;
  }
  acceptor.assign(endpoint.protocol(), fd, ec);
  if (ec) ::close(fd);
}

void open_own(tcp::acceptor& acceptor, const tcp::endpoint& endpoint, error_code& ec) {
  acceptor.open(endpoint.protocol(), ec);
  if (!ec) acceptor.set_option(tcp::acceptor::reuse_address(true), ec);
  if (!ec) acceptor.bind(endpoint, ec);
  if (!ec) acceptor.listen(tcp::acceptor::max_listen_connections, ec);
}

}  // namespace

Result<std::uint16_t> start_listening(tcp::acceptor& acceptor, const std::string& address,
                                      const PassedSocket* passed) {
  HF_TRY(const tcp::endpoint endpoint, parse_listen_address(address));
  error_code ec;
  if (passed != nullptr) {
    take_over(acceptor, endpoint, passed->fd, ec);
  } else {
    open_own(acceptor, endpoint, ec);
  }
  if (ec) {
    return fail(ErrorKind::unavailable, fmt::format("listen on {}: {}", address, ec.message()));
  }
  return acceptor.local_endpoint(ec).port();
}

}  // namespace hf::adapters
