// What a world is made of, drawn from its seed: how hostile it is, and how its Holdfast is set up.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/prng.h"
#include "base/time.h"
#include "call/settings.h"
#include "sim/edition.h"
#include "sim/journal.h"
#include "sim/upstream.h"

namespace hf::sim {

struct FaultPlan {
  UpstreamFaults upstream;
  int crashes = 0;             // kill -9 at random events
  int drain_permille = 0;      // of them: after a drain of a while
  int reboot_permille = 0;     // of them: another boot, where the wall clock may have stepped
  bool big_step_back = false;  // the wall clock falls behind the whole journal, once
  JournalFaults journal;
  bool slow_journal = false;      // for a while
  bool refusing_journal = false;  // for a while
  bool unauthorized = false;      // the upstreams refuse the credential for a while
  int client_gone_permille = 0;
  int duplicate_permille = 0;  // a second request beside the first
  int nosy_permille = 0;       // status, response, cancel, changed bodies, strangers
  int poison = 0;              // times that one call ends the process that handles it
  int operator_permille = 0;   // a person looks about every few seconds
  int line_permille = 0;       // orders that go one after another
  int timed_permille = 0;      // orders with a time before or after which they may not be sent
  int wall_steps = 0;          // of the wall clock, while a process lives
  int drift_ppm = 0;           // of the wall clock, always
  int reload_permille = 0;     // of starts: with another configuration
  bool limits = false;         // how much each client may ask is limited (sim/shares.h)
  static FaultPlan draw(Prng& prng, Edition edition);
  [[nodiscard]] std::string text() const;
  // Of these a world may do without, to see what a violation needs.
  static const std::vector<std::string>& groups();
  void leave_out(const std::string& group);
};

// What a disk can do to a journal, and when a process dies in the midst of what it does. Replaces
// what was drawn of the journal before.
void draw_journal_faults(Prng prng, JournalFaults& faults);
// The faults of the wire, each off in half of the worlds. Without them there are no connections, as
// in the editions plain and asking.
void draw_wire_faults(Prng prng, UpstreamFaults& faults);
std::string text_of_wire(const UpstreamFaults& faults);

// Upstreams keyed, plain, asked (it has a lookup and no keys) and llm (repeatable), and the routes
// that lead there.
std::shared_ptr<const call::Settings> draw_settings(Prng& prng, Edition edition,
                                                    bool settle_too_short);
// The same with other addresses, credentials or policies, as somebody might change them while calls
// are unresolved.
std::shared_ptr<const call::Settings> draw_change(Prng& prng, const call::Settings& declared);
std::string text_of(const call::Settings& settings);

}  // namespace hf::sim
