#include <fmt/format.h>

#include "review/forecast.h"
#include "review/story.h"
#include "review/wrap.h"

namespace hf::review {
namespace {

using Kind = KeyForecast::Kind;
using When = Ruled::When;

constexpr std::size_t kName = 12;
constexpr std::size_t kSettingName = 22;

std::string joined(const std::vector<std::string>& items) {
  std::string out;
  for (const auto& item : items)
    out += (out.empty() ? "" : ", ") + item;
  return out;
}

// In the words of DESIGN section 4.
std::string_view words_of(call::Ruling ruling) {
  switch (ruling) {
    case call::Ruling::again:
      return "sent again";
    case call::Ruling::again_not_before:
      return "sent again, not before the pause is over";
    case call::Ruling::again_later:
      return "sent again later, under the same key";
    case call::Ruling::final_answer:
      return "final: the client gets it";
    case call::Ruling::pass_on:
      return "passed on, and nothing is kept of it";
    case call::Ruling::credentials:
      return "waits for credentials";
    case call::Ruling::verify:
      return "the upstream is asked first";
    case call::Ruling::unresolved_end:
      return "not sent again: its effect stays unknown";
    case call::Ruling::answered_by_head:
      return "counts as answered, without a body";
    case call::Ruling::cut_off:
      return "breaks off";
  }
  return "?";
}

// Of ends that are decided alike each has its own status.
std::string told_words(const Told& told, bool several) {
  std::string out = review::words_of(told);
  const std::string one = fmt::format("the upstream's {}", told.status);
  if (several && out.starts_with(one)) out.replace(0, one.size(), "the upstream's own status");
  return out;
}

std::string_view words_of(When when) {
  switch (when) {
    case When::first:
      return "";
    case When::in_doubt:
      return "with an earlier attempt in doubt: ";
    case When::held:
      return "held: ";
    case When::held_in_doubt:
      return "held, with an earlier attempt in doubt: ";
  }
  return "?";
}

// The rows of DESIGN section 4.
std::string_view words_of(call::Row row) {
  switch (row) {
    case call::Row::nothing_sent:
      return "Nothing sent";
    case call::Row::refused:
      return "A declared refusal";
    case call::Row::in_progress:
      return "A declared in-progress";
    case call::Row::credentials:
      return "A refused credential";
    case call::Row::retry_status:
      return "An error, or no HTTP";
    case call::Row::no_status:
      return "Sent, and no final status";
    case call::Row::answer_cut:
      return "A final head, and its body cut";
    case call::Row::complete:
      return "A complete answer";
  }
  return "?";
}

class Page {
 public:
  Page(const Forecast& forecast, const config::Places& places, std::size_t width)
      : forecast_(forecast), places_(places), width_(width) {}

  std::string run() {
    out_ += fmt::format("{} {}\nNothing is sent: this is what would happen.\n\n", forecast_.method,
                        forecast_.target);
    if (forecast_.route) {
      line("route", forecast_.route_path, places_.line(forecast_.route_place));
      line("upstream", forecast_.upstream + ", " + joined(forecast_.urls),
           places_.line(forecast_.upstream_place));
    }
    if (forecast_.refused) {
      const Told& told = *forecast_.refused;
      line("refused", told.code.empty() ? "it is a request to Holdfast itself"
                                        : review::words_of(told) + ". " + told.detail);
      return std::move(out_);
    }
    call();
    out_ += "\nSettings that apply\n\n";
    for (const Setting& setting : forecast_.settings)
      line(setting.name, setting.value, places_.text(setting.place), kSettingName);
    out_ += "\nWhen an attempt has ended, by what is known of it\n";
    for (const Outcome& outcome : forecast_.outcomes)
      add(outcome);
    return std::move(out_);
  }

 private:
  void call() {
    if (forecast_.webhook) line("signature", "not looked at: taken as good");
    line("sent as", fmt::format("{} {}", forecast_.method, forecast_.sent_target));
    key();
    if (!forecast_.same_request.empty()) {
      line("same if", joined(forecast_.same_request) + " are the same; else 422 `key-reused`");
    }
    if (forecast_.safe) {
      line("mode", "of no matter: a safe method may be sent again");
    } else {
      line("mode", to_string(forecast_.mode), places_.text(forecast_.mode_place));
    }
    line("body",
         forecast_.streamed ? "flows through as it comes" : "read whole before anything is sent");
    line("journal", forecast_.journaled ? "yes: on disk before the first byte leaves"
                                        : "no: it dies with the process");
    hold();
    if (!forecast_.order.empty()) {
      line("order", fmt::format("behind other calls of this owner with `{}`", forecast_.order));
    }
    if (forecast_.urgency != call::kUrgencyDefault) {
      line("priority", fmt::format("u={}", forecast_.urgency));
    }
    if (!forecast_.callback.empty()) line("callback", forecast_.callback);
  }

