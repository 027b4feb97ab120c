#include "control/operation.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/quantity.h"
#include "call/reply_json.h"
#include "control/admin_reply.h"
#include "control/json.h"

namespace hf::control {
namespace {

constexpr int kVersion = 1;

std::int64_t number(std::uint64_t value) {
  return static_cast<std::int64_t>(value);
}

std::string ids_text(const std::vector<CallId>& ids) {
  std::string out;
  for (const CallId& id : ids)
    out += (out.empty() ? "" : ",") + id.text();
  return out;
}

Error damaged(std::string_view what) {
  return fail(ErrorKind::corrupt, fmt::format("a kept operation is damaged: {}", what));
}

Result<std::vector<CallId>> parse_ids(std::string_view text) {
  std::vector<CallId> out;
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find(','));
    HF_TRY(const CallId id, CallId::parse(one));
    out.push_back(id);
    text.remove_prefix(std::min(text.size(), one.size() + 1));
  }
  return out;
}

Result<std::uint64_t> parse_count(std::string_view raw) {
  std::uint64_t out = 0;
  const auto [end, error] = std::from_chars(raw.data(), raw.data() + raw.size(), out);
  if (error != std::errc{} || end != raw.data() + raw.size()) return damaged("a number");
  return out;
}

std::string refused_text(const Tallies& refused) {
  call::JsonObject out;
  for (const auto& [why, tally] : refused)
    out.text(why, fmt::format("{} {}", tally.calls, ids_text(tally.sample)));
  return out.done();
}

// Members of an object whose names are data: the reasons.
Result<Tallies> parse_refused(std::string_view raw) {
  Tallies out;
  HF_TRY(const auto members, JsonMembers::read(raw));
  for (const std::string& why : members.names()) {
    HF_TRY(const std::string text, members.text(why));
    const auto blank = text.find(' ');
    if (blank == std::string::npos) return damaged("a tally");
    Tally tally;
    HF_TRY(tally.calls, parse_count(std::string_view(text).substr(0, blank)));
    HF_TRY(tally.sample, parse_ids(std::string_view(text).substr(blank + 1)));
    out.emplace(why, std::move(tally));
  }
  return out;
}

std::optional<Operation::Stage> parse_stage(std::string_view text) {
  for (const auto stage :
       {Operation::Stage::running, Operation::Stage::stopped, Operation::Stage::finished}) {
    if (to_string(stage) == text) return stage;
  }
  return std::nullopt;
}

Result<WallTime> parse_time(const JsonMembers& members, std::string_view name) {
  HF_TRY(const std::string text, members.text(name));
  return parse_rfc3339(text);
}

Result<void> read_asked(const JsonMembers& members, Operation& out) {
  HF_TRY(const std::string id, members.text("id"));
  HF_TRY(out.id, CallId::parse(id));
  HF_TRY(const std::string word, members.text("word"));
  const auto known = call::parse_word(word);
  if (!known) return damaged("its word");
  out.word = *known;
  HF_TRY(const std::string query, members.text("query"));
  HF_TRY(out.query, query_pairs(query));
  out.implied = members.raw("implied") == "true";
  HF_TRY(out.reason, members.text("reason"));
  HF_TRY(out.by, members.text("by"));
  HF_TRY(out.from, members.text("from"));
  HF_TRY(out.begun, parse_time(members, "begun"));
  HF_TRY(out.as_of, parse_time(members, "as_of"));
  HF_TRY(out.selected, parse_count(members.raw("selected")));
  return {};
}

Result<void> read_progress(const JsonMembers& members, Operation& out) {
  HF_TRY(const std::string stage, members.text("stage"));
  const auto known = parse_stage(stage);
  if (!known) return damaged("its stage");
  out.stage = *known;
  HF_TRY(out.driver, parse_count(members.raw("driver")));
  HF_TRY(out.changed, parse_time(members, "changed"));
  if (members.has("ended")) {
    HF_TRY(out.ended, parse_time(members, "ended"));
  }
  if (members.has("after")) {
    HF_TRY(const std::string after, members.text("after"));
    HF_TRY(out.after, CallId::parse(after));
  }
  HF_TRY(out.examined, parse_count(members.raw("examined")));
  HF_TRY(out.done, parse_count(members.raw("done")));
  HF_TRY(out.left, parse_count(members.raw("left")));
  HF_TRY(out.refused, parse_refused(members.raw("refused")));
  HF_TRY(const std::string in_flight, members.text("in_flight"));
  HF_TRY(out.in_flight, parse_ids(in_flight));
  return {};
}

}  // namespace

