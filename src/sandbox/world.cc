#include "sandbox/world.h"

#include <fmt/format.h>

#include <array>
#include <boost/json.hpp>

#include "base/check.h"
#include "sandbox/llm.h"

namespace hf::sandbox {
namespace {

namespace json = boost::json;

// Where applications put the number of an order.
constexpr std::array<std::string_view, 6> kOrderNames{
    "metadata[order]", "metadata[order_id]", "order", "order_id", "client_reference_id", "ref"};

std::string order_of(const Request& request, const Params& params) {
  for (const auto name : kOrderNames) {
    if (const auto* value = find_param(params, name)) return value->substr(0, Ledger::kValueKept);
  }
  return field_or_empty(request.fields, "Sandbox-Order");
}

std::string target_of(const Request& request) {
  return request.query.empty() ? request.path : request.path + '?' + request.query;
}

// The results that Stripe keeps under a key: what an execution ended with, not what validation or
// authentication said before it.
bool keeps(int status) {
  return status < 400 || status == 402 || status >= 500;
}

struct Shape {
  Ending ending = Ending::send;
  bool answered = true;
};

Shape shape_of(const Fault& fault) {
  switch (fault.kind) {
    case FaultKind::reset_before:
    case FaultKind::reset_after:
    case FaultKind::late_apply:
    case FaultKind::listed_pending:
    case FaultKind::listed_failed:
      return {Ending::reset, false};
    case FaultKind::cut:
      return {fault.arg == "rst" ? Ending::cut_rst : Ending::cut_fin, true};
    case FaultKind::hang:
      return {Ending::hang, false};
    case FaultKind::invalid:
      return {Ending::garbage, false};
    case FaultKind::idle_close:
      return {Ending::idle_close, true};
    case FaultKind::close_on_reuse:
      return {fault.arg == "unread" ? Ending::doom_unread : Ending::doom_read, true};
    default:
      return {};
  }
}

// What stands between a client and an answer likes to put something of its own there.
void spoil(Answer& answer, std::string_view how) {
  answer.status = 200;
  if (how == "html") {
    set_field(answer.fields, "Content-Type", "text/html");
    answer.body = "<!doctype html><title>Login</title><p>Please sign in to the wireless network.";
  } else if (how == "torn") {
    answer.body.resize(answer.body.size() / 2);
  } else {
    answer.body = R"({"data": "there is none", "ok": true})";
  }
}

}  // namespace

Result<World> World::make(const SandboxOptions& options) {
  FaultPlan plan(options.seed);
  HF_TRY(auto odds, parse_odds(options.faults));
  plan.set_odds(std::move(odds));
  HF_TRY(auto lookups, parse_odds(options.lookup_faults));
  plan.set_lookup_odds(std::move(lookups));
  if (!options.always.empty()) {
    HF_TRY(auto always, parse_fault(options.always));
    plan.set_always(std::move(always));
  }
  plan.set_fault_safe(options.fault_safe);
  plan.set_max_faulted_attempts(options.max_faulted_attempts);
  return World(options, std::move(plan));
}

World::World(const SandboxOptions& options, FaultPlan plan)
    : options_(options),
      plan_(std::move(plan)),
      ledger_(options),
      keys_(Duration::millis(options.key_lifetime_ms)),
      stripe_(options.seed),
      charges_(options.seed),
      request_ids_(Prng(options.seed).fork("request ids")) {}

bool World::honours_keys(std::string_view path) const {
  if (options_.keys == KeyMode::ignored) return false;
  if (options_.keys == KeyMode::all) return true;
  return path.substr(0, 4) == "/v1/" && !is_llm_path(path);
}

RequestEntry World::entry_of(const Request& request, const Params& params, WallTime now) {
  RequestEntry entry;
  entry.at = now;
  entry.method = request.method;
  entry.path = request.path;
  entry.query = request.query;
  entry.key = field_or_empty(request.fields, options_.key_header);
  entry.order = order_of(request, params);
  entry.request_id = fmt::format("req_{:016x}", request_ids_.next());
  return entry;
}

std::string World::identity_of(const RequestEntry& entry) const {
  const auto what = entry.method + ' ' + entry.path + ' ';
  if (options_.plan_by == PlanBy::order && !entry.order.empty()) {
    return what + "order " + entry.order;
  }
  if (options_.plan_by != PlanBy::ordinal && !entry.key.empty()) return what + "key " + entry.key;
  return {};
}

std::optional<Answer> World::refusal(const Fault& fault) {
  switch (fault.kind) {
    case FaultKind::in_progress:
      return error_answer(409, "idempotency_error", "idempotency_key_in_use",
                          "Another request with this idempotency key is still in progress.");
    case FaultKind::s429:
    case FaultKind::s503: {
      auto answer = fault.kind == FaultKind::s429
                        ? error_answer(429, "rate_limit_error", "rate_limit", "Too many requests.")
                        : error_answer(503, "api_error", "", "The service is not available.");
      if (!fault.arg.empty()) answer.fields.push_back({"Retry-After", fault.arg});
      return answer;
    }
    case FaultKind::s500:
      return error_answer(500, "api_error", "", "Something went wrong.");
    case FaultKind::status:
      return error_answer(static_cast<int>(fault.number()), "invalid_request_error", "",
                          "The sandbox was told to answer with this status.");
    default:
      return std::nullopt;
  }
}

Answer World::closing(Answer answer, std::uint64_t seq, bool answered,
                      const std::string& request_id) {
  answer.fields.push_back({"request-id", request_id});
  if (auto* entry = ledger_.request(seq); entry != nullptr && answered) {
    entry->status_answered = answer.status;
  }
  return answer;
}

Arrival World::arrive(const Request& request, WallTime now) {
  const bool safe = is_safe_method(request.method);
  auto params =
      safe ? parse_form(request.query)
           : parse_body_params(field_or_empty(request.fields, "Content-Type"), request.body);
  auto entry = entry_of(request, params, now);
  const auto request_id = entry.request_id;
  const auto sent_key = entry.key;
  const auto header = field_or_empty(request.fields, "Sandbox-Fault");
  const bool lookup = safe && ChargeBook::knows(request.path);
  auto decided = plan_.decide({!safe, header, identity_of(entry), lookup});
  Arrival arrival;
  if (!decided) {
    const auto seq = arrival.seq = ledger_.add_request(std::move(entry));
    arrival.answer = closing(
        error_answer(400, "invalid_request_error", "sandbox_fault", decided.error().context), seq,
        true, request_id);
    return arrival;
  }
  const auto fault = std::move(decided).value();
  if (fault.kind != FaultKind::none) entry.fault = fault.text();
  const auto seq = arrival.seq = ledger_.add_request(std::move(entry));
  const auto shape = shape_of(fault);
  arrival.ending = shape.ending;
  arrival.detail = fault.arg;
  if (fault.kind == FaultKind::idle_close) arrival.wait_ms = fault.number();
  arrival.delay_ms = options_.latency_ms;
  const bool later = fault.kind == FaultKind::late_apply || fault.kind == FaultKind::listed_pending;
  if (later || fault.kind == FaultKind::slow) arrival.delay_ms = fault.number();
  arrival.reset_now = later || fault.kind == FaultKind::reset_before;
  if (fault.kind == FaultKind::reset_before) return arrival;
  if (fault.kind == FaultKind::hang && fault.arg == "before") return arrival;
  if (auto refused = refusal(fault)) {
    arrival.answer = closing(std::move(*refused), seq, true, request_id);
    return arrival;
  }

  Pending pending{request, std::move(params), fault, {}, {}, seq, shape.answered, request_id};
  if (!safe && !sent_key.empty() && honours_keys(request.path)) {
    const auto owner = field_or_empty(request.fields, "Authorization") + '\n' +
                       field_or_empty(request.fields, "Stripe-Account");
    pending.key = sha256_hex(owner) + sent_key;
    const auto fingerprint =
        sha256_hex(request.method + ' ' + target_of(request) + '\n' + request.body);
    auto verdict = keys_.begin(pending.key, fingerprint, now);
    std::optional<Answer> known;
    if (auto* replay = std::get_if<KeyReplay>(&verdict)) {
      known = std::move(replay->answer);
      known->fields.push_back({"Idempotent-Replayed", "true"});
      if (auto* noted = ledger_.request(seq)) noted->replayed = true;
    } else if (std::holds_alternative<KeyMismatch>(verdict)) {
      known = error_answer(400, "idempotency_error", "",
                           "This idempotency key was first used with other parameters.");
    } else if (std::holds_alternative<KeyInProgress>(verdict)) {
      known = refusal({FaultKind::in_progress, {}});
    }
    if (known) {
      arrival.answer = closing(std::move(*known), seq, shape.answered, request_id);
      return arrival;
    }
  }
  if (fault.kind == FaultKind::listed_pending && ChargeBook::knows(request.path) && !safe) {
    pending.charge = charges_.list_only(pending.params, "pending", now);
  }
  arrival.ticket = ++last_ticket_;
  pending_.emplace(arrival.ticket, std::move(pending));
  return arrival;
}

Answer World::execute(const Pending& pending, WallTime now, bool& applied) {
  if (pending.fault.kind == FaultKind::s500_stored) {
    applied = false;
    if (pending.fault.arg == "applied") {
      bool ignored = false;
      Pending plain = pending;
      plain.fault = {};
      execute(plain, now, ignored);
      applied = ignored;
    }
    return error_answer(500, "api_error", "", "Something went wrong, and it will stay so.");
  }
  return perform(pending, now, applied);
}

Answer World::perform(const Pending& pending, WallTime now, bool& applied) {
  const auto& request = pending.request;
  if (pending.fault.kind == FaultKind::listed_failed) {
    if (ChargeBook::knows(request.path) && !is_safe_method(request.method)) {
      charges_.list_only(pending.params, "failed", now);
    }
    applied = false;
    return error_answer(402, "card_error", "card_declined", "The charge has failed.");
  }
  if (ChargeBook::knows(request.path)) {
    auto [answer, changed] = pending.charge.empty() ? charges_.handle(request, pending.params, now,
                                                                      options_.lookup_lag_ms)
                                                    : charges_.settle(pending.charge);
    applied = changed;
    return answer;
  }
  if (is_llm_path(request.path) && request.method == "POST") {
    auto answer = answer_llm(request, options_, ++llm_serial_);
    applied = answer.status == 200;
    return answer;
  }
  if (StripeBook::knows(request.path)) {
    auto [answer, changed] = stripe_.handle(request, pending.params, now);
    applied = changed;
    return answer;
  }
  applied = !is_safe_method(request.method);
  json::object body{{"ok", true}, {"method", request.method}, {"path", request.path}};
  if (applied) body["effect"] = ledger_.last_effect_id() + 1;
  return json_answer(200, body);
}

Answer World::finish(std::uint64_t ticket, WallTime now) {
  const auto found = pending_.find(ticket);
  HF_CHECK(found != pending_.end());
  const auto pending = std::move(found->second);
  pending_.erase(found);
  bool applied = false;
  auto answer = execute(pending, now, applied);
  if (applied) ledger_.add_effect(pending.seq, now, pending.request.body, pending.params);
  if (!pending.key.empty()) {
    if (keeps(answer.status)) {
      keys_.store(pending.key, answer, now);
    } else {
      keys_.release(pending.key);
    }
  }
  if (pending.fault.kind == FaultKind::apply_then_503) {
    answer = error_answer(503, "api_error", "", "A gateway lost the answer.");
  }
  if (pending.fault.kind == FaultKind::body) spoil(answer, pending.fault.arg);
  return closing(std::move(answer), pending.seq, pending.answered, pending.request_id);
}

void World::note_unanswered(std::uint64_t seq) {
  if (auto* entry = ledger_.request(seq)) entry->status_answered = 0;
}

void World::note_dropped(const Request& request, WallTime now) {
  const auto params =
      parse_body_params(field_or_empty(request.fields, "Content-Type"), request.body);
  auto entry = entry_of(request, params, now);
  entry.fault = "dropped_on_reuse";
  ledger_.add_request(std::move(entry));
}

}  // namespace hf::sandbox
