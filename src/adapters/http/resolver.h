// Names to addresses. getaddrinfo blocks and cannot be cancelled, so each look-up has a thread of
// its own: a name whose servers hang delays nobody else's (Asio's resolver has one thread for all).
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace hf::adapters {

using Addresses = std::vector<boost::asio::ip::address>;
// Blocks; called on any thread, several at a time. Not empty when ok.
using Lookup = std::function<Result<Addresses>(const std::string& host)>;

// getaddrinfo, in the order of RFC 6724, each address once.
Result<Addresses> system_lookup(const std::string& host);

struct ResolverLimits {
  Duration keep = Duration::seconds(5);  // records are looked up again when older
  std::size_t lookups = 32;              // at a time, one a host
  std::size_t hosts = 1024;              // remembered
  std::size_t waiting = 4096;            // callbacks over all hosts
};

// I/O thread only. Successes are remembered, failures are not.
class Resolver {
 public:
  using Done = std::function<void(const Result<Addresses>&)>;

  Resolver(boost::asio::io_context& io, Lookup lookup, ResolverLimits limits = {});
  ~Resolver();  // callbacks that have not been called never will be
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // Calls `done` once: before it returns for an IP literal, a remembered host or a refusal by a
  // limit, else later.
  void resolve(const std::string& host, Instant now, Done done);
  [[nodiscard]] std::uint64_t lookups() const { return lookups_; }

 private:
  struct Mailbox;
  struct Host {
    Addresses addresses;
    Instant looked_up;
    bool running = false;
    std::vector<Done> waiting;
  };

  void look_up(const std::string& host);
  void on_answer(const std::string& host, Result<Addresses> answer);
  void make_room(Instant now);

  Lookup lookup_;
  ResolverLimits limits_;
  std::shared_ptr<Mailbox> mailbox_;
  std::map<std::string, Host> hosts_;
  std::size_t running_ = 0;
  std::size_t waiting_ = 0;
  std::uint64_t lookups_ = 0;
  Instant now_;  // of the last resolve(): a remembered answer is dated from when it was asked for
};

}  // namespace hf::adapters
