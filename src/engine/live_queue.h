// The live calls of one upstream that wait for a slot: the more important class first; within it
// the addresses take turns, at an address its owners, and of one owner the more urgent first (RFC
// 9218), as it asked. Nobody gets more turns by asking more often, more urgently or under more
// names, and who had least is the last to be sent away.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <optional>

#include "base/ids.h"
#include "base/time.h"
#include "call/call.h"
#include "call/importance.h"
#include "call/settings.h"
#include "engine/turns.h"
#include "engine/urgency.h"

namespace hf::engine {

// Bounded by who pushes: state is only of what waits.
class LiveQueue {
 public:
  struct Waiting {
    call::CallClass importance = call::CallClass::normal;
    call::Share who;  // whose turns it takes
    call::DueClass urgency = call::DueClass::normal;
    bool may_leave = true;  // may be sent away to make room for another
    Instant since;
  };

  // It must not be there yet.
  void push(const CallId& id, const Waiting& waiting);
  [[nodiscard]] bool empty() const { return places_.empty(); }
  [[nodiscard]] std::size_t size() const { return places_.size(); }
  // Whose turn it is; there must be one.
  [[nodiscard]] const CallId& front() const;
  // Takes the one in front out. `had_its_turn`: it was started, and the next one is due.
  void pop_front(bool had_its_turn);
  // False where it is not there.
  bool erase(const CallId& id);
  struct Victim {
    CallId call;
    std::size_t rank = 0;  // of its class
  };
  // Who is to leave for another: of the least important class below `below` the newest call of the
  // owner that has had and asks for most at the address that has: turns of the last seconds and
  // calls that wait. Of several such the one with more waiting, then the one that asked last.
  [[nodiscard]] std::optional<Victim> victim(std::size_t below) const;
  // Since when the one that came first waits.
  [[nodiscard]] std::optional<Instant> oldest() const;

 private:
  using Calls = std::list<CallId>;
  struct Owner {
    UrgencyQueue<CallId, Calls> calls;
    [[nodiscard]] bool empty() const { return calls.empty(); }
  };
  struct Address {
    Turns<Owner> owners;
    [[nodiscard]] bool empty() const { return owners.empty(); }
  };
  using Class = Turns<Address>;
  struct Place {
    Waiting waiting;
    std::uint64_t number = 0;
    Calls::iterator call;
    Calls::iterator age;
  };
  using Places = std::map<CallId, Place>;

  Class& of(const Waiting& waiting) {
    return classes_[static_cast<std::size_t>(waiting.importance)];
  }
  [[nodiscard]] const Class& first_class() const;
  void take_out(Places::iterator place);

  std::array<Class, call::kCallClasses> classes_;
  Places places_;
  std::map<std::uint64_t, CallId> leavers_;  // who may be sent away, by number
  Calls ages_;                               // in order of coming
  std::uint64_t next_ = 1;
  TurnsHad addresses_had_;
  TurnsHad owners_had_;
};

}  // namespace hf::engine
