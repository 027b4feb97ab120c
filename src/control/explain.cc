#include "control/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/quantity.h"
#include "call/decide.h"

namespace hf::control {

using call::Call;
using call::Happening;
using call::Proof;
using call::State;
using call::TimelineEvent;

namespace {

constexpr std::size_t kAttemptsTold = 12;  // of one call, each in a sentence of its own

// What the rules leave open.
constexpr std::string_view kBehind =
    "A proxy behind Holdfast that repeats requests would not show here.";
constexpr std::string_view kForgotten =
    "It rests on the upstream's promise: one that forgot the key early, or a proxy behind Holdfast "
    "that repeats requests, would not show here.";
constexpr std::string_view kWhy = "It does not show why the client asked again.";
constexpr std::string_view kIntent =
    "It does not show whether two were meant: a customer may buy the same thing twice. Nor does it "
    "show whether the upstream recognised the second by its content.";
constexpr std::string_view kWord = "It shows the person's word, not what they saw.";
constexpr std::string_view kDeclared =
    "It rests on what the configuration declares of the upstream; an upstream that applied what it "
    "refused would not show here.";

std::string clock(WallTime at) {
  const std::string text = format_rfc3339(at);  // 2026-11-21T03:39:20.123Z
  return text.size() >= 23 ? text.substr(11, 12) : text;
}

std::string apart(Duration gap) {
  if (gap < Duration{}) gap = Duration{};
  if (gap < Duration::seconds(10)) {
    return fmt::format("{}.{:03} s", gap.ms() / 1000, gap.ms() % 1000);
  }
  return format_duration(Duration::seconds(gap.ms() / 1000));
}

bool success(int status) {
  return status >= 200 && status < 300;
}

// A key that a client chose.
bool own_key(const Call& call) {
  return call.key && !call.key->made && !call.key->derived;
}

// What is known of one call's effect, from its head.
enum class Applied { yes, refused, no, unknown };
Applied applied(const Call& call) {
  switch (call.state) {
    case State::answered:
      // Settled by an operator or a lookup: that it was applied is what they said.
      if (!call.answer || call.answer->by_lookup || call.answer->status == 0) return Applied::yes;
      return success(call.answer->status) ? Applied::yes : Applied::refused;
    case State::dead:
    case State::cancelled:
      return Applied::no;
    default:
      return call.unresolved || call.state == State::sending ? Applied::unknown : Applied::no;
  }
}

std::string outcome(const std::string& name, const Call& call) {
  switch (call.state) {
    case State::answered:
      if (call.answer && call.answer->by_lookup) {
        return fmt::format("a lookup showed that {} took effect", name);
      }
      return call.answer && call.answer->status != 0
                 ? fmt::format("{} was answered {}", name, call.answer->status)
                 : fmt::format("{} was settled as applied", name);
    case State::dead:
      return fmt::format("{} did not take effect", name);
    case State::cancelled:
      return fmt::format("{} was cancelled and did not take effect", name);
    case State::unknown:
      return fmt::format("whether {} took effect is not known", name);
    default:
      return fmt::format("{} has not ended ({})", name, to_string(call.state));
  }
}

// A 2xx that `classify` reads as something else bears the rule of what it is.
bool tells_success(const TimelineEvent& end) {
  const bool told = end.rule.empty() || end.rule == "final" || end.rule == "settles-earlier" ||
                    end.rule == "verify";
  return end.evidence == call::Evidence::answer_complete && success(end.status) && told;
}

class Judge {
 public:
  explicit Judge(const std::vector<ports::CallDetail>& calls) : calls_(calls) {}

  Explanation run(bool cut) {
    for (std::size_t i = 0; i < calls_.size(); ++i)
      judge_call(i);
    judge_likeness();
    judge_one_key();
    if (cut) {
      say("more-calls", Verdict::not_known,
          fmt::format("Only the newest {} that fit were looked at; there may be more.",
                      calls_.size()),
          "Of others nothing is said. Narrow the search.", {});
    }
    if (calls_.empty()) {
      say("no-call", Verdict::not_known, "No call in the journal fits.",
          "Calls that are neither keyed nor held leave no record, and records are kept for "
          "journal.retention.timeline only.",
          {});
    }
    finish();
    return std::move(out_);
  }

