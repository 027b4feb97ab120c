// The conversation that opens a tunnel through an HTTP proxy (RFC 9110 section 9.3.6), before
// anything of a request is written. Internal to the upstream side.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "adapters/http/upstream_link.h"
#include "base/result.h"
#include "call/attempt.h"
#include "call/settings.h"
#include "http1/head.h"

namespace hf::adapters {

// The proxy is nobody's friend: its answer is bounded, its words are never repeated, and a byte
// behind its 2xx that nobody can have asked for spoils the tunnel. I/O thread only.
class ProxyTunnel {
 public:
  enum class State : std::uint8_t {
    writing,  // waits until more can be written
    reading,  // waits for more of the answer
    open,     // what is written next reaches the upstream
    failed,   // cause() and why()
  };

  // `credentials`: "user:password", resolved; empty: none are sent. `to` is the upstream.
  ProxyTunnel(const call::Url& to, std::string_view credentials);

  // Goes on as far as the link allows.
  State run(UpstreamLink& link);
  // After `failed`: proxy_refused, proxy_credentials or proxy_failed, and a line for people that
  // goes on behind the proxy's name. Neither holds anything of our credentials.
  [[nodiscard]] call::Cause cause() const { return cause_; }
  [[nodiscard]] const std::string& why() const { return why_; }
  // It refused with a 5xx: of several proxies another one may do better.
  [[nodiscard]] bool overloaded() const { return overloaded_; }

 private:
  bool write(UpstreamLink& link);
  bool read(UpstreamLink& link);
  // False: more is needed.
  bool take_head();
  void judge(const http1::ResponseHead& head);
  void fail(call::Cause cause, std::string why);

  std::string target_;
  std::uint16_t port_;
  bool with_credentials_;
  std::string out_;
  std::size_t out_at_ = 0;
  std::string in_;
  http1::HeadScanner scanner_;
  int interim_ = 0;
  State state_ = State::writing;
  call::Cause cause_ = call::Cause::none;
  std::string why_;
  bool overloaded_ = false;
};

// "user:password" of the proxy, with its references resolved by `resolve`; empty where it has none.
// ErrorKind::invalid: a user name with a colon, which Basic cannot carry (RFC 7617 section 2).
using ResolveText = std::function<Result<std::string>(const std::string&)>;
Result<std::string> proxy_credentials(const call::Proxy& proxy, const ResolveText& resolve);

}  // namespace hf::adapters
