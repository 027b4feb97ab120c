#include "adapters/system/service_manager.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace hf::adapters {
namespace {

constexpr std::size_t kStatusMax = 256;  // bytes
constexpr std::int64_t kMicro = 1000;    // ns

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string{} : value;
}

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The bytes of the sockaddr_un.
Result<std::string> address_of(const std::string& text) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // A path ends with its zero; an abstract name begins with one, and has no end but its length.
  const bool named = text.front() == '@';
  if (!named && text.front() != '/') {
    return fail(ErrorKind::invalid, fmt::format("NOTIFY_SOCKET={}: neither a path from / on nor an "
                                                "abstract name that begins with @",
                                                text));
  }
  if (text.size() + (named ? 0 : 1) > sizeof address.sun_path) {
    return fail(ErrorKind::invalid, "NOTIFY_SOCKET is too long for an address");
  }
  std::memcpy(address.sun_path, text.c_str(), text.size());
  if (named) address.sun_path[0] = '\0';
  const std::size_t size = offsetof(sockaddr_un, sun_path) + text.size() + (named ? 0 : 1);
  return std::string(reinterpret_cast<const char*>(&address), size);
}

Result<std::optional<Duration>> watchdog_of(const ServiceManager::Environment& environment) {
  std::optional<Duration> none;
  if (environment.watchdog_usec.empty()) return none;
  if (!environment.watchdog_pid.empty() &&
      whole_number(environment.watchdog_pid) != std::int64_t{::getpid()}) {
    return none;  // meant for another process, which left it in our environment
  }
  const auto usec = whole_number(environment.watchdog_usec);
  if (!usec || *usec <= 0 || *usec > Duration::hours(24 * 365).ns / kMicro) {
    return fail(ErrorKind::invalid, fmt::format("WATCHDOG_USEC={}: not a number of microseconds",
                                                environment.watchdog_usec));
  }
  return std::optional<Duration>{Duration{*usec * kMicro}};
}

}  // namespace

ServiceManager::Environment ServiceManager::environment() {
  return {variable("NOTIFY_SOCKET"), variable("WATCHDOG_USEC"), variable("WATCHDOG_PID")};
}

Result<ServiceManager> ServiceManager::open(const Environment& environment) {
  ServiceManager out;
  if (environment.notify_socket.empty()) return out;
  HF_TRY(out.address_, address_of(environment.notify_socket));
  HF_TRY(out.watchdog_, watchdog_of(environment));
  out.fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (out.fd_ < 0) {
    return fail(ErrorKind::unavailable,
                fmt::format("a socket for NOTIFY_SOCKET: {}", std::strerror(errno)));
  }
  const timeval patience{1, 0};
  ::setsockopt(out.fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  return out;
}

ServiceManager::ServiceManager(ServiceManager&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      address_(std::move(other.address_)),
      watchdog_(other.watchdog_) {}

ServiceManager& ServiceManager::operator=(ServiceManager&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(address_, other.address_);
  std::swap(watchdog_, other.watchdog_);
  return *this;
}

ServiceManager::~ServiceManager() {
  if (fd_ >= 0) ::close(fd_);
}

void ServiceManager::ready() {
  std::string text = "READY=1\n";
  // What away() made long is short again.
  if (watchdog_) text += fmt::format("WATCHDOG_USEC={}\n", watchdog_->ns / kMicro);
  send(text, true);
}

void ServiceManager::status(const std::string& text) {
  std::string line = text.substr(0, kStatusMax);
  for (char& c : line) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  send("STATUS=" + line + "\n", false);
}

void ServiceManager::alive() {
  if (watchdog_) send("WATCHDOG=1\n", false);
}

void ServiceManager::stopping(Duration at_most) {
  send(fmt::format("STOPPING=1\nEXTEND_TIMEOUT_USEC={}\n", at_most.ns / kMicro), false);
}

void ServiceManager::away(Duration at_most) {
  if (watchdog_) send(fmt::format("WATCHDOG_USEC={}\n", at_most.ns / kMicro), false);
}

void ServiceManager::send(const std::string& text, bool patient) const {
  if (fd_ < 0) return;
  sockaddr_un address{};
  std::memcpy(&address, address_.data(), address_.size());
  const int flags = MSG_NOSIGNAL | (patient ? 0 : MSG_DONTWAIT);
  // There is nobody to tell of a failure: the manager is whom we would tell.
  (void)::sendto(fd_, text.data(), text.size(), flags, reinterpret_cast<const sockaddr*>(&address),
                 static_cast<socklen_t>(address_.size()));
}

}  // namespace hf::adapters
