// What the attempts of one HttpUpstream share. Internal to the upstream side.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "adapters/http/address_books.h"
#include "adapters/http/pool.h"
#include "adapters/http/resolver.h"
#include "adapters/http/upstream.h"
#include "adapters/http/upstream_secret.h"
#include "adapters/tls/client_contexts.h"
#include "http1/head.h"

namespace hf::adapters {

class UpstreamAttempt;

class UpstreamCore : public std::enable_shared_from_this<UpstreamCore> {
 public:
  UpstreamCore(boost::asio::io_context& io, UpstreamOptions options);
  ~UpstreamCore();
  UpstreamCore(const UpstreamCore&) = delete;
  UpstreamCore& operator=(const UpstreamCore&) = delete;

  void set_events(ports::UpstreamEvents* events) { events_ = events; }
  void start(ports::AttemptSpec spec);
  std::shared_ptr<UpstreamAttempt> find(AttemptId id) const;
  void shutdown();
  Result<void> prepare(const call::UpstreamSettings& settings);
  [[nodiscard]] std::vector<CertificateCounters> certificates();
  [[nodiscard]] UpstreamCounters counters() const;
  [[nodiscard]] std::vector<ProxyCounters> proxies() const;

  // For attempts: events go out from a turn of the loop of their own, in order.
  void report_head(AttemptId id, call::AnswerHead head, bool overflow);
  void report_done(AttemptId id, call::AttemptOutcome outcome);
  void warn(const std::string& line);
  void tell(LogLine line) const;
  [[nodiscard]] Instant now() const;
  [[nodiscard]] WallTime wall() const;
  [[nodiscard]] Now clocks() const { return {now(), wall(), BootId{}}; }
  Result<std::string> resolve_secret(const std::string& value);

  boost::asio::io_context& io() { return io_; }
  const UpstreamOptions& options() const { return options_; }
  ConnectionPool& pool() { return pool_; }
  Resolver& resolver() { return resolver_; }
  ClientContexts& trust() { return trust_; }
  AddressBooks& books() { return books_; }
  // Where a read goes before it is taken apart, at once: one for all, since reads do not wait.
  std::array<char, 64 * 1024>& scratch() { return scratch_; }
  // Reused from request to request for the memory of its strings.
  http1::RequestHead& request_scratch() { return request_scratch_; }
  void count_dial(bool connected) {
    ++(connected ? counters_.connected : counters_.connect_failed);
  }
  // Cause::none: it opened a tunnel.
  void count_proxy(const call::UpstreamSettings& settings, call::Cause cause);
  void count_redial() { ++counters_.redialled; }

 private:
  struct Head {
    AttemptId id;
    call::AnswerHead head;
    bool overflow;
  };
  struct Done {
    AttemptId id;
    call::AttemptOutcome outcome;
  };
  using Event = std::variant<Head, Done>;

  void tell_of_files(bool good, const std::string& text);
  void push(Event event);
  void deliver();
  void arm_sweep(bool soon);
  void on_sweep();

  boost::asio::io_context& io_;
  UpstreamOptions options_;
  ports::UpstreamEvents* events_ = nullptr;
  ConnectionPool pool_;
  Resolver resolver_;
  AddressBooks books_;
  SecretResolver secrets_;
  ClientContexts trust_;
  std::map<std::string, call::UpstreamTls> prepared_;  // by upstream
  std::unordered_map<std::uint64_t, std::shared_ptr<UpstreamAttempt>> attempts_;
  std::map<std::string, ProxyCounters> proxies_;  // by upstream
  std::vector<Event> events_out_;
  bool delivery_posted_ = false;
  boost::asio::steady_timer sweep_timer_;
  bool sweep_armed_ = false;
  bool sweep_soon_ = false;
  Instant pool_swept_;
  bool stopped_ = false;
  UpstreamCounters counters_;
  std::string last_warning_;
  Instant last_warning_at_;
  std::uint64_t warnings_left_out_ = 0;
  std::array<char, 64 * 1024> scratch_{};
  http1::RequestHead request_scratch_;
};

}  // namespace hf::adapters
