#include "control/call_view.h"

#include "base/bytes.h"
#include "base/quantity.h"
#include "call/reply.h"
#include "call/reply_json.h"
#include "call/timeline.h"
#include "control/json.h"

namespace hf::control {

using call::JsonObject;

std::string short_hash(const call::Digest& digest) {
  return to_hex(digest.raw()).substr(0, kShortHash);
}

std::string shown_account(const std::string& account) {
  const bool hash =
      account.size() == 64 && account.find_first_not_of("0123456789abcdef") == std::string::npos;
  return hash ? account.substr(0, kShortHash) : account;
}

std::string key_json(const call::KeyUse& key) {
  return JsonObject()
      .text("hash", short_hash(key.identity))
      .text("field", key.field)
      .boolean("business", key.business)
      .boolean("stable", key.stable)
      .boolean("made", key.made)
      .boolean("derived", key.derived)
      .done();
}

namespace {

constexpr Duration kBlocksAfter = Duration::minutes(1);

std::int64_t number(std::uint64_t value) {
  return static_cast<std::int64_t>(value);
}

JsonObject common_members(const call::Call& call) {
  JsonObject out;
  out.text("route", call.route).text("upstream", call.upstream).boolean("held", call.held);
  if (call.request) {
    const std::string& target = call.request->target;
    const auto query = target.find('?');
    out.text("method", call.request->method)
        .text("path", target.substr(0, query))
        .boolean("has_query", query != std::string::npos);
  }
  out.boolean("unresolved", call.unresolved)
      .text("last_cause", to_string(call.last_cause))
      .number("last_status", call.last_status);
  if (call.ended) out.text("ended_at", format_rfc3339(call.ended->wall));
  return out;
}

std::string answer_json(const call::Answer& answer) {
  return JsonObject()
      .number("status", answer.status)
      .boolean("body_kept", answer.body_kept)
      .number("body_bytes", number(answer.body_bytes))
      .text("at", format_rfc3339(answer.at))
      .done();
}

std::string phases_json(const call::Phases& phases) {
  JsonObject out;
  const auto add = [&out](std::string_view name, Duration length) {
    if (length > Duration{}) out.number(name, length.ns / 1000);
  };
  add("queued", phases.queued);
  add("resolve", phases.resolve);
  add("connect", phases.connect);
  add("tls", phases.tls);
  add("head", phases.head);
  add("body", phases.body);
  return out.done();
}

std::string index_json(const std::vector<call::IndexValue>& index) {
  JsonArray out;
  for (const call::IndexValue& field : index) {
    JsonObject one;
    one.text("name", field.name);
    if (field.hashed) {
      one.text("hash", field.value.substr(0, kShortHash));
    } else {
      one.text("value", field.value);
    }
    out.add(one.done());
  }
  return out.done();
}

}  // namespace

JsonObject event_members(const call::TimelineEvent& event) {
  JsonObject out;
  out.text("at", format_rfc3339(event.at))
      .text("what", to_string(event.what))
      .text("who", to_string(event.who));
  if (event.attempt != 0) out.number("attempt", event.attempt);
  if (event.status != 0) out.number("status", event.status);
  if (event.what == call::Happening::attempt_ended || event.what == call::Happening::recovered) {
    out.text("evidence", to_string(event.evidence))
        .text("proof", to_string(event.proof))
        .text("cause", to_string(event.cause))
        .boolean("reused", event.reused)
        .number("bytes_sent", number(event.bytes_sent))
        .number("bytes_received", number(event.bytes_received))
        .number("took_ms", event.took_ms);
  }
  if (event.phases != call::Phases{}) out.raw("phases_us", phases_json(event.phases));
  if (event.digest) out.text("hash", short_hash(*event.digest));
  if (!event.where.empty()) out.text("where", event.where);
  if (!event.rule.empty()) out.text("rule", event.rule);
  if (!event.detail.empty()) out.text("detail", event.detail);
  return out;
}

namespace {

JsonObject detail_members(const call::Call& call) {
  JsonObject out;
  out.text("owner", short_hash(call.owner)).text("account", shown_account(call.account));
  if (call.key) out.raw("key", key_json(*call.key));
  out.text("mode", to_string(call.idempotency->mode))
      .boolean("safe", call.safe)
      .number("held_attempts", call.held_attempts)
      .text("proof", to_string(call.proof))
      .number("crashes", call.crashes)
      .boolean("no_more_attempts", call.no_more_attempts)
      .number("body_bytes", number(call.body_bytes));
  if (!call::terminal(call.state)) {
    out.text("last_attempt_before", format_rfc3339(call::ends_at(call)));
  }
  if (call.asked.order) {
    out.text("order", call.asked.order->name).number("place", number(call.asked.order->place));
  }
  if (call.asked.not_before) out.text("not_before", format_rfc3339(*call.asked.not_before));
  if (call.asked.urgency != call::kUrgencyDefault) out.number("urgency", call.asked.urgency);
  if (call.doubt.since) out.text("in_doubt_since", format_rfc3339(call.doubt.since->wall));
  if (call.doubt.absent_since) {
    out.text("absent_since", format_rfc3339(call.doubt.absent_since->wall));
  }
  if (call.first_sent) {
    out.text("first_sent_at", format_rfc3339(call.first_sent->wall))
        .text("first_sent_to", call.first_sent_authority);
  }
  if (call.answer) out.raw("answer", answer_json(*call.answer));
  if (!call.index.empty()) out.raw("index", index_json(call.index));
  if (call.likeness) out.text("likeness", short_hash(*call.likeness));
  if (call.resembles) out.text("resembles", call.resembles->text());
  return out;
}

}  // namespace

std::string owner_hash(const call::Call& call) {
  return short_hash(call.owner);
}

std::string list_json(const call::Call& call) {
  return join_objects(call::status_json(call), common_members(call).done());
}

std::string head_json(const call::Call& call) {
  return join_objects(list_json(call), detail_members(call).done());
}

bool blocks_for_long(const call::Call& head, WallTime now) {
  if (head.state == call::State::unknown) return true;
  if (head.state == call::State::sending || call::terminal(head.state)) return false;
  const bool for_a_person =
      head.reason == call::WaitReason::set_aside || head.reason == call::WaitReason::credentials;
  return for_a_person || now - head.accepted.wall >= kBlocksAfter;
}

std::string blocked_json(const call::Call& head, std::uint64_t behind) {
  const bool unknown = head.state == call::State::unknown;
  const bool for_a_person =
      head.reason == call::WaitReason::set_aside || head.reason == call::WaitReason::credentials;
  const std::string id = head.id.text();
  std::string advice = "holdfast calls cancel " + id + " --reason '...'";
  if (for_a_person) advice = "holdfast calls retry " + id + " --reason '...'";
  if (unknown) advice = "holdfast calls resolve " + id + " applied|not_applied --reason '...'";
  const WallTime since = unknown && head.ended ? head.ended->wall : head.accepted.wall;
  JsonObject out;
  out.text("order", head.asked.order ? head.asked.order->name : std::string())
      .number("behind", number(behind))
      .text("since", format_rfc3339(since))
      .text("do", advice);
  return join_objects(list_json(head), out.done());
}

std::string detail_json(const ports::CallDetail& detail) {
  JsonArray timeline;
  for (const call::TimelineEvent& event : detail.timeline)
    timeline.add(event_members(event).done());
  return join_objects(head_json(*detail.call),
                      JsonObject().raw("timeline", timeline.done()).done());
}

}  // namespace hf::control