void Tally::add(const CallId& id) {
  calls += 1;
  if (sample.size() < kTallySample) sample.push_back(id);
}

void add_to(Tallies& tallies, const std::string& what, const CallId& id) {
  const bool room = tallies.contains(what) || tallies.size() + 1 < kTalliesMax;
  tallies[room ? what : std::string("other reasons")].add(id);
}

std::string tallies_json(const Tallies& tallies) {
  std::vector<const Tallies::value_type*> order;
  for (const auto& entry : tallies)
    order.push_back(&entry);
  std::stable_sort(order.begin(), order.end(),
                   [](const auto* a, const auto* b) { return a->second.calls > b->second.calls; });
  JsonArray out;
  for (const auto* entry : order) {
    JsonArray sample;
    for (const CallId& id : entry->second.sample)
      sample.add(call::json_string(id.text()));
    out.add(call::JsonObject()
                .text("why", entry->first)
                .number("calls", number(entry->second.calls))
                .raw("sample", sample.done())
                .done());
  }
  return out.done();
}

bool Operation::acted_on(const std::vector<call::TimelineEvent>& timeline) const {
  return std::any_of(timeline.rbegin(), timeline.rend(), [&](const call::TimelineEvent& event) {
    return event.who == call::Actor::operator_person && event.where == name();
  });
}

Result<call::Selection> Operation::selection(const SelectionContext& context) const {
  QueryPairs pairs = query;
  HF_TRY(auto out, take_selection(pairs, context));
  if (implied) imply_states(out, word);
  out.as_of = as_of;
  return out;
}

std::string Operation::text() const {
  call::JsonObject out;
  out.number("version", kVersion)
      .text("id", id.text())
      .text("word", to_string(word))
      .text("query", query_text(query))
      .boolean("implied", implied)
      .text("reason", reason)
      .text("by", by)
      .text("from", from)
      .text("begun", format_rfc3339(begun))
      .text("as_of", format_rfc3339(as_of))
      .number("selected", number(selected))
      .text("stage", to_string(stage))
      .number("driver", number(driver))
      .text("changed", format_rfc3339(changed));
  if (ended) out.text("ended", format_rfc3339(*ended));
  if (after) out.text("after", after->text());
  out.number("examined", number(examined))
      .number("done", number(done))
      .number("left", number(left))
      .raw("refused", refused_text(refused))
      .text("in_flight", ids_text(in_flight));
  return out.done();
}

Result<Operation> Operation::parse(std::string_view text) {
  auto members = JsonMembers::read(text);
  if (!members.ok()) return damaged("it cannot be read");
  const auto version = parse_count(members->raw("version"));
  if (!version.ok() || *version != kVersion) {
    return fail(ErrorKind::invalid, "this operation was kept by another version of Holdfast");
  }
  Operation out;
  HF_TRY_VOID(read_asked(*members, out));
  HF_TRY_VOID(read_progress(*members, out));
  return out;
}

std::string Operation::json(const std::optional<call::Hasher>& hasher) const {
  call::JsonObject out;
  out.text("operation", id.text())
      .text("word", to_string(word))
      .text("selection", shown_selection(query, hasher))
      .boolean("states_implied", implied)
      .text("reason", reason)
      .text("by", by)
      .text("from", from)
      .text("stage", to_string(stage))
      .number("driver", number(driver))
      .text("begun_at", format_rfc3339(begun))
      .text("as_of", format_rfc3339(as_of))
      .text("changed_at", format_rfc3339(changed));
  if (ended) out.text("ended_at", format_rfc3339(*ended));
  if (after) out.text("position", after->text());
  return out.number("selected", number(selected))
      .number("examined", number(examined))
      .number("done", number(done))
      .number("left", number(left))
      .raw("refused", tallies_json(refused))
      .done();
}

std::string_view to_string(Operation::Stage stage) {
  switch (stage) {
    case Operation::Stage::running:
      return "running";
    case Operation::Stage::stopped:
      return "stopped";
    case Operation::Stage::finished:
      return "finished";
  }
  return "?";
}

void imply_states(call::Selection& selection, call::Word word) {
  if (selection.states.empty()) selection.states = call::states_for(word);
}

}  // namespace hf::control
