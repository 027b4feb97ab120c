// All that is known of one route when it is judged: its rehearsals, each done once.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "call/decide.h"
#include "review/scene.h"

namespace hf::review {

struct RouteFacts {
  std::size_t index = 0;
  const call::RouteSettings* route = nullptr;
  const call::UpstreamSettings* upstream = nullptr;

  bool reached = false;    // some request gets here
  bool changing = false;   // one of a method that is not safe does
  bool safe_too = false;   // one of a safe method does
  bool names_key = false;  // the route, or its upstream's declaration, says where a key is
  bool keyed = false;      // a request with all parts has one
  bool streamed = false;
  call::Column column = call::Column::none;
  call::Mode mode = call::Mode::none;  // as frozen
  // The request that was rehearsed: with its key where one can be had.
  SampleAsk ask;

  Scene answer_lost;
  Scene repeated;
  Scene all_lost;
  Scene request_lost;
  Scene declined;
  Scene down;
  Scene crash;
  Scene limited;
  Scene full;
  Rehearsal::Flood flood;
  std::optional<Scene> fresh_key;      // repeated with another key, where a header carries it
  std::optional<Scene> stranger;       // keyed
  std::optional<Scene> bare_repeated;  // without the parts of its key, where the route takes that
  std::optional<Scene> window_over;    // bare, on a route that derives keys

  [[nodiscard]] bool journaled() const { return answer_lost.journaled; }
  [[nodiscard]] bool holds() const;
  // The rehearsal that ended with a line of the log at level error; null: none did.
  [[nodiscard]] const Scene* bad_end() const;
  // ... and its end was told to nobody else.
  [[nodiscard]] bool ends_untold() const;
  // What is left are results, without how they came about: stories are told before.
  void forget_moments();
  // "POST /v1/charges", "POST pay.internal/v1/charges".
  [[nodiscard]] std::string name() const {
    return ask.method + " " + route->host_match + route->path;
  }
};

// `settings` outlive the result.
RouteFacts gather(const call::Settings& settings, std::size_t route);

}  // namespace hf::review
