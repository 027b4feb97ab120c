#include "control/incident.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/quantity.h"
#include "call/reply_json.h"
#include "call/timeline.h"
#include "control/json.h"

namespace hf::control {
namespace {

using call::Happening;
using call::State;

constexpr std::int64_t kMinute = 60'000;
constexpr std::size_t kShort = 12;        // hex digits of an owner, as `calls show` has them
constexpr std::size_t kNamesKept = 1000;  // owners, clients, kinds of failure: told apart

std::string clock_of(WallTime time) {
  return format_rfc3339(time).substr(11, 5);  // HH:MM
}
std::string second_of(WallTime time) {
  return format_rfc3339(time).substr(0, 19) + "Z";
}

// Whatever a client or an upstream wrote stays text in Markdown.
std::string plain(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("|*`<>[]\\#").find(c) != std::string_view::npos) out += '\\';
    const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
    out += control ? '?' : c;
  }
  return out;
}

void count(std::map<std::string, std::uint64_t>& in, const std::string& name) {
  if (in.size() < kNamesKept || in.contains(name)) in[name] += 1;
}

std::string calls(std::uint64_t count) {
  return fmt::format("{} call{}", count, count == 1 ? "" : "s");
}

std::string sum_of(const Stake& stake) {
  return (stake.at_least() ? "at least " : "") + stake.text();
}

bool has_no_end(State state) {
  return state == State::waiting || state == State::sending || state == State::verifying ||
         state == State::unknown;
}

bool failed(const call::TimelineEvent& event) {
  if (event.what == Happening::recovered) return true;
  if (event.what != Happening::attempt_ended) return false;
  return event.evidence != call::Evidence::answer_complete || event.status >= 500 ||
         event.status == 408 || event.status == 429;
}

// "status 503", "connect_refused, nothing sent".
std::string how(const call::TimelineEvent& event) {
  if (event.status != 0) return fmt::format("status {}", event.status);
  if (event.what == Happening::recovered) return "cut by a crash of Holdfast";
  return fmt::format("{}, {}", to_string(event.cause), to_string(event.evidence));
}

// The most frequent first.
std::vector<std::pair<std::string, std::uint64_t>> ranked(
    const std::map<std::string, std::uint64_t>& counts) {
  std::vector<std::pair<std::string, std::uint64_t>> out(counts.begin(), counts.end());
  std::stable_sort(out.begin(), out.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return out;
}

std::string json_counts(const std::map<std::string, std::uint64_t>& counts) {
  call::JsonObject out;
  for (const auto& [name, n] : counts)
    out.number(name, static_cast<std::int64_t>(n));
  return out.done();
}

}  // namespace

bool Incident::add(const call::Call& call) {
  const bool begun = within(call.accepted.wall);
  if (begun) ++seen_;
  const bool open_end = has_no_end(call.state);
  const bool bad_end = call.state == State::dead || call.state == State::open;
  const bool hit = call.attempts > 1 || call.held || open_end || bad_end || call.unresolved;
  if (!hit || call.accepted.wall > window_.until) return false;
  // An earlier one belongs to it when it still waits, or was parked in the window.
  const bool parked = call.state == State::unknown;
  if (!begun && (!open_end || (parked && !(call.ended && within(call.ended->wall))))) return false;
  ++affected_;
  Group& group = routes_[fmt::format("{}, route {}", call.upstream, call.route)];
  group.calls += 1;
  group.states[std::string(to_string(call.state))] += 1;
  count(owners_, to_hex(call.owner.raw()).substr(0, kShort));
  if (call.asked_again > 0) did_["replayed"] += static_cast<std::uint64_t>(call.asked_again);
  for (const call::IndexValue& value : call.index) {
    if (stake_.empty() || value.name != stake_ || value.hashed) continue;
    group.stake.add(value.value);
    group.has_stake = true;
    sum_.add(value.value);
    if (open_end || bad_end) unsettled_.add(value.value);
    has_sum_ = true;
  }
  if (open_end) {
    ++open_count_;
    if (open_.size() < kIncidentNamesMax) {
      open_.push_back({call.id, call.upstream, call.state, call::ends_at(call)});
    }
  }
  return true;
}

void Incident::add(const ports::CallDetail& detail) {
  if (!detail.call) return;
  for (const call::TimelineEvent& event : detail.timeline) {
    if (within(event.at)) take_event(*detail.call, event);
  }
}

void Incident::take_failure(const call::Call& call, const call::TimelineEvent& event) {
  count(failures_, fmt::format("{}: {}", call.upstream, how(event)));
  last_failure_ = std::max(last_failure_.value_or(event.at), event.at);
  if (first_ && first_->at <= event.at) return;
  std::string words = how(event);
  if (!event.where.empty()) words += " at " + event.where;
  if (!event.rule.empty()) words += ", rule " + event.rule;
  first_ = Evidence{event.at, call.id, call.upstream, call.route, std::move(words)};
}

