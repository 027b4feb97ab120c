#include "control/forecast.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "base/quantity.h"
#include "call/callback.h"
#include "call/operator_word.h"
#include "call/reply_json.h"
#include "control/admin_reply.h"
#include "control/call_view.h"
#include "control/json.h"
#include "control/operation.h"

namespace hf::control {
namespace {

struct Question {
  call::Selection selection;
  std::string shown;
  bool implied = false;
  std::optional<call::Word> word;
  std::optional<CallId> after;
};

Result<Question> parse_question(const std::string& query, const SelectionContext& context) {
  Question out;
  HF_TRY(auto pairs, query_pairs(query));
  QueryPairs taken;
  HF_TRY(out.selection, take_selection(pairs, context, &taken));
  out.shown = shown_selection(taken, context.hasher);
  out.selection.as_of = context.now;
  for (const auto& [name, value] : pairs) {
    if (name == "word") {
      out.word = call::parse_word(value);
      if (!out.word) {
        return fail(ErrorKind::invalid,
                    "'word' must be one of: retry, cancel, resolve_applied, resolve_not_applied");
      }
    } else if (name == "after") {
      const auto id = CallId::parse(value);
      if (!id.ok()) return fail(ErrorKind::invalid, "'after' must be the id of a call");
      out.after = *id;
    } else if (name == "as_of") {
      HF_TRY(out.selection.as_of, parse_rfc3339(value));
    } else {
      return fail(ErrorKind::invalid, fmt::format("query '{}' is not known here; known are those "
                                                  "of a selection, and: word, as_of, after",
                                                  name));
    }
  }
  if (out.word && out.selection.states.empty()) {
    imply_states(out.selection, *out.word);
    out.implied = true;
  }
  return out;
}

std::string counts_json(const std::map<std::string, std::int64_t>& counts) {
  call::JsonObject out;
  for (const auto& [name, calls] : counts)
    out.number(name, calls);
  return out.done();
}

class Forecast {
 public:
  Forecast(Question question, const call::Settings& settings)
      : question_(std::move(question)), settings_(settings) {}

  void add(const call::Call& call, bool bodiless) {
    matched_ += 1;
    states_[std::string(to_string(call.state))] += 1;
    upstreams_[call.upstream] += 1;
    if (static_cast<std::size_t>(matched_) <= kCountSample) sample_.add(list_json(call));
    if (!question_.word) return;
    const std::string why = why_not(call, bodiless);
    if (why.empty()) {
      would_ += 1;
    } else {
      add_to(refused_, why, call.id);
    }
  }

  void pass_over(const CallId& id) { add_to(refused_, std::string(kUnreadable), id); }

  [[nodiscard]] std::string json(const ports::CallPage& page) const {
    call::JsonObject out;
    out.text("as_of", format_rfc3339(*question_.selection.as_of))
        .text("selection", question_.shown)
        .boolean("states_implied", question_.implied)
        .number("examined", static_cast<std::int64_t>(page.examined))
        .number("matched", matched_)
        .raw("not_configured", not_configured())
        .raw("states", counts_json(states_))
        .raw("upstreams", counts_json(upstreams_));
    if (question_.word) {
      out.text("outcome", call::outcome_of(*question_.word))
          .number("would", would_)
          .raw("refused", tallies_json(refused_));
    }
    out.raw("calls", sample_.done()).boolean("more", page.more);
    if (page.next) {
      out.text("next", page.next->text());
    } else {
      out.null("next");
    }
    return out.done();
  }

 private:
  // Named in the selection, and perhaps misspelt: only calls of an earlier configuration can fit.
  [[nodiscard]] std::string not_configured() const {
    JsonArray out;
    for (const std::string& name : question_.selection.upstreams) {
      if (!settings_.upstreams.contains(name)) out.add(call::json_string("upstream " + name));
    }
    for (const std::string& path : question_.selection.routes) {
      const bool known = std::any_of(settings_.routes.begin(), settings_.routes.end(),
                                     [&](const auto& route) { return route->path == path; });
      if (!known && path != call::kCallbackRoute) out.add(call::json_string("route " + path));
    }
    return out.done();
  }
  // As the engine would say it, but for what changes until then.
  [[nodiscard]] std::string why_not(const call::Call& call, bool bodiless) const {
    if (!settings_.upstreams.contains(call.upstream)) return "its upstream is not configured";
    if (call.state == call::State::sending) return std::string(call::kAttemptRuns);
    call::Standing standing;
    standing.body_there = !bodiless;
    standing.behind = call.state == call::State::waiting && call.reason == call::WaitReason::order;
    return call::why_not(*question_.word, call, standing);
  }

  Question question_;
  const call::Settings& settings_;
  std::int64_t matched_ = 0;
  std::int64_t would_ = 0;
  std::map<std::string, std::int64_t> states_;
  std::map<std::string, std::int64_t> upstreams_;
  Tallies refused_;
  JsonArray sample_;
};

}  // namespace

void answer_count(runtime::Driver& driver, const SelectionContext& context,
                  const std::string& query, const ports::ControlRespond& respond) {
  auto question = parse_question(query, context);
  if (!question.ok()) {
    respond(bad_request(question.error().context));
    return;
  }
  ports::CallFilter filter;
  filter.select = question->selection;
  filter.after = question->after;
  filter.oldest_first = true;
  filter.limit = kCountExamined;
  filter.examine = kCountExamined;
  filter.pass_over = true;
  filter.find_bodiless = question->word == call::Word::retry;
  driver.list(std::move(filter), [respond, question = *std::move(question),
                                  settings = context.settings](Result<ports::CallPage> page) {
    if (!page.ok()) {
      respond(journal_unavailable(page.error().context));
      return;
    }
    Forecast forecast(question, *settings);
    for (const auto& call : page->calls)
      forecast.add(*call, page->bodiless.contains(call->id));
    for (const auto& [id, why] : page->unreadable)
      forecast.pass_over(id);
    respond(json(forecast.json(*page)));
  });
}

}  // namespace hf::control
