#include "app/admin_client.h"

#include <fmt/format.h>

#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "call/settings.h"
#include "config/load.h"

namespace hf::app {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::uint64_t kAnswerMax = std::uint64_t{64} << 20;
constexpr std::size_t kTokenMax = 4096;
constexpr const char* kDefaultAdmin = "127.0.0.1:8081";
constexpr const char* kDefaultHealth = "127.0.0.1:8082";
// The configuration that is read where none is named: of this folder, else of the packaged service.
constexpr std::array kDefaultConfigs{"holdfast.yaml", "/etc/holdfast/holdfast.yaml"};

std::string from_env(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string{} : value;
}

Result<std::string> read_token(const std::string& path) {
  std::ifstream in(path);
  if (!in) {
    return fail(
        ErrorKind::invalid,
        fmt::format("the token file {} cannot be read; it is made by `holdfast serve` where "
                    "the configuration has `admin:`. Name it by --token-file, or the "
                    "configuration by --config",
                    path));
  }
  std::string token(kTokenMax, '\0');
  in.read(token.data(), static_cast<std::streamsize>(token.size()));
  token.resize(static_cast<std::size_t>(in.gcount()));
  token.erase(token.find_last_not_of(" \t\r\n") + 1);
  for (const char c : token) {
    if (c <= ' ' || c == 0x7F) {
      return fail(ErrorKind::invalid, fmt::format("{} does not hold a token", path));
    }
  }
  if (token.empty()) return fail(ErrorKind::invalid, fmt::format("{} is empty", path));
  return token;
}

std::string default_config() {
  for (const char* path : kDefaultConfigs) {
    std::error_code error;
    if (std::filesystem::exists(path, error)) return path;
  }
  return {};
}

// Of a configuration that must be there.
Result<std::shared_ptr<const call::Settings>> load_settings(const std::string& path) {
  const config::Loaded loaded = config::load_file(path);
  if (!loaded.settings) {
    std::string first;
    for (const config::Finding& finding : loaded.findings) {
      if (finding.level == config::Finding::Level::error) {
        first = config::format(finding);
        break;
      }
    }
    return fail(ErrorKind::invalid,
                fmt::format("{} is not valid; see `holdfast check -c {}`\n{}", path, path, first));
  }
  return loaded.settings;
}

// The settings a configuration gives, or defaults when none is named and none is there.
Result<std::shared_ptr<const call::Settings>> read_settings(const std::string& named) {
  const std::string path = named.empty() ? default_config() : named;
  if (path.empty()) {
    auto settings = std::make_shared<call::Settings>();
    settings->admin = kDefaultAdmin;
    return std::shared_ptr<const call::Settings>(std::move(settings));
  }
  HF_TRY(auto settings, load_settings(path));
  if (settings->admin.empty()) {
    return fail(ErrorKind::invalid,
                fmt::format("{} has no admin listener; add `admin: {}` to it and restart, or name "
                            "another by --admin",
                            path, kDefaultAdmin));
  }
  return settings;
}

// A listener on all addresses is reached by loopback.
std::string reachable(const std::string& address) {
  if (address.starts_with("0.0.0.0:")) return "127.0.0.1" + address.substr(7);
  if (address.starts_with("[::]:")) return "[::1]" + address.substr(4);
  return address;
}

std::string without_scheme(std::string address) {
  constexpr std::string_view kScheme = "http://";
  if (address.starts_with(kScheme)) address.erase(0, kScheme.size());
  if (address.ends_with('/')) address.pop_back();
  return address;
}

class Exchange {
 public:
  explicit Exchange(Duration patience) : patience_(patience), stream_(io_) {}

  error_code connect(const std::string& host, const std::string& port) {
    error_code error;
    tcp::resolver resolver(io_);
    const auto found = resolver.resolve(host, port, error);
    if (error) return error;
    stream_.expires_after(std::chrono::nanoseconds(patience_.ns));
    stream_.async_connect(found, [&](const error_code& e, const tcp::endpoint&) { error = e; });
    return run(error);
  }

