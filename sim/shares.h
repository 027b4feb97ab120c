// What each client's share is, reckoned anew: from the limits that are configured and from what
// each client itself has asked, apart from all others. Nothing here is of src/traffic.
//
// A bucket fills with what is asked and leaks evenly. Where clients may be forgotten for want of
// room it is known only between two levels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "base/time.h"
#include "call/intake.h"
#include "call/settings.h"

namespace hf::sim {

// Where requests of one client come from: ip:port, and what a proxy says of it.
struct Caller {
  std::string address = "127.0.0.1:1";
  std::string forwarded;  // X-Forwarded-For; empty: no proxy
};
// The same number is always the same client; of IPv6 it is one network, with many addresses.
Caller draw_caller(Prng& prng, std::uint64_t number);
// Who a request is of, as draw_caller made it.
std::string caller_of(const call::IncomingHead& head);

// Limits so small that worlds of this size reach them, and a route /shop/ that they are mostly for.
std::shared_ptr<const call::Settings> with_limits(Prng prng, const call::Settings& settings);
// There is room for so few clients that some are forgotten.
bool forgets(const call::TrafficSettings& traffic);

class Shares {
 public:
  enum class Says : std::uint8_t { admits, exempts, quota, banned, blocked };
  // One limit's word on a request.
  struct Finding {
    std::size_t limit = 0;
    std::string key;
    Says says = Says::admits;
    bool sure = true;  // else its client may have been forgotten
    std::int64_t cost = 1;
    std::int64_t measured = 0;
    std::int64_t threshold = 0;
    std::optional<Duration> again_after;  // of a refusal; none: never
    bool ban_begins = false;
    [[nodiscard]] bool refuses() const { return says != Says::admits && says != Says::exempts; }
  };
  using Findings = std::vector<Finding>;

  // A process begins, and knows nobody. `settings` outlives that process.
  void begin(const call::TrafficSettings& settings);
  // By the limits that wait for the body, or by the others. Counts nothing.
  [[nodiscard]] Findings look(const call::IncomingHead& head, bool at_body, Instant now);
  // The limits that were reported to refuse, with how long it is to wait for them, at least.
  using Said = std::map<std::string, Duration>;
  // Counts it. Of those that are not sure `said` tells which have refused.
  void count(Findings& findings, bool refused, const Said& said, Instant now);
  // An answer goes out to what these have admitted; true: somebody is banned for it.
  bool answered(const Findings& findings, int status, Instant now);

  [[nodiscard]] const call::LimitSettings& limit(const Finding& finding) const {
    return settings_->limits[finding.limit];
  }
  [[nodiscard]] bool enforced(const Finding& finding) const {
    return limit(finding).mode == call::LimitMode::enforce;
  }
  [[nodiscard]] bool exact() const { return !forgets(*settings_); }
  // What is announced after count(): RateLimit-Policy and RateLimit.
  [[nodiscard]] std::pair<std::string, std::string> announced(const Findings& findings,
                                                              Instant now);
  // Grows whenever one of these clients was admitted or has offended: in between, time is all that
  // changes.
  [[nodiscard]] std::uint64_t changes(const Findings& findings);
  // The process before would have refused it now.
  [[nodiscard]] bool owed_before(const Findings& findings, Instant now) const;

 private:
  struct Bucket {
    std::int64_t low = 0;  // of ns
    std::int64_t high = 0;
    Instant at;
    void leak(Instant now);
  };
  struct Known {
    Bucket used;
    bool kept = false;  // refused, and still owes: it is not forgotten
    Bucket offences;
    Instant banned_until;
    std::uint64_t changes = 0;
  };
  using Key = std::pair<std::size_t, std::string>;

  [[nodiscard]] std::string key_of(const call::LimitSettings& limit,
                                   const call::IncomingHead& head) const;
  void weigh(const call::LimitSettings& limit, Known& known, Instant now, Finding& out) const;
  static bool offend(const call::LimitSettings& limit, Known& known, Instant now);
  void count_refused(Finding& finding, const Said& said, Instant now);

  const call::TrafficSettings* settings_ = nullptr;
  std::map<Key, Known> known_;
  std::map<Key, Known> before_;  // by the process before
};

}  // namespace hf::sim
