#include "call/reply.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/quantity.h"
#include "call/reply_json.h"

namespace hf::call {
namespace {

constexpr std::string_view kOwnPrefix = "holdfast-";
constexpr std::string_view kCallsPlace = "/.holdfast/calls/";

bool is_own_field(const Field& field) {
  return field.name.size() >= kOwnPrefix.size() &&
         same_name(std::string_view(field.name).substr(0, kOwnPrefix.size()), kOwnPrefix);
}

constexpr std::size_t kFieldsRoom = 8;  // of most answers of our own

void add(Fields& fields, std::string_view name, std::string value) {
  fields.push_back({std::string(name), std::move(value)});
}

// openai and anthropic read the first, stripe the second; each SDK repeats on 409 and 5xx unless
// told.
void advise_no_retry(Fields& fields) {
  set_field(fields, "x-should-retry", "false");
  set_field(fields, "stripe-should-retry", "false");
}

void add_call_fields(Fields& fields, std::string call, int attempts) {
  if (!call.empty()) add(fields, "Holdfast-Call", std::move(call));
  if (attempts > 0) add(fields, "Holdfast-Attempts", std::to_string(attempts));
}

void add_call_fields(Fields& fields, const std::optional<CallId>& call, int attempts) {
  add_call_fields(fields, call ? call->text() : std::string(), attempts);
}

std::string problem_body(const ProblemSpec& spec) {
  const auto code = to_string(spec.code);
  std::string message(title_of(spec.code));
  if (!spec.detail.empty()) message += " " + spec.detail;
  JsonObject error;
  error.text("type", error_type_of(spec.code)).text("code", code).text("message", message);

  JsonObject body;
  body.text("type", type_of(spec.code))
      .text("title", title_of(spec.code))
      .number("status", status_of(spec.code));
  if (!spec.detail.empty()) body.text("detail", spec.detail);
  if (spec.call) body.text("call", spec.call->text());
  body.text("effect", to_string(spec.effect)).boolean("safe_to_retry", spec.safe_to_retry);
  if (spec.attempts > 0) body.number("attempts", spec.attempts);
  if (spec.upstream_status) body.number("upstream_status", *spec.upstream_status);
  if (spec.measure) {
    JsonObject measure;
    measure.text("rule", spec.measure->rule)
        .number("measured", spec.measure->measured)
        .number("threshold", spec.measure->threshold)
        .text("unit", spec.measure->unit);
    body.raw("limit", measure.done());
  }
  if (!spec.violated_policies.empty()) {
    std::string names;
    for (const std::string& name : spec.violated_policies)
      names += (names.empty() ? "" : ",") + json_string(name);
    body.raw("violated-policies", "[" + names + "]");
  }
  return body.raw("error", error.done()).done();
}

void add_next_attempt(JsonObject& object, const Call& call) {
  // Elsewhere the time means something else: for an open call, when it stops being open.
  if (call.state == State::waiting) {
    object.text("next_attempt_at", format_rfc3339(call.next_attempt_at));
  } else {
    object.null("next_attempt_at");
  }
}

void add_state(JsonObject& object, const Call& call, std::string_view id) {
  object.text("call", id).text("state", to_string(call.state));
  if (call.reason == WaitReason::none) {
    object.null("reason");
  } else {
    object.text("reason", to_string(call.reason));
  }
}

Reply json_reply(int status, const Call& call, std::string id, std::string body) {
  Reply reply;
  reply.status = status;
  reply.fields.reserve(kFieldsRoom);
  add(reply.fields, "Content-Type", "application/json");
  add(reply.fields, "Cache-Control", "no-store");
  add_call_fields(reply.fields, std::move(id), call.attempts);
  add(reply.fields, "Holdfast-Effect", std::string(to_string(effect_of(call))));
  reply.body = make_body(std::move(body));
  return reply;
}

Reply call_problem(const Call& call, Code code) {
  ProblemSpec spec;
  spec.code = code;
  spec.effect = effect_of(call);
  spec.call = call.id;
  spec.attempts = call.attempts;
  if (call.answer && call.answer->status != 0) spec.upstream_status = call.answer->status;
  return problem(spec);
}

Reply stored_answer(const Call& call) {
  // A body that is said to be kept but was not loaded is never passed off as an empty answer.
  const bool whole = call.answer && call.answer->body_kept &&
                     view(call.answer->body).size() == call.answer->body_bytes;
  if (!whole) {
    // A lookup that has no answer to give says that it took effect, as the first one was told.
    const bool by_lookup = call.answer && call.answer->by_lookup && !call.answer->body_kept;
    return call_problem(call, by_lookup ? Code::outcome_applied : Code::answer_not_kept);
  }
  AnswerMarks marks;
  marks.call = call.id;
  marks.attempts = call.attempts;
  marks.replayed_from = call.answer->at;
  return upstream_answer(*call.answer, marks);
}

}  // namespace

Reply problem(const ProblemSpec& spec) {
  Reply reply;
  reply.status = status_of(spec.code);
  auto& fields = reply.fields;
  add(fields, "Content-Type", "application/problem+json");
  add(fields, "Cache-Control", "no-store");
  add_call_fields(fields, spec.call, spec.attempts);
  add(fields, "Holdfast-Effect", std::string(to_string(spec.effect)));
  add(fields, "Proxy-Status",
      "holdfast; error=" +
          (spec.proxy_status.empty() ? std::string(proxy_error_of(spec.code)) : spec.proxy_status));
  if (spec.retry_after) {
    const auto seconds = std::max<std::int64_t>(1, spec.retry_after->ceil_seconds());
    add(fields, "Retry-After", std::to_string(seconds));
  }
  if (!spec.safe_to_retry) advise_no_retry(fields);
  reply.body = make_body(problem_body(spec));
  reply.problem = std::make_shared<const ProblemSpec>(spec);
  return reply;
}

std::string_view problem_code(const Reply& reply) {
  return reply.problem ? to_string(reply.problem->code) : std::string_view();
}

void mark_answer(Fields& fields, const AnswerMarks& marks) {
  std::erase_if(fields, is_own_field);
  add_call_fields(fields, marks.call, marks.attempts);
  if (marks.effect) add(fields, "Holdfast-Effect", std::string(to_string(*marks.effect)));
  if (marks.replayed_from) {
    set_field(fields, "Idempotent-Replayed", "true");
    add(fields, "Holdfast-Replayed", format_http_date(*marks.replayed_from));
  }
  if (marks.resembles) add(fields, kResemblesField, marks.resembles->text());
  if (marks.wait_applied) add(fields, "Preference-Applied", "wait");
  if (marks.advise_no_retry) advise_no_retry(fields);
}

Reply upstream_answer(const Answer& answer, const AnswerMarks& marks) {
  Reply reply;
  reply.status = answer.status;
  reply.fields = answer.fields;
  // The server frames the body anew; a length of the upstream's beside it would be a second one.
  remove_fields(reply.fields, "Content-Length");
  remove_fields(reply.fields, "Transfer-Encoding");
  mark_answer(reply.fields, marks);
  reply.body = answer.body;
  return reply;
}

std::string status_json(const Call& call) {
  JsonObject object;
  add_state(object, call, call.id.text());
  object.text("effect", to_string(effect_of(call)))
      .number("attempts", call.attempts)
      .text("created_at", format_rfc3339(call.accepted.wall));
  add_next_attempt(object, call);
  object.text("deadline", format_rfc3339(call.accepted.wall + call.deadline));
  return object.done();
}

Reply accepted(const Call& call, bool preference_applied) {
  std::string id = call.id.text();
  std::string place;
  place.reserve(kCallsPlace.size() + id.size());
  place.append(kCallsPlace).append(id);
  JsonObject object;
  add_state(object, call, id);
  add_next_attempt(object, call);
  Reply reply = json_reply(202, call, std::move(id), object.done());
  add(reply.fields, "Location", std::move(place));
  if (preference_applied) add(reply.fields, "Preference-Applied", "respond-async");
  return reply;
}

Reply status(const Call& call) {
  return json_reply(200, call, call.id.text(), status_json(call));
}

Reply response(const Call& call) {
  switch (call.state) {
    case State::answered:
      return stored_answer(call);
    case State::unknown:
      return call_problem(call, Code::outcome_unknown);
    case State::dead:
      return call_problem(call, Code::dead);
    case State::cancelled:
      return call_problem(call, Code::cancelled);
    case State::waiting:
    case State::sending:
    case State::verifying:
    case State::open:
      break;
  }
  return json_reply(202, call, call.id.text(), status_json(call));
}

Reply cancel_noted(const Call& call) {
  return json_reply(202, call, call.id.text(), status_json(call));
}

}  // namespace hf::call