void Incident::take_event(const call::Call& call, const call::TimelineEvent& event) {
  Minute& minute = minutes_[event.at.ms / kMinute];
  switch (event.what) {
    case Happening::accepted:
      if (!event.where.empty()) count(clients_, event.where.substr(0, event.where.rfind(':')));
      break;
    case Happening::attempt_started:
      minute.attempts += 1;
      did_["attempts"] += 1;
      if (event.attempt > 1) did_["retried"] += 1;
      break;
    case Happening::held:
      minute.held += 1;
      did_["held"] += 1;
      break;
    case Happening::answered:
      minute.answered += 1;
      did_["answered"] += 1;
      break;
    case Happening::became_unknown:
      minute.unknown += 1;
      did_["parked"] += 1;
      break;
    case Happening::died:
      minute.dead += 1;
      did_["dead"] += 1;
      break;
    case Happening::opened:
      did_["refused"] += 1;
      break;
    case Happening::joined:
      did_["joined"] += 1;
      break;
    case Happening::looked_up:
      did_["looked_up"] += 1;
      break;
    case Happening::operator_retry:
    case Happening::operator_cancel:
    case Happening::operator_resolve:
      did_["by_operators"] += 1;
      break;
    default:
      break;
  }
  if (!failed(event)) return;
  minute.failed += 1;
  take_failure(call, event);
}

void Incident::write_summary(std::string& out) const {
  out += fmt::format("- window: {} to {}\n", second_of(window_.since), second_of(window_.until));
  if (first_) {
    out += fmt::format("- first failing attempt: {}; last: {} ({} min between)\n",
                       second_of(first_->at), second_of(*last_failure_),
                       (last_failure_->ms - first_->at.ms) / kMinute);
  } else {
    out += "- no attempt failed in this window\n";
  }
  out += fmt::format("- affected: {}; {} began in the window{}\n", calls(affected_), seen_,
                     calls_cut_ ? " (**cut**: there were more than could be read)" : "");
  if (has_sum_) {
    out += fmt::format("- at stake: {} ({}); of it {} without a good end\n", sum_of(sum_),
                       plain(stake_), sum_of(unsettled_));
  } else if (!stake_.empty()) {
    out += fmt::format("- at stake: not known, no affected call has the field {}\n", plain(stake_));
  }
  if (details_cut_) {
    out += fmt::format(
        "- **cut**: counts of what was done are of the first {} affected calls that were read\n",
        kIncidentDetailsMax);
  }
}

void Incident::write_affected(std::string& out) const {
  out +=
      "\n## Who was affected\n\n| upstream and route | calls | stand now | at stake |\n"
      "| --- | --- | --- | --- |\n";
  for (const auto& [name, group] : routes_) {
    std::string states;
    for (const auto& [state, n] : group.states)
      states += fmt::format("{}{} {}", states.empty() ? "" : ", ", n, state);
    out += fmt::format("| {} | {} | {} | {} |\n", plain(name), group.calls, states,
                       group.has_stake ? sum_of(group.stake) : "");
  }
  const auto names = [&out](std::string_view what,
                            const std::map<std::string, std::uint64_t>& counts) {
    if (counts.empty()) return;
    out += fmt::format("\n{}: ", what);
    std::size_t shown = 0;
    for (const auto& [name, n] : ranked(counts)) {
      if (shown == kIncidentNamesMax) {
        out += fmt::format(", and {} more", counts.size() - shown);
        break;
      }
      out += fmt::format("{}{} ({})", shown++ == 0 ? "" : ", ", plain(name), n);
    }
    out += "\n";
  };
  names("Owners, by hash", owners_);
  names("Clients, by address", clients_);
}

void Incident::write_done(std::string& out) const {
  out += "\n## First evidence of the cause\n\n";
  if (first_) {
    out += fmt::format("{}: an attempt of call {} to {} (route {}): {}.\n", second_of(first_->at),
                       first_->call.text(), plain(first_->upstream), plain(first_->route),
                       plain(first_->words));
    out += "\nHow attempts failed:\n\n";
    std::size_t shown = 0;
    for (const auto& [name, n] : ranked(failures_)) {
      if (shown++ == kIncidentNamesMax) break;
      out += fmt::format("- {}: {}\n", plain(name), n);
    }
  } else {
    out += "None in the records.\n";
  }
  out += "\n## What Holdfast did\n\n";
  static constexpr std::pair<std::string_view, std::string_view> kDeeds[] = {
      {"attempts", "attempts started"},
      {"retried", "of them second or later ones"},
      {"held", "calls put on hold, to be delivered later"},
      {"answered", "calls answered"},
      {"joined", "requests joined to a call in flight"},
      {"replayed", "requests answered from the record"},
      {"refused", "calls ended live without a final answer: the client was told so"},
      {"looked_up", "lookups of whether a call took effect"},
      {"parked", "calls parked: outcome unknown, not sent again"},
      {"dead", "calls ended, known not to have taken effect"},
      {"by_operators", "commands by operators"}};
  bool any = false;
  for (const auto& [name, words] : kDeeds) {
    const auto found = did_.find(std::string(name));
    if (found == did_.end() || found->second == 0) continue;
    any = true;
    out += fmt::format("- {}: {}\n", words, found->second);
  }
  if (!any) out += "Nothing that is on record.\n";
}