 private:
  [[nodiscard]] const Call& call(std::size_t i) const { return *calls_[i].call; }
  [[nodiscard]] std::string name(std::size_t i) const { return call_label(i); }
  [[nodiscard]] std::vector<EventRef> events(std::size_t i, Happening what) const {
    std::vector<EventRef> out;
    const auto& timeline = calls_[i].timeline;
    for (std::size_t n = 0; n < timeline.size(); ++n) {
      if (timeline[n].what == what) out.push_back({i, n});
    }
    return out;
  }
  [[nodiscard]] const TimelineEvent& at(EventRef ref) const {
    return calls_[ref.call].timeline[ref.event];
  }
  [[nodiscard]] std::vector<EventRef> began(std::size_t i) const {
    auto out = events(i, Happening::accepted);
    if (out.size() > 1) out.resize(1);
    return out;
  }

  void say(std::string_view rule, Verdict weight, std::string text, std::string_view unproved,
           const std::vector<EventRef>& evidence) {
    out_.sentences.push_back({rule, weight, std::move(text), unproved, evidence});
  }

  void judge_call(std::size_t i) {
    same_key_again(i);
    attempted_again(i);
    operators(i);
    lookups(i);
    standing(i);
  }

  // "once at 03:12:04.120 from 10.0.0.7:4711", "3 times, at ... and last at ...".
  [[nodiscard]] std::string times(const std::vector<EventRef>& refs) const {
    const TimelineEvent& first = at(refs.front());
    const std::string from = first.where.empty() ? "" : " from " + first.where;
    if (refs.size() == 1) return fmt::format("at {}{}", clock(first.at), from);
    return fmt::format("{} times, first at {}{}, last at {}", refs.size(), clock(first.at), from,
                       clock(at(refs.back()).at));
  }

  void same_key_again(std::size_t i) {
    const std::string a = name(i);
    if (const auto refs = events(i, Happening::joined); !refs.empty()) {
      say("one-key-joined", Verdict::nothing_doubled,
          fmt::format("The client sent {} again with the same key while it was under way, {}. The "
                      "second was joined to the first: one request went to the upstream, both "
                      "clients got its answer.",
                      a, times(refs)),
          kWhy, refs);
    }
    if (const auto refs = events(i, Happening::replayed); !refs.empty()) {
      say("one-key-replayed", Verdict::nothing_doubled,
          fmt::format("The client sent {} again with the same key after its end, {}. It was told "
                      "the stored end; nothing went to the upstream.{}",
                      a, times(refs),
                      call(i).asked_again >= call::kAskedAgainMax
                          ? " Further such requests are not recorded."
                          : ""),
          kWhy, refs);
    }
    if (const auto refs = events(i, Happening::key_mismatch); !refs.empty()) {
      say("one-key-other-content", Verdict::nothing_doubled,
          fmt::format(
              "A request with {}'s key and another content came {}. It was refused; nothing "
              "was sent for it.",
              a, times(refs)),
          "It does not show what the other content was.", refs);
    }
    if (const auto refs = events(i, Happening::stranger_refused); !refs.empty()) {
      say("one-key-stranger", Verdict::nothing_doubled,
          fmt::format("Somebody with another credential used {}'s key, {}. They were refused; "
                      "nothing was sent for them.",
                      a, times(refs)),
          "It does not show who that was.", refs);
    }
  }

  // Why the attempt at `next` was allowed: what ended or settled the one before it.
  struct Leave {
    std::string because;
    std::string_view unproved = kBehind;
    std::optional<EventRef> evidence;
    Verdict weight = Verdict::nothing_doubled;
  };

