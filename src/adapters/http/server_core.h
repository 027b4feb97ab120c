// What the connections of one server share: slots, limits, the sweep, counters. Behind a shared_ptr
// because handlers in the io_context may outlive the Server.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "adapters/http/server.h"

namespace hf::adapters {

class Connection;

class ServerCore : public std::enable_shared_from_this<ServerCore> {
 public:
  ServerCore(boost::asio::io_context& io, std::shared_ptr<const call::Intake> intake,
             ServerOptions options);

  Result<std::uint16_t> listen(const std::string& address, std::string name,
                               const call::TlsListen& tls, const PassedSocket* passed);
  void set_events(ports::ClientEvents* events) { events_ = events; }
  void set_door(ports::Door* door) { door_ = door; }
  void set_intake(std::shared_ptr<const call::Intake> intake) { intake_ = std::move(intake); }
  void stop_accepting();
  void drain();
  [[nodiscard]] bool idle() const;
  void close_all();
  // The connection whose exchange this is, or null: the client is gone, or it was answered.
  [[nodiscard]] std::shared_ptr<Connection> find(ExchangeId id) const;

  // For connections.
  [[nodiscard]] const ServerOptions& options() const { return options_; }
  [[nodiscard]] const std::shared_ptr<const call::Intake>& intake() const { return intake_; }
  // Null: there is none.
  [[nodiscard]] ports::Door* door() const { return door_; }
  // Null while the server is being destroyed.
  [[nodiscard]] ports::ClientEvents* events() const { return events_; }
  [[nodiscard]] bool draining() const { return draining_; }
  ServerCounters& counters() { return counters_; }
  policy::Busiest& busiest() { return busiest_; }
  ExchangeId next_id(std::size_t slot);
  // Moves a connection's share of the buffers from `held` to `wanted` bytes. False, and nothing
  // moved, when that would pass the limit.
  bool charge(std::uint64_t& held, std::uint64_t wanted);
  // A line for people; no secrets.
  static void warn(const std::string& text);
  // IMF-fixdate of now, made once a second.
  const std::string& date();
  void remove(std::size_t slot);

  static Instant now();
  // As of the last tick, a few milliseconds ago: for what is given seconds.
  static Instant lately();

 private:
  struct Listener {
    explicit Listener(boost::asio::io_context& io) : acceptor(io) {}
    boost::asio::ip::tcp::acceptor acceptor;
    std::string name;
    std::shared_ptr<boost::asio::ssl::context> tls;
    bool waiting = false;  // accepting stopped for want of descriptors; the sweep tries again
  };

  void accept(Listener& listener);
  void admit(Listener& listener, boost::asio::ip::tcp::socket socket);
  void arm_sweep();
  [[nodiscard]] std::size_t stretches() const;
  void sweep();

  boost::asio::io_context& io_;
  std::shared_ptr<const call::Intake> intake_;
  ServerOptions options_;
  ports::ClientEvents* events_ = nullptr;
  ports::Door* door_ = nullptr;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::vector<std::shared_ptr<Connection>> slots_;
  std::vector<std::size_t> free_slots_;
  std::uint64_t exchanges_ = 0;
  boost::asio::steady_timer sweep_timer_;
  bool sweeping_ = false;
  std::size_t swept_ = 0;  // slots that this sweep has been through
  bool draining_ = false;
  bool closed_ = false;
  ServerCounters counters_;
  policy::Busiest busiest_;
  std::int64_t date_second_ = -1;
  std::string date_;
};

}  // namespace hf::adapters