  error_code send(http::request<http::string_body>& request) {
    error_code error;
    http::async_write(stream_, request, [&](const error_code& e, std::size_t) { error = e; });
    return run(error);
  }

  error_code receive(AdminAnswer& answer) {
    error_code error;
    beast::flat_buffer buffer;
    http::response_parser<http::string_body> parser;
    parser.body_limit(kAnswerMax);
    http::async_read(stream_, buffer, parser, [&](const error_code& e, std::size_t) { error = e; });
    run(error);
    if (error) return error;
    answer.status = static_cast<int>(parser.get().result_int());
    answer.body = std::move(parser.get().body());
    return {};
  }

 private:
  error_code run(const error_code& error) {
    io_.restart();
    io_.run();
    return error;
  }

  Duration patience_;
  asio::io_context io_{1};
  beast::tcp_stream stream_;
};

Error no_answer(const AdminPlace& place, const error_code& error) {
  const bool late = error == beast::error::timeout;
  return fail(
      late ? ErrorKind::timeout : ErrorKind::closed,
      fmt::format("no answer from {}: {}; look at the call again before you repeat a command",
                  place.address, error.message()));
}

}  // namespace

Result<AdminPlace> find_admin(const AdminHints& hints) {
  AdminPlace place;
  place.address = hints.admin.empty() ? from_env("HOLDFAST_ADMIN") : hints.admin;
  std::string token_file =
      hints.token_file.empty() ? from_env("HOLDFAST_TOKEN_FILE") : hints.token_file;
  if (place.address.empty() || token_file.empty()) {
    HF_TRY(const auto settings, read_settings(hints.config));
    if (place.address.empty()) place.address = reachable(settings->admin);
    if (token_file.empty()) token_file = settings->journal.path + "/admin.token";
  }
  place.address = without_scheme(std::move(place.address));
  HF_TRY(place.token, read_token(token_file));
  return place;
}

Result<AdminPlace> find_health(const std::string& config, const std::string& address) {
  if (!address.empty()) return AdminPlace{without_scheme(address), {}};
  const std::string path = config.empty() ? default_config() : config;
  if (path.empty()) {
    return fail(ErrorKind::invalid,
                "name the configuration by --config, or the health listener by "
                "--health HOST:PORT");
  }
  HF_TRY(const auto settings, load_settings(path));
  if (settings->health.empty()) {
    return fail(ErrorKind::invalid,
                fmt::format("{} has no health listener; add `health: {}` to it and restart", path,
                            kDefaultHealth));
  }
  return AdminPlace{reachable(settings->health), {}};
}

Result<AdminAnswer> ask_admin(const AdminPlace& place, const std::string& method,
                              const std::string& target, const std::string& body,
                              Duration patience) {
  const auto colon = place.address.rfind(':');
  std::string host = place.address.substr(0, colon);
  if (colon == std::string::npos || host.empty() || colon + 1 == place.address.size()) {
    return fail(ErrorKind::invalid,
                fmt::format("'{}' is not an address; write HOST:PORT, such as {}", place.address,
                            kDefaultAdmin));
  }
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  Exchange exchange(patience);
  if (const auto error = exchange.connect(host, place.address.substr(colon + 1))) {
    return fail(ErrorKind::unavailable,
                fmt::format("cannot connect to {} ({}): is holdfast running, and with this "
                            "address?",
                            place.address, error.message()));
  }
  http::request<http::string_body> request;
  request.version(11);
  request.method_string(method);
  request.target(target);
  request.set(http::field::host, place.address);
  if (!place.token.empty()) request.set(http::field::authorization, "Bearer " + place.token);
  request.set(http::field::user_agent, "holdfast");
  if (!body.empty()) request.set(http::field::content_type, "application/json");
  request.body() = body;
  request.keep_alive(false);
  request.prepare_payload();
  if (const auto error = exchange.send(request)) return no_answer(place, error);
  AdminAnswer answer;
  if (const auto error = exchange.receive(answer)) return no_answer(place, error);
  return answer;
}

}  // namespace hf::app
