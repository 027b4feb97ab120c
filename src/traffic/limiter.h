// How much each client may ask of us: all limits of the configuration over all their clients. Pure:
// time is an argument. I/O thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip_address.h"
#include "base/time.h"
#include "call/intake.h"
#include "call/limits.h"
#include "policy/gcra.h"
#include "traffic/limit_key.h"
#include "traffic/limit_table.h"
#include "traffic/path_match.h"

namespace hf::traffic {

// Named limits (invariant 7).
inline constexpr std::size_t kLimitsMax = 64;
inline constexpr std::size_t kOffendersShown = 32;  // of a limit

enum class Why : std::uint8_t {
  quota,    // the rate is used up
  banned,   // it offended too often
  blocked,  // it stands in `block`
  full,     // there is no room to count it, and `when_full: refuse`
};
std::string_view to_string(Why why);

// A request that is refused, or would be.
struct Refusal {
  const call::LimitSettings* limit = nullptr;  // the limiter's own
  Why why = Why::quota;
  std::int64_t measured = 0;   // quota: units in use with this request; banned: offences
  std::int64_t threshold = 0;  // ... of so many
  std::optional<Duration> again_after;
  std::string client;  // client_label
};

// What a request takes along from its head to its answer.
struct Pass {
  struct Watch {
    std::size_t limit = 0;
    ClientKey key;
  };
  std::vector<Watch> watches;      // bans that count its answer's status
  std::vector<std::size_t> later;  // limits that wait for its body
  std::string policies;            // RateLimit-Policy, RateLimit; empty: none
  std::string quotas;
};

struct LimitVerdict {
  std::optional<Refusal> refusal;
  Pass pass;
};

// One limit's counters, since the start.
struct LimitCounts {
  std::uint64_t admitted = 0;
  std::uint64_t near = 0;    // of those: at four fifths of the burst or more
  std::uint64_t exempt = 0;  // it stands in `allow`
  std::uint64_t quota = 0;   // refused, or would be (mode observe)
  std::uint64_t banned = 0;
  std::uint64_t blocked = 0;
  std::uint64_t untracked = 0;  // no room to count them
  std::uint64_t bans = 0;       // begun
};

// A client that was refused, with how often at least and at most (Metwally, Agrawal, El Abbadi:
// Efficient Computation of Frequent and Top-k Elements, 2005; "space saving").
struct Offender {
  ClientKey key;
  std::string client;
  std::uint64_t refused = 0;
  std::uint64_t at_most_too_many = 0;
  Instant last;
};

class Limiter {
 public:
  // `settings` as config/ makes them: rates, bursts and paths are right.
  Limiter(call::TrafficSettings settings, HashSecret secret);

  // Judges a head, before its body is read; counts it where it is admitted. Limits that need the
  // body are put off. `only_report`: nothing is refused, as if every limit were mode observe.
  LimitVerdict on_head(const call::IncomingHead& head, Instant now, bool only_report);
  // Judges by the limits that were put off, once the body is there, or will not be read whole
  // (empty).
  std::optional<Refusal> on_body(const call::IncomingHead& head, std::string_view body, Pass& pass,
                                 Instant now, bool only_report);
  // The answer's status, for bans that count some.
  void on_answer(const Pass& pass, int status, Instant now);

  // Each refusal, and each that only would be (`acted` false). Set once, before the first request.
  using Told = std::function<void(const Refusal&, bool acted)>;
  void tell(Told told) { told_ = std::move(told); }

  // Forgets what a client owes, and its ban. By the label that it is shown under, or by its address
  // under a limit by address alone. False: nobody known by that name.
  bool lift(std::string_view limit, std::string_view client);

  [[nodiscard]] const call::TrafficSettings& settings() const { return settings_; }
  [[nodiscard]] const LimitCounts& counts(std::size_t limit) const { return rules_[limit].counts; }
  // Those refused most, the most first.
  [[nodiscard]] std::vector<Offender> offenders(std::size_t limit) const;
  // Until when it is banned; nothing: it is not.
  [[nodiscard]] std::optional<Instant> banned_until(const ClientKey& key, Instant now);
  [[nodiscard]] const LimitTable& table() const { return table_; }

 private:
  struct Rule {
    const call::LimitSettings* settings = nullptr;
    PathTemplate path;
    std::optional<policy::Gcra> rate;
    std::optional<policy::Gcra> offences;  // of the ban
    bool needs_body = false;
    std::string policy_item;  // of RateLimit-Policy
    LimitCounts counts;
    std::vector<Offender> offenders;
  };
  // One limit's word on a request, before anything is counted.
  struct Finding {
    std::size_t rule = 0;
    ClientKey key;
    std::vector<std::optional<std::string>> parts;
    bool exempt = false;
    bool untracked = false;
    std::optional<Why> refused;
    policy::Gcra::Verdict quota;
    std::optional<Duration> again_after;
    std::int64_t measured = 0;
    std::int64_t threshold = 0;
  };

  Subject subject_of(const call::IncomingHead& head, std::string_view body) const;
  std::optional<std::vector<std::string_view>> matched(const Rule& rule,
                                                       const Subject& subject) const;
  std::optional<Finding> look(std::size_t index, const Subject& subject, Instant now);
  void look_at_lists(const Rule& rule, const Subject& subject, Finding& out) const;
  void look_at_quota(const Rule& rule, const Subject& subject, Instant now, Finding& out);
  std::optional<Refusal> settle(std::vector<Finding>& findings, const Subject& subject, Pass& pass,
                                Instant now, bool only_report);
  void admit(const Finding& finding, Pass& pass, Instant now);
  Refusal refuse(const Finding& finding, const Subject& subject, Instant now, bool acted);
  void offend(Rule& rule, ClientState& state, Instant now);
  static void remember(Rule& rule, const Finding& finding, const std::string& client, Instant now);

  call::TrafficSettings settings_;
  HashSecret secret_;
  std::vector<Rule> rules_;
  LimitTable table_;
  Told told_;
};

}  // namespace hf::traffic