  Leave leave_by_end(std::size_t i, EventRef ref) const {
    const TimelineEvent& end = at(ref);
    const std::string before = fmt::format("attempt {}", std::max<std::uint32_t>(end.attempt, 1));
    const std::string how = end.status != 0 ? fmt::format("was answered {}", end.status)
                            : end.cause != call::Cause::none
                                ? fmt::format("ended without an answer ({})", to_string(end.cause))
                                : std::string("ended without an answer");
    Leave out;
    out.evidence = ref;
    switch (end.proof) {
      case Proof::no_byte:
        out.because = fmt::format("no byte of {} had left Holdfast", before);
        return out;
      case Proof::refused_status:
        out.because = fmt::format(
            "{} was refused with {}{}, which this upstream declares as not applied", before,
            end.status, end.rule == "classified-refusal" ? " and what it says" : "");
        out.unproved = kDeclared;
        return out;
      case Proof::verify_absent:
        out.because = fmt::format("a lookup showed that {} had not taken effect", before);
        out.unproved = kDeclared;
        return out;
      case Proof::operator_word:
        out.because = fmt::format("an operator said that {} had not taken effect", before);
        out.unproved = kWord;
        return out;
      default:
        break;
    }
    const Call& subject = call(i);
    const auto column = call::column_of(subject.idempotency->mode, subject.safe);
    if (column == call::Column::safe) {
      out.because = fmt::format("{} {}, and {}", before, how,
                                subject.safe ? "the method is safe: it changes nothing"
                                             : "repeating is declared to cost money only");
      out.unproved = subject.safe ? kBehind : kDeclared;
    } else if (column == call::Column::key) {
      const auto& lifetime = subject.idempotency->lifetime;
      out.because = fmt::format(
          "{} {}, and the next one carried the same key, under which the upstream joins requests{}",
          before, how, lifetime ? " for " + format_duration(*lifetime) : std::string());
      out.unproved = kForgotten;
    } else {
      out.because = fmt::format("{} {}, by the rule {}", before, how,
                                end.rule.empty() ? "(not recorded)" : end.rule);
    }
    return out;
  }

  Leave leave_of(std::size_t i, std::size_t next) const {
    const auto& timeline = calls_[i].timeline;
    for (std::size_t n = next; n-- > 0;) {
      const TimelineEvent& event = timeline[n];
      const EventRef ref{i, n};
      switch (event.what) {
        case Happening::operator_retry:
          return {
              "an operator asked for it" +
                  (event.detail.empty() ? std::string() : fmt::format(" (\"{}\")", event.detail)),
              kWord, ref};
        case Happening::looked_up:
          if (event.rule != "absent") break;
          return {"the upstream was asked, and twice had nothing of it", kDeclared, ref};
        case Happening::revived:
          return {
              "the call was known not to have taken effect, and the client asked for it anew "
              "with the same key",
              kBehind, ref};
        case Happening::attempt_ended:
        case Happening::recovered:
          return leave_by_end(i, ref);
        default:
          break;
      }
    }
    return {"what went before is no longer in the timeline", kBehind, std::nullopt,
            Verdict::not_known};
  }

  void attempted_again(std::size_t i) {
    const auto starts = events(i, Happening::attempt_started);
    for (std::size_t n = 1; n < starts.size(); ++n) {
      if (n > kAttemptsTold) {
        say("attempted-again", Verdict::nothing_doubled,
            fmt::format("{} further attempts of {} followed by the same rules; the timeline has "
                        "them.",
                        starts.size() - n, name(i)),
            kBehind, {starts.back()});
        return;
      }
      Leave leave = leave_of(i, starts[n].event);
      std::vector<EventRef> evidence;
      if (leave.evidence) evidence.push_back(*leave.evidence);
      evidence.push_back(starts[n]);
      say("attempted-again", leave.weight,
          fmt::format("Holdfast made attempt {} of {} at {}. That was allowed: {}.",
                      at(starts[n]).attempt, name(i), clock(at(starts[n]).at), leave.because),
          leave.unproved, evidence);
    }
  }

