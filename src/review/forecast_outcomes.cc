// Every way an attempt may end, decided by the very function that decides, and then played through
// by the engine. Which settings a decision depends on is found by leaving each of them out.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <set>

#include "call/classify.h"
#include "review/classified.h"
#include "review/forecast.h"

namespace hf::review {
namespace {

using call::Column;
using call::Decision;
using call::Idempotency;
using call::Mode;
using When = Ruled::When;

constexpr Duration kLastAttempt = Duration::hours(2);

struct End {
  std::string name;
  Act act;
  bool forwarded = false;  // a byte of the answer went to the client
  bool killed = false;     // nobody is there to play the rest
};

void add_status(std::vector<End>& out, int status, Fields fields, std::string name = {}) {
  if (name.empty()) name = std::to_string(status);
  out.push_back({std::move(name), answers(status, false, std::move(fields)), false, false});
}

// The statuses that anybody meets, and all that the configuration has a word for.
std::vector<End> ends_of(const call::UpstreamSettings& upstream, const Idempotency& rules,
                         bool streams) {
  std::vector<End> out;
  out.push_back({"no connection", unreached(), false, false});
  std::set<int> statuses{200, 400, 401, 402, 403, 404, 408, 409,
                         421, 422, 425, 429, 500, 502, 503, 504};
  for (const auto* declared : {&rules.refused, &rules.in_progress, &rules.settles})
    statuses.insert(declared->begin(), declared->end());
  for (const int status : statuses)
    add_status(out, status, {});
  for (const int status : rules.settles) {
    if (rules.settles_field.empty()) break;
    add_status(out, status, {{rules.settles_field, "1"}},
               fmt::format("{} with {}", status, rules.settles_field));
  }
  for (const Field& advice : rules.no_retry_advice)
    add_status(out, 500, {advice}, fmt::format("500 with {}: {}", advice.name, advice.value));
  if (!rules.replay_marker.empty()) {
    add_status(out, 500, {{rules.replay_marker, "true"}},
               fmt::format("500 with {}: true", rules.replay_marker));
  }
  for (ClassifiedAnswer& answer : classified_answers(upstream.classify)) {
    // A rule about a status alone has been met above.
    const bool met = std::any_of(out.begin(), out.end(),
                                 [&](const End& end) { return end.name == answer.name; });
    if (!met) out.push_back({std::move(answer.name), std::move(answer.act), false, false});
  }
  out.push_back({"bytes that are no HTTP", gibberish(), false, false});
  out.push_back({"connection lost", answer_lost(true), false, false});
  out.push_back({"no answer in time", silence(upstream.timeouts.head), false, false});
  Act killed = answer_lost(true);
  killed.outcome.cause = call::Cause::crash;
  out.push_back({"Holdfast killed", killed, false, true});
  // What is not read whole first has gone to the client as far as it came.
  End cut{streams ? "200, cut on its way to the client" : "200, body cut", answer_cut(200), false,
          false};
  cut.forwarded = streams;
  out.push_back(std::move(cut));
  return out;
}

bool same_ruling(const Decision& a, const Decision& b) {
  return a.ruling == b.ruling && a.rule == b.rule && a.unresolved == b.unresolved &&
         a.proof == b.proof;
}

class Ruler {
 public:
  Ruler(const config::Places& places, std::size_t index, const call::NewCall& call)
      : places_(places), index_(index), call_(call), rules_(*call.frozen()) {}

  [[nodiscard]] const Idempotency& rules() const { return rules_; }

  [[nodiscard]] std::vector<Ruled> rule(const Act& act) const {
    std::vector<Ruled> out;
    // Only where an earlier copy is joined may one be sent while another is in doubt.
    const bool doubt = call::column_of(rules_.mode, call_.safe) == Column::key;
    add(When::first, act, out);
    if (doubt) add(When::in_doubt, act, out);
    if (call_.may_hold) add(When::held, act, out);
    if (call_.may_hold && doubt) add(When::held_in_doubt, act, out);
    return out;
  }

 private:
  struct Known {
    Idempotency rules;
    bool safe = false;
    bool head_is_proof = false;
    std::vector<call::AnswerRule> classes;
  };

  static Decision decide(const Act& act, When when, const Known& known) {
    call::Evidently evidently;
    evidently.idempotency = &known.rules;
    evidently.safe_method = known.safe;
    evidently.held = when == When::held || when == When::held_in_doubt;
    evidently.unresolved_before = when == When::in_doubt || when == When::held_in_doubt;
    evidently.head_is_proof = known.head_is_proof;
    evidently.rule = call::classify(known.classes, act.outcome);
    return call::decide(act.outcome, evidently);
  }

  void add(When when, const Act& act, std::vector<Ruled>& out) const {
    const Known known{rules_, call_.safe, call_.route->head_is_proof, call_.upstream->classify};
    const Decision decision = decide(act, when, known);
    // A held call, or one in doubt, is mentioned where it is decided otherwise.
    const bool told = std::any_of(out.begin(), out.end(), [&](const Ruled& other) {
      const bool nearer = other.when == When::first || when == When::held_in_doubt;
      return nearer && same_ruling(other.decision, decision);
    });
    if (when != When::first && told) return;
    out.push_back({when, decision, because(act, when, known, decision)});
  }

