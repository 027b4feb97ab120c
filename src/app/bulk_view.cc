#include "app/bulk_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "app/json_view.h"
#include "app/progress.h"
#include "base/quantity.h"

namespace hf::app {
namespace {

namespace json = boost::json;

constexpr std::size_t kSample = 5;  // calls shown
constexpr auto kMadeDue = "made due: attempted as the limits of their upstreams let them";
constexpr std::size_t kRefusedSample = 3;  // ids of each reason

std::uint64_t count_of(const json::object& object, std::string_view name) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(number_of(object, name), 0));
}

void add_counts(const json::object& page, std::string_view name,
                std::map<std::string, std::uint64_t>& to) {
  const json::object* counts = object_of(page, name);
  if (counts == nullptr) return;
  for (const auto& [key, value] : *counts)
    to[std::string(key)] += count_of(*counts, {key.data(), key.size()});
}

std::string calls_word(std::uint64_t calls) {
  return calls == 1 ? "1 call" : grouped(calls) + " calls";
}

// "dead 3,950, waiting 50"
std::string listed(const std::map<std::string, std::uint64_t>& counts) {
  std::string out;
  for (const auto& [name, calls] : counts)
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", safe(name), grouped(calls));
  return out;
}

// Counts on the left, aligned.
class Sums {
 public:
  void add(std::uint64_t calls, const std::string& what, const std::string& note = {}) {
    rows_.push_back({grouped(calls), what, note});
  }
  [[nodiscard]] std::string text() const {
    std::size_t width = 0;
    for (const Row& row : rows_)
      width = std::max(width, row.calls.size());
    std::string out;
    for (const Row& row : rows_) {
      out += fmt::format("  {:>{}}  {}\n", row.calls, width, row.what);
      if (!row.note.empty()) out += fmt::format("  {:>{}}  {}\n", "", width, row.note);
    }
    return out;
  }

 private:
  struct Row {
    std::string calls;
    std::string what;
    std::string note;
  };
  std::vector<Row> rows_;
};

void add_refused(Sums& sums, const json::object& from) {
  const json::array* refused = list_of(from, "refused");
  if (refused == nullptr) return;
  for (const json::value& value : *refused) {
    const json::object* one = value.if_object();
    if (one == nullptr) continue;
    std::string sample;
    const json::array* ids = list_of(*one, "sample");
    for (std::size_t i = 0; ids != nullptr && i < ids->size(); ++i) {
      const auto* id = (*ids)[i].if_string();
      if (id != nullptr) sample += " " + safe({id->data(), id->size()});
    }
    sums.add(count_of(*one, "calls"), "refused: " + text_of(*one, "why"),
             sample.empty() ? "" : "such as" + sample);
  }
}

}  // namespace

std::string_view command_of(call::Word word) {
  switch (word) {
    case call::Word::retry:
      return "retry";
    case call::Word::cancel:
      return "cancel";
    case call::Word::resolve_applied:
    case call::Word::resolve_not_applied:
      break;
  }
  return "resolve";
}

void Count::add(const json::object& page) {
  if (as_of_.empty()) {
    as_of_ = text_of(page, "as_of");
    selection_ = text_of(page, "selection");
    outcome_ = text_of(page, "outcome");
    implied_ = flag_of(page, "states_implied");
    const json::array* names = list_of(page, "not_configured");
    for (std::size_t i = 0; names != nullptr && i < names->size(); ++i) {
      const auto* name = (*names)[i].if_string();
      if (name != nullptr) not_configured_.emplace_back(name->data(), name->size());
    }
  }
  examined_ += count_of(page, "examined");
  matched_ += count_of(page, "matched");
  would_ += count_of(page, "would");
  add_counts(page, "states", states_);
  add_counts(page, "upstreams", upstreams_);
  if (const json::array* refused = list_of(page, "refused")) {
    for (const json::value& value : *refused) {
      const json::object* one = value.if_object();
      if (one == nullptr) continue;
      Refused& to = refused_[text_of(*one, "why")];
      to.calls += count_of(*one, "calls");
      const json::array* ids = list_of(*one, "sample");
      for (std::size_t i = 0; ids != nullptr && i < ids->size(); ++i) {
        const auto* id = (*ids)[i].if_string();
        if (id != nullptr && to.sample.size() < kRefusedSample) to.sample.emplace_back(*id);
      }
    }
  }
  const json::array* calls = list_of(page, "calls");
  for (std::size_t i = 0; calls != nullptr && i < calls->size() && calls_.size() < kSample; ++i)
    calls_.push_back((*calls)[i]);
}

std::string Count::json() const {
  json::object states;
  for (const auto& [name, calls] : states_)
    states[name] = calls;
  json::object upstreams;
  for (const auto& [name, calls] : upstreams_)
    upstreams[name] = calls;
  json::array refused;
  for (const auto& [why, one] : refused_) {
    json::array sample;
    for (const std::string& id : one.sample)
      sample.emplace_back(id);
    refused.push_back({{"why", why}, {"calls", one.calls}, {"sample", sample}});
  }
  const json::object out{
      {"as_of", as_of_},        {"selection", selection_}, {"states_implied", implied_},
      {"examined", examined_},  {"matched", matched_},     {"states", states},
      {"upstreams", upstreams}, {"outcome", outcome_},     {"would", would_},
      {"refused", refused},     {"calls", calls_}};
  return json::serialize(out);
}

