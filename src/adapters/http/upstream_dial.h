// Making one connection: name, addresses, TCP, the proxy's tunnel, TLS.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "adapters/http/address_books.h"
#include "adapters/http/proxy_tunnel.h"
#include "adapters/http/resolver.h"
#include "adapters/http/upstream_link.h"
#include "adapters/tls/client_context.h"
#include "call/attempt.h"
#include "call/settings.h"

namespace hf::adapters {

class UpstreamCore;

// The address that the lease has chosen is tried first, then those that are not left out, in the
// resolver's order, then the rest; the next one joins when one fails or `next_address` has passed,
// and the first that connects wins. What that shows of the addresses is noted. Where the upstream
// has a proxy, name and addresses are the proxy's, and it opens a tunnel. Nothing of a request is
// written here, so every failure means "nothing sent". I/O thread only.
class UpstreamDial : public std::enable_shared_from_this<UpstreamDial> {
 public:
  // A connection, or null and why. At most once; possibly from within start().
  using Done = std::function<void(std::shared_ptr<UpstreamLink>, call::Cause)>;

  // `harmless` as in AddressBook::take; `tls` is null where the URL has none; `target` is what the
  // pool knows the connection by, but for its address.
  struct To {
    const call::UpstreamSettings& settings;
    const call::Url& url;
    std::string target;
    std::shared_ptr<ClientContext> tls;
    bool harmless = false;
    std::string tried;        // as in AttemptSpec
    std::string credentials;  // of the proxy, as ProxyTunnel takes them
  };
  // `core`, `to.settings` and `lease` outlive the dial, or abandon() is called before.
  UpstreamDial(UpstreamCore& core, To to, AddressBooks::Lease& lease, Done done);

  void start();
  // Lets the next address join when it is time.
  void tick(Instant now);
  // Closes everything; `done` is not called any more. The lease is let go.
  void abandon();
  // The time is up: that counts against the addresses that have been tried and said nothing.
  void blame_the_silent();
  // ip:port last dialled, or empty.
  [[nodiscard]] const std::string& address() const { return address_; }
  // Where the time went until now: resolve, connect and tls; the others are not the dial's.
  [[nodiscard]] call::Phases phases() const;
  // What running out of time now means.
  [[nodiscard]] call::Cause timeout_cause() const;

 private:
  enum class Stage : std::uint8_t {
    idle,
    resolving,
    connecting,
    tunnelling,  // the proxy is asked for the upstream
    shaking_hands,
    awaiting_word,  // what the upstream thinks of our certificate
    over,
  };

  static void add(call::Phases& phases, Stage stage, Duration took);
  void enter(Stage stage, Instant now);
  void on_addresses(const Result<Addresses>& found);
  bool keep_public();
  void try_next();
  void on_connected(std::size_t candidate, const boost::system::error_code& error);
  void order_addresses();
  [[nodiscard]] call::Cause told(call::Cause cause) const;
  // Who is dialled: the proxy, or the URL's host.
  [[nodiscard]] const std::string& host() const;
  [[nodiscard]] std::uint16_t port() const;
  void blame(std::size_t candidate, std::string_view why);
  void begin_link(boost::asio::ip::tcp::socket socket);
  void run_tunnel();
  void begin_tls();
  void shake_hands();
  void on_handshaken();
  void await_word();
  void fail_tls();
  [[nodiscard]] std::string trust_told() const;
  void finish_link();
  void finish(std::shared_ptr<UpstreamLink> link, call::Cause cause);
  void close_candidates();

  struct Candidate {
    boost::asio::ip::tcp::socket socket;
    std::string address;
    Instant begun;
    bool over = false;
  };

  UpstreamCore& core_;
  const call::UpstreamSettings& settings_;
  const call::Url& url_;
  std::string target_;
  std::shared_ptr<ClientContext> tls_;
  bool harmless_;
  std::string tried_;
  std::string credentials_;
  std::optional<ProxyTunnel> tunnel_;
  AddressBooks::Lease& lease_;
  Done done_;
  Addresses addresses_;
  std::size_t next_ = 0;
  std::vector<Candidate> candidates_;
  std::size_t pending_ = 0;
  Instant last_try_;
  call::Cause last_failure_ = call::Cause::no_address;
  std::string address_;
  std::shared_ptr<UpstreamLink> link_;  // while the tunnel is asked for and TLS shakes hands
  Instant word_until_;                  // its silence is taken for a yes from then on
  Stage stage_ = Stage::idle;
  Instant stage_since_;
  call::Phases phases_;  // of the stages that are over
};

}  // namespace hf::adapters
