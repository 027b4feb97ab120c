#include "control/export_line.h"

#include <algorithm>
#include <set>
#include <vector>

#include "base/bytes.h"
#include "base/quantity.h"
#include "call/intake_index.h"
#include "call/reply_json.h"
#include "call/resend.h"
#include "call/url.h"
#include "control/call_view.h"
#include "control/json.h"

namespace hf::control {
namespace {

using call::JsonObject;

std::int64_t number(std::uint64_t value) {
  return static_cast<std::int64_t>(value);
}

void add_time(JsonObject& out, std::string_view name, const std::optional<WallTime>& at) {
  if (at) {
    out.text(name, format_rfc3339(*at));
  } else {
    out.null(name);
  }
}

std::string names_json(const Fields& fields) {
  JsonArray out;
  for (const Field& field : fields)
    out.add(call::json_string(field.name));
  return out.done();
}

std::string request_json(const call::Call& call) {
  JsonObject out;
  if (call.request) {
    const std::string& target = call.request->target;
    const auto query = target.find('?');
    const Field* type = find_field(call.request->fields, "Content-Type");
    out.text("method", call.request->method)
        .text("path", target.substr(0, query))
        .boolean("has_query", query != std::string::npos);
    if (type != nullptr) out.text("content_type", type->value);
    out.raw("field_names", names_json(call.request->fields));
  }
  return out.number("body_bytes", number(call.body_bytes))
      .text("content_hash", short_hash(call.fingerprint))
      .done();
}

std::string answer_json(const call::Answer& answer) {
  return JsonObject()
      .number("status", answer.status)
      .text("at", format_rfc3339(answer.at))
      .boolean("by_lookup", answer.by_lookup)
      .raw("field_names", names_json(answer.fields))
      .number("body_bytes", number(answer.body_bytes))
      .boolean("body_kept", answer.body_kept)
      .done();
}

std::string hash_of(const std::string& value, const call::Hasher& hasher) {
  return call::hashed_value(value, hasher).substr(0, kShortHash);
}

std::string index_json(const call::Call& call, const call::Hasher& hasher) {
  JsonArray out;
  for (const call::IndexValue& field : call.index) {
    const std::string hash =
        field.hashed ? field.value.substr(0, kShortHash) : hash_of(field.value, hasher);
    out.add(JsonObject().text("name", field.name).text("hash", hash).done());
  }
  return out.done();
}

// Addresses of clients are theirs.
std::string timeline_json(const std::vector<call::TimelineEvent>& timeline) {
  JsonArray out;
  for (call::TimelineEvent event : timeline) {
    if (event.who == call::Actor::client) event.where.clear();
    out.add(event_members(event).done());
  }
  return out.done();
}

void add_standing(JsonObject& out, const call::Call& call) {
  const bool waits = !call::terminal(call.state) && call.state != call::State::unknown;
  out.text("call", call.id.text()).text("state", to_string(call.state));
  if (call.reason != call::WaitReason::none && waits) {
    out.text("reason", to_string(call.reason));
  } else {
    out.null("reason");
  }
  out.text("effect", to_string(call::effect_of(call)))
      .boolean("held", call.held)
      .text("route", call.route)
      .text("upstream", call.upstream)
      .text("born_at", format_rfc3339(call.id.born()))
      .text("created_at", format_rfc3339(call.accepted.wall));
  add_time(out, "next_attempt_at",
           waits && call.held ? std::optional(call.next_attempt_at) : std::nullopt);
  add_time(out, "not_before", call.asked.not_before);
  out.text("deadline", format_rfc3339(call.accepted.wall + call.deadline))
      .number("urgency", call.asked.urgency);
  add_time(out, "ended_at", call.ended ? std::optional(call.ended->wall) : std::nullopt);
}

void add_attempts(JsonObject& out, const call::Call& call) {
  out.number("attempts", call.attempts)
      .number("held_attempts", call.held_attempts)
      .boolean("unresolved", call.unresolved)
      .text("proof", to_string(call.proof))
      .text("last_cause", to_string(call.last_cause))
      .number("last_status", call.last_status);
  add_time(out, "first_sent_at",
           call.first_sent ? std::optional(call.first_sent->wall) : std::nullopt);
  if (call.first_sent) out.text("first_sent_to", call.first_sent_authority);
  const call::ResendWord word = call::may_resend(call);
  out.text("resend", to_string(word.may));
  add_time(out, "resend_until", word.until);
}

std::string idempotency_json(const call::Call& call) {
  JsonObject out;
  out.text("mode", to_string(call.idempotency->mode)).boolean("safe_method", call.safe);
  if (call.idempotency->mode == call::Mode::key) {
    out.text("field", call.idempotency->header);
    if (call.idempotency->lifetime) {
      out.number("lifetime_seconds", call.idempotency->lifetime->ceil_seconds());
    }
  }
  return out.done();
}

// What is no UTF-8 would not survive as a JSON string.
void add_bytes(JsonObject& out, const std::string& name, const std::string& value) {
  if (call::is_utf8(value)) {
    out.text(name, value);
  } else {
    out.text(name + "_base64", to_base64(value));
  }
}

std::string fields_json(const Fields& fields, bool credentials, std::set<std::string>& left_out) {
  JsonArray out;
  for (const Field& field : fields) {
    if (!credentials && call::names_credential(field.name)) {
      left_out.insert(field.name);
      continue;
    }
    JsonObject one;
    one.text("name", field.name);
    add_bytes(one, "value", field.value);
    out.add(one.done());
  }
  return out.done();
}

std::string listed(const std::set<std::string>& names) {
  JsonArray out;
  for (const std::string& name : names)
    out.add(call::json_string(name));
  return out.done();
}

std::string clear_request(const call::Call& call, const ClearParts& parts) {
  JsonObject out;
  std::set<std::string> left_out;
  add_bytes(out, "target", call.request->target);
  out.raw("fields", fields_json(call.request->fields, parts.credentials, left_out))
      .raw("left_out", listed(left_out));
  if (parts.bodies) {
    const bool lost = call.body_bytes > 0 && !call.request->body;
    if (!lost) out.text("body_base64", to_base64(view(call.request->body)));
    out.boolean("body_lost", lost);
  }
  return out.done();
}

std::string clear_answer(const call::Answer& answer, const ClearParts& parts) {
  JsonObject out;
  std::set<std::string> left_out;
  out.raw("fields", fields_json(answer.fields, parts.credentials, left_out))
      .raw("left_out", listed(left_out));
  if (parts.bodies && answer.body_kept) out.text("body_base64", to_base64(view(answer.body)));
  return out.done();
}

}  // namespace

std::string export_line(const ports::CallDetail& detail, const call::Hasher& hasher) {
  const call::Call& call = *detail.call;
  JsonObject out;
  out.text("kind", "call");
  add_standing(out, call);
  add_attempts(out, call);
  out.raw("idempotency", idempotency_json(call));
  if (call.key) out.raw("key", key_json(*call.key));
  out.text("owner", owner_hash(call)).text("account", shown_account(call.account));
  if (call.asked.order) {
    out.raw("order", JsonObject()
                         .text("hash", short_hash(call.asked.order->line))
                         .number("place", number(call.asked.order->place))
                         .done());
  }
  if (!call.index.empty()) out.raw("index", index_json(call, hasher));
  if (call.callback_of) out.text("callback_of", call.callback_of->text());
  if (call.resembles) out.text("resembles", call.resembles->text());
  out.raw("request", request_json(call));
  if (call.answer) out.raw("answer", answer_json(*call.answer));
  return out.raw("timeline", timeline_json(detail.timeline)).done();
}

std::string export_unreadable(const CallId& call, const std::string& why) {
  return JsonObject().text("kind", "unreadable").text("call", call.text()).text("why", why).done();
}

std::string export_clear(const ports::CallDetail& detail, const ClearParts& parts) {
  const call::Call& call = *detail.call;
  JsonObject out;
  if (call.request) out.raw("request", clear_request(call, parts));
  if (call.key) {
    JsonObject key;
    add_bytes(key, "value", call.key->value);
    out.raw("key", key.done());
  }
  if (call.asked.order) {
    JsonObject order;
    add_bytes(order, "name", call.asked.order->name);
    out.raw("order", order.done());
  }
  JsonArray index;
  for (const call::IndexValue& field : call.index) {
    JsonObject one;
    one.text("name", field.name);
    add_bytes(one, field.hashed ? "hash" : "value", field.value);
    index.add(one.done());
  }
  if (!call.index.empty()) out.raw("index", index.done());
  if (!call.asked.callback.empty()) out.text("callback", call.asked.callback);
  if (call.answer) out.raw("answer", clear_answer(*call.answer, parts));
  std::set<std::string> clients;
  for (const call::TimelineEvent& event : detail.timeline) {
    if (event.who == call::Actor::client && !event.where.empty()) clients.insert(event.where);
  }
  return out.raw("clients", listed(clients)).done();
}

std::string export_part_name(const CallId& call) {
  return "export " + call.text();
}

std::string upstreams_json(const call::Settings& settings) {
  JsonObject out;
  for (const auto& [name, upstream] : settings.upstreams) {
    JsonArray urls;
    for (call::Url url : upstream->urls) {
      url.base_path.clear();  // the targets of calls have it
      urls.add(call::json_string(call::format_url(url)));
    }
    out.raw(name, urls.done());
  }
  return out.done();
}

std::string export_begin(const ExportBegin& begin) {
  JsonObject out;
  out.text("kind", "begin")
      .number("holdfast_export", kExportVersion)
      .text("made_at", format_rfc3339(begin.made_at))
      .text("by", begin.by)
      .text("selection", begin.selection);
  if (begin.after) {
    out.text("after", begin.after->text());
  } else {
    out.null("after");
  }
  out.boolean("clear", begin.clear)
      .boolean("bodies", begin.parts.bodies)
      .boolean("credentials", begin.parts.credentials);
  if (!begin.upstreams.empty()) out.raw("upstreams", begin.upstreams);
  return out.done();
}

std::string ExportEnd::line() const {
  JsonObject states;
  for (const auto& [state, calls] : states_)
    states.number(state, calls);
  JsonObject out;
  out.text("kind", "end")
      .number("calls", number(calls_))
      .number("unreadable", number(unreadable_))
      .raw("states", states.done());
  if (last_) {
    out.text("last", last_->text());
  } else {
    out.null("last");
  }
  return out.done();
}

}  // namespace hf::control