  void operators(std::size_t i) {
    const auto tell = [&](Happening what, std::string_view rule, std::string_view did) {
      for (const EventRef ref : events(i, what)) {
        const TimelineEvent& event = at(ref);
        say(rule, Verdict::nothing_doubled,
            fmt::format("An operator {} {} at {}{}.", did, name(i), clock(event.at),
                        event.detail.empty() ? std::string()
                                             : fmt::format(", saying \"{}\"", event.detail)),
            kWord, {ref});
      }
    };
    tell(Happening::operator_retry, "operator-replayed", "had Holdfast send again");
    tell(Happening::operator_cancel, "operator-cancelled", "cancelled");
    tell(Happening::operator_resolve, "operator-resolved", "settled");
  }

  // What a lookup counted (call/lookup.cc): "found, 2 in the collection".
  static std::optional<std::uint64_t> found_count(std::string_view detail) {
    const auto end = detail.find(" in the collection");
    if (end == std::string_view::npos) return std::nullopt;
    const auto begin = detail.rfind(' ', end - 1);
    std::uint64_t out = 0;
    const std::string_view digits = detail.substr(begin + 1, end - begin - 1);
    const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
    if (error != std::errc{} || stop != digits.data() + digits.size()) return std::nullopt;
    return out;
  }

  void lookups(std::size_t i) {
    for (const EventRef ref : events(i, Happening::looked_up)) {
      const auto count = found_count(at(ref).detail);
      if (!count || *count < 2) continue;
      say("lookup-shows-two", Verdict::doubled,
          fmt::format("The upstream, asked at {} what became of {}, showed {} entries where "
                      "one is meant.",
                      clock(at(ref).at), name(i), *count),
          "It does not show by whom the others were made: compare their times with the attempts "
          "below.",
          {ref});
      return;
    }
  }

  // Where the call stands, and which fact is missing where that is not known.
  void standing(std::size_t i) {
    const Call& subject = call(i);
    const std::string a = name(i);
    const auto starts = events(i, Happening::attempt_started);
    const auto ends = events(i, Happening::attempt_ended);
    if (calls_[i].timeline.empty()) {
      say("timeline-retired", subject.attempts > 1 ? Verdict::not_known : Verdict::nothing_doubled,
          fmt::format("The timeline of {} has been retired; its head says {} attempt{}, state {}.",
                      a, subject.attempts, subject.attempts == 1 ? "" : "s",
                      to_string(subject.state)),
          "What happened between is no longer on record.", {});
      return;
    }
    const bool over = call::terminal(subject.state);
    if (!over && (subject.unresolved || subject.state == State::unknown)) {
      std::vector<EventRef> evidence;
      if (!ends.empty()) evidence.push_back(ends.back());
      const std::string& whom = subject.first_sent_authority;
      say("not-known", Verdict::not_known,
          fmt::format("Whether {} took effect is not known: {}. The missing fact is what {} has on "
                      "record of it: look there, then `holdfast calls resolve`.",
                      a, doubt_of(i, ends), whom.empty() ? "the upstream" : whom),
          "It proves neither that it took effect nor that it did not.", evidence);
      return;
    }
    if (!over) {
      say("not-ended", Verdict::not_known,
          fmt::format("{} has not ended: it is {}.", a, to_string(subject.state)),
          "What is still to come.", starts.empty() ? began(i) : starts);
      return;
    }
    if (starts.empty()) {
      say("never-sent", Verdict::nothing_doubled,
          fmt::format("{} was never sent to the upstream; it is {}.", a, to_string(subject.state)),
          kBehind, began(i));
    } else if (starts.size() == 1) {
      auto evidence = starts;
      if (!ends.empty()) evidence.push_back(ends.back());
      say("sent-once", Verdict::nothing_doubled,
          fmt::format("{} went to the upstream once; {}.", a, outcome("it", subject)), kBehind,
          evidence);
    } else {
      say("ended", Verdict::nothing_doubled, fmt::format("In the end {}.", outcome(a, subject)),
          kBehind, events(i, Happening::answered));
    }
  }

