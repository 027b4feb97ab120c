// A review of a configuration: an engineer's questions of each route, and what should be changed.
// Everything it says comes from rehearsals of the real engine (review/stage.h). Pure.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "config/load.h"
#include "review/answers.h"
#include "review/facts.h"
#include "review/rules.h"

namespace hf::review {

// The line that would change it.
struct Change {
  config::Place place;
  std::string text;  // what to write there
};

struct Finding {
  Rule rule = Rule::repeat_doubles;
  config::Place place;             // what is to blame
  std::string subject;             // "POST /v1/charges", "upstream sms"; empty: the whole
  std::string message;             // a sentence without its full stop
  std::vector<std::string> story;  // what would go wrong, step by step; may be empty
  Change change;
  std::string accepted;  // the reason; empty: it is not

  [[nodiscard]] Level level() const { return row_of(rule).level; }
};

struct RouteReview {
  std::size_t index = 0;
  std::string name;  // "POST /v1/charges"
  std::string upstream;
  config::Place place;
  std::vector<Answer> answers;
};

struct Report {
  std::string file;
  config::Places places;
  std::vector<RouteReview> routes;
  std::vector<Finding> findings;  // the worst first, then in the order of the file
  std::vector<Finding> accepted;
  std::size_t check_warnings = 0;  // what `check` says beside it

  [[nodiscard]] std::size_t count(Level level) const;
  // Something at or above `level` that nobody has accepted.
  [[nodiscard]] bool any(Level level) const;
};

struct Choice {
  std::set<std::string, std::less<>> only;  // rules; empty: all
  std::set<std::string, std::less<>> skip;
};

// `loaded.settings` is there.
Report review(const config::Loaded& loaded, const Choice& choice = {});

// The judges behind it; findings that are accepted come back like any other.
void judge_route(const RouteFacts& facts, const config::Loaded& loaded, std::vector<Finding>& out);
void judge_service(const std::vector<RouteFacts>& routes, const config::Loaded& loaded,
                   std::vector<Finding>& out);

}  // namespace hf::review
