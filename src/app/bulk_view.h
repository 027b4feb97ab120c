// Bulk operations for people: what would come of one, where it stands, what came of it. Pure: the
// admin API's JSON in, text out.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "app/calls_view.h"
#include "base/time.h"
#include "call/operator_word.h"

namespace hf::app {

// The pages of GET /v1/count in one.
class Count {
 public:
  void add(const boost::json::object& page);

  [[nodiscard]] const std::string& as_of() const { return as_of_; }
  [[nodiscard]] std::uint64_t examined() const { return examined_; }
  [[nodiscard]] std::uint64_t matched() const { return matched_; }
  // As a table for people, calls of a sample last.
  [[nodiscard]] std::string text(call::Word word, const ViewOptions& view) const;
  [[nodiscard]] std::string json() const;

 private:
  std::string as_of_;
  std::string selection_;
  std::string outcome_;
  bool implied_ = false;
  std::vector<std::string> not_configured_;  // "upstream bnak"
  std::uint64_t examined_ = 0;
  std::uint64_t matched_ = 0;
  std::uint64_t would_ = 0;
  std::map<std::string, std::uint64_t> states_;
  std::map<std::string, std::uint64_t> upstreams_;
  struct Refused {
    std::uint64_t calls = 0;
    std::vector<std::string> sample;
  };
  std::map<std::string, Refused> refused_;
  boost::json::array calls_;
};

// "retry", "cancel", "resolve": the command that says this word.
std::string_view command_of(call::Word word);
std::uint64_t refused_calls(const boost::json::object& operation);
// Those that were counted at first and did not fit any more when their turn came.
std::uint64_t no_longer_fitted(const boost::json::object& operation);

// One line for a progress display. `of` calls in all (0: not known), `rate` calls a second, `left`
// until the end if that is known.
std::string show_step(const boost::json::object& operation, std::uint64_t looked_at_in_all,
                      double rate);
// The summary at the end, or where it was stopped.
std::string show_operation(const boost::json::object& operation);
// {operations: [...]}
std::string show_operations(const boost::json::object& answer, const ViewOptions& view);

}  // namespace hf::app