  [[nodiscard]] std::string doubt_of(std::size_t i, const std::vector<EventRef>& ends) const {
    const auto cut = events(i, Happening::recovered);
    if (!ends.empty()) {
      const TimelineEvent& end = at(ends.back());
      std::string how = fmt::format("attempt {} had sent {} bytes to {}", end.attempt,
                                    end.bytes_sent, end.where.empty() ? "it" : end.where);
      if (end.status != 0) {
        return how + fmt::format(" and was answered {}, which settles nothing", end.status);
      }
      return how + fmt::format(" and ended without an answer ({})", to_string(end.cause));
    }
    if (!cut.empty()) return "Holdfast was stopped while an attempt ran";
    return "an attempt has had no answer yet";
  }

  // --- calls against one another ---

  [[nodiscard]] std::optional<call::Digest> content_of(std::size_t i) const {
    const auto refs = began(i);
    return refs.empty() ? std::nullopt : at(refs.front()).digest;
  }

  [[nodiscard]] std::optional<call::Digest> answer_of(std::size_t i) const {
    const auto refs = events(i, Happening::attempt_ended);
    return refs.empty() ? std::nullopt : at(refs.back()).digest;
  }

  [[nodiscard]] bool alike(std::size_t i, std::size_t j) const {
    const Call& a = call(i);
    const Call& b = call(j);
    if (a.likeness && b.likeness) return a.likeness == b.likeness;
    // Without: one owner, one route, one request line, one body.
    const auto one = content_of(i);
    return one && one == content_of(j) && a.owner == b.owner && a.route == b.route && a.request &&
           b.request && a.request->method == b.request->method &&
           a.request->target == b.request->target && a.has_body;
  }

  void judge_likeness() {
    for (std::size_t j = 1; j < calls_.size(); ++j) {
      for (std::size_t i = j; i-- > 0;) {
        if (!alike(i, j)) continue;
        const bool one_key =
            own_key(call(i)) && own_key(call(j)) && call(i).key->identity == call(j).key->identity;
        if (!one_key) same_content(i, j);
        break;  // the nearest one before it tells enough
      }
    }
  }

  // Its answer was one that `classify` reads as an error, whatever its status.
  [[nodiscard]] std::string_view in_error(std::size_t i) const {
    const auto answered = events(i, Happening::answered);
    const bool error = !answered.empty() && at(answered.back()).rule == "classified-error";
    return error ? ", which here means an error" : "";
  }
  [[nodiscard]] Applied applied_of(std::size_t i) const {
    const Applied told = applied(call(i));
    return told == Applied::yes && !in_error(i).empty() ? Applied::refused : told;
  }

  void same_content(std::size_t i, std::size_t j) {
    const Call& a = call(i);
    const Call& b = call(j);
    const Applied first = applied_of(i);
    const Applied second = applied_of(j);
    const std::string keys = own_key(a) && own_key(b) ? "with different keys"
                             : own_key(a) || own_key(b)
                                 ? "one of them with a key, the other without"
                                 : "without any key of its own";
    std::string text = fmt::format(
        "The client sent the same content twice {}, {} apart: {} at {} and {} at {}: its "
        "own retry, or a double submit. ",
        keys, apart(b.accepted.wall - a.accepted.wall), name(i), clock(a.accepted.wall), name(j),
        clock(b.accepted.wall));
    Verdict weight = Verdict::same_content;
    if (first == Applied::yes && second == Applied::yes) {
      weight = Verdict::doubled;
      text +=
          fmt::format("Both took effect: {}, and {}.", outcome(name(i), a), outcome(name(j), b));
      const auto one = answer_of(i);
      const auto other = answer_of(j);
      if (one && other) {
        text += *one == *other ? " The two answers are equal, as where an upstream recognises the "
                                 "second, or says the same to everybody."
                               : " The two answers differ.";
      }
    } else if (first == Applied::no || second == Applied::no) {
      weight = Verdict::nothing_doubled;
      text += fmt::format(
          "But {}.", outcome(name(first == Applied::no ? i : j), first == Applied::no ? a : b));
      if (!call::terminal(first == Applied::no ? a.state : b.state)) weight = Verdict::same_content;
    } else {
      text += fmt::format("Of the two, {}{}; {}{}.", outcome(name(i), a), in_error(i),
                          outcome(name(j), b), in_error(j));
    }
    std::vector<EventRef> evidence = began(i);
    for (const EventRef ref : began(j))
      evidence.push_back(ref);
    for (const EventRef ref : events(j, Happening::resembles))
      evidence.push_back(ref);
    say("same-content-other-key", weight, std::move(text), kIntent, evidence);
  }

