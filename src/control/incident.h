// A draft of a post-mortem from the records: what happened to whom, what Holdfast did about it, and
// what is still open. Pure: heads and timelines in, text out. A person finishes it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/alert.h"
#include "ports/journal.h"

namespace hf::control {

inline constexpr std::size_t kIncidentCallsMax = 20'000;   // heads looked at
inline constexpr std::size_t kIncidentDetailsMax = 1'000;  // timelines read
inline constexpr std::size_t kIncidentMinutesMax = 240;    // lines of its timeline
inline constexpr std::size_t kIncidentNamesMax = 10;       // owners, open ends: shown by name

struct IncidentWindow {
  WallTime since;
  WallTime until;
};

class Incident {
 public:
  // `stake`: the index field that is summed; empty: none.
  Incident(IncidentWindow window, std::string stake) : window_(window), stake_(std::move(stake)) {}

  // A call whose record is of interest: begun in the window, or still without an end. True when it
  // was affected, so that its timeline is wanted: more than one attempt, held, or no good end.
  bool add(const call::Call& call);
  // The timeline of an affected call.
  void add(const ports::CallDetail& detail);
  // There was more than the limits let in.
  void cut_calls() { calls_cut_ = true; }
  void cut_details() { details_cut_ = true; }

  [[nodiscard]] std::string markdown(WallTime now) const;
  // docs/admin-api.md has the members; without the text.
  [[nodiscard]] std::string json(WallTime now) const;

 private:
  struct Group {
    std::uint64_t calls = 0;
    std::map<std::string, std::uint64_t> states;  // of them
    Stake stake;
    bool has_stake = false;
  };
  // The earliest attempt that failed, and what it showed.
  struct Evidence {
    WallTime at;
    CallId call;
    std::string upstream;
    std::string route;
    std::string words;
  };
  struct Minute {
    std::uint64_t attempts = 0;
    std::uint64_t failed = 0;
    std::uint64_t held = 0;
    std::uint64_t answered = 0;
    std::uint64_t unknown = 0;
    std::uint64_t dead = 0;
  };
  struct OpenEnd {
    CallId call;
    std::string upstream;
    call::State state{};
    WallTime ends;
  };

  void take_event(const call::Call& call, const call::TimelineEvent& event);
  void take_failure(const call::Call& call, const call::TimelineEvent& event);
  [[nodiscard]] bool within(WallTime at) const {
    return at >= window_.since && at <= window_.until;
  }
  void write_summary(std::string& out) const;
  void write_affected(std::string& out) const;
  void write_done(std::string& out) const;
  void write_minutes(std::string& out) const;
  void write_open(std::string& out, WallTime now) const;
  [[nodiscard]] std::string counts_json() const;

  IncidentWindow window_;
  std::string stake_;
  std::uint64_t seen_ = 0;  // calls begun in the window
  std::uint64_t affected_ = 0;
  bool calls_cut_ = false;
  bool details_cut_ = false;
  Stake sum_;
  Stake unsettled_;  // of it: calls without a good end
  bool has_sum_ = false;
  std::map<std::string, Group> routes_;            // "upstream, route"
  std::map<std::string, std::uint64_t> owners_;    // short hashes
  std::map<std::string, std::uint64_t> clients_;   // addresses
  std::map<std::string, std::uint64_t> did_;       // what Holdfast did, by word
  std::map<std::string, std::uint64_t> failures_;  // how attempts failed
  std::map<std::int64_t, Minute> minutes_;         // by minute since 1970
  std::optional<Evidence> first_;
  std::optional<WallTime> last_failure_;
  std::vector<OpenEnd> open_;
  std::uint64_t open_count_ = 0;
};

}  // namespace hf::control
