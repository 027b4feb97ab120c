#include "control/features_view.h"

#include <fmt/format.h>

#include "base/quantity.h"
#include "call/reply_json.h"
#include "control/admin_reply.h"
#include "control/json.h"

namespace hf::control {
namespace {

constexpr Duration kLongest = Duration::hours(24 * 30);

std::string word_json(const std::string& name, const traffic::Override& word) {
  call::JsonObject out;
  if (!name.empty()) out.text("name", name);
  return out.boolean("on", word.on)
      .text("since", format_rfc3339(word.since))
      .text("until", format_rfc3339(word.until))
      .text("reason", word.reason)
      .done();
}

Result<std::pair<std::string, traffic::Override>> parse_line(std::string_view line) {
  HF_TRY(const auto members, JsonMembers::read(line));
  std::pair<std::string, traffic::Override> out;
  HF_TRY(out.first, members.text("name"));
  out.second.on = members.raw("on") == "true";
  HF_TRY(out.second.reason, members.text("reason"));
  HF_TRY(const auto since, members.text("since"));
  HF_TRY(out.second.since, parse_rfc3339(since));
  HF_TRY(const auto until, members.text("until"));
  HF_TRY(out.second.until, parse_rfc3339(until));
  return out;
}

}  // namespace

std::string features_json(const traffic::Features& features) {
  JsonArray list;
  for (std::size_t i = 0; i < features.settings().flags.size(); ++i) {
    const call::FeatureFlag& flag = features.settings().flags[i];
    const traffic::FeatureState state = features.state(i);
    call::JsonObject one;
    one.text("name", flag.name)
        .boolean("on", state.on)
        .raw("value", state.on ? flag.on : flag.off)
        .boolean("dimmed", state.dimmed);
    if (state.word) {
      one.raw("word", word_json({}, *state.word));
    } else {
      one.null("word");
    }
    list.add(one.done());
  }
  const traffic::Pressure& pressure = features.pressure();
  const std::string measured = call::JsonObject()
                                   .number("permille", pressure.permille)
                                   .text("upstream", pressure.upstream)
                                   .text("rule", pressure.rule)
                                   .number("measured_us", pressure.measured)
                                   .number("threshold_us", pressure.threshold)
                                   .done();
  return call::JsonObject()
      .raw("features", list.done())
      .number("level", features.level())
      .number("of", static_cast<std::int64_t>(features.settings().flags.size()))
      .raw("pressure", measured)
      .done();
}

FeatureFacts feature_facts(const traffic::Features& features) {
  FeatureFacts out;
  for (std::size_t i = 0; i < features.settings().flags.size(); ++i)
    out.on[features.settings().flags[i].name] = features.state(i).on;
  out.dims = features.dims();
  out.permille = static_cast<std::uint64_t>(features.pressure().permille);
  return out;
}

std::string words_text(const traffic::Features& features) {
  std::string out;
  for (const auto& [name, word] : features.words())
    out += word_json(name, word) + "\n";
  return out;
}

std::size_t take_words(traffic::Features& features, std::string_view text, WallTime now) {
  std::size_t taken = 0;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    auto word = parse_line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!word.ok() || word->second.until <= now) continue;
    taken += features.set(word->first, word->second) ? 1 : 0;
  }
  return taken;
}

Result<traffic::Override> parse_word(const std::string& body, WallTime now) {
  HF_TRY(const auto members, JsonMembers::read(body.empty() ? std::string_view("{}") : body));
  HF_TRY_VOID(members.only({"on", "for", "reason"}));
  traffic::Override out;
  const auto on = members.raw("on");
  if (on != "true" && on != "false") {
    return fail(ErrorKind::invalid, "\"on\" is required: true or false");
  }
  out.on = on == "true";
  HF_TRY(out.reason, read_reason(members));
  if (out.reason.empty()) return fail(ErrorKind::invalid, "\"reason\" is required: say why");
  HF_TRY(const auto length, members.text("for"));
  const auto lasts = parse_duration(length);
  if (!lasts.ok() || *lasts <= Duration{} || *lasts > kLongest) {
    return fail(ErrorKind::invalid,
                "\"for\" is required: how long, such as \"1h\", at most 30d; nothing stays off for "
                "ever by mistake");
  }
  out.since = now;
  out.until = now + *lasts;
  return out;
}

}  // namespace hf::control
