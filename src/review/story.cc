#include "review/story.h"

#include <fmt/format.h>

#include <algorithm>

namespace hf::review {
namespace {

using What = Moment::What;

// A sentence that may stand for several moments of one kind.
struct Sentence {
  std::string kind;  // equal ones in a row are one
  std::string one;
  std::string many;  // with {n} and {span}
  int count = 1;
  Duration from;
  Duration to;
};

std::string held_words(std::string_view standing) {
  const auto comma = standing.find(", ");
  return fmt::format("The call is held on disk ({}), to be attempted without its client",
                     comma == standing.npos ? standing : standing.substr(comma + 2));
}

std::string end_words(std::string_view standing) {
  if (standing == "unknown") return "The call ends `unknown`: a person has to settle it";
  if (standing == "dead") return "The call ends `dead`: known to have had no effect";
  if (standing == "open") {
    return "The call stands `open`: nothing more is done unless its client asks again";
  }
  return {};  // of one that is answered its client tells, or its callback
}

class Teller {
 public:
  Teller(const Scene& scene, const StoryOptions& options) : scene_(scene), options_(options) {}

  std::vector<std::string> run() {
    mark_standings();
    for (std::size_t i = 0; i < scene_.moments.size(); ++i)
      tell(i);
    std::vector<std::string> out;
    Duration before;
    for (const Sentence& sentence : sentences_) {
      out.push_back(finished(sentence, before));
      before = sentence.to;
    }
    shorten(out);
    return out;
  }

 private:
  // Of all that the journal was told only two things are worth a sentence: that the call is held,
  // and how it stands at the end.
  void mark_standings() {
    for (std::size_t i = 0; i < scene_.moments.size(); ++i) {
      const Moment& moment = scene_.moments[i];
      if (moment.what != What::stands) continue;
      last_standing_ = i;
      const bool waits = moment.text.starts_with("waiting") || moment.text == "verifying";
      if (waits && scene_.held && !first_held_) first_held_ = i;
    }
  }

  void tell(std::size_t i) {
    const Moment& moment = scene_.moments[i];
    switch (moment.what) {
      case What::asks:
        return say(moment, asks(moment));
      case What::told:
        return say(moment, told(moment));
      case What::gives_up:
        return say(moment, "The client gives up waiting before it is told anything");
      case What::sends:
        return sends(i);
      case What::comes_of:
        return;  // with what was sent
      case What::looks_up:
        return add({"looks up: " + moment.text,
                    "Holdfast asks the upstream whether it took effect: " + moment.text,
                    "Holdfast asks the upstream {n} times within {span}: " + moment.text, 1,
                    moment.at, moment.at});
      case What::stands:
        if (first_held_ == i) return say(moment, held_words(moment.text));
        if (last_standing_ == i) return say(moment, end_words(moment.text));
        return;
      case What::notes:
        return;
      case What::tells_end:
        return say(moment, "The callback tells the end of the call");
      case What::dies:
        return say(moment, "Holdfast dies (`kill -9`, power)");
      case What::starts:
        return say(moment, "Holdfast is started again");
      case What::fills:
        return say(moment, "The journal is full (the disk, or `journal.max_bytes`)");
    }
  }

  [[nodiscard]] std::string asks(const Moment& moment) const {
    const auto given = options_.asks.find(moment.number);
    if (given != options_.asks.end()) return given->second;
    if (moment.number == 1) return fmt::format("The client sends {}", moment.text);
    return "The client sends the same request again";
  }

  [[nodiscard]] std::string told(const Moment& moment) const {
    const Told* told = scene_.client(static_cast<std::size_t>(moment.number));
    if (told == nullptr) return {};
    if (told->status == 0) return "The client sees a broken connection";
    if (told->code.empty() && told->effect.empty() && !told->replayed) {
      return fmt::format("The client gets {}", words_of(*told));
    }
    return fmt::format("The client is told {}", words_of(*told));
  }

