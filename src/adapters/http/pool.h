// Idle connections to upstreams; policy/reuse.h says which of them may be used again.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "adapters/http/upstream_link.h"
#include "base/time.h"
#include "policy/reuse.h"

namespace hf::adapters {

struct PoolLimits {
  std::size_t idle_per_target = 128;
  std::size_t idle_total = 1024;
  policy::ReuseLimits reuse;
};

struct PoolCounters {
  std::uint64_t reused = 0;
  std::uint64_t dropped_idle = 0;   // ended, or spoke unasked, while nobody used them
  std::uint64_t dropped_poll = 0;   // the same, found at the moment of reuse
  std::uint64_t dropped_stale = 0;  // too long idle, too old, or too many
};

// Of connections that may be used for the same requests, those to one address.
std::string pool_target(const std::string& target, const std::string& address);

// I/O thread only. A target is one scheme, host, port, TLS setting and address.
class ConnectionPool {
 public:
  explicit ConnectionPool(PoolLimits limits) : limits_(limits) {}
  ~ConnectionPool() { close_all(); }
  ConnectionPool(const ConnectionPool&) = delete;
  ConnectionPool& operator=(const ConnectionPool&) = delete;

  // The connection used last that may carry another request, or null. `careful`: a request that
  // must not meet a closing connection. The caller listens to it from now on.
  std::shared_ptr<UpstreamLink> take(const std::string& target, bool careful, Instant now);
  // Takes a connection back that its last exchange left reusable; it is watched from now on.
  void give(std::shared_ptr<UpstreamLink> link, Instant now);
  // Drops those that have been idle too long; to be called every second or so.
  void sweep(Instant now);
  void close_all();

  [[nodiscard]] std::size_t idle() const { return idle_; }
  [[nodiscard]] const PoolCounters& counters() const { return counters_; }

 private:
  using Stack = std::vector<std::shared_ptr<UpstreamLink>>;

  [[nodiscard]] bool usable(const UpstreamLink& link, bool careful, Instant now) const;
  void on_stir(UpstreamLink* link);
  void forget(Stack& stack, Stack::iterator at, std::uint64_t& counter);

  PoolLimits limits_;
  std::map<std::string, Stack> stacks_;
  std::size_t idle_ = 0;
  PoolCounters counters_;
};

}  // namespace hf::adapters
