#include "review/answers.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/quantity.h"
#include "review/story.h"

namespace hf::review {
namespace {

using call::Column;

std::string times(int count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

std::string told(const Scene& scene, std::size_t number) {
  const Told* told = scene.client(number);
  return told == nullptr ? "nothing" : words_of(*told);
}

bool good(const Told* told) {
  return told != nullptr && !told->cut && told->code.empty() && told->status >= 200 &&
         told->status < 300 && (told->effect.empty() || told->effect == "applied");
}

std::string key_words(const RouteFacts& facts) {
  return text_of(key_parts(*facts.route, *facts.upstream));
}

// Why nothing is doubled while its repeats are recognised.
std::string joined_words(const RouteFacts& facts) {
  const auto& upstream = *facts.upstream;
  switch (facts.column) {
    case Column::key:
      return fmt::format("every copy carries one key, which `{}` remembers for {}", upstream.name,
                         format_duration(upstream.idempotency.lifetime.value_or(Duration{})));
    case Column::verify:
      return fmt::format("`{}` is asked before anything in doubt is sent again", upstream.name);
    case Column::none:
      return "nothing in doubt is ever sent again";
    case Column::safe:
      break;
  }
  return "a repeat changes nothing";
}

Answer retries(const RouteFacts& facts) {
  Answer out{Question::retries, Verdict::yes, {}};
  if (!facts.changing) {
    out.why = "Only safe methods get here: a repeat changes nothing.";
    return out;
  }
  if (facts.column == Column::safe) {
    out.why = "`mode: repeatable`: a repeat costs what it costs, and changes nothing else.";
    return out;
  }
  const bool doubles = facts.repeated.effects > 1;
  const bool bare_doubles = facts.bare_repeated && facts.bare_repeated->effects > 1;
  const std::string how = joined_words(facts);
  if (doubles) {
    out.verdict = Verdict::no;
    out.why = fmt::format("Of Holdfast's own: {}. But the client's repeat is another call: {}.",
                          how, times(facts.repeated.effects, "effect"));
  } else if (bare_doubles) {
    out.verdict = Verdict::partly;
    out.why = fmt::format(
        "With {}: {}, and the client's repeat is recognised. Without, its repeat "
        "is another call: {}.",
        key_words(facts), how, times(facts.bare_repeated->effects, "effect"));
  } else if (facts.keyed) {
    out.why =
        fmt::format("By {}: {}, and the client's repeat is recognised.", key_words(facts), how);
  } else {
    out.why = fmt::format("In the rehearsal {} after a repeat: {}.",
                          times(facts.repeated.effects, "effect"), how);
  }
  return out;
}

Answer answer_lost(const RouteFacts& facts) {
  Answer out{Question::answer_lost, Verdict::yes, {}};
  const Scene& scene = facts.answer_lost;
  const Told* first = scene.client(1);
  if (good(first)) {
    const std::string how =
        scene.lookups > 0 ? fmt::format("found by {}", times(scene.lookups, "lookup"))
                          : fmt::format("asked again{}",
                                        facts.column == Column::key ? " under the same key" : "");
    const bool costs = facts.changing && facts.column == Column::safe;
    out.why =
        fmt::format("{}: the client gets {}{}.",
                    static_cast<char>(how.front() - 'a' + 'A') + how.substr(1), told(scene, 1),
                    costs            ? fmt::format(", after {}", times(scene.copies, "attempt"))
                    : facts.changing ? fmt::format(", with {}", times(scene.effects, "effect"))
                                     : "");
    return out;
  }
  if (scene.state == call::State::answered) {
    out.verdict = Verdict::partly;
    out.why = fmt::format(
        "Not at once: the client is told {}; the call goes on without it, and a "
        "repeat collects the answer. {} in all.",
        told(scene, 1), times(scene.effects, "effect"));
    return out;
  }
  const Told* repeat = facts.repeated.client(2);
  if (facts.column == Column::key && facts.repeated.effects == 1 && good(repeat)) {
    out.verdict = Verdict::partly;
    out.why = fmt::format(
        "The client is told {}; its repeat under the key tells. Without one the "
        "call ends `{}` after {}.",
        told(scene, 1), scene.state ? to_string(*scene.state) : "gone",
        about(scene.moments.back().at));
    return out;
  }
  out.verdict = Verdict::no;
  const std::string stays = scene.state == call::State::unknown
                                ? "The call stands `unknown` until a person has settled it."
                            : scene.journaled ? "The call stands `open`."
                                              : "No record of it stays: only the upstream knows.";
  out.why = fmt::format("The client is told {}. {}", told(scene, 1), stays);
  return out;
}

// Whether a copy left between the start after the crash and the client's repeat.
bool went_on_alone(const Scene& scene) {
  bool started = false;
  for (const Moment& moment : scene.moments) {
    if (moment.what == Moment::What::starts) started = true;
    if (started && moment.what == Moment::What::asks) return false;
    const bool does = moment.what == Moment::What::sends || moment.what == Moment::What::looks_up;
    if (started && does) return true;
  }
  return false;
}

Answer restart(const RouteFacts& facts) {
  Answer out{Question::restart, Verdict::yes, {}};
  const Scene& scene = facts.crash;
  if (!facts.changing) {
    out.why = "Nothing has to: safe calls are not journaled, and the client asks again.";
  } else if (facts.column == Column::safe && !went_on_alone(scene)) {
    out.verdict = scene.journaled ? Verdict::partly : Verdict::no;
    out.why = fmt::format(
        "{}; the client sees a broken connection and may ask again.",
        scene.journaled ? "It is on disk and waits for its client" : "It dies with the process");
  } else if (went_on_alone(scene)) {
    out.why = fmt::format(
        "It is on disk and goes on by itself after the start: {}; the repeat "
        "gets {}.",
        times(scene.effects, "effect"), told(scene, 2));
  } else if (scene.effects > 1) {
    out.verdict = Verdict::no;
    out.why = fmt::format("{}, and its repeat is another call: {}.",
                          scene.journaled ? "It is known, but nobody can ask for it again"
                                          : "It dies with the process, without a record",
                          times(scene.effects, "effect"));
  } else {
    out.verdict = Verdict::partly;
    out.why = good(scene.client(2))
                  ? fmt::format(
                        "It is on disk and waits for its client: the repeat with its key "
                        "gets {}, {} in all.",
                        told(scene, 2), times(scene.effects, "effect"))
                  : fmt::format(
                        "It is on disk as `{}`: its repeat is told {}, and nothing is "
                        "doubled.",
                        scene.state ? to_string(*scene.state) : "gone", told(scene, 2));
  }
  return out;
}

std::string receivers(const RouteFacts& facts, const call::Settings& settings) {
  std::string out;
  const auto add = [&](std::string_view who) {
    out += (out.empty() ? "" : ", ") + std::string(who);
  };
  for (const auto& target : settings.alerts.targets)
    add("`alerts." + target.upstream.name + "`");
  if (facts.down.callback_made) add("the callback");
  return out;
}

Answer somebody_told(const RouteFacts& facts, const call::Settings& settings) {
  Answer out{Question::told, Verdict::yes, {}};
  out.why = fmt::format(
      "The client, {}: {}.",
      facts.down.client(1) == nullptr ? "never" : "after " + about(facts.down.client(1)->at),
      told(facts.down, 1));
  const bool down_ends = !facts.down.errors.empty();
  const bool doubt_ends = !facts.all_lost.errors.empty();
  if (!down_ends && !doubt_ends) return out;
  const Scene& scene = down_ends ? facts.down : facts.all_lost;
  const std::string_view end = scene.errors.back() == "call_dead" ? "dead" : "unknown";
  const std::string who = receivers(facts, settings);
  out.why += fmt::format(" If nothing helps, the call ends `{}` after {}: ", end,
                         about(scene.moments.back().at));
  if (!who.empty()) {
    out.why += fmt::format("told to {}, and the log.", who);
  } else {
    out.verdict = settings.admin.empty() ? Verdict::no : Verdict::partly;
    out.why += settings.admin.empty() ? "only the log knows."
                                      : "only the log, and who looks at `holdfast alerts`.";
  }
  return out;
}

Answer traffic(const RouteFacts& facts) {
  Answer out{Question::traffic, Verdict::yes, {}};
  const auto& upstream = *facts.upstream;
  const auto& flood = facts.flood;
  std::string limits =
      upstream.adaptive
          ? fmt::format("{} to {} at a time, as is learnt, {} at first", upstream.adaptive->min,
                        upstream.concurrency, upstream.adaptive->start)
          : fmt::format("{} at a time", upstream.concurrency);
  if (upstream.rate) limits += fmt::format(" and {}", format_rate(*upstream.rate));
  const auto share = [&](int count) {
    const int percent = (count * 100 + flood.calls / 2) / std::max(1, flood.calls);
    return percent == 0 && count > 0 ? "under 1%" : fmt::format("{}%", percent);
  };
  out.why = fmt::format("Bounded: {}. Of ten times as many at once, {} each: {} answered", limits,
                        about(Rehearsal::kFloodTakes), share(flood.answered));
  if (flood.held > 0) out.why += fmt::format(", {} held", share(flood.held));
  for (const auto& [code, count] : flood.refused) {
    out.why += fmt::format(", {} refused with {}", share(count), code);
    out.verdict = Verdict::partly;
  }
  if (flood.in_doubt > 0) {
    out.why += fmt::format(", {} in doubt", share(flood.in_doubt));
    out.verdict = Verdict::no;
  }
  out.why += fmt::format("; nobody waits longer than {}.", about(flood.longest));
  return out;
}

Answer journal_full(const RouteFacts& facts) {
  Answer out{Question::journal_full, Verdict::yes, {}};
  const Told* told = facts.full.client(1);
  if (good(told)) {
    out.why = "These calls need no journal.";
    return out;
  }
  out.verdict = facts.safe_too ? Verdict::partly : Verdict::no;
  out.why = fmt::format("New calls are told {}: nothing is sent. Those under way end as always{}.",
                        told == nullptr ? "nothing" : words_of(*told),
                        facts.safe_too ? ", and safe methods go on" : "");
  return out;
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::yes:
      return "yes";
    case Verdict::partly:
      return "partly";
    case Verdict::no:
      return "no";
  }
  return "?";
}

std::vector<Answer> answers_of(const RouteFacts& facts, const call::Settings& settings) {
  if (!facts.reached || facts.answer_lost.moments.empty()) return {};
  return {retries(facts), answer_lost(facts), restart(facts), somebody_told(facts, settings),
          traffic(facts), journal_full(facts)};
}

}  // namespace hf::review
