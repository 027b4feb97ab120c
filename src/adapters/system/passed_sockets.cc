#include "adapters/system/passed_sockets.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "adapters/http/server_address.h"

namespace hf::adapters {
namespace {

using boost::asio::ip::tcp;

constexpr int kSocketsMax = 64;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string{} : value;
}

int option_of(int fd, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  return ::getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

// What is wrong with it; empty: nothing.
std::string fault_of(int fd) {
  if (::fcntl(fd, F_GETFD) < 0) return "it is not open";
  const int type = option_of(fd, SO_TYPE);
  if (type < 0) return "it is no socket";
  const int family = option_of(fd, SO_DOMAIN);
  if (family != AF_INET && family != AF_INET6) {
    return "it is no TCP socket; Holdfast listens on an IP address and a port: "
           "ListenStream=127.0.0.1:8080";
  }
  if (type != SOCK_STREAM) {
    return "it is a datagram socket; ListenStream= is needed, not ListenDatagram=";
  }
  if (option_of(fd, SO_ACCEPTCONN) != 1) {
    return "it does not listen; a unit with Accept=yes passes connections, Accept=no is needed";
  }
  return {};
}

Result<std::string> local_address(int fd) {
  tcp::endpoint endpoint;
  auto size = static_cast<socklen_t>(endpoint.capacity());
  if (::getsockname(fd, endpoint.data(), &size) != 0) {
    return fail(ErrorKind::unavailable, std::strerror(errno));
  }
  endpoint.resize(size);
  return format_address(endpoint);
}

template <typename Number>
bool read_number(std::string_view text, Number& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size();
}

}  // namespace

PassedEnvironment passed_environment() {
  return {variable("LISTEN_PID"), variable("LISTEN_FDS"), variable("LISTEN_FDNAMES")};
}

Result<std::vector<PassedSocket>> passed_sockets(const PassedEnvironment& environment) {
  std::vector<PassedSocket> out;
  pid_t pid = 0;
  // Left over from a process that had them: sd_listen_fds(3) says to take no notice.
  if (environment.count.empty() || !read_number(environment.pid, pid) || pid != ::getpid()) {
    return out;
  }
  int count = -1;
  if (!read_number(environment.count, count) || count < 0 || count > kSocketsMax) {
    return fail(ErrorKind::invalid, fmt::format("LISTEN_FDS={}: not a number from 0 to {}",
                                                environment.count, kSocketsMax));
  }
  std::string_view names = environment.names;
  for (int fd = environment.first; fd < environment.first + count; ++fd) {
    PassedSocket socket;
    socket.fd = fd;
    const auto colon = names.find(':');
    socket.name = names.substr(0, colon);
    names = colon == std::string_view::npos ? std::string_view{} : names.substr(colon + 1);
    const std::string which =
        fmt::format("the file descriptor {}{} that was passed (LISTEN_FDS)", fd,
                    socket.name.empty() ? "" : fmt::format(" (`{}`)", socket.name));
    const std::string fault = fault_of(fd);
    if (!fault.empty()) return fail(ErrorKind::invalid, which + ": " + fault);
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    auto address = local_address(fd);
    if (!address.ok()) return address.take_error().in(which);
    socket.address = std::move(*address);
    if (passed_at(out, socket.address) != nullptr) {
      return fail(ErrorKind::invalid, fmt::format("{}: a second one for {}; pass one (ReusePort= "
                                                  "is of no use here)",
                                                  which, socket.address));
    }
    out.push_back(std::move(socket));
  }
  return out;
}

const PassedSocket* passed_at(const std::vector<PassedSocket>& sockets,
                              const std::string& address) {
  const auto wanted = parse_listen_address(address);
  if (!wanted.ok()) return nullptr;
  const std::string spelled = format_address(*wanted);
  for (const PassedSocket& socket : sockets) {
    if (socket.address == spelled) return &socket;
  }
  return nullptr;
}

}  // namespace hf::adapters
