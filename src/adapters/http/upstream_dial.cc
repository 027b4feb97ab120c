#include "adapters/http/upstream_dial.h"

#include <fmt/format.h>

#include <algorithm>

#include "adapters/http/public_address.h"
#include "adapters/http/upstream_core.h"

namespace hf::adapters {

using boost::asio::ip::tcp;
using call::Cause;

namespace {

// For how long an upstream's silence about our certificate is waited for: one that files no session
// tickets says nothing.
constexpr Duration kWordLeast = Duration::millis(50);
constexpr Duration kWordMost = Duration::seconds(1);

Cause cause_of(const boost::system::error_code& error) {
  if (error == boost::asio::error::connection_refused) return Cause::connect_refused;
  if (error == boost::asio::error::timed_out) return Cause::connect_timeout;
  return Cause::connect_failed;
}

// Linux may connect a socket to itself when the port lies in the ephemeral range and nobody
// listens.
bool is_self_connected(const tcp::socket& socket) {
  boost::system::error_code failed;
  const auto peer = socket.remote_endpoint(failed);
  if (failed || !peer.address().is_loopback()) return false;
  return peer == socket.local_endpoint(failed) && !failed;
}

}  // namespace

UpstreamDial::UpstreamDial(UpstreamCore& core, To to, AddressBooks::Lease& lease, Done done)
    : core_(core),
      settings_(to.settings),
      url_(to.url),
      target_(std::move(to.target)),
      tls_(std::move(to.tls)),
      harmless_(to.harmless),
      tried_(std::move(to.tried)),
      credentials_(std::move(to.credentials)),
      lease_(lease),
      done_(std::move(done)) {}

const std::string& UpstreamDial::host() const {
  return settings_.proxy ? settings_.proxy->host : url_.host;
}

std::uint16_t UpstreamDial::port() const {
  return settings_.proxy ? settings_.proxy->port : url_.port;
}

void UpstreamDial::start() {
  const Instant now = core_.now();
  enter(Stage::resolving, now);
  core_.resolver().resolve(host(), now, [weak = weak_from_this()](const Result<Addresses>& found) {
    if (const auto self = weak.lock()) self->on_addresses(found);
  });
}

void UpstreamDial::add(call::Phases& phases, Stage stage, Duration took) {
  if (stage == Stage::resolving) phases.resolve = phases.resolve + took;
  if (stage == Stage::connecting || stage == Stage::tunnelling)
    phases.connect = phases.connect + took;
  if (stage == Stage::shaking_hands || stage == Stage::awaiting_word) {
    phases.tls = phases.tls + took;
  }
}

void UpstreamDial::enter(Stage stage, Instant now) {
  add(phases_, stage_, now - stage_since_);
  stage_ = stage;
  stage_since_ = now;
}

call::Phases UpstreamDial::phases() const {
  call::Phases out = phases_;
  add(out, stage_, core_.now() - stage_since_);
  return out;
}

Cause UpstreamDial::timeout_cause() const {
  switch (stage_) {
    case Stage::resolving:
      return told(Cause::dns);
    case Stage::tunnelling:
      return Cause::proxy_failed;
    case Stage::shaking_hands:
    case Stage::awaiting_word:
      return Cause::connect_timeout;  // of the upstream, through whatever proxy
    default:
      return told(Cause::connect_timeout);
  }
}

// What fails before there is a connection fails at the proxy, where there is one.
Cause UpstreamDial::told(Cause cause) const {
  if (!settings_.proxy) return cause;
  switch (cause) {
    case Cause::dns:
    case Cause::no_address:
    case Cause::connect_refused:
    case Cause::connect_timeout:
    case Cause::connect_failed:
      return Cause::proxy_unreachable;
    default:
      return cause;
  }
}

void UpstreamDial::on_addresses(const Result<Addresses>& found) {
  if (!done_) return;
  enter(Stage::connecting, core_.now());
  if (!found.ok()) {
    core_.warn(fmt::format("upstream {}: look-up of {}{}: {}", settings_.name,
                           settings_.proxy ? "proxy " : "", host(), found.error().context));
    return finish(nullptr, told(Cause::dns));
  }
  addresses_ = found.value();
  if (settings_.public_only && !keep_public()) return finish(nullptr, Cause::address_refused);
  order_addresses();
  if (addresses_.size() > core_.options().addresses_max) {
    addresses_.resize(core_.options().addresses_max);
  }
  candidates_.reserve(addresses_.size());
  try_next();
}

// What a name stands for may change between two attempts, and whoever owns the name decides: the
// address dialled is judged, at every dial. False: none is left.
bool UpstreamDial::keep_public() {
  if (addresses_.empty()) return true;
  const auto refused =
      std::erase_if(addresses_, [](const auto& address) { return !is_public(address); });
  if (refused > 0 && addresses_.empty()) {
    core_.warn(
        fmt::format("upstream {}: {} stands for no public address", settings_.name, url_.host));
  }
  return !addresses_.empty();
}

void UpstreamDial::order_addresses() {
  const Now now = core_.clocks();
  lease_.learn(addresses_, port());
  lease_.choose(now, harmless_, tried_);
  const auto rank = [&](const boost::asio::ip::address& address) {
    const auto text = address_text(address, port());
    if (text == lease_.address()) return 0;
    return lease_.is_in(text, now) ? 1 : 2;
  };
  std::stable_sort(addresses_.begin(), addresses_.end(),
                   [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
}

void UpstreamDial::try_next() {
  while (next_ < addresses_.size()) {
    const tcp::endpoint endpoint(addresses_[next_++], port());
    last_try_ = core_.now();
    address_ = address_text(endpoint.address(), endpoint.port());
    candidates_.push_back({tcp::socket(core_.io()), address_, last_try_});
    auto& socket = candidates_.back().socket;
    boost::system::error_code error;
    socket.open(endpoint.protocol(), error);
    if (!error) socket.native_non_blocking(true, error);
    if (!error) socket.set_option(tcp::no_delay(true), error);
    if (error) {
      last_failure_ = cause_of(error);
      candidates_.back().over = true;
      continue;
    }
    ++pending_;
    socket.async_connect(endpoint, [self = shared_from_this(), candidate = candidates_.size() - 1](
                                       const boost::system::error_code& failed) {
      self->on_connected(candidate, failed);
    });
    return;
  }
  if (pending_ > 0) return;
  if (settings_.proxy) {
    core_.warn(fmt::format("upstream {}: proxy {} ({}): {}", settings_.name,
                           settings_.proxy->authority(), address_, call::to_string(last_failure_)));
  }
  finish(nullptr, told(last_failure_));
}

void UpstreamDial::blame(std::size_t candidate, std::string_view why) {
  Candidate& one = candidates_[candidate];
  one.over = true;
  lease_.note_failure(one.address, why, one.begun, core_.clocks());
}

void UpstreamDial::blame_the_silent() {
  if (stage_ == Stage::resolving) return;
  const auto why = call::to_string(timeout_cause());
  if (settings_.proxy) {
    core_.warn(fmt::format(
        "upstream {}: proxy {} ({}): {}", settings_.name, settings_.proxy->authority(), address_,
        stage_ == Stage::connecting   ? "no connection in time"
        : stage_ == Stage::tunnelling ? "no answer to CONNECT in time"
                                      : "TLS with the upstream through it took too long"));
  }
  if (link_) {
    // Who answers too slowly behind a proxy that answered is the upstream.
    if (!settings_.proxy || stage_ == Stage::tunnelling) {
      lease_.note_failure(address_, why, stage_since_, core_.clocks());
    }
    return;
  }
  for (std::size_t i = 0; i < candidates_.size(); ++i) {
    if (!candidates_[i].over) blame(i, why);
  }
}

void UpstreamDial::on_connected(std::size_t candidate, const boost::system::error_code& error) {
  --pending_;
  if (!done_ || link_) return;
  auto& socket = candidates_[candidate].socket;
  if (error || is_self_connected(socket)) {
    last_failure_ = error ? cause_of(error) : Cause::connect_refused;
    blame(candidate, call::to_string(last_failure_));
    boost::system::error_code ignored;
    socket.close(ignored);
    return try_next();
  }
  candidates_[candidate].over = true;
  // Who was tried before and has said nothing while this one connected is too slow to be first.
  for (std::size_t i = 0; i < candidate; ++i) {
    if (!candidates_[i].over) blame(i, "slow to connect");
  }
  auto winner = std::move(socket);
  address_ = candidates_[candidate].address;
  lease_.move_to(address_, core_.clocks());
  close_candidates();
  begin_link(std::move(winner));
}

void UpstreamDial::begin_link(tcp::socket socket) {
  const Instant now = core_.now();
  link_ = std::make_shared<UpstreamLink>(std::move(socket), pool_target(target_, address_), now);
  if (!settings_.proxy) return begin_tls();
  enter(Stage::tunnelling, now);
  tunnel_.emplace(url_, std::exchange(credentials_, {}));
  link_->listen([this](UpstreamLink::Ready) { run_tunnel(); });
  run_tunnel();
}

void UpstreamDial::run_tunnel() {
  const auto keep = shared_from_this();
  switch (tunnel_->run(*link_)) {
    case ProxyTunnel::State::writing:
      return link_->arm_writing();
    case ProxyTunnel::State::reading:
      return link_->arm_reading();
    case ProxyTunnel::State::open:
      core_.count_proxy(settings_, Cause::none);
      return begin_tls();
    case ProxyTunnel::State::failed:
      break;
  }
  const Cause cause = tunnel_->cause();
  core_.warn(fmt::format("upstream {}: proxy {} ({}) {}", settings_.name,
                         settings_.proxy->authority(), address_, tunnel_->why()));
  // A refusal is the proxy's judgement and no illness of this address.
  if (cause == Cause::proxy_failed || tunnel_->overloaded()) {
    lease_.note_failure(address_, call::to_string(cause), stage_since_, core_.clocks());
  }
  finish(nullptr, cause);
}

void UpstreamDial::begin_tls() {
  enter(url_.tls ? Stage::shaking_hands : Stage::over, core_.now());
  if (!url_.tls) {
    link_->listen(nullptr);
    return finish(std::move(link_), Cause::none);
  }
  auto begun = link_->use_tls(tls_, url_.host, url_.port);
  if (!begun.ok()) {
    core_.warn(fmt::format("upstream {}: {}", settings_.name, begun.error().context));
    return finish(nullptr, Cause::tls);
  }
  link_->listen([this](UpstreamLink::Ready) { shake_hands(); });
  shake_hands();
}

void UpstreamDial::shake_hands() {
  const auto keep = shared_from_this();
  switch (link_->handshake().what) {
    case UpstreamLink::Io::ok:
      return on_handshaken();
    case UpstreamLink::Io::again:
      if (link_->wants_write()) {
        link_->arm_writing();
      } else {
        link_->arm_reading();
      }
      return;
    case UpstreamLink::Io::end:
    case UpstreamLink::Io::cut:
    case UpstreamLink::Io::failed:
      return fail_tls();
  }
}

// Whom we would have believed, and as whom: most refusals are a wrong file or name of ours.
std::string UpstreamDial::trust_told() const {
  const auto& tls = settings_.tls;
  return fmt::format("; expected is {}, vouched for by {}",
                     tls.server_name.empty() ? url_.host : tls.server_name,
                     tls.ca.empty() ? "the system's authorities" : "the authorities in " + tls.ca);
}

void UpstreamDial::fail_tls() {
  const auto why = link_->tls_error();
  core_.warn(fmt::format("upstream {}: TLS with {} ({}{}): {}{}", settings_.name, url_.host,
                         settings_.proxy ? "through proxy " : "", address_, why,
                         why.starts_with(kCertificateRefused) ? trust_told() : ""));
  if (!settings_.proxy) {
    lease_.note_failure(address_, call::to_string(Cause::tls), stage_since_, core_.clocks());
  }
  finish(nullptr, Cause::tls);
}

void UpstreamDial::finish_link() {
  enter(Stage::over, core_.now());
  auto link = std::move(link_);
  link->listen(nullptr);
  finish(std::move(link), Cause::none);
}

// Of TLS 1.3 the handshake is over for us before the upstream has looked at our certificate. A
// request written now could be lost to its refusal and would count as sent.
void UpstreamDial::on_handshaken() {
  if (!link_->awaits_word()) return finish_link();
  const Instant now = core_.now();
  // It comes a round trip after our last word, and the handshake took at least one.
  const Duration wait = std::clamp((now - stage_since_) * 2, kWordLeast, kWordMost);
  enter(Stage::awaiting_word, now);
  word_until_ = now + wait;
  link_->listen([this](UpstreamLink::Ready) { await_word(); });
  await_word();
}

void UpstreamDial::await_word() {
  const auto keep = shared_from_this();
  if (!link_->quiet()) return fail_tls();
  if (!link_->awaits_word()) return finish_link();
  link_->arm_reading();
}

void UpstreamDial::tick(Instant now) {
  if (stage_ == Stage::awaiting_word && link_ && now >= word_until_) return finish_link();
  if (!done_ || link_ || stage_ == Stage::resolving || next_ >= addresses_.size()) return;
  if (now - last_try_ >= core_.options().next_address) try_next();
}

void UpstreamDial::abandon() {
  done_ = nullptr;
  close_candidates();
  if (const auto link = std::exchange(link_, nullptr)) link->close();
}

// Closed, not destroyed: the handlers of those that are still connecting name them by index.
void UpstreamDial::close_candidates() {
  boost::system::error_code ignored;
  for (auto& candidate : candidates_) {
    if (candidate.socket.is_open()) candidate.socket.close(ignored);
  }
}

void UpstreamDial::finish(std::shared_ptr<UpstreamLink> link, Cause cause) {
  const auto done = std::exchange(done_, nullptr);
  if (!link) abandon();
  core_.count_dial(link != nullptr);
  if (done) done(std::move(link), cause);
}

}  // namespace hf::adapters