  // Two different successes under one key: the upstream did not join them.
  void judge_one_key() {
    std::map<call::Digest, EventRef> first;
    for (std::size_t i = 0; i < calls_.size(); ++i) {
      const Call& subject = call(i);
      if (!subject.key) continue;
      for (const EventRef ref : events(i, Happening::attempt_ended)) {
        const TimelineEvent& end = at(ref);
        if (!tells_success(end) || !end.digest) continue;
        const auto identity = subject.key->made ? *end.digest : subject.key->identity;
        const auto [found, fresh] = first.emplace(identity, ref);
        if (fresh || at(found->second).digest == end.digest) continue;
        say("two-answers-one-key", Verdict::doubled,
            fmt::format(
                "Under one key the upstream gave two successes that differ: {} at {} and {} "
                "at {}. It did not take them for one.",
                name(found->second.call), clock(at(found->second).at), name(i), clock(end.at)),
            "Answers may differ in a time stamp alone: compare the two at the upstream.",
            {found->second, ref});
      }
    }
  }

  // --- at the end ---

  void finish() {
    std::stable_sort(out_.sentences.begin(), out_.sentences.end(),
                     [](const Sentence& a, const Sentence& b) { return a.weight > b.weight; });
    for (const Sentence& sentence : out_.sentences)
      out_.verdict = std::max(out_.verdict, sentence.weight);
    for (std::size_t i = 0; i < calls_.size(); ++i) {
      for (std::size_t n = 0; n < calls_[i].timeline.size(); ++n)
        out_.timeline.push_back({i, n});
    }
    std::stable_sort(out_.timeline.begin(), out_.timeline.end(),
                     [&](EventRef a, EventRef b) { return at(a).at < at(b).at; });
    out_.headline = headline();
  }

  // The calls that the weightiest sentences name, "A and B".
  [[nodiscard]] std::string named(Verdict weight) const {
    std::set<std::size_t> calls;
    for (const Sentence& sentence : out_.sentences) {
      if (sentence.weight != weight) continue;
      for (const EventRef ref : sentence.evidence)
        calls.insert(ref.call);
    }
    std::string out;
    std::size_t left = calls.size();
    for (const std::size_t i : calls) {
      --left;
      out += name(i) + (left > 1 ? ", " : left == 1 ? " and " : "");
    }
    return out;
  }

  [[nodiscard]] std::string headline() const {
    switch (out_.verdict) {
      case Verdict::doubled: {
        const std::string both = named(Verdict::doubled);
        return both.empty() ? "Doubled: two effects are shown."
                            : fmt::format("Doubled: {} show two effects at the upstream.", both);
      }
      case Verdict::same_content:
        return fmt::format("Sent twice: {} have the same content; two effects are not shown.",
                           named(Verdict::same_content));
      case Verdict::not_known: {
        const std::string whose = named(Verdict::not_known);
        if (calls_.empty()) return "Not known: no such call is on record.";
        return whose.empty() ? "Not known: a fact is missing."
                             : fmt::format("Not known: a fact about {} is missing.", whose);
      }
      case Verdict::nothing_doubled:
        break;
    }
    return "Nothing was doubled here.";
  }

  const std::vector<ports::CallDetail>& calls_;
  Explanation out_;
};

}  // namespace

Explanation explain(const std::vector<ports::CallDetail>& calls, bool cut) {
  return Judge(calls).run(cut);
}

std::string call_label(std::size_t index) {
  if (index < 26) return {static_cast<char>('A' + static_cast<char>(index))};
  return std::to_string(index + 1);
}

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::nothing_doubled:
      return "nothing_doubled";
    case Verdict::not_known:
      return "not_known";
    case Verdict::same_content:
      return "same_content";
    case Verdict::doubled:
      return "doubled";
  }
  return "?";
}

}  // namespace hf::control
