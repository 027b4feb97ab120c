// What Holdfast would do with one request: `holdfast policy`. Found out by taking it through the
// real intake and engine, with nothing behind them; nothing is sent. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "call/decide.h"
#include "config/load.h"
#include "review/stage.h"

namespace hf::review {

struct ForecastAsk {
  std::string method;
  std::string url;  // http://host/path?query, or from the path on
  Fields headers;
  std::optional<std::string> body;
  Now now = Stage::beginning();  // for dates in fields
};

// One part of a key, or a scope value, and what the request has for it.
struct PartSeen {
  call::Part part;
  std::string value;
  bool missing = false;
};

struct KeyForecast {
  enum class Kind : std::uint8_t { none, header, business, derived, made } kind = Kind::none;
  std::vector<PartSeen> parts;
  std::vector<PartSeen> scope;
  std::string space;
  std::string sent_field;  // upstream; empty: nothing is sent for it
  std::string sent_value;
  bool stable = false;
  std::string why;  // of a key that is none, or made
  config::Place place;
};

// One setting that applies, as text.
struct Setting {
  std::string name;  // "wait", "timeouts.head"
  std::string value;
  config::Place place;
};

// What is decided about one way an attempt may end.
struct Ruled {
  enum class When : std::uint8_t { first, in_doubt, held, held_in_doubt } when = When::first;
  call::Decision decision;
  // Settings without which it would be decided otherwise; none: it is so under any.
  std::vector<config::Place> because;
};

// What happens if every attempt ends so, from the first on.
struct Course {
  int live_attempts = 0;  // until the client was told something
  int copies = 0;         // of them and of later ones that left
  int lookups = 0;
  std::optional<Told> told;  // none: not within `wait` and two hours
  bool held = false;
  std::optional<call::State> state;  // at the end; none: it leaves no record
  Duration ends;                     // until the last thing happened
  std::vector<std::string> rules;    // of the timeline, each once, in order
};

// Ways to end that are decided alike.
struct Outcome {
  std::vector<std::string> ends;  // "no connection", "429", "500 with stripe-should-retry: false"
  std::vector<Ruled> ruled;       // the first is of a first attempt
  Course course;                  // of the first of `ends`
};

struct Forecast {
  std::string method;
  std::string target;
  // Refused by the intake: there is no call. Everything below but the route is then empty.
  std::optional<Told> refused;

  std::optional<std::size_t> route;
  config::Place route_place;
  std::string route_path;
  std::string upstream;
  config::Place upstream_place;
  std::vector<std::string> urls;
  bool webhook = false;  // its signature was not looked at

  std::string sent_target;
  KeyForecast key;
  std::vector<std::string> same_request;  // what two requests under one key must have in common
  bool safe = false;
  bool streamed = false;
  bool journaled = false;
  bool may_hold = false;
  bool held_at_once = false;
  config::Place hold_place;
  std::string hold_why;                // of one that is not: what would change that
  call::Mode mode = call::Mode::none;  // as frozen
  config::Place mode_place;
  std::string order;  // empty: none
  int urgency = 3;
  std::string callback;  // empty: none
  std::vector<Setting> settings;
  std::vector<Outcome> outcomes;
};

// ErrorKind::invalid: the request is no clear HTTP/1.1 one, and why. `loaded.settings` is there.
Result<Forecast> forecast(const config::Loaded& loaded, const ForecastAsk& ask);

std::string text_of(const Forecast& forecast, const config::Places& places, std::size_t width);
// One object; docs/review.md has the members.
std::string json_of(const Forecast& forecast, const config::Places& places);

std::string_view to_string(Ruled::When when);
std::string_view to_string(KeyForecast::Kind kind);

// The outcomes of a request that the intake has taken as `call`.
std::vector<Outcome> outcomes_of(const std::shared_ptr<const call::Settings>& settings,
                                 const config::Places& places, std::size_t route,
                                 const call::IncomingHead& head, const std::string& body,
                                 const call::NewCall& call, Now now);

}  // namespace hf::review
