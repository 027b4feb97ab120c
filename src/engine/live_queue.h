// The live calls of one upstream that wait for a slot: the more important class first; within it
// the clients take turns; within a client by urgency (RFC 9218), as it asked. A client cannot get
// more turns by asking more often or more urgently, and who had least is the last to be sent away.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "base/ids.h"
#include "base/time.h"
#include "call/call.h"
#include "call/settings.h"
#include "engine/urgency.h"

namespace hf::engine {

// Bounded by who pushes: state is only of what waits.
class LiveQueue {
 public:
  struct Waiting {
    call::CallClass importance = call::CallClass::normal;
    std::uint64_t client = 0;  // whose turns it takes
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
  // Takes the one in front out. `had_its_turn`: it was started, and the next client is due.
  void pop_front(bool had_its_turn);
  // False where it is not there.
  bool erase(const CallId& id);
  struct Victim {
    CallId call;
    std::size_t rank = 0;  // of its class
  };
  // Who is to leave for another: of the least important class below `below` the newest call of the
  // client that has had and asks for most: turns of the last seconds and calls that wait. Of
  // several such clients the one with more waiting, then the one that asked last.
  [[nodiscard]] std::optional<Victim> victim(std::size_t below) const;
  // Since when the one that came first waits.
  [[nodiscard]] std::optional<Instant> oldest() const;

 private:
  using Calls = std::list<CallId>;
  struct Client {
    UrgencyQueue<CallId, Calls> calls;
    Calls may_leave;           // in order of coming
    std::uint64_t newest = 0;  // of these, by number
    std::list<std::uint64_t>::iterator turn;
  };
  struct Class {
    std::map<std::uint64_t, Client> clients;
    std::list<std::uint64_t> turns;
    std::set<std::tuple<std::size_t, std::uint64_t, std::uint64_t>>
        longest;  // how many, newest, who
  };
  struct Place {
    Waiting waiting;
    std::uint64_t number = 0;
    Calls::iterator call;
    Calls::iterator leaver;
    Calls::iterator age;
  };
  using Places = std::map<CallId, Place>;

  Class& of(const Waiting& waiting) {
    return classes_[static_cast<std::size_t>(waiting.importance)];
  }
  static void forget_length(Class& in, std::uint64_t who, const Client& client);
  static void note_length(Class& in, std::uint64_t who, const Client& client);
  [[nodiscard]] const Class& first_class() const;
  void take_out(Places::iterator place);
  void forget_turns(Instant now);
  [[nodiscard]] std::uint32_t turns_of(std::uint64_t client) const {
    return turns_had_[client % turns_had_.size()];
  }

  std::array<Class, call::kCallClasses> classes_;
  Places places_;
  Calls ages_;  // in order of coming
  std::uint64_t next_ = 1;
  // By client, those that meet in one place together; halved every second.
  std::array<std::uint32_t, 1024> turns_had_{};
  Instant halved_{INT64_MIN};
};

}  // namespace hf::engine