std::string Count::text(call::Word word, const ViewOptions& view) const {
  if (matched_ == 0) {
    std::string out = fmt::format("no call fits ({} looked at)\n", grouped(examined_));
    for (const std::string& name : not_configured_)
      out += fmt::format("  {}: none such is configured; is it misspelt?\n", safe(name));
    return out;
  }
  std::string out = fmt::format("{} fit{} ({} looked at, as of {})\n", calls_word(matched_),
                                matched_ == 1 ? "s" : "", grouped(examined_), as_of_);
  out += "  by state: " + listed(states_) + "\n";
  out += "  by upstream: " + listed(upstreams_) + "\n";
  if (implied_) {
    std::string implied;
    for (const call::State state : call::states_for(word))
      implied += (implied.empty() ? "" : ", ") + std::string(to_string(state));
    out += fmt::format("  no --state was given: {} means {}\n", command_of(word), implied);
  }
  out += "What would come of them:\n";
  const auto answer = json::parse(json()).as_object();
  Sums sums;
  if (would_ > 0) sums.add(would_, outcome_);
  add_refused(sums, answer);
  return out + sums.text() + "For example:\n" + show_calls(answer, view);
}

std::uint64_t refused_calls(const json::object& operation) {
  std::uint64_t out = 0;
  const json::array* refused = list_of(operation, "refused");
  for (std::size_t i = 0; refused != nullptr && i < refused->size(); ++i) {
    const json::object* one = (*refused)[i].if_object();
    if (one != nullptr) out += count_of(*one, "calls");
  }
  return out;
}

std::uint64_t no_longer_fitted(const json::object& operation) {
  const std::uint64_t left = count_of(operation, "left");
  if (text_of(operation, "stage") != "finished") return left;
  // Those that had changed before they were even looked at are not among them.
  const std::uint64_t handled = count_of(operation, "done") + refused_calls(operation);
  const std::uint64_t selected = count_of(operation, "selected");
  return std::max(left, selected - std::min(selected, handled));
}

std::string show_step(const json::object& operation, std::uint64_t looked_at_in_all, double rate) {
  const std::uint64_t refused = refused_calls(operation);
  const std::uint64_t handled = count_of(operation, "done") + refused + count_of(operation, "left");
  const std::uint64_t selected = count_of(operation, "selected");
  std::string out = grouped(handled);
  if (selected > 0) {
    const std::uint64_t percent = std::min<std::uint64_t>(handled * 100 / selected, 100);
    out += fmt::format(" of {} ({} %)", grouped(selected), percent);
  }
  out += fmt::format(", {:.0f}/s", rate);
  if (refused > 0) out += fmt::format(", {} refused", grouped(refused));
  if (selected > handled && rate >= 0.01) {
    const auto seconds = static_cast<double>(selected - handled) / rate;
    out += fmt::format(", {} to go",
                       shortly(Duration::millis(static_cast<std::int64_t>(seconds * 1000))));
  }
  // Where few of many fit, it is the looking that takes the time.
  const std::uint64_t looked = count_of(operation, "examined");
  if (looked > 10 * std::max<std::uint64_t>(handled, 1)) {
    out += looked_at_in_all > 0
               ? fmt::format("; {} of {} looked at", grouped(looked), grouped(looked_at_in_all))
               : fmt::format("; {} looked at", grouped(looked));
  }
  return out;
}

std::string show_operation(const json::object& operation) {
  const std::string stage = text_of(operation, "stage");
  std::string out =
      fmt::format("{} {}: {}", text_of(operation, "word"), text_of(operation, "operation"), stage);
  const std::uint64_t selected = count_of(operation, "selected");
  if (selected > 0) out += fmt::format(", {} selected", calls_word(selected));
  out += "\n";
  const auto word = call::parse_word(text_of(operation, "word"));
  Sums sums;
  sums.add(count_of(operation, "done"), !word ? std::string("done")
                                        : *word == call::Word::retry
                                            ? std::string(kMadeDue)
                                            : std::string(call::outcome_of(*word)));
  add_refused(sums, operation);
  if (const std::uint64_t left = no_longer_fitted(operation); left > 0) {
    sums.add(left, "no longer fitted when their turn came, and were left alone");
  }
  return out + sums.text();
}

std::string show_operations(const json::object& answer, const ViewOptions& view) {
  const json::array* all = list_of(answer, "operations");
  if (all == nullptr || all->empty()) return "no bulk operations\n";
  Table table({"OPERATION", "WORD", "STAGE", "BY", "BEGUN", "SELECTED", "DONE", "REFUSED", "WHICH",
               "REASON"});
  for (const json::value& value : *all) {
    const json::object* one = value.if_object();
    if (one == nullptr) continue;
    const auto begun = parse_rfc3339(text_of(*one, "begun_at"));
    table.add(
        {text_of(*one, "operation"), text_of(*one, "word"), text_of(*one, "stage"),
         text_of(*one, "by"), begun.ok() ? relative(*begun, view.now) : std::string(),
         grouped(count_of(*one, "selected")), grouped(count_of(*one, "done")),
         grouped(refused_calls(*one)), text_of(*one, "selection"),
         text_of(*one, "stage") == "unreadable" ? text_of(*one, "why") : text_of(*one, "reason")});
  }
  return table.text(false, 0);
}

}  // namespace hf::app
