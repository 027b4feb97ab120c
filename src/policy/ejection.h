// Which of an upstream's addresses are left out for a while: those that fail again and again while
// others do not (passive health, after Envoy's outlier detection). What counts as a failure is the
// caller's business; so is where a call goes that is bound to one address.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/prng.h"
#include "base/time.h"

namespace hf::policy {

struct EjectionConfig {
  int consecutive = 5;                       // failures in a row that eject
  Duration out_min = Duration::seconds(10);  // the first time, before jitter
  Duration out_max = Duration::minutes(5);
  int most_permille = 500;  // share that may be out, rounded up, never all; 0: nobody is ejected
};

enum class Standing : std::uint8_t {
  in,
  out,      // its time is not over
  due,      // its time is over: the next call that may be its probe is
  probing,  // that call is under way
};

std::string_view to_string(Standing standing);

enum class Verdict : std::uint8_t { none, ejected, kept_out, returned };

// in -> out by failures in a row; out -> in by one success of an attempt that began after the
// ejection: the one probe that is let through when the time is over, or a call that had to go there
// all the same. A failed probe, and failing again soon after the return, doubles the time; each is
// up to a fifth longer than that, so that a fleet does not come back in step.
class Ejection {
 public:
  explicit Ejection(EjectionConfig config);

  // What addresses there are now, in the caller's order. Those already known keep their state.
  void set(const std::vector<std::string>& addresses);

  // Those that any call may go to: the ones that are in. All there are, when more of them fail than
  // may be out ("panic"): then health does not tell them apart, and what is left of them should not
  // carry everything. In the order of set(); empty only without addresses.
  [[nodiscard]] std::vector<std::string> choices() const;
  // The address that waits longest for its probe. A probe may fail: unless the call is `harmless`
  // it is not used for one before the address has waited as long again as it was out.
  [[nodiscard]] std::optional<std::string> due(Instant now, bool harmless) const;
  // The next call to it is its probe; one record() with `probe`, or abandon_probe(), follows.
  void begin_probe(std::string_view address);
  void abandon_probe(std::string_view address);

  // The result of an attempt that began at `begun`. Unknown addresses are ignored: they have gone
  // meanwhile.
  Verdict record(std::string_view address, bool ok, bool probe, Instant begun, Instant now,
                 Prng& prng);

  [[nodiscard]] Standing standing(std::string_view address, Instant now) const;
  // Failures since its last success; 0 for an unknown address.
  [[nodiscard]] int streak(std::string_view address) const;
  // When its time out ends, or ended; none while it is in.
  [[nodiscard]] std::optional<Instant> out_until(std::string_view address) const;
  // More of them fail than may be out.
  [[nodiscard]] bool panics() const;

 private:
  struct Member {
    int streak = 0;
    bool out = false;
    bool probing = false;
    Instant in_since{INT64_MIN};
    Instant out_at;
    Instant out_until;
    Duration out_for;         // the last time, before jitter; 0: never
    std::uint64_t probe = 0;  // the number of its last one since it is out; 0: it had none
  };

  [[nodiscard]] const Member* find(std::string_view address) const;
  Member* find(std::string_view address);
  [[nodiscard]] int may_be_out() const;
  [[nodiscard]] int out() const;
  void eject(Member& member, Duration length, Instant now, Prng& prng) const;

  EjectionConfig config_;
  std::vector<std::string> order_;
  std::map<std::string, Member, std::less<>> members_;
  std::uint64_t probes_ = 0;  // so far
};

}  // namespace hf::policy
