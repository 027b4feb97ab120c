#include "adapters/http/server_core.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/socket_base.hpp>
#include <chrono>
#include <utility>

#include "adapters/http/connection.h"
#include "adapters/http/listener.h"
#include "adapters/http/server_address.h"
#include "adapters/tls/server_context.h"
#include "base/check.h"
#include "base/quantity.h"

namespace hf::adapters {
namespace {

constexpr std::size_t kSweptAtOnce = 128;
constexpr std::size_t kStretchesMax = 100;

using boost::asio::ip::tcp;
using boost::system::error_code;

// An exchange id holds its connection's slot below and a running number above.
constexpr unsigned kSlotBits = 24;
constexpr std::uint64_t kSlotMask = (1ULL << kSlotBits) - 1;
// Connections beyond connections_max that are still told why; after them there is no answer.
constexpr std::uint64_t kRefusalsAtOnce = 256;

bool out_of_resources(const error_code& ec) {
  namespace errc = boost::system::errc;
  return ec == errc::too_many_files_open || ec == errc::too_many_files_open_in_system ||
         ec == errc::no_buffer_space || ec == errc::not_enough_memory;
}

}  // namespace

ServerCore::ServerCore(boost::asio::io_context& io, std::shared_ptr<const call::Intake> intake,
                       ServerOptions options)
    : io_(io), intake_(std::move(intake)), options_(options), sweep_timer_(io) {}

Instant ServerCore::now() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return Instant{std::chrono::duration_cast<std::chrono::nanoseconds>(since).count()};
}

Instant ServerCore::lately() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
  return Instant{} + Duration::seconds(time.tv_sec) + Duration::nanos(time.tv_nsec);
}

Result<std::uint16_t> ServerCore::listen(const std::string& address, std::string name,
                                         const call::TlsListen& tls, const PassedSocket* passed) {
  HF_CHECK_MSG(events_ != nullptr, "set_events() comes before listen()");
  auto listener = std::make_unique<Listener>(io_);
  listener->name = std::move(name);
  if (!tls.certificate.empty() || !tls.key.empty()) {
    auto context = make_server_context(tls);
    if (!context) return std::move(context.take_error()).in("listen on " + address);
    listener->tls = std::move(context).value();
  }
  HF_TRY(const std::uint16_t port, start_listening(listener->acceptor, address, passed));
  listeners_.push_back(std::move(listener));
  accept(*listeners_.back());
  arm_sweep();
  return port;
}

void ServerCore::accept(Listener& listener) {
  listener.waiting = false;
  listener.acceptor.async_accept(
      [self = shared_from_this(), &listener](const error_code& ec, tcp::socket socket) {
        // Taken out of the kernel's queue before accepting stopped: nobody else will answer it.
        if (!ec && !self->closed_) self->admit(listener, std::move(socket));
        // Or admit() has called out, and the answer was to stop.
        if (!listener.acceptor.is_open()) return;
        if (ec && out_of_resources(ec)) {
          listener.waiting = true;
          return;
        }
        self->accept(listener);
      });
}

void ServerCore::admit(Listener& listener, tcp::socket socket) {
  const auto most = static_cast<std::uint64_t>(options_.connections_max);
  const bool busy = counters_.connections >= most;
  if (busy) ++counters_.refused_connections;
  if (counters_.connections >= most + kRefusalsAtOnce) return;
  error_code ec;
  const auto peer = socket.remote_endpoint(ec);
  if (ec) return;  // gone between its arrival and now
  socket.set_option(tcp::no_delay(true), ec);
  ++counters_.accepted;
  ++counters_.connections;
  std::size_t slot = slots_.size();
  if (free_slots_.empty()) {
    HF_CHECK(slot < kSlotMask);
    slots_.emplace_back();
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
  }
  auto connection = std::make_shared<Connection>(
      *this, slot, std::move(socket), listener.tls.get(),
      Connection::Peer{format_address(peer), listener.name, listener.tls != nullptr});
  slots_[slot] = connection;
  connection->start(busy);
}

void ServerCore::stop_accepting() {
  for (const auto& listener : listeners_) {
    error_code ignored;
    listener->acceptor.close(ignored);
  }
}

void ServerCore::drain() {
  draining_ = true;
  stop_accepting();
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (const auto connection = slots_[i]) connection->drain();
  }
}

bool ServerCore::idle() const {
  for (const auto& connection : slots_) {
    if (connection && connection->busy()) return false;
  }
  return true;
}

void ServerCore::close_all() {
  closed_ = true;
  stop_accepting();
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (const auto connection = slots_[i]) connection->close();
  }
  sweep_timer_.cancel();
}

std::shared_ptr<Connection> ServerCore::find(ExchangeId id) const {
  const auto slot = static_cast<std::size_t>(raw(id) & kSlotMask);
  if (slot >= slots_.size() || !slots_[slot] || slots_[slot]->exchange_id() != id) return nullptr;
  return slots_[slot];
}

ExchangeId ServerCore::next_id(std::size_t slot) {
  return static_cast<ExchangeId>(++exchanges_ << kSlotBits | slot);
}

bool ServerCore::charge(std::uint64_t& held, std::uint64_t wanted) {
  const std::uint64_t others = counters_.buffered_bytes - held;
  if (wanted > held && (wanted > options_.buffers || others > options_.buffers - wanted)) {
    return false;
  }
  counters_.buffered_bytes = others + wanted;
  held = wanted;
  return true;
}

void ServerCore::warn(const std::string& text) {
  spdlog::warn("{}", text);
}

const std::string& ServerCore::date() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  const auto second = std::chrono::duration_cast<std::chrono::seconds>(since).count();
  if (second != date_second_) {
    date_second_ = second;
    date_ = format_http_date(WallTime{second * 1000});
  }
  return date_;
}

void ServerCore::remove(std::size_t slot) {
  slots_[slot].reset();
  free_slots_.push_back(slot);
  --counters_.connections;
}

// In how many stretches a sweep goes.
std::size_t ServerCore::stretches() const {
  return std::clamp<std::size_t>(slots_.size() / kSweptAtOnce, 1, kStretchesMax);
}

void ServerCore::arm_sweep() {
  if (sweeping_) return;
  sweeping_ = true;
  const auto pause = options_.sweep.ns / static_cast<std::int64_t>(stretches());
  sweep_timer_.expires_after(std::chrono::nanoseconds(pause));
  sweep_timer_.async_wait([weak = weak_from_this()](const error_code& ec) {
    const auto self = weak.lock();
    if (!self) return;
    self->sweeping_ = false;
    if (!ec) self->sweep();
  });
}

// A stretch of them at a time, all of them in `options_.sweep`: with ten thousand, a sweep in one
// go kept everybody waiting for three milliseconds.
void ServerCore::sweep() {
  const Instant at = now();
  const std::size_t until = std::min(slots_.size(), swept_ + slots_.size() / stretches() + 1);
  for (std::size_t i = swept_; i < until; ++i) {
    if (const auto connection = slots_[i]) connection->sweep(at);
  }
  swept_ = until < slots_.size() ? until : 0;
  bool needed = counters_.connections > 0;
  for (const auto& listener : listeners_) {
    if (!listener->acceptor.is_open()) continue;
    needed = true;
    if (listener->waiting && swept_ == 0) accept(*listener);
  }
  if (needed) arm_sweep();
}

}  // namespace hf::adapters
