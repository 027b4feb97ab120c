// Calls with one order key go strictly one after another, live and held alike (DESIGN section 4,
// Order). A line is the calls that hold a place in it, on disk in the order index; it is in memory
// while one of them is. Exactly the first may be attempted: that it has its turn stands in its
// record (any other reason to wait than `order`), so a due page needs no look at lines.
#include <algorithm>
#include <utility>

#include "base/planted.h"
#include "engine/core.h"

namespace hf::engine {

// A new call, or one that comes back to the end of its line; `first` is the client it starts with.
void Core::join_line(Active& active) {
  call::Order& order = *active.call->asked.order;
  order.place = 0;
  active.has_turn = false;
  active.phase = Phase::idle;
  active.in_line = true;
  OrderLine& line = lines_[order.line];
  line.here.insert(active.call->id);
  line.joining.push_back(active.call->id);
  if (line.read) {
    admit_joining(order.line);
  } else {
    read_line(order.line);
  }
}

void Core::read_line(const call::Digest& digest) {
  OrderLine& line = lines_[digest];
  if (line.ticket) return;
  line.ticket = reads_.begin();
  // To pass a turn on, the first of them is enough.
  line.peek = line.joining.empty();
  act(ReadLine{digest, line.peek ? 1 : kOrderLineMax}, false);
}

void Core::on(LineRead&& event) {
  const auto found = lines_.find(event.line);
  HF_CHECK(found != lines_.end() && found->second.ticket);
  OrderLine& line = found->second;
  const bool stale =
      std::any_of(event.members.begin(), event.members.end(), [&](const auto& member) {
        return reads_.stale(*line.ticket, member.second) && !active_.contains(member.second);
      });
  reads_.end(*line.ticket);
  line.ticket.reset();
  if (event.failed) {
    refuse_joining(event.line, call::Code::journal_unavailable, std::nullopt);
    // Whoever stands there on disk gets its turn when the line is read again, at the latest at the
    // next start.
    forget_line(event.line);
    return;
  }
  if (stale || (line.peek && !line.joining.empty())) {
    HF_PROBE("line-read-again");
    read_line(event.line);
    return;
  }
  if (line.peek) {
    if (event.members.empty()) {
      forget_line(event.line);
      return;
    }
    const CallId first = event.members.front().second;
    const Active* active = find_active(first);
    if (active != nullptr && !active->in_line) {
      read_line(event.line);  // it has left since
    } else {
      offer_turn(first);
    }
    return;
  }
  line.read = true;
  line.full = event.more;
  for (const auto& [place, id] : event.members) {
    const Active* active = find_active(id);
    // What is in memory is newer than what was read.
    if (active == nullptr || call::in_line(*active->call) || active->in_line)
      line.members[place] = id;
  }
  admit_joining(event.line);
  pass_turn(event.line);
}

void Core::refuse_joining(const call::Digest& digest, call::Code code,
                          const std::optional<call::Measure>& limit) {
  const std::vector<CallId> joining = std::exchange(lines_[digest].joining, {});
  for (const CallId& id : joining) {
    Active* active = find_active(id);
    if (active == nullptr) continue;
    call::ProblemSpec spec;
    spec.code = code;
    spec.safe_to_retry = true;
    spec.retry_after = Duration::seconds(5);
    spec.effect = active->call->unresolved ? call::Effect::unknown : call::Effect::none;
    spec.measure = limit;
    const std::vector<ExchangeId> all = active->exchanges;
    for (const ExchangeId exchange : all) {
      if (limit) {
        refuse_at_limit(exchange, *active->route, spec, true);
      } else {
        send_problem(exchange, spec, true);
      }
    }
    active->in_line = false;
    unload_if_idle(*active);
  }
}

void Core::admit_joining(const call::Digest& digest) {
  if (lines_[digest].full || lines_[digest].members.size() >= kOrderLineMax) {
    refuse_joining(digest, call::Code::overloaded,
                   call::Measure{"order_line", static_cast<std::int64_t>(kOrderLineMax),
                                 static_cast<std::int64_t>(kOrderLineMax), "calls"});
    return;
  }
  const std::vector<CallId> joining = std::exchange(lines_[digest].joining, {});
  for (const CallId& id : joining) {
    Active* active = find_active(id);
    if (active == nullptr) continue;
    OrderLine& line = lines_[digest];
    const std::uint64_t place = line.members.empty() ? 1 : line.members.rbegin()->first + 1;
    line.members[place] = id;
    active->call->asked.order->place = place;
    if (line.members.begin()->second == id || HF_BUG("break-the-line")) {
      take_turn(*active);
    } else {
      wait_for_turn(*active);
    }
  }
}

// Somebody stands before it.
void Core::wait_for_turn(Active& active) {
  active.hurdle = Hurdle::order;
  const bool held_at_once =
      active.call->held || (active.may_hold && !active.exchanges.empty() && wants_hold_now(active));
  const bool nobody_waits = active.exchanges.empty() || draining_;
  if (held_at_once || (nobody_waits && active.may_hold)) {
    hold(active, call::WaitReason::order, std::nullopt);
    return;
  }
  if (nobody_waits) {
    HF_PROBE("left-its-line-with-its-client");
    end_live(active, "behind-another-in-order");
    return;
  }
  HF_PROBE("waits-in-its-line-with-its-client");
  active.phase = Phase::backing_off;
  alarms_.arm({AlarmKind::call, {}, active.call->id, {}}, active.patience_until);
}

void Core::take_turn(Active& active) {
  active.has_turn = true;
  active.hurdle = Hurdle::none;
  alarms_.disarm({AlarmKind::call, {}, active.call->id, {}});
  active.phase = Phase::idle;
  call::Call& call = *active.call;
  if (!call.held) {
    if (active.exchanges.empty()) {
      try_start(active);
    } else {
      start_fresh(active, active.exchanges.front());
    }
    return;
  }
  call.state = call::State::waiting;
  call.reason = call::WaitReason::first_attempt;
  call.next_attempt_at = std::max(now_.wall, call.asked.not_before.value_or(now_.wall));
  if (end_if_over(active)) return;
  const CallId id = call.id;
  if (call.next_attempt_at > now_.wall || !try_start_held(upstream_of(active), active)) {
    write(active);
    if (active.exchanges.empty()) {
      unload_if_idle(active);
    } else {
      alarms_.arm_earlier({AlarmKind::call, {}, id, {}}, wall_to_mono(call.next_attempt_at));
    }
  }
}

// It has ended, or never began: the next one's turn. Runs at the end of the step, when nothing else
// is half done.
void Core::leave_line(Active& active) {
  if (!active.call->asked.order || !std::exchange(active.in_line, false)) return;
  active.has_turn = false;
  const call::Order& order = *active.call->asked.order;
  OrderLine& line = lines_[order.line];
  line.here.insert(active.call->id);
  std::erase_if(line.members, [&](const auto& member) { return member.second == active.call->id; });
  std::erase(line.joining, active.call->id);
  turns_.push_back(order.line);
}

void Core::run_turns() {
  for (int i = 0; i < kTurnsMax && !turns_.empty(); ++i) {
    const call::Digest line = turns_.front();
    turns_.pop_front();
    pass_turn(line);
  }
}

void Core::pass_turn(const call::Digest& digest) {
  OrderLine& line = lines_[digest];
  if (!line.read) {
    read_line(digest);
    return;
  }
  if (line.members.empty()) {
    forget_line(digest);
    return;
  }
  offer_turn(line.members.begin()->second);
}

void Core::offer_turn(const CallId& first) {
  if (Active* active = find_active(first)) {
    if (!active->has_turn && active->in_line && active->call->asked.order->place != 0) {
      take_turn(*active);
    }
    return;
  }
  PendingAsk ask;
  ask.turn = true;
  read_call(first, std::move(ask));
}

// What the journal says of the first of a line: it may have had its turn already.
void Core::give_turn(Active* active, const std::shared_ptr<const call::Call>& stored) {
  const call::Call* call = active != nullptr ? active->call.get() : stored.get();
  if (call == nullptr || !call->asked.order) return;
  if (call->state == call::State::unknown) HF_PROBE("a-line-stands-behind-an-unknown-call");
  const bool waits =
      call->state == call::State::waiting && call->held && call->reason == call::WaitReason::order;
  if (!waits) {
    forget_line(call->asked.order->line);
    return;
  }
  if (active == nullptr) {
    if (find_upstream(call->upstream) == nullptr) return;
    HF_PROBE("the-turn-of-a-call-on-disk");
    active = &activate(stored);
    active->phase = Phase::idle;
  }
  if (!active->has_turn && active->phase == Phase::idle) take_turn(*active);
}

// Out of memory, when nobody in memory stands in it.
void Core::forget_line(const call::Digest& digest) {
  const auto found = lines_.find(digest);
  if (found == lines_.end()) return;
  OrderLine& line = found->second;
  std::erase_if(line.here, [&](const CallId& id) { return !active_.contains(id); });
  if (line.here.empty() && line.joining.empty() && !line.ticket) lines_.erase(found);
}

// After a start: whoever became the first of its line when the process ended has its turn.
void Core::on(LineHeadsRead&& event) {
  if (event.failed) {
    alarms_.arm({AlarmKind::lines, {}, {}, {}}, now_.mono + Duration::seconds(5));
    return;
  }
  for (const auto& head : event.heads) {
    if (find_upstream(head->upstream) == nullptr) continue;
    Active* active = find_active(head->id);
    if (active != nullptr && (active->has_turn || active->phase != Phase::idle)) continue;
    // It was read a while ago: ask again, so that what is done follows what is so now.
    PendingAsk ask;
    ask.turn = true;
    read_call(head->id, std::move(ask));
  }
  lines_after_ = event.next;
  if (event.next) act(PageLineHeads{event.next, kLinePage}, false);
}

}  // namespace hf::engine