  // Each setting is taken out, or turned round; where the decision stays the same it was no matter.
  [[nodiscard]] std::vector<config::Place> because(const Act& act, When when, const Known& known,
                                                   const Decision& decision) const {
    std::vector<config::Place> out;
    const auto matters = [&](const std::function<void(Known&)>& change) {
      Known other = known;
      change(other);
      return !same_ruling(decide(act, when, other), decision);
    };
    const auto upstream = [&](std::string_view key) {
      out.push_back(places_.of_upstream(*call_.upstream, key));
    };
    if (matters([](Known& other) { other.classes.clear(); })) upstream("classify");
    if (matters([](Known& other) { other.rules.refused.clear(); })) upstream("idempotency.refused");
    if (matters([](Known& other) { other.rules.in_progress.clear(); })) {
      upstream("idempotency.in_progress");
    }
    if (matters([](Known& other) { other.rules.settles.clear(); })) upstream("idempotency.settles");
    if (matters([](Known& other) { other.rules.no_retry_advice.clear(); })) {
      upstream("idempotency.no_retry_advice");
    }
    if (matters([](Known& other) { other.rules.replay_marker.clear(); })) {
      upstream("idempotency.replay_marker");
    }
    if (matters([](Known& other) { other.head_is_proof = !other.head_is_proof; })) {
      out.push_back(places_.of_route(index_, *call_.route, *call_.upstream, "head_is_proof"));
    }
    bool mode = false;
    for (const Mode one : {Mode::none, Mode::key, Mode::verify, Mode::repeatable}) {
      mode = mode || matters([one](Known& other) { other.rules.mode = one; });
    }
    if (mode) upstream("idempotency.mode");
    return out;
  }

  const config::Places& places_;
  std::size_t index_;
  const call::NewCall& call_;
  Idempotency rules_;
};

bool same_rulings(const std::vector<Ruled>& a, const std::vector<Ruled>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Ruled& x, const Ruled& y) {
    return x.when == y.when && x.decision.row == y.decision.row &&
           same_ruling(x.decision, y.decision) && x.because == y.because;
  });
}

// A client is told the upstream's own status; beyond that the same happens.
bool same_course(const Course& a, const Course& b) {
  if (a.told.has_value() != b.told.has_value()) return false;
  if (a.told) {
    const Told& x = *a.told;
    const Told& y = *b.told;
    if (x.code != y.code || x.effect != y.effect || x.safe_to_retry != y.safe_to_retry ||
        x.cut != y.cut || (!x.code.empty() && x.status != y.status)) {
      return false;
    }
  }
  return a.live_attempts == b.live_attempts && a.held == b.held && a.state == b.state &&
         a.rules == b.rules;
}

Course course_of(const std::shared_ptr<const call::Settings>& settings,
                 const call::IncomingHead& head, const std::string& body, const Act& act,
                 const call::RouteSettings& route, Duration horizon, Now now) {
  Stage stage(settings, now);
  int begun = 0;
  stage.upstream = [&](const Copy&) {
    ++begun;
    return act;
  };
  Course out;
  const int number = stage.ask(head, body);
  stage.pass_until_told(number, route.wait + kLastAttempt);
  out.live_attempts = begun;
  if (const Told* told = stage.told(number)) out.told = *told;
  stage.pass(horizon);
  out.copies = stage.copies();
  out.lookups = stage.lookups();
  for (const auto& event : stage.timeline()) {
    out.held = out.held || event.what == call::Happening::held;
    const auto known = std::find(out.rules.begin(), out.rules.end(), event.rule);
    const bool decides = event.what != call::Happening::held &&
                         event.what != call::Happening::looked_up && !event.rule.empty();
    if (decides && known == out.rules.end()) out.rules.push_back(event.rule);
  }
  if (const auto call = stage.call()) out.state = call->state;
  if (!stage.moments().empty()) out.ends = stage.moments().back().at;
  return out;
}

}  // namespace

std::vector<Outcome> outcomes_of(const std::shared_ptr<const call::Settings>& settings,
                                 const config::Places& places, std::size_t route,
                                 const call::IncomingHead& head, const std::string& body,
                                 const call::NewCall& call, Now now) {
  const Ruler ruler(places, route, call);
  const Duration lifetime = ruler.rules().lifetime.value_or(Duration{});
  const Duration horizon =
      call.route->wait + kLastAttempt +
      std::max({call.route->deadline, lifetime, settings->journal.retention.keys});
  std::vector<Outcome> out;
  for (End& end : ends_of(*call.upstream, ruler.rules(), !call.wants_journal())) {
    Act judged = end.act;
    judged.outcome.forwarded = end.forwarded;
    auto ruled = ruler.rule(judged);
    const Course course = course_of(settings, head, body, end.act, *call.route, horizon, now);
    const auto same = std::find_if(out.begin(), out.end(), [&](const Outcome& other) {
      const bool played_alike = end.killed || same_course(other.course, course);
      return same_rulings(other.ruled, ruled) && played_alike;
    });
    if (same != out.end()) {
      same->ends.push_back(std::move(end.name));
      continue;
    }
    Outcome one;
    one.ends = {std::move(end.name)};
    one.ruled = std::move(ruled);
    one.course = course;
    out.push_back(std::move(one));
  }
  std::stable_sort(out.begin(), out.end(), [](const Outcome& a, const Outcome& b) {
    return a.ruled.front().decision.row < b.ruled.front().decision.row;
  });
  return out;
}

}  // namespace hf::review