void Incident::write_minutes(std::string& out) const {
  out +=
      "\n## Timeline (UTC)\n\n| minute | attempts | failed | held | answered | unknown | dead |\n"
      "| --- | --- | --- | --- | --- | --- | --- |\n";
  std::size_t shown = 0;
  for (const auto& [minute, n] : minutes_) {
    if (n.attempts + n.failed + n.held + n.answered + n.unknown + n.dead == 0) continue;
    if (shown++ == kIncidentMinutesMax) {
      out += "\n(later minutes are left out: narrow the window)\n";
      break;
    }
    out += fmt::format("| {} | {} | {} | {} | {} | {} | {} |\n", clock_of({minute * kMinute}),
                       n.attempts, n.failed, n.held, n.answered, n.unknown, n.dead);
  }
}

void Incident::write_open(std::string& out, WallTime now) const {
  out += "\n## Open ends\n\n";
  if (open_count_ == 0) {
    out += "None: every affected call has an end.\n";
  } else {
    out += fmt::format("{} without an end at {}:\n\n", calls(open_count_), second_of(now));
  }
  for (const OpenEnd& end : open_) {
    if (end.state == State::unknown) {
      out += fmt::format(
          "- unknown, to {}: look there, then `holdfast calls resolve {} applied|not_applied "
          "--reason '...'`\n",
          plain(end.upstream), end.call.text());
    } else {
      out += fmt::format("- {}, to {}, until {}: `holdfast calls show {}`\n", to_string(end.state),
                         plain(end.upstream), second_of(end.ends), end.call.text());
    }
  }
  if (open_count_ > open_.size()) {
    out += fmt::format("- and {} more: `holdfast calls list --state waiting`, `--state unknown`\n",
                       open_count_ - open_.size());
  }
}

std::string Incident::markdown(WallTime now) const {
  std::string out = fmt::format(
      "# Incident of {}\n\nDraft from Holdfast's records, made {}. Causes outside are for people "
      "to add.\n\n",
      second_of(first_ ? first_->at : window_.since).substr(0, 10), second_of(now));
  write_summary(out);
  if (affected_ > 0) write_affected(out);
  write_done(out);
  if (affected_ > 0) write_minutes(out);
  write_open(out, now);
  out +=
      "\n## To be filled in\n\n- cause:\n- how it was noticed:\n- what would have prevented it:\n";
  return out;
}

std::string Incident::counts_json() const {
  JsonArray routes;
  for (const auto& [name, group] : routes_) {
    call::JsonObject one;
    one.text("name", name)
        .number("calls", static_cast<std::int64_t>(group.calls))
        .raw("states", json_counts(group.states));
    if (group.has_stake) one.text("stake", group.stake.text());
    routes.add(one.done());
  }
  return call::JsonObject()
      .raw("routes", routes.done())
      .raw("owners", json_counts(owners_))
      .raw("clients", json_counts(clients_))
      .raw("did", json_counts(did_))
      .raw("failures", json_counts(failures_))
      .done();
}

std::string Incident::json(WallTime now) const {
  call::JsonObject out;
  out.text("made_at", format_rfc3339(now))
      .text("since", format_rfc3339(window_.since))
      .text("until", format_rfc3339(window_.until))
      .number("calls", static_cast<std::int64_t>(seen_))
      .number("affected", static_cast<std::int64_t>(affected_))
      .boolean("calls_cut", calls_cut_)
      .boolean("details_cut", details_cut_);
  if (has_sum_) {
    out.raw("stake", call::JsonObject()
                         .text("field", stake_)
                         .text("sum", sum_.text())
                         .text("unsettled", unsettled_.text())
                         .boolean("at_least", sum_.at_least())
                         .done());
  } else {
    out.null("stake");
  }
  if (first_) {
    out.raw("first_evidence", call::JsonObject()
                                  .text("at", format_rfc3339(first_->at))
                                  .text("call", first_->call.text())
                                  .text("upstream", first_->upstream)
                                  .text("route", first_->route)
                                  .text("text", first_->words)
                                  .done());
    out.text("last_failure_at", format_rfc3339(*last_failure_));
  } else {
    out.null("first_evidence").null("last_failure_at");
  }
  JsonArray open;
  for (const OpenEnd& end : open_) {
    open.add(call::JsonObject()
                 .text("call", end.call.text())
                 .text("state", to_string(end.state))
                 .text("upstream", end.upstream)
                 .text("runs_out_at", format_rfc3339(end.ends))
                 .done());
  }
  out.number("open", static_cast<std::int64_t>(open_count_)).raw("open_ends", open.done());
  return join_objects(out.done(), counts_json());
}

}  // namespace hf::control
