// The connections of the simulated wire that carry no request: which of them the next request to
// the same place takes, by the rule that the real pool has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "policy/reuse.h"

namespace hf::sim {

struct SimConnection {
  std::uint64_t id = 0;
  std::string authority;
  policy::IdleConnection times;
  Instant ends_at = Instant::max();  // the other end closes it then, unless a request comes first
  Instant end_seen_at = Instant::max();
};

class SimConnections {
 public:
  // The one used last that may carry another request; nothing when there is none.
  std::optional<SimConnection> take(const std::string& authority, bool careful, Instant now);
  SimConnection open(const std::string& authority, Instant now);
  // Takes one back whose exchange left it reusable.
  void give(SimConnection connection);
  // The other end closes them, or says something: none of them is used again.
  void spoil(const std::string& authority) { idle_.erase(authority); }
  void spoil(std::uint64_t id);
  void close_all() { idle_.clear(); }
  [[nodiscard]] std::size_t idle(Instant now) const;

 private:
  std::map<std::string, std::vector<SimConnection>> idle_;
  std::uint64_t last_id_ = 0;
};

}  // namespace hf::sim
