// The way out over HTTP/1.1: attempts at upstreams, with exact evidence of how far each got. On our
// own framing and on sockets, not on an HTTP library: those re-send requests silently when a reused
// connection dies, and cannot say whether a byte was taken.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "adapters/http/address_books.h"
#include "adapters/http/pool.h"
#include "adapters/http/resolver.h"
#include "adapters/telemetry/log_line.h"
#include "adapters/tls/client_files.h"
#include "base/result.h"
#include "ports/clock.h"
#include "ports/upstream.h"

namespace hf::adapters {

// What an injected field's value stands for: `Bearer ${file:/p}`, `${env:X}`. Called at each start
// of an attempt, on the I/O thread, for values that hold "${". An error fails the attempt before a
// byte is sent; its context goes to the log and must not hold the secret.
using ResolveSecret = std::function<Result<std::string>(const std::string& value)>;

struct UpstreamOptions {
  ports::Clock* clock = nullptr;                 // null: CLOCK_BOOTTIME
  Lookup lookup;                                 // empty: system_lookup
  ResolveSecret secrets;                         // empty: a SecretResolver
  std::function<void(const std::string&)> warn;  // empty: spdlog; a line for people, no secrets
  std::function<void(const LogLine&)> log;       // what happened, under a fixed word; empty: nobody
  std::uint64_t seed = 0;                        // of choices among addresses
  PoolLimits pool;
  ResolverLimits resolver;
  Duration sweep = Duration::millis(25);          // how coarse timeouts are
  Duration next_address = Duration::millis(250);  // another address is tried beside a slow one
  std::size_t addresses_max = 8;                  // tried for one attempt
  std::size_t head_max = 64 * 1024;               // of an answer, interim ones one by one
  int interim_max = 20;                           // 1xx answers before a final one
};

struct UpstreamCounters {
  std::size_t active = 0;  // attempts
  std::size_t idle = 0;    // connections
  std::uint64_t started = 0;
  std::uint64_t connected = 0;
  std::uint64_t connect_failed = 0;
  std::uint64_t redialled = 0;  // a reused connection took no byte, so a new one was used
  std::uint64_t lookups = 0;
  std::uint64_t secret_failures = 0;
  PoolCounters pool;
};

struct ProxyCounters {
  std::string upstream;
  std::string proxy;  // host:port
  // "opened", or the word of the cause for which there was no connection.
  std::map<std::string, std::uint64_t> results;
};

struct CertificateCounters {
  std::string upstream;
  OwnCertificate certificate;
};

// I/O thread only. Events are never raised from within a call of this class. Must be destroyed
// before the io_context; attempts that still run then end without a word, so call shutdown() and
// run the context on if their ends matter.
class HttpUpstream : public ports::Upstream {
 public:
  HttpUpstream(boost::asio::io_context& io, UpstreamOptions options,
               ports::UpstreamEvents* events = nullptr);
  ~HttpUpstream() override;
  HttpUpstream(const HttpUpstream&) = delete;
  HttpUpstream& operator=(const HttpUpstream&) = delete;

  // Before the first start().
  void set_events(ports::UpstreamEvents* events);

  void start(ports::AttemptSpec spec) override;
  void cancel(AttemptId id) override;
  void forward(AttemptId id, std::shared_ptr<ports::AnswerSink> sink) override;
  void capture(AttemptId id, std::uint64_t max) override;

  // Gives up all attempts (their ends are still reported) and closes idle connections. Attempts
  // started later end at once, with nothing sent.
  void shutdown();
  void close_idle();
  // Reads what the upstream's `tls` names, so that a start can fail instead of every attempt.
  // Blocks on the disk. ErrorKind::unavailable: a file or secret cannot be read; invalid: it cannot
  // be used.
  Result<void> prepare(const call::UpstreamSettings& settings);
  // Our own certificates of the upstreams that were prepared, as they are now.
  [[nodiscard]] std::vector<CertificateCounters> certificates() const;
  [[nodiscard]] UpstreamCounters counters() const;
  // How the addresses are doing that a URL's name stands for, where these are several.
  [[nodiscard]] std::vector<NamedAddress> addresses() const;
  // Of upstreams behind a proxy that has been asked.
  [[nodiscard]] std::vector<ProxyCounters> proxies() const;

 private:
  std::shared_ptr<class UpstreamCore> core_;
};

}  // namespace hf::adapters
