#include "sim/operators.h"

#include <utility>

namespace hf::sim {

std::string order_name_of(const call::Call& call) {
  const Field* field = call.request ? find_field(call.request->fields, "X-Order") : nullptr;
  return field == nullptr ? std::string() : field->value;
}

void SimOperator::look(runtime::Driver& driver) {
  if (waits_) return;
  if (prng_.chance(1, 6)) {
    constexpr const char* kUpstreams[] = {"keyed", "plain", "llm", "nobody"};
    engine::OperatorCommand command;
    command.what = prng_.chance(1, 2) ? What::pause : What::resume;
    command.upstream = kUpstreams[prng_.below(4)];
    command.pause_for = Duration::seconds(prng_.between(1, 60));
    if (command.what == What::pause) paused_.insert(command.upstream);
    if (command.what == What::resume) witness_.operator_resumed(command.upstream);
    say(driver, std::move(command), nullptr);
    return;
  }
  constexpr call::State kStates[] = {call::State::unknown, call::State::dead, call::State::waiting,
                                     call::State::open, call::State::unknown};
  ports::CallFilter filter;
  filter.state = kStates[prng_.below(5)];
  filter.limit = 4;
  waits_ = true;
  driver.list(filter, [this, &driver, life = life_](Result<ports::CallPage> page) {
    if (hung_up_ || life != life_) return;
    waits_ = false;
    if (!page.ok() || page->calls.empty()) return;
    judge(driver, *page->calls[prng_.below(page->calls.size())]);
  });
}

void SimOperator::judge(runtime::Driver& driver, const call::Call& call) {
  if (call.callback_of) return;  // that it is taken is what the oracle looks for
  const std::string name = order_name_of(call);
  // Its client has repeated it as another call, whenever it was told that it may.
  const Order* placed = clients_.order_of(name);
  if (placed != nullptr && placed->careful) return;
  engine::OperatorCommand command;
  command.call = call.id;
  command.reason = "looked at it";
  command.what = prng_.chance(1, 2) ? What::retry : What::cancel;
  if (call.state == call::State::unknown && prng_.chance(3, 4)) {
    // Whoever settles a call knows; nobody knows while it may still be worked on.
    if (!upstream_.settled(name)) return;
    const LedgerEntry* entry = upstream_.entry_of(name);
    command.what = entry != nullptr ? What::resolve_applied : What::resolve_not_applied;
    if (entry == nullptr) witness_.operator_proved(name);
    if (entry != nullptr && prng_.chance(1, 2)) {
      call::Answer answer;
      answer.status = 200;
      answer.body = make_body(entry->answer);
      command.answer = std::move(answer);
    }
  }
  say(driver, std::move(command), clients_.order_of(name));
}

void SimOperator::say(runtime::Driver& driver, engine::OperatorCommand command, Order* order) {
  if (order != nullptr) order->operator_touched = true;
  const bool cancels = command.what == What::cancel;
  waits_ = true;
  auto answered = std::make_shared<bool>(false);
  driver.command(std::move(command), [this, life = life_, answered, cancels, order](
                                         bool ok, const std::string& message) {
    if (hung_up_) return;
    if (std::exchange(*answered, true)) violation_("operator: a command was answered twice");
    if (life != life_) {
      violation_("operator: a command was answered by a later process");
      return;
    }
    waits_ = false;
    done_ += 1;
    if (message.empty()) violation_("operator: a command was answered without a word");
    if (ok && cancels && order != nullptr && order->keyed) order->told_cancelled = true;
  });
}

}  // namespace hf::sim