  void key() {
    const KeyForecast& key = forecast_.key;
    std::string parts;
    for (const PartSeen& part : key.parts) {
      if (part.missing) continue;
      parts += fmt::format("{}{} = {}", parts.empty() ? "" : ", ", text_of(part.part),
                           config::in_quotes(part.value));
    }
    switch (key.kind) {
      case Kind::none:
        line("key", "none: " + key.why, forecast_.safe ? std::string() : places_.text(key.place));
        return;
      case Kind::made:
        line("key",
             fmt::format("made for this call alone: {}; its repeat is another call", key.why),
             places_.text(key.place));
        break;
      case Kind::derived:
        line("key", "derived from owner and content, while the call is under way or in doubt",
             places_.text(key.place));
        break;
      case Kind::header:
        line("key",
             fmt::format("the client's own: {}{}", parts,
                         key.stable ? "" : "; not said to be stable"),
             places_.text(key.place));
        break;
      case Kind::business:
        line("key", fmt::format("of the business: {}", parts), places_.text(key.place));
        break;
    }
    line("  space", key.space);
    for (const PartSeen& part : key.scope)
      line("  scope", fmt::format("{} = {}", text_of(part.part),
                                  part.missing ? "(absent)" : config::in_quotes(part.value)));
    line("  upstream", key.sent_field.empty()
                           ? "nothing is sent for it"
                           : fmt::format("{}: {}", key.sent_field, key.sent_value));
  }

  void hold() {
    const std::string place = places_.text(forecast_.hold_place);
    if (forecast_.held_at_once) return line("held", "at once, whatever the upstream does", place);
    if (forecast_.may_hold) return line("held", "if it cannot be answered now", place);
    line("held", "no: " + forecast_.hold_why, place);
  }

  void add(const Outcome& outcome) {
    const Ruled& first = outcome.ruled.front();
    out_ += "\n";
    paragraph(fmt::format("{}: {}", words_of(first.decision.row), joined(outcome.ends)), "", "  ");
    for (const Ruled& ruled : outcome.ruled) {
      const bool same = ruled.decision.ruling == first.decision.ruling &&
                        ruled.decision.rule == first.decision.rule;
      if (&ruled != &first && same) continue;
      std::string because;
      for (const auto& place : ruled.because) {
        const auto key = place.path.substr(place.path.rfind('.') + 1);
        because += fmt::format("{}{} ({})", because.empty() ? "" : ", ", key, places_.text(place));
      }
      paragraph(fmt::format("{}{} [{}{}]", words_of(ruled.when), words_of(ruled.decision.ruling),
                            ruled.decision.rule, because.empty() ? "" : "; by " + because),
                "  ", "    ");
    }
    paragraph("every time: " + course(outcome.course, outcome.ends.size() > 1), "  ", "    ");
  }

  static std::string counted(int count, std::string_view what) {
    return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
  }

  static std::string when(Duration at) {
    return at < Duration::seconds(1) ? "at once" : "after " + about(at);
  }

  static std::string course(const Course& course, bool several) {
    std::string out = counted(course.live_attempts, "attempt");
    if (course.lookups > 0) out += ", " + counted(course.lookups, "lookup");
    if (course.told) {
      out += fmt::format("; {} the client is told {}", when(course.told->at),
                         told_words(*course.told, several));
    }
    const bool ended = course.state && *course.state != call::State::answered;
    if (ended) {
      out += fmt::format("; the call {}ends `{}` {}", course.held ? "is held, and " : "",
                         to_string(*course.state), when(course.ends));
    } else if (course.held) {
      out += "; the call is held, and answered later";
    }
    return out;
  }

  // "name  text          place": the place at the end of the line, or behind the text.
  void line(std::string_view name, std::string_view text, std::string_view place = {},
            std::size_t column = kName) {
    const std::string lead = fmt::format("{:<{}}", name, column);
    const std::size_t used = lead.size() + text.size() + 2 + place.size();
    if (!place.empty() && used <= width_) {
      out_ += fmt::format("{}{}{}{}\n", lead, text, std::string(width_ - used + 2, ' '), place);
      return;
    }
    const std::string all = place.empty() ? std::string(text) : fmt::format("{} ({})", text, place);
    paragraph(all, lead, std::string(column, ' '));
  }

  void paragraph(std::string_view text, std::string_view lead, std::string_view indent) {
    out_ += wrapped(text, lead, indent, width_);
  }

  const Forecast& forecast_;
  const config::Places& places_;
  std::size_t width_;
  std::string out_;
};

}  // namespace

std::string text_of(const Forecast& forecast, const config::Places& places, std::size_t width) {
  return Page(forecast, places, width).run();
}

}  // namespace hf::review
