// The oracles at the end of a world; those that judge a moment stand beside what happens in it.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>

#include "sim/world.h"

namespace hf::sim {
namespace {

// A slow sync lies between the decision and the word of it.
constexpr Duration kToldWithin = Duration::seconds(60);
constexpr Duration kSetWithin = Duration::hours(2);  // where the clock was set meanwhile

}  // namespace

void World::judge() {
  judge_orders();
  judge_lines();
  if (!verdict_.violations.empty() || !shell_) return;
  if (upstream_->wire().mixed_up() > 0) {
    violation("cross-talk: the answer of an abandoned exchange was read as another's");
  }
  journal_->pump();
  if (operator_->waits()) violation("operator: a command was never answered");
  judge_promises();
  judge_calls();
}

void World::judge_orders() {
  std::map<std::string, int> effects;
  for (const LedgerEntry& entry : upstream_->ledger()) {
    const Order* order = clients_->order_of(entry.order);
    if (order == nullptr) {
      violation("never-sent: the ledger has '" + entry.order + "'");
    } else if (++effects[entry.order] == 2 && !order->repeatable &&
               !upstream_->forgot(entry.order)) {
      violation("never-doubled: " + entry.order + " took effect twice");
    }
  }
  for (const Order& order : clients_->orders()) {
    const auto had = upstream_->effects_of(order.name);
    if (order.told_cancelled && had > 0) {
      violation(fmt::format("cancelled: {} took effect", order.name));
    }
    if (!order.last_told_none.empty() && !order.operator_touched &&
        upstream_->effects_of(order.last_told_none) > 0) {
      violation(fmt::format("attribution: {} was last told effect none, and has one", order.name));
    }
    if (!verdict_.violations.empty()) continue;
    if (order.open_exchanges != 0) {
      violation(fmt::format("one-reply: {} still waits for an answer", order.name));
    }
    if (order.must_succeed_within && !order.operator_touched) judge_last(order);
    if (!order.done) {
      violation(fmt::format("convergence: {} is not done after {} tries", order.name, order.tries));
    }
  }
}

// Long after the troubles: no breaker is open, no queue is full, no budget is empty.
void World::judge_last(const Order& order) {
  const bool success = order.final_answer && order.final_answer->starts_with("200 ");
  if (success && order.done_at - order.first_asked->mono <= *order.must_succeed_within) return;
  violation(fmt::format("convergence: {} asked when all was well again, and {}", order.name,
                        success ? "had to wait" : "had no success"));
}

// It was dead, and was asked for again: it has lost its place.
bool World::began_anew(const Order& order) {
  bool anew = false;
  if (!shell_ || !order.call) return false;
  driver().detail(*order.call, [&anew](const Result<ports::CallDetail>& detail) {
    HF_CHECK(detail.ok());
    for (const call::TimelineEvent& event : detail->timeline)
      anew = anew || event.what == call::Happening::revived;
  });
  journal_->pump();
  return anew;
}

// What was acknowledged before another of its line was even asked for comes before it: the upstream
// sees nothing of the later one before the last of the earlier.
void World::judge_lines() {
  for (const Order& first : clients_->orders()) {
    if (first.line.empty() || !first.acknowledged || first.operator_touched) continue;
    const LedgerEntry* effect = upstream_->entry_of(first.name);
    if (effect == nullptr) continue;
    for (const Order& later : clients_->orders()) {
      if (&later == &first || later.line != first.line || later.owner != first.owner ||
          !later.first_asked || !later.first_sent ||
          later.first_asked->mono <= first.acknowledged->mono) {
        continue;
      }
      verdict_.in_line += 1;
      if (later.first_sent->mono < effect->at && !began_anew(first)) {
        violation(fmt::format("fifo: {} was sent before {}, which stood before it in {}",
                              later.name, first.name, first.line));
      }
    }
  }
}

// Never lost: what was acknowledged has ended, or stands in unknown.
void World::judge_promises() {
  for (const CallId& id : clients_->acknowledged()) {
    bool answered = false;
    driver().detail(id, [&](Result<ports::CallDetail> detail) {
      answered = true;
      if (!detail.ok() || !detail->call) {
        violation("never-lost: " + id.text() + " was acknowledged and is not in the journal");
        return;
      }
      const call::State state = detail->call->state;
      if (!call::terminal(state) && state != call::State::unknown) {
        violation(fmt::format("never-lost: {} was acknowledged and stands in {} ({}) at the end",
                              id.text(), call::to_string(state),
                              call::to_string(detail->call->reason)));
      }
    });
    journal_->pump();
    if (!answered) violation("the journal does not answer");
  }
}

// The journal's own words against the ledger's.
void World::judge_calls() {
  ports::CallFilter filter;
  filter.limit = 1000;
  bool more = true;
  while (more) {
    more = false;
    driver().list(filter, [&](Result<ports::CallPage> page) {
      HF_CHECK(page.ok());
      for (const auto& call : page->calls)
        judge_call(*call);
      more = page->more;
      filter.after = page->next;
    });
    journal_->pump();
  }
}

// What tells an end is taken, sooner or later, and under one id in one wording.
void World::judge_callback(const call::Call& call) {
  // It ended the process again and again, and was set aside for a person.
  if (poisoned_ == call.id && call.state == call::State::unknown) return;
  if (call.state != call::State::answered) {
    violation(fmt::format("callback: {} stands in {} ({}) at the end", call.id.text(),
                          to_string(call.state), to_string(call.reason)));
  } else if (!upstream_->told().contains(call.id.text())) {
    violation("callback: " + call.id.text() + " is answered, and nobody was told");
  }
  if (upstream_->told_two_ways()) violation("callback: one id told two things");
}

// The end of a held call that asked for it, and every unknown one, was told.
void World::judge_told(const call::Call& call) {
  const bool awaited = call.held || call.state == call::State::unknown;
  const bool ended = call::terminal(call.state) || call.state == call::State::unknown;
  if (call.asked.callback.empty() || !awaited || !ended) return;
  if (poisoned_) {
    const auto poisoned = journal_->durable_call(*poisoned_);
    if (poisoned && poisoned->callback_of == call.id) return;
  }
  const std::string state(to_string(call.state));
  for (const auto& [id, body] : upstream_->told()) {
    const bool of_it = body.find("\"call\":\"" + call.id.text() + "\"") != std::string::npos;
    if (of_it && body.starts_with("{\"type\":\"call." + state + "\"")) return;
  }
  violation("callback: " + call.id.text() + " ended " + state + ", and nobody was told");
}

// That a call became unknown was told, unless the process died just then.
void World::judge_alert(const call::Call& call) {
  if (clients_->alerted().contains(call.id)) return;
  std::optional<WallTime> when;
  driver().detail(call.id, [&when](const Result<ports::CallDetail>& detail) {
    HF_CHECK(detail.ok());
    for (const call::TimelineEvent& event : detail->timeline) {
      if (event.what == call::Happening::became_unknown) when = event.at;
    }
  });
  journal_->pump();
  if (!when) return;  // that part of its timeline is gone
  const bool set = wall_stepped_ || verdict_.reboots > 0;
  const bool died = std::any_of(crashed_at_.begin(), crashed_at_.end(), [&](WallTime crash) {
    return (crash >= *when || set) && crash - *when <= (set ? kSetWithin : kToldWithin);
  });
  if (!died) violation("alerts: nobody was told that " + call.id.text() + " became unknown");
}

void World::judge_call(const call::Call& call) {
  if (call.callback_of) {
    judge_callback(call);
    return;
  }
  judge_told(call);
  const std::string order = order_name_of(call);
  if (!clients_->let_in(order)) {
    violation("limits: the journal has a call of " + order + ", which was refused");
  }
  const Order* placed = clients_->order_of(order);
  // Each request of one without a key is a call of its own: the ledger's entry is of one of them.
  if (placed != nullptr && placed->careful && call.state != call::State::unknown) return;
  const std::size_t effects = upstream_->effects_of(order);
  const std::string who = fmt::format("{} ({})", order, call.id.text());
  switch (call.state) {
    case call::State::dead:
    case call::State::cancelled:
      (call.state == call::State::dead ? verdict_.dead : verdict_.cancelled) += 1;
      if (effects > 0) {
        violation(fmt::format("proven: {} is {} and took effect", who, to_string(call.state)));
      }
      return;
    case call::State::answered:
      if (call.answer && call.answer->status == 200 && effects == 0) {
        violation("proven: " + who + " is answered with success and has no effect");
      }
      return;
    case call::State::unknown:
      judge_alert(call);
      // Once the lookups are well again, one that settles nothing is of a charge that failed; but a
      // clock that was set ahead ends the asking early.
      if (verdict_.reboots == 0 && inconclusive_.contains(call.id) &&
          !upstream_->listed_failed(order)) {
        violation("unknown-has-a-cause: " + who + " could have been settled by a lookup");
      }
      // Somebody sent it and could not know what became of it, or died when about to.
      if (call.attempts == 0 || (!witness_->ambiguous(order) && !witness_->was_cut(call.id))) {
        violation("unknown-has-a-cause: every copy of " + who + " is proven not applied");
      }
      return;
    case call::State::waiting:
    case call::State::sending:
    case call::State::verifying:
      violation(fmt::format("convergence: {} stands in {} ({})", who, to_string(call.state),
                            to_string(call.reason)));
      return;
    case call::State::open:
      return;
  }
}

}  // namespace hf::sim