  void sends(std::size_t i) {
    const Moment& moment = scene_.moments[i];
    std::string end = "the upstream is at work on it";
    for (std::size_t j = i + 1; j < scene_.moments.size(); ++j) {
      const What what = scene_.moments[j].what;
      if (what == What::comes_of) end = scene_.moments[j].text;
      if (what == What::comes_of || what == What::sends) break;
      if (what == What::dies) break;
    }
    const bool again = moment.call == call_;
    const bool another = call_ != 0 && !again;
    call_ = moment.call;
    const std::string how = another               ? "sends it as another call"
                            : !again              ? "sends it"
                            : moment.text.empty() ? "sends it again"
                                                  : "sends it again under the same key";
    add({"sends: " + how + end, fmt::format("Holdfast {}; {}", how, end),
         fmt::format("Holdfast tries {{n}} times within {{span}}; {}", end), 1, moment.at,
         moment.at});
  }

  void say(const Moment& moment, std::string text) {
    if (text.empty()) return;
    add({{}, std::move(text), {}, 1, moment.at, moment.at});
  }

  void add(Sentence sentence) {
    if (!sentence.kind.empty() && !sentences_.empty()) {
      Sentence& last = sentences_.back();
      // A first try and those after it, when all of them end alike.
      const bool tries = sentence.kind.starts_with("sends: sends it again") &&
                         last.kind.starts_with("sends: ") && last.many == sentence.many;
      if (last.kind == sentence.kind || tries) {
        last.count += 1;
        last.to = sentence.to;
        return;
      }
    }
    sentences_.push_back(std::move(sentence));
  }

  static std::string finished(const Sentence& sentence, Duration before) {
    std::string text = sentence.one;
    if (sentence.count > 1) {
      text = fmt::format(fmt::runtime(sentence.many), fmt::arg("n", sentence.count),
                         fmt::arg("span", about(sentence.to - sentence.from)));
    }
    const Duration gap = sentence.from - before;
    if (gap < Duration::seconds(1)) return text;
    const char first = text.front();
    const bool name = text.starts_with("Holdfast") || first < 'A' || first > 'Z';
    if (!name) text.front() = static_cast<char>(first - 'A' + 'a');
    return fmt::format("{} later {}", about(gap), text);
  }

  void shorten(std::vector<std::string>& out) const {
    if (out.size() <= options_.steps_max) return;
    const std::size_t cut = out.size() - options_.steps_max + 1;
    const auto from = out.begin() + static_cast<std::ptrdiff_t>(options_.steps_max / 2);
    out.erase(from, from + static_cast<std::ptrdiff_t>(cut));
    out.insert(out.begin() + static_cast<std::ptrdiff_t>(options_.steps_max / 2),
               fmt::format("... and so on, {} more steps", cut));
  }

  const Scene& scene_;
  const StoryOptions& options_;
  std::vector<Sentence> sentences_;
  std::optional<std::size_t> first_held_;
  std::optional<std::size_t> last_standing_;
  int call_ = 0;  // whose copy was sent last
};

}  // namespace

std::string about(Duration duration) {
  const std::int64_t seconds = duration.ceil_seconds();
  if (seconds < 120) return fmt::format("{} s", std::max<std::int64_t>(1, seconds));
  const std::int64_t minutes = (seconds + 30) / 60;
  if (minutes < 120) return fmt::format("{} min", minutes);
  const std::int64_t hours = (minutes + 30) / 60;
  if (hours < 48) return fmt::format("{} h", hours);
  return fmt::format("{} days", (hours + 12) / 24);
}

std::string words_of(const Told& told) {
  if (told.status == 0) return "a broken connection";
  std::string out = told.code.empty() ? fmt::format("the upstream's {}", told.status)
                                      : fmt::format("{} `{}`", told.status, told.code);
  if (told.code.empty() && told.effect == "applied") {
    return fmt::format("{} with what the lookup shows{}", told.status,
                       told.replayed ? ", replayed" : "");
  }
  if (told.replayed) out += ", replayed";
  if (told.cut) out += ", broken off";
  if (!told.effect.empty()) out += fmt::format(", effect {}", told.effect);
  if (!told.safe_to_retry && !told.at_the_door) out += ", not to be repeated";
  return out;
}

std::vector<std::string> story_of(const Scene& scene, const StoryOptions& options) {
  return Teller(scene, options).run();
}

}  // namespace hf::review
