// The owner's questions about a call, and the operator's commands.
#include <algorithm>
#include <utility>

#include "base/planted.h"
#include "call/operator_word.h"
#include "engine/core.h"

namespace hf::engine {
namespace {

bool owned_by(const call::Call& call, const call::CallAsk& ask) {
  return std::find(ask.owners.begin(), ask.owners.end(), call.owner) != ask.owners.end();
}

call::Word word_of(OperatorCommand::What what) {
  switch (what) {
    case OperatorCommand::What::cancel:
      return call::Word::cancel;
    case OperatorCommand::What::resolve_applied:
      return call::Word::resolve_applied;
    case OperatorCommand::What::resolve_not_applied:
      return call::Word::resolve_not_applied;
    case OperatorCommand::What::retry:
    case OperatorCommand::What::pause:
    case OperatorCommand::What::resume:
      break;
  }
  return call::Word::retry;
}

call::ProblemSpec no_such_call() {
  call::ProblemSpec spec;
  spec.code = call::Code::no_such_call;
  return spec;
}

}  // namespace

void Core::on(CallAsked&& event) {
  const CallId id = event.ask.call;
  if (!journal_) {
    act(SendReply{event.exchange, counted(no_such_call())}, false);
    return;
  }
  if (Active* active = find_active(id); active != nullptr && active->journaled) {
    if (active->stored || active->phase == Phase::attempting) {
      answer_ask(event.exchange, event.ask, active, nullptr);
      return;
    }
  }
  read_call(id, {std::pair{event.exchange, event.ask}, std::nullopt});
}

void Core::answer_ask(ExchangeId id, const call::CallAsk& ask, Active* active,
                      const std::shared_ptr<const call::Call>& stored) {
  const call::Call* call = active != nullptr ? active->call.get() : stored.get();
  if (call == nullptr || !owned_by(*call, ask)) {
    act(SendReply{id, counted(no_such_call())}, true);
    return;
  }
  switch (ask.what) {
    case call::CallAsk::What::status:
      act(SendReply{id, call::status(*call)}, true);
      return;
    case call::CallAsk::What::response:
      act(SendReply{id, call::response(*call)}, true);
      return;
    case call::CallAsk::What::cancel:
      break;
  }
  call::ProblemSpec spec;
  spec.call = call->id;
  spec.attempts = call->attempts;
  if (call::terminal(call->state)) {
    spec.code = call::Code::already_ended;
    spec.effect = call::effect_of(*call);
    act(SendReply{id, counted(spec)}, true);
    return;
  }
  if (call->state != call::State::unknown && find_upstream(call->upstream) == nullptr) {
    spec.code = call::Code::held;
    spec.effect = call::Effect::pending;
    spec.safe_to_retry = true;
    spec.retry_after = Duration::seconds(30);
    spec.detail = "Its upstream is not configured now; it cannot be cancelled until it is.";
    act(SendReply{id, counted(spec)}, true);
    return;
  }
  if (call->state == call::State::unknown) {
    spec.code = call::Code::outcome_unknown;
    spec.effect = call::Effect::unknown;
    act(SendReply{id, counted(spec)}, true);
    return;
  }
  if (active == nullptr) {
    active = &activate(stored);
    active->phase = Phase::idle;
  }
  cancel_by_owner(id, *active);
}

void Core::cancel_by_owner(ExchangeId id, Active& active) {
  record(active, call::Happening::cancel_asked, call::Actor::client);
  if (active.attempt || active.phase == Phase::loading || active.verifying) {
    // A lookup under way settles it; until then nobody could say "cancelled".
    HF_PROBE("cancel-noted");
    active.call->no_more_attempts = true;
    write(active);
    act(SendReply{id, call::cancel_noted(*active.call)}, true);
    unload_if_idle(active);
    return;
  }
  const call::Call snapshot = *active.call;
  if (snapshot.unresolved) {
    become_unknown(active, "cancelled-unresolved");
    call::ProblemSpec spec;
    spec.code = call::Code::outcome_unknown;
    spec.effect = call::Effect::unknown;
    spec.call = snapshot.id;
    spec.attempts = snapshot.attempts;
    act(SendReply{id, counted(spec)}, true);
    return;
  }
  const std::shared_ptr<call::Call> ended = active.call;
  become_cancelled(active, call::Actor::client);
  act(SendReply{id, call::status(*ended)}, true);
}

void Core::on(OperatorCommand&& event) {
  if (event.what == OperatorCommand::What::pause || event.what == OperatorCommand::What::resume) {
    pause_or_resume(event);
    return;
  }
  if (Active* active = find_active(event.call); active != nullptr && active->journaled) {
    run_command(event, *active);
    return;
  }
  const CallId id = event.call;
  read_call(id, {std::nullopt, std::move(event)});
}

void Core::run_command(const OperatorCommand& command, Active& active) {
  const call::Call& call = *active.call;
  const auto refuse = [&](std::string why) {
    act(CommandDone{command.id, false, std::move(why)}, true);
    if (!active.attempt && active.phase == Phase::idle) unload_if_idle(active);
  };
  if (active.attempt || active.phase != Phase::idle) {
    HF_PROBE("a-command-meets-an-attempt");
    refuse(std::string(call::kAttemptRuns));
    return;
  }
  if (command.if_epoch && *command.if_epoch != call.epoch) {
    refuse(std::string(call::kChangedMeanwhile));
    return;
  }
  call::Standing standing;
  standing.behind = active.in_line && !active.has_turn;
  const bool dead = call.state == call::State::dead;  // of others memory may have left the body out
  standing.body_there = !dead || call.body_bytes == 0 || (call.request && call.request->body) ||
                        HF_BUG("send-without-the-body");
  if (std::string why = call::why_not(word_of(command.what), call, standing); !why.empty()) {
    refuse(std::move(why));
    return;
  }
  switch (command.what) {
    case OperatorCommand::What::retry:
      retry_by_operator(command, active);
      return;
    case OperatorCommand::What::cancel:
      record_word(active, call::Happening::operator_cancel, command);
      become_cancelled(active, call::Actor::operator_person);
      act(CommandDone{command.id, true, std::string(call::outcome_of(call::Word::cancel))}, true);
      return;
    case OperatorCommand::What::resolve_applied:
    case OperatorCommand::What::resolve_not_applied:
      settle_by_operator(command, active);
      return;
    case OperatorCommand::What::pause:
    case OperatorCommand::What::resume:
      return;
  }
}

void Core::record_word(Active& active, call::Happening what, const OperatorCommand& command,
                       std::string_view rule) {
  call::TimelineEvent event;
  event.what = what;
  event.who = call::Actor::operator_person;
  event.rule = std::string(rule);
  event.where = command.operation;
  event.detail = command.reason;
  record(active, std::move(event));
}

void Core::retry_by_operator(const OperatorCommand& command, Active& active) {
  call::Call& call = *active.call;
  if (call.state == call::State::dead) {
    // Every attempt of it is proven not applied: its deadline and its key begin anew.
    call.accepted = call::Stamp::of(now_);
    call.first_sent.reset();
    call.held_attempts = 0;
    call.ended.reset();
    active.body_is_new = true;  // retention may take it until this is written
    if (call.key && call.key->derived) {
      // Another call may have its identity by now.
      call.key->derived = false;
      call.key->made = true;
    }
  }
  call.held = true;
  call.no_more_attempts = false;
  call.state = call::State::waiting;
  call.reason = call::WaitReason::first_attempt;
  call.crashes = 0;
  call.next_attempt_at = std::max(now_.wall, call.asked.not_before.value_or(now_.wall));
  record_word(active, call::Happening::operator_retry, command);
  write(active);
  act(CommandDone{command.id, true, std::string(call::outcome_of(call::Word::retry))}, true);
  if (active.exchanges.empty()) {
    unload_if_idle(active);
  } else {
    alarms_.arm({AlarmKind::call, {}, call.id, {}}, now_.mono);
  }
}

void Core::settle_by_operator(const OperatorCommand& command, Active& active) {
  call::Call& call = *active.call;
  const bool applied = command.what == OperatorCommand::What::resolve_applied;
  if (call.state == call::State::unknown && stats_.unknown_calls > 0) stats_.unknown_calls -= 1;
  record_word(active, call::Happening::operator_resolve, command,
              applied ? "applied" : "not_applied");
  call.unresolved = false;
  if (!applied) {
    call.proof = call::Proof::operator_word;
    die(active, "operator-not-applied");
    act(CommandDone{command.id, true,
                    std::string(call::outcome_of(call::Word::resolve_not_applied))},
        true);
    return;
  }
  call::Answer answer;
  if (command.answer) {
    answer = *command.answer;
    answer.body_kept = answer.body != nullptr;
    answer.body_bytes = view(answer.body).size();
  }
  answer.at = now_.wall;
  active.answer_is_new = answer.body_kept;
  call.answer = std::move(answer);
  call.state = call::State::answered;
  call.reason = call::WaitReason::none;
  call.verdict = call::Effect::applied;
  call.ended = call::Stamp::of(now_);
  record(active, call::Happening::answered, call::Actor::operator_person, "operator-applied");
  leave_line(active);
  tell_end(active, true);
  write(active);
  const std::vector<ExchangeId> all = active.exchanges;
  for (const ExchangeId id : all) {
    call::AnswerMarks marks = marks_of(active);
    marks.replayed_from = now_.wall;
    if (call.answer->body_kept) {
      send(id, call::upstream_answer(*call.answer, marks), true);
    } else {
      call::ProblemSpec spec;
      spec.code = call::Code::answer_not_kept;
      spec.effect = call::Effect::applied;
      spec.call = call.id;
      send_problem(id, spec, true);
    }
  }
  drop(call.id);
  act(CommandDone{command.id, true, std::string(call::outcome_of(call::Word::resolve_applied))},
      true);
}

void Core::pause_or_resume(const OperatorCommand& command) {
  UpstreamState* upstream = find_upstream(command.upstream);
  if (upstream == nullptr) {
    act(CommandDone{command.id, false, "no such upstream: " + command.upstream}, false);
    return;
  }
  call::PauseWrite write;
  write.upstream = command.upstream;
  if (command.what == OperatorCommand::What::pause) {
    const WallTime until = now_.wall + command.pause_for;
    upstream->gate->pause("", until, now_);
    write.until = until;
    if (journal_) out_->writes.pauses.push_back(write);
    act(CommandDone{command.id, true, "paused"}, true);
    return;
  }
  for (const std::string& key : upstream->gate->lift_all(now_.mono)) {
    write.limit_key = key;
    if (journal_) out_->writes.pauses.push_back(write);
  }
  act(CommandDone{command.id, true, "resumed"}, true);
  for (const auto& [id, active] : active_) {
    // Who waits beside the queue has an alarm for the pause's end: too late now.
    const bool beside = active.phase == Phase::backing_off && active.hurdle == Hurdle::paused;
    const bool held = active.phase == Phase::idle && active.call->held;
    if (active.upstream->name == command.upstream && (beside || held)) {
      alarms_.arm({AlarmKind::call, {}, id, {}}, now_.mono);
    }
  }
  pump(*upstream);
}

}  // namespace hf::engine
