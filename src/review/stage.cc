#include "review/stage.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "call/callback.h"
#include "call/lookup.h"
#include "call/parts_json.h"
#include "call/routing.h"
#include "review/json_tree.h"

namespace hf::review {
namespace {

using What = Moment::What;

constexpr int kStepsMax = 1'500;  // in one stretch of time; what follows is skipped to its end
constexpr Duration kSoon = Duration::millis(50);

call::AttemptOutcome answered(int status, Fields fields, std::string body) {
  call::AttemptOutcome out;
  out.evidence = call::Evidence::answer_complete;
  out.head = {status, std::move(fields)};
  out.body = make_body(std::move(body));
  return out;
}

// What a lookup shows: the effect with all that the configuration asks of it, or nothing.
call::AttemptOutcome lookup_answer(const call::Lookup& lookup, bool there) {
  if (!there && !lookup.absent_status.empty()) {
    return answered(lookup.absent_status.front(), {}, "{}");
  }
  JsonTree tree;
  if (there) {
    for (const auto& where : lookup.where)
      tree.put(lookup.found + where.pointer, where.values.front());
  } else {
    tree.put_json(lookup.found.substr(0, lookup.found.rfind('/')), "[]");
  }
  return answered(200, {{"Content-Type", "application/json"}}, tree.text());
}

std::string member(const call::Reply& reply, std::string_view pointer) {
  const auto body = view(reply.body);
  const auto hit = call::find_json(body, pointer);
  if (hit.result != call::JsonFind::found) return {};
  return call::json_scalar_text(body.substr(hit.begin, hit.end - hit.begin)).value_or("");
}

std::string text_of(const Fields& fields, std::string_view name) {
  const Field* field = find_field(fields, name);
  return field == nullptr ? std::string() : field->value;
}

Told told_by(const call::Reply& reply) {
  constexpr std::string_view kProblem = "urn:holdfast:problem:";
  Told out;
  out.status = reply.status;
  const std::string type = member(reply, "/type");
  const bool own = type.starts_with(kProblem);
  if (own) out.code = type.substr(kProblem.size());
  if (own) out.detail = member(reply, "/detail");
  out.effect = text_of(reply.fields, "Holdfast-Effect");
  out.safe_to_retry = own ? member(reply, "/safe_to_retry") == "true"
                          : text_of(reply.fields, "x-should-retry") != "false";
  out.replayed = !text_of(reply.fields, "Idempotent-Replayed").empty();
  return out;
}

std::string standing(const call::Call& call) {
  std::string out(to_string(call.state));
  if (call.state == call::State::waiting) out += fmt::format(", {}", to_string(call.reason));
  return out;
}

}  // namespace

Act unreached() {
  Act out;
  out.outcome.cause = call::Cause::connect_refused;
  out.takes = kSoon;
  out.says = "no connection can be made: nothing is sent";
  return out;
}

Act answer_lost(bool applies) {
  Act out;
  out.outcome.evidence = call::Evidence::sent;
  out.outcome.cause = call::Cause::reset;
  out.applies = applies;
  out.takes = kSoon;
  out.says = applies ? "the upstream applies it, and the connection dies before its answer"
                     : "the connection dies before the upstream has done anything";
  return out;
}

Act silence(Duration head) {
  Act out;
  out.outcome.evidence = call::Evidence::sent;
  out.outcome.cause = call::Cause::head_timeout;
  out.applies = true;
  out.takes = head;
  out.says = "the upstream works on it, and has not answered within `timeouts.head`";
  return out;
}

Act answers(int status, bool applies, Fields fields) {
  Act out;
  out.outcome = answered(status, std::move(fields), "{}");
  out.applies = applies;
  out.takes = kSoon;
  out.says = fmt::format("the upstream answers {}", status);
  return out;
}

Act answer_cut(int status) {
  Act out;
  out.outcome.evidence = call::Evidence::answer_begun;
  out.outcome.cause = call::Cause::closed;
  out.outcome.head.status = status;
  out.applies = true;
  out.takes = kSoon;
  out.says = fmt::format("the upstream answers {}, and the body breaks off", status);
  return out;
}

Act gibberish() {
  Act out;
  out.outcome.evidence = call::Evidence::sent;
  out.outcome.cause = call::Cause::invalid_answer;
  out.applies = true;
  out.takes = kSoon;
  out.says = "the upstream answers bytes that are no HTTP";
  return out;
}

std::optional<call::NewCall> admit(const std::shared_ptr<const call::Settings>& settings,
                                   const call::IncomingHead& head, const std::string& body,
                                   const Now& now, std::optional<call::Reply>* refused) {
  const call::Intake intake(settings, rehearsal_hasher(), rehearsal_door(now.wall));
  const auto refuse = [&](const call::Reply& reply) {
    if (refused != nullptr) *refused = reply;
  };
  auto judged = intake.on_head(head);
  if (auto* streamed = std::get_if<call::Streamed>(&judged)) return std::move(streamed->call);
  if (const auto* reply = std::get_if<call::Reply>(&judged)) refuse(*reply);
  if (!std::holds_alternative<call::Buffered>(judged)) return std::nullopt;
  auto whole = intake.on_request(head, head.has_body ? make_body(body) : nullptr);
  if (auto* call = std::get_if<call::NewCall>(&whole)) return std::move(*call);
  refuse(std::get<call::Reply>(whole));
  return std::nullopt;
}

Now Stage::beginning() {
  return {Instant{1'000'000'000'000'000}, WallTime{1'767'225'600'000}, BootId{1}};
}

Stage::Stage(std::shared_ptr<const call::Settings> settings, Now now)
    : upstream([](const Copy&) { return answers(200, true); }),
      settings_(std::move(settings)),
      now_(now),
      began_(now.mono) {
  boot({});
}

void Stage::boot(const call::Recovered& recovered) {
  engine::EngineOptions options;
  options.settings = settings_;
  options.seed = 1;
  options.journal = settings_->needs_journal();
  options.hasher = rehearsal_hasher();
  engine::Effects effects;
  engine_.emplace(std::move(options), recovered, now_, effects);
  take(effects);
  run_to(now_.mono, 0);
}

int Stage::ask(const call::IncomingHead& head, const std::string& body) {
  const int number = ++asked_;
  add(What::asks, number, head.method + " " + std::string(call::path_of(head.target)));
  const ExchangeId id{static_cast<std::uint64_t>(number)};
  std::optional<call::Reply> refused;
  taken_ = admit(settings_, head, body, now_, &refused);
  if (refused) tell(id, *refused, true);
  if (!taken_) return number;
  const CallId fresh = CallId::make(now_.wall, 0, static_cast<std::uint64_t>(number));
  inbox_.push_back(engine::CallArrived{id, std::make_unique<call::NewCall>(*taken_), fresh});
  run_to(now_.mono, 0);
  return number;
}

void Stage::give_up(int number) {
  if (told_.contains(number)) return;
  add(What::gives_up, number, {});
  step(engine::ClientGone{ExchangeId{static_cast<std::uint64_t>(number)}});
  run_to(now_.mono, 0);
}

void Stage::pass(Duration span) {
  run_to(now_.mono + span, 0);
}

void Stage::pass_until_told(int number, Duration at_most) {
  run_to(now_.mono + at_most, number);
}

void Stage::crash(Duration down) {
  add(What::dies, 0, {});
  running_.clear();
  inbox_.clear();
  for (int number = 1; number <= asked_; ++number) {
    if (told_.contains(number)) continue;
    Told broken;
    broken.at = now_.mono - began_;
    broken.safe_to_retry = false;
    told_[number] = broken;
    add(What::told, number, {});
  }
  move_to(now_.mono + down);
  call::Recovered recovered;
  for (const auto& [id, call] : stored_) {
    if (call->state == call::State::sending) recovered.sending.push_back(call);
  }
  recovered.newest = now_.wall;
  add(What::starts, 0, {});
  boot(recovered);
}

void Stage::fill_journal() {
  add(What::fills, 0, {});
  step(engine::JournalHealthSeen{false, "the disk is full"});
}

const Told* Stage::told(int number) const {
  const auto found = told_.find(number);
  return found == told_.end() ? nullptr : &found->second;
}

std::shared_ptr<const call::Call> Stage::call() const {
  return first_ ? stored_.at(*first_) : nullptr;
}

void Stage::run_to(Instant until, int awaited) {
  for (int steps = 0;; ++steps) {
    while (!inbox_.empty()) {
      engine::Event event = std::move(inbox_.front());
      inbox_.pop_front();
      step(std::move(event));
    }
    if (awaited != 0 && told_.contains(awaited)) return;
    const auto soonest = std::min_element(
        running_.begin(), running_.end(),
        [](const auto& a, const auto& b) { return a.second.ends < b.second.ends; });
    const auto wake = engine_->next_wake();
    const bool ends = soonest != running_.end() && (!wake || soonest->second.ends <= *wake);
    const bool more = ends || wake.has_value();
    const Instant next = ends ? soonest->second.ends : wake.value_or(until);
    if (!more || next > until || steps == kStepsMax * 2) return move_to(std::max(until, now_.mono));
    // Of what repeats itself for years the middle is left out, as if nobody had been there.
    if (steps == kStepsMax) move_to(until);
    move_to(std::max(next, now_.mono));
    if (ends) {
      end(soonest->first);
    } else {
      step(engine::Woke{});
    }
  }
}

void Stage::move_to(Instant when) {
  const std::int64_t ns = (when - now_.mono).ns + wall_rest_;
  now_.mono = when;
  now_.wall.ms += ns / 1'000'000;
  wall_rest_ = ns % 1'000'000;
}

void Stage::step(engine::Event event) {
  engine::Effects effects;
  engine_->step(std::move(event), now_, effects);
  take(effects);
}

void Stage::take(engine::Effects& effects) {
  for (const call::CallWrite& one : effects.writes.calls)
    write(one);
  for (engine::Action& action : effects.actions)
    perform(action.what);
}

void Stage::write(const call::CallWrite& write) {
  auto kept = std::make_shared<call::Call>(*write.after);
  const auto found = stored_.find(kept->id);
  if (!write.write_request_body && found != stored_.end()) kept->request = found->second->request;
  const bool tells = kept->callback_of.has_value();
  if (!first_ && !tells) first_ = kept->id;
  callback_made_ = callback_made_ || tells;
  if (kept->key && !kept->key->made) {
    if (!kept->key->derived || call::others_join(*kept)) {
      keys_[kept->key->identity] = kept->id;
    } else {
      keys_.erase(kept->key->identity);
    }
  }
  if (first_ == kept->id) {
    const std::string before = found == stored_.end() ? std::string() : standing(*found->second);
    if (standing(*kept) != before) add(What::stands, 0, standing(*kept));
    timeline_.insert(timeline_.end(), write.events.begin(), write.events.end());
  }
  stored_[kept->id] = std::move(kept);
}

void Stage::perform(engine::ActionKind& what) {
  if (const auto* begun = std::get_if<engine::StartAttempt>(&what)) {
    start(*begun);
  } else if (const auto* sent = std::get_if<engine::SendReply>(&what)) {
    tell(sent->exchange, sent->reply, false);
  } else if (const auto* forward = std::get_if<engine::ForwardAnswer>(&what)) {
    tell(forward->exchange, {forward->head.status, forward->head.fields, nullptr, false}, false);
    const auto found = running_.find(forward->id);
    if (found != running_.end()) found->second.outcome.forwarded = true;
  } else if (const auto* done = std::get_if<engine::FinishAnswer>(&what)) {
    told_[static_cast<int>(raw(done->exchange))].cut = !done->complete;
  } else if (const auto* cancel = std::get_if<engine::CancelAttempt>(&what)) {
    const auto found = running_.find(cancel->id);
    if (found == running_.end()) return;
    found->second.outcome.cause = call::Cause::cancelled;
    found->second.ends = now_.mono;
  } else if (const auto* note = std::get_if<engine::Note>(&what)) {
    if (note->level == engine::Note::Level::info) return;
    add(What::notes, 0, note->what);
    if (note->level == engine::Note::Level::error && note->call) errors_.push_back(note->what);
  } else if (std::holds_alternative<engine::FindKey>(what) ||
             std::holds_alternative<engine::ReadCall>(what) ||
             std::holds_alternative<engine::PageDue>(what) ||
             std::holds_alternative<engine::ReadLine>(what) ||
             std::holds_alternative<engine::PageLineHeads>(what)) {
    inbox_.push_back(read(what));
  }
  // Captured and discarded answers end as they are.
}

void Stage::start(const engine::StartAttempt& start) {
  if (start.lookup) return start_lookup(start);
  Running& run = running_[start.id];
  run.call = start.call;
  if (call::is_callback_upstream(start.upstream->name)) {
    add(What::tells_end, 0, {});
    run.outcome = answered(200, {}, "{}");
    run.ends = now_.mono + kSoon;
    return;
  }
  if (!first_sent_) first_sent_ = *start.request;
  const auto& rules = start.upstream->idempotency;
  const std::string key =
      rules.mode == call::Mode::key ? text_of(start.request->fields, rules.header) : "";
  const bool known = !key.empty() && keys_upstream_.contains(key);
  const Act act = upstream({copies_ + 1, known, now_.mono - began_});
  if (act.outcome.evidence != call::Evidence::nothing_sent) ++copies_;
  add(What::sends, copies_, key);
  moments_.back().call = number_of(start.call);
  const bool joined = apply(start, act.applies);
  run.outcome = act.outcome;
  run.outcome.authority = start.upstream->urls[start.url].authority();
  run.outcome.bytes_sent = act.outcome.evidence == call::Evidence::nothing_sent ? 0 : 100;
  run.ends = now_.mono + act.takes;
  run.forwards = start.capture_max == 0 && act.outcome.evidence == call::Evidence::answer_begun;
  run.says = joined ? act.says + " (it has joined the two)" : act.says;
}

// True when the upstream knows its key already: what is applied is applied once.
bool Stage::apply(const engine::StartAttempt& start, bool applies) {
  if (!applies || call::safe_method(start.request->method)) return false;
  const auto& rules = start.upstream->idempotency;
  const std::string key =
      rules.mode == call::Mode::key ? text_of(start.request->fields, rules.header) : "";
  if (!key.empty()) {
    const auto [seen, fresh] = keys_upstream_.emplace(key, now_.mono);
    const Duration lifetime = rules.lifetime.value_or(Duration{});
    if (!fresh && now_.mono - seen->second < lifetime) return true;
    seen->second = now_.mono;
  }
  ++effects_;
  return false;
}

void Stage::start_lookup(const engine::StartAttempt& start) {
  ++lookups_;
  const bool there = effects_ > 0;
  add(What::looks_up, lookups_, there ? "it is there" : "there is nothing of it");
  Running& run = running_[start.id];
  run.call = start.call;
  run.lookup = true;
  run.outcome = lookup_answer(*start.upstream->lookup, there);
  run.ends = now_.mono + kSoon;
}

void Stage::end(AttemptId id) {
  const auto found = running_.find(id);
  HF_CHECK(found != running_.end());
  if (found->second.forwards) {
    found->second.forwards = false;
    step(engine::AnswerHeadSeen{id, found->second.outcome.head, false});
  }
  const Running run = std::move(found->second);
  running_.erase(found);
  if (!run.says.empty()) add(What::comes_of, copies_, run.says);
  step(engine::AttemptEnded{id, run.outcome, true});
}

void Stage::tell(ExchangeId id, const call::Reply& reply, bool at_the_door) {
  const int number = static_cast<int>(raw(id));
  Told told = told_by(reply);
  told.at_the_door = at_the_door;
  told.at = now_.mono - began_;
  told_[number] = told;
  add(What::told, number, {});
}

void Stage::add(What what, int number, std::string text) {
  moments_.push_back({what, now_.mono - began_, number, std::move(text), 0});
}

int Stage::number_of(const CallId& call) {
  auto found = std::find(sent_.begin(), sent_.end(), call);
  if (found == sent_.end()) found = sent_.insert(sent_.end(), call);
  return static_cast<int>(found - sent_.begin()) + 1;
}

engine::Event Stage::read(const engine::ActionKind& what) const {
  if (const auto* find = std::get_if<engine::FindKey>(&what)) {
    engine::KeyRead out;
    out.identity = find->identity;
    if (const auto found = keys_.find(find->identity); found != keys_.end()) {
      out.call = stored_.at(found->second);
      out.entry = {found->second, out.call->owner, out.call->fingerprint, false,
                   call::Effect::none};
    }
    return out;
  }
  if (const auto* one = std::get_if<engine::ReadCall>(&what)) {
    const auto found = stored_.find(one->id);
    return engine::CallRead{one->id, false, found == stored_.end() ? nullptr : found->second};
  }
  if (const auto* page = std::get_if<engine::PageDue>(&what)) return due_page(*page);
  if (const auto* one = std::get_if<engine::ReadLine>(&what)) return line(*one);
  engine::LineHeadsRead heads;
  for (const auto& [id, call] : stored_) {
    if (call::in_line(*call) && heads.heads.empty()) heads.heads.push_back(call);
  }
  return heads;
}

engine::Event Stage::due_page(const engine::PageDue& page) const {
  engine::DuePageRead out;
  out.upstream = page.upstream;
  out.which = page.which;
  std::multimap<WallTime, std::shared_ptr<const call::Call>> due;
  for (const auto& [id, call] : stored_) {
    const bool its = call->upstream == page.upstream && call::has_due(call->state) &&
                     call::due_class(call->asked.urgency) == page.which;
    if (its) due.emplace(call->next_attempt_at, call);
  }
  for (const auto& [when, call] : due) {
    if (when > page.until || out.calls.size() >= page.limit) {
      out.next = when;
      break;
    }
    out.calls.push_back(call);
  }
  return out;
}

engine::Event Stage::line(const engine::ReadLine& line) const {
  engine::LineRead out;
  out.line = line.line;
  for (const auto& [id, call] : stored_) {
    if (!call::in_line(*call) || call->asked.order->line != line.line) continue;
    out.members.emplace_back(call->asked.order->place, id);
  }
  std::sort(out.members.begin(), out.members.end());
  return out;
}

}  // namespace hf::review
