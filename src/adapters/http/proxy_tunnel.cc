#include "adapters/http/proxy_tunnel.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "base/fields.h"

namespace hf::adapters {

using call::Cause;

namespace {

constexpr std::size_t kHeadMax = 16 * 1024;
constexpr std::size_t kPiece = 4096;
constexpr int kInterimMax = 10;

std::string base64(std::string_view bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

// host:port with the port always there.
std::string target_of(const call::Url& url) {
  const bool v6 = url.host.find(':') != std::string::npos;
  return v6 ? fmt::format("[{}]:{}", url.host, url.port) : fmt::format("{}:{}", url.host, url.port);
}

// The schemes that the proxy takes, of those that have a name: what else it says may be anything,
// our own credentials sent back included.
std::string schemes_of(const Fields& fields) {
  static constexpr std::array<std::string_view, 6> kKnown{"basic", "bearer",    "digest",
                                                          "ntlm",  "negotiate", "kerberos"};
  std::string out;
  for (const auto scheme : kKnown) {
    const bool offered = std::any_of(fields.begin(), fields.end(), [&](const Field& field) {
      const auto word = std::string_view(field.value).substr(0, field.value.find(' '));
      return same_name(field.name, "proxy-authenticate") && same_name(word, scheme);
    });
    if (offered) out += (out.empty() ? "" : ", ") + std::string(scheme);
  }
  return out;
}

// Squid's own word for what went wrong, such as "ERR_ACCESS_DENIED 0", where it is one.
std::string squids_word(const Fields& fields) {
  const auto* field = find_field(fields, "x-squid-error");
  if (field == nullptr || field->value.size() > 48 || !field->value.starts_with("ERR_")) return {};
  const bool plain = std::all_of(field->value.begin(), field->value.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == ' ';
  });
  return plain ? " (" + field->value + ")" : std::string();
}

std::string hint_for(int status, std::uint16_t port) {
  if (port == 443 || (status != 403 && status != 405 && status != 501)) return {};
  return fmt::format("; many proxies open tunnels to port 443 alone, and this is {}", port);
}

std::string explain_407(bool with_credentials, const std::string& schemes) {
  std::string out = with_credentials
                        ? "it does not take the user name and password of `proxy`"
                        : "it wants a user name and password: http://USER:PASSWORD@HOST:PORT";
  if (schemes.empty()) return out;
  out += "; it takes " + schemes;
  const bool basic = schemes.starts_with("basic");
  return basic ? out : out + ", and Holdfast knows Basic alone";
}

}  // namespace

ProxyTunnel::ProxyTunnel(const call::Url& to, std::string_view credentials)
    : target_(target_of(to)),
      port_(to.port),
      with_credentials_(!credentials.empty()),
      scanner_(kHeadMax) {
  out_ = fmt::format("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n", target_);
  if (with_credentials_) {
    out_ += fmt::format("Proxy-Authorization: Basic {}\r\n", base64(credentials));
  }
  out_ += "\r\n";
}

ProxyTunnel::State ProxyTunnel::run(UpstreamLink& link) {
  if (state_ == State::writing && write(link)) state_ = State::reading;
  while (state_ == State::reading && read(link)) {
  }
  return state_;
}

bool ProxyTunnel::write(UpstreamLink& link) {
  while (out_at_ < out_.size()) {
    const auto result = link.write(std::string_view(out_).substr(out_at_), {});
    if (result.what == UpstreamLink::Io::again) return false;
    if (result.what != UpstreamLink::Io::ok) {
      // It may have said why before it went: the answer is read all the same.
      break;
    }
    out_at_ += result.bytes;
  }
  out_.clear();
  out_at_ = 0;
  return true;
}

// False: nothing more to be read for now.
bool ProxyTunnel::read(UpstreamLink& link) {
  std::array<char, kPiece> piece;
  const auto result = link.read(piece);
  switch (result.what) {
    case UpstreamLink::Io::again:
      return false;
    case UpstreamLink::Io::ok:
      in_.append(piece.data(), result.bytes);
      while (state_ == State::reading && take_head()) {
      }
      return true;
    case UpstreamLink::Io::end:
    case UpstreamLink::Io::cut:
    case UpstreamLink::Io::failed:
      break;
  }
  fail(Cause::proxy_failed,
       in_.empty() ? "closed the connection without an answer" : "broke off in its answer");
  return false;
}

bool ProxyTunnel::take_head() {
  const auto scan = scanner_.scan(in_);
  const bool http = http1::may_be_status_line(in_);
  if (scan.refusal != http1::Refusal::none || !http) {
    const auto refusal = http ? scan.refusal : http1::Refusal::bad_status_line;
    fail(Cause::proxy_failed, fmt::format("gave no valid answer: {}", http1::explain(refusal)));
    return false;
  }
  if (scan.size == 0) return false;
  // Content-Length and Transfer-Encoding mean nothing behind a 2xx to CONNECT, but contradictions
  // between them are those of somebody who is not to be trusted.
  const auto parsed = http1::parse_response(std::string_view(in_).substr(0, scan.size), "CONNECT");
  if (parsed.refusal != http1::Refusal::none) {
    fail(Cause::proxy_failed,
         fmt::format("gave no valid answer: {}", http1::explain(parsed.refusal)));
    return false;
  }
  in_.erase(0, scan.size);
  scanner_.reset();
  if (parsed.head.status >= 200) {
    judge(parsed.head);
    return false;
  }
  if (parsed.head.status == 101 || ++interim_ > kInterimMax) {
    fail(Cause::proxy_failed, "gave no final answer");
    return false;
  }
  return !in_.empty();
}

void ProxyTunnel::judge(const http1::ResponseHead& head) {
  if (head.status < 300) {
    if (!in_.empty()) {
      return fail(Cause::proxy_failed, "sent more than its answer before anything was asked");
    }
    state_ = State::open;
    return;
  }
  const auto answered =
      fmt::format("answered {} to CONNECT {}{}", head.status, target_, squids_word(head.fields));
  if (head.status == 407) {
    return fail(Cause::proxy_credentials,
                answered + ": " + explain_407(with_credentials_, schemes_of(head.fields)));
  }
  overloaded_ = head.status >= 500;
  fail(Cause::proxy_refused, answered + hint_for(head.status, port_));
}

void ProxyTunnel::fail(Cause cause, std::string why) {
  state_ = State::failed;
  cause_ = cause;
  why_ = std::move(why);
}

Result<std::string> proxy_credentials(const call::Proxy& proxy, const ResolveText& resolve) {
  if (proxy.user.empty()) return std::string();
  HF_TRY(auto user, resolve(proxy.user));
  HF_TRY(const auto password, resolve(proxy.password));
  if (user.find(':') != std::string::npos) {
    return hf::fail(ErrorKind::invalid, "the user name holds a colon");
  }
  return user + ":" + password;
}

}  // namespace hf::adapters
