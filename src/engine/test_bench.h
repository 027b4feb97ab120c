// A bench for the engine: feeds events, plays a small journal, clock and upstream, and checks after
// every step what must hold whatever the test is about.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "call/callback.h"
#include "call/importance.h"
#include "engine/engine.h"

namespace hf::engine {

inline call::Digest digest_of(std::string_view text) {
  call::Digest digest;
  std::uint64_t hash = 1469598103934665603ULL;
  for (std::size_t i = 0; i < digest.bytes.size(); ++i) {
    for (const char c : text)
      hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
    hash = (hash ^ i) * 1099511628211ULL;
    digest.bytes[i] = static_cast<unsigned char>(hash >> 40);
  }
  return digest;
}

inline call::AttemptOutcome not_connected() {
  call::AttemptOutcome out;
  out.cause = call::Cause::connect_refused;
  return out;
}
inline call::AttemptOutcome lost(call::Cause cause = call::Cause::head_timeout) {
  call::AttemptOutcome out;
  out.evidence = call::Evidence::sent;
  out.cause = cause;
  out.bytes_sent = 100;
  return out;
}
inline call::AttemptOutcome answer(int status, std::string body = "ok", Fields fields = {}) {
  call::AttemptOutcome out;
  out.evidence = call::Evidence::answer_complete;
  out.head = {status, std::move(fields)};
  out.body = make_body(std::move(body));
  return out;
}
// An upstream that begins its answer so has done nothing, whatever the status.
inline constexpr std::string_view kDidNothing = R"({"ok":false,"did":"nothing")";

inline call::AttemptOutcome cut_answer(int status, bool forwarded = false) {
  call::AttemptOutcome out;
  out.evidence = call::Evidence::answer_begun;
  out.cause = call::Cause::closed;
  out.head.status = status;
  out.forwarded = forwarded;
  return out;
}
inline call::AttemptOutcome forwarded_answer(int status) {
  call::AttemptOutcome out = answer(status);
  out.body = nullptr;
  out.forwarded = true;
  return out;
}

// What a request is made of; `make` turns it into a NewCall on the bench's route.
struct Ask {
  std::string key = {};  // empty: none
  std::string body = "{\"a\":1}";
  std::string owner = "alice";
  std::string method = "POST";
  bool stable = true;
  bool async = false;
  bool streamed = false;
  std::optional<Duration> wait = std::nullopt;
  std::string order = {};
  std::optional<Duration> not_before = std::nullopt;
  std::optional<Duration> deadline = std::nullopt;
  std::uint8_t urgency = call::kUrgencyDefault;
  bool derived = false;  // without a key of its own: by owner and body
  std::string callback = {};
  std::uint64_t address = 0;  // which one, by number
};

class Bench {
 public:
  using Tune = std::function<void(call::UpstreamSettings&, call::RouteSettings&)>;

  explicit Bench(const Tune& tune = {}, const call::CallbackSettings& callbacks = {}) {
    upstream_ = std::make_shared<call::UpstreamSettings>();
    upstream_->name = "up";
    upstream_->urls = {call::Url{false, "up.test", 80, ""}};
    route_ = std::make_shared<call::RouteSettings>();
    route_->upstream = "up";
    route_->key.from = {{call::Part::Kind::header, "Idempotency-Key"}};
    if (tune) tune(*upstream_, *route_);
    settings_ = std::make_shared<call::Settings>();
    settings_->upstreams["up"] = upstream_;
    settings_->routes = {route_};
    settings_->callbacks = callbacks;
    settings_->upstreams.merge(call::callback_upstreams(callbacks));
    now.mono = Instant{1'000'000'000'000};
    now.wall = WallTime{1'700'000'000'000};
    now.boot = BootId{7};
    boot({});
  }

  // The parts that a test looks at.
  const call::Hasher hasher{{7, 7, 7}};
  Now now;
  std::map<CallId, std::shared_ptr<const call::Call>> stored;
  std::map<call::Digest, CallId> keys;
  std::map<call::Digest, call::KeyEntry> tombstones;
  std::map<std::pair<std::string, std::string>, std::optional<WallTime>> pauses;
  std::optional<WallTime> newest;  // journaled time that a restart finds
  std::map<AttemptId, StartAttempt> running;
  std::vector<StartAttempt> started;
  std::map<ExchangeId, call::Reply> replies;
  std::map<ExchangeId, AttemptId> forwards;
  std::map<ExchangeId, bool> finished;
  std::vector<Action> last_actions;
  std::vector<call::CallWrite> writes;
  std::vector<std::pair<AttemptId, std::string>> words;  // cancel, capture, discard
  std::vector<Note> notes;
  std::vector<CommandDone> commands;
  int pages = 0;
  bool hold_reads = false;
  std::optional<std::size_t> calls_max = std::nullopt;  // from the next start on
  bool fail_reads = false;
  std::deque<ActionKind> reads;
  std::map<CallId, std::vector<call::TimelineEvent>> timeline;

  Engine& engine() { return *engine_; }
  const call::UpstreamSettings& upstream() const { return *upstream_; }

  [[nodiscard]] call::NewCall make(const Ask& ask) const {
    call::NewCall call;
    call.route = route_;
    call.upstream = upstream_;
    auto request = std::make_shared<call::Request>();
    request->method = ask.method;
    request->target = "/pay";
    if (!ask.key.empty()) request->fields.push_back({"Idempotency-Key", ask.key});
    if (!ask.body.empty()) request->body = make_body(ask.body);
    call.request = std::move(request);
    call.streamed = ask.streamed;
    call.has_body = !ask.body.empty();
    call.safe = ask.method == "GET";
    call.owner = digest_of(ask.owner);
    call.share = {ask.address, call::share_of(call.owner)};
    if (!ask.key.empty()) {
      call::KeyUse key;
      key.identity = digest_of("key " + ask.key);
      key.field = "Idempotency-Key";
      key.value = ask.key;
      key.stable = ask.stable;
      call.key = key;
    }
    call.fingerprint = digest_of(ask.method + ask.body);
    if (ask.derived) {
      call::KeyUse key;
      key.identity = digest_of("derived " + ask.owner + ask.body);
      key.derived = true;
      call.key = key;
    }
    call.account = "acct";
    call.limit_key = "limit-" + ask.owner;
    call.wait = ask.wait;
    call.asked.callback = ask.callback;
    const bool agreed = ask.async || route_->hold == call::Hold::always ||
                        route_->held_answer == call::HeldAnswer::accepted;
    call.may_hold = route_->hold != call::Hold::never && !call.safe && !ask.streamed &&
                    (agreed || (!ask.key.empty() && ask.stable));
    call.respond_async = ask.async && call.may_hold;
    call.asked.urgency = ask.urgency;
    if (!ask.order.empty()) {
      call.asked.order = call::Order{digest_of("order " + ask.order), 0, ask.order};
    }
    if (ask.not_before) call.not_before = call::AskedTime{ask.not_before, {}};
    if (ask.deadline) call.deadline = call::AskedTime{ask.deadline, {}};
    return call;
  }

  ExchangeId arrive(const Ask& ask) { return arrive_as(ask, call::CallClass::normal); }
  ExchangeId arrive_as(const Ask& ask, call::CallClass importance) {
    const ExchangeId id{next_exchange_++};
    live_.insert(id);
    call::NewCall call = make(ask);
    call.importance = importance;
    step(CallArrived{id, std::make_unique<call::NewCall>(std::move(call)),
                     CallId::make(now.wall, 0, next_call_++)});
    return id;
  }
  ExchangeId ask(call::CallAsk::What what, const CallId& id, std::string_view owner = "alice") {
    const ExchangeId exchange{next_exchange_++};
    live_.insert(exchange);
    call::CallAsk question;
    question.what = what;
    question.call = id;
    question.owners = {digest_of(owner)};
    step(CallAsked{exchange, question});
    return exchange;
  }
  void gone(ExchangeId id) {
    live_.erase(id);
    step(ClientGone{id});
  }
  CommandDone command(OperatorCommand::What what, const CallId& id = {},
                      const std::function<void(OperatorCommand&)>& more = {}) {
    OperatorCommand command;
    command.id = CommandId{next_command_++};
    command.what = what;
    command.call = id;
    command.upstream = "up";
    if (more) more(command);
    const std::size_t before = commands.size();
    step(std::move(command));
    EXPECT_EQ(commands.size(), before + 1) << "every command gets one answer";
    return commands.empty() ? CommandDone{} : commands.back();
  }

  // The newest running attempt.
  [[nodiscard]] AttemptId attempt() const {
    EXPECT_FALSE(running.empty()) << "no attempt is running";
    return running.empty() ? AttemptId{} : running.rbegin()->first;
  }
  void end(AttemptId id, call::AttemptOutcome outcome, bool replayable = true) {
    const auto found = running.find(id);
    ASSERT_TRUE(found != running.end());
    outcome.authority = upstream_->urls[found->second.url].authority();
    const CallId call = found->second.call;
    const call::Idempotency& rules = upstream_->idempotency;
    const auto declared = [&](const std::vector<int>& statuses) {
      return outcome.evidence >= call::Evidence::answer_begun &&
             std::find(statuses.begin(), statuses.end(), outcome.head.status) != statuses.end();
    };
    // "In progress" speaks of another request under the key, not of this one; whoever is refused
    // for its credentials has had no effect.
    const bool proven = outcome.evidence == call::Evidence::nothing_sent ||
                        declared(rules.refused) || declared(rules.in_progress) ||
                        declared({401, 403, 407}) || view(outcome.body).starts_with(kDidNothing);
    if (!proven && !found->second.lookup) may_have_applied[call] += 1;
    running.erase(found);
    step(AttemptEnded{id, std::move(outcome), replayable});
  }
  void end(call::AttemptOutcome outcome) { end(attempt(), std::move(outcome)); }
  void head(AttemptId id, int status, bool overflow = false, Fields fields = {}) {
    step(AnswerHeadSeen{id, {status, std::move(fields)}, overflow});
  }

  // Lets time pass, waking the engine whenever it asked for it.
  void pass(Duration span) {
    const Instant until = now.mono + span;
    for (int i = 0; i < 20'000; ++i) {
      const auto wake = engine_->next_wake();
      if (!wake || *wake > until) {
        move_to(until);
        return;
      }
      move_to(std::max(*wake, now.mono));
      step(Woke{});
    }
    ADD_FAILURE() << "the engine wakes for ever";
  }
  // As pass, but stops when an attempt starts.
  bool pass_to_attempt(Duration span) {
    const Instant until = now.mono + span;
    for (int i = 0; i < 20'000 && running.empty(); ++i) {
      const auto wake = engine_->next_wake();
      if (!wake || *wake > until) {
        move_to(until);
        break;
      }
      move_to(std::max(*wake, now.mono));
      step(Woke{});
    }
    return !running.empty();
  }

  void answer_reads() {
    while (!reads.empty())
      answer_read();
  }
  void answer_read() {
    const ActionKind read = std::move(reads.front());
    reads.pop_front();
    step(read_result(read));
  }
  // What the journal says now, for a test that delivers it later.
  [[nodiscard]] Event read_result(const ActionKind& read) {
    if (const auto* find = std::get_if<FindKey>(&read)) return key_result(*find);
    if (const auto* one = std::get_if<ReadCall>(&read)) {
      const auto found = stored.find(one->id);
      return CallRead{one->id, fail_reads, found == stored.end() ? nullptr : found->second};
    }
    if (++pages > 5000) {
      ADD_FAILURE() << "the due pages are read for ever";
      fail_reads = true;
    }
    if (const auto* line = std::get_if<ReadLine>(&read)) return line_result(*line);
    if (const auto* heads = std::get_if<PageLineHeads>(&read)) return heads_result(*heads);
    return page_result(std::get<PageDue>(read));
  }

  // The process dies and starts again; what ran may have applied.
  void crash(std::optional<CallId> blamed = std::nullopt) {
    blamed_ = blamed;
    for (const auto& [id, start] : running) {
      if (!start.lookup) may_have_applied[start.call] += 1;
    }
    running.clear();
    live_.clear();
    reads.clear();
    call::Recovered recovered;
    for (const auto& [id, call] : stored) {
      if (call->state == call::State::sending) recovered.sending.push_back(call);
    }
    for (const auto& [key, until] : pauses) {
      if (until) recovered.pauses.push_back({key.first, key.second, until});
    }
    recovered.newest = newest;
    boot(recovered);
  }
  // Somebody sets the clock.
  void step_wall(Duration by) { now.wall = now.wall + by; }
  void reload(const Tune& tune) {  // a restart with another configuration
    auto upstream = std::make_shared<call::UpstreamSettings>(*upstream_);
    auto route = std::make_shared<call::RouteSettings>(*route_);
    tune(*upstream, *route);
    upstream_ = upstream;
    route_ = route;
    auto settings = std::make_shared<call::Settings>(*settings_);
    settings->upstreams["up"] = upstream_;
    settings->routes = {route_};
    settings_ = settings;
    crash();
  }

  // Retention takes the bodies of what has ended.
  void retire_bodies() {
    for (auto& [id, call] : stored) {
      if (!call::terminal(call->state)) continue;
      auto bare = std::make_shared<call::Call>(*call);
      auto request = std::make_shared<call::Request>(*call->request);
      request->body = nullptr;
      bare->request = std::move(request);
      call = std::move(bare);
    }
  }

  // The order index as the journal keeps it.
  [[nodiscard]] std::map<call::Digest, std::map<std::uint64_t, CallId>> lines() const {
    std::map<call::Digest, std::map<std::uint64_t, CallId>> out;
    for (const auto& [id, call] : stored) {
      if (call::in_line(*call)) out[call->asked.order->line][call->asked.order->place] = id;
    }
    return out;
  }

  void step(Event event) {
    Effects effects;
    engine_->step(std::move(event), now, effects);
    take(effects);
    while (!hold_reads && !reads.empty())
      answer_read();
  }

  [[nodiscard]] std::shared_ptr<const call::Call> only() const {
    EXPECT_EQ(stored.size(), 1U);
    return stored.empty() ? std::make_shared<call::Call>() : stored.begin()->second;
  }
  [[nodiscard]] const call::Reply& reply(ExchangeId id) const {
    static const call::Reply kNone;
    const auto found = replies.find(id);
    return found == replies.end() ? kNone : found->second;
  }
  [[nodiscard]] int status(ExchangeId id) const { return reply(id).status; }
  [[nodiscard]] bool says(ExchangeId id, std::string_view text) const {
    return view(reply(id).body).find(text) != std::string_view::npos;
  }
  [[nodiscard]] bool is_code(ExchangeId id, std::string_view code) const {
    return says(id, "urn:holdfast:problem:" + std::string(code) + "\"");
  }
  [[nodiscard]] std::string field(ExchangeId id, std::string_view name) const {
    const Field* found = find_field(reply(id).fields, name);
    return found == nullptr ? std::string() : found->value;
  }
  [[nodiscard]] bool noted(std::string_view what) const {
    return std::any_of(notes.begin(), notes.end(), [&](const Note& n) { return n.what == what; });
  }
  [[nodiscard]] bool unanswered(ExchangeId id) const {
    return !replies.contains(id) && !finished.contains(id);
  }
  // Exchanges whose client is still there and that have had no answer.
  [[nodiscard]] std::size_t waiting_clients() const {
    return static_cast<std::size_t>(
        std::count_if(live_.begin(), live_.end(), [&](ExchangeId id) { return unanswered(id); }));
  }
  // Attempts of each call that are not proven to have had no effect.
  std::map<CallId, int> may_have_applied;

 private:
  std::optional<CallId> blamed_;  // in the crash handler's slot at the last end
  void boot(const call::Recovered& recovered) {
    attempt_ids_.clear();  // they live as long as the process
    Effects effects;
    EngineOptions options;
    options.settings = settings_;
    options.seed = 1;
    options.crashed_on = blamed_;
    options.hasher = hasher;
    options.calls_max = calls_max.value_or(options.calls_max);
    engine_.emplace(std::move(options), recovered, now, effects);
    take(effects);
    while (!hold_reads && !reads.empty())
      answer_read();
  }
  void move_to(Instant when) {
    const std::int64_t ms = (when - now.mono).ns / 1'000'000;
    wall_rest_ += (when - now.mono).ns % 1'000'000;
    now.mono = when;
    now.wall.ms += ms + wall_rest_ / 1'000'000;
    wall_rest_ %= 1'000'000;
  }
  [[nodiscard]] KeyRead key_result(const FindKey& find) const {
    KeyRead read;
    read.identity = find.identity;
    read.failed = fail_reads;
    if (const auto stone = tombstones.find(find.identity); stone != tombstones.end()) {
      read.entry = stone->second;
    } else if (const auto found = keys.find(find.identity); found != keys.end()) {
      read.call = stored.at(found->second);
      read.entry = call::KeyEntry{found->second, read.call->owner, read.call->fingerprint, false,
                                  call::Effect::none};
    }
    return read;
  }
  [[nodiscard]] LineRead line_result(const ReadLine& line) const {
    LineRead read;
    read.line = line.line;
    read.failed = fail_reads;
    const auto all = lines();
    if (const auto found = all.find(line.line); found != all.end()) {
      read.members.assign(found->second.begin(), found->second.end());
    }
    return read;
  }
  [[nodiscard]] LineHeadsRead heads_result(const PageLineHeads& page) const {
    LineHeadsRead read;
    read.failed = fail_reads;
    for (const auto& [line, members] : lines()) {
      if (page.after && line <= *page.after) continue;
      if (read.heads.size() == 2) {
        read.next = stored.at(read.heads.back()->id)->asked.order->line;
        break;
      }
      read.heads.push_back(stored.at(members.begin()->second));
    }
    return read;
  }
  [[nodiscard]] DuePageRead page_result(const PageDue& page) const {
    std::vector<std::shared_ptr<const call::Call>> all;
    for (const auto& [id, call] : stored) {
      if (call->upstream == page.upstream && call::has_due(call->state) &&
          call::due_class(call->asked.urgency) == page.which) {
        all.push_back(call);
      }
    }
    std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
      return a->next_attempt_at < b->next_attempt_at;
    });
    DuePageRead read;
    read.upstream = page.upstream;
    read.which = page.which;
    read.failed = fail_reads;
    for (const auto& call : all) {
      if (call->next_attempt_at > page.until || read.calls.size() >= page.limit) {
        read.next = call->next_attempt_at;
        break;
      }
      auto bare = std::make_shared<call::Call>(*call);  // an index entry has no bodies
      auto request = std::make_shared<call::Request>(*call->request);
      request->body = nullptr;
      bare->request = std::move(request);
      read.calls.push_back(std::move(bare));
    }
    return read;
  }

  void apply(const call::CallWrite& write) {
    const call::Call& after = *write.after;
    const auto found = stored.find(after.id);
    const bool fresh = found == stored.end();
    EXPECT_EQ(write.before_epoch, fresh ? 0U : found->second->epoch) << "the commit would conflict";
    EXPECT_EQ(after.epoch, write.before_epoch + 1);
    EXPECT_EQ(write.before.has_value(), !fresh);
    if (write.before && !fresh) {
      EXPECT_EQ(*write.before, call::indexed(*found->second));
    }
    // Or it begins anew, when retention may have taken the body already.
    const bool anew =
        !fresh && (found->second->state == call::State::dead || !found->second->request->body);
    EXPECT_TRUE(write.write_request_body == fresh || (write.write_request_body && anew));
    if (!fresh && found->second->state == call::State::dead && !call::terminal(after.state)) {
      EXPECT_TRUE(write.write_request_body) << "retention may have taken the body";
    }
    if (after.state == call::State::dead || after.state == call::State::cancelled) {
      EXPECT_FALSE(after.unresolved) << "dead and cancelled are proven";
    }
    if (after.state == call::State::unknown) {
      EXPECT_TRUE(after.unresolved);
    }
    if (after.state == call::State::waiting) {
      EXPECT_TRUE(after.held);
    }
    if (!fresh && found->second->state == call::State::answered) {
      EXPECT_EQ(after.asked_again, found->second->asked_again + 1) << "what has ended stays so";
      EXPECT_EQ(after.state, call::State::answered);
      EXPECT_LE(after.asked_again, call::kAskedAgainMax);
    }
    if (fresh && after.key && !after.key->made) {
      EXPECT_FALSE(keys.contains(after.key->identity)) << "two calls under one key";
      keys[after.key->identity] = after.id;
    }
    if (after.key && after.key->derived &&
        (call::terminal(after.state) || (after.state == call::State::open && !after.unresolved))) {
      keys.erase(after.key->identity);
    }
    auto kept = std::make_shared<call::Call>(after);
    if (!write.write_request_body) {
      auto request = std::make_shared<call::Request>(*kept->request);
      request->body = found->second->request->body;
      kept->request = std::move(request);
    }
    stored[after.id] = std::move(kept);
    for (const call::TimelineEvent& event : write.events)
      timeline[after.id].push_back(event);
    writes.push_back(write);
  }

  void start(const Action& action, const StartAttempt& begun, const call::Batch& batch) {
    EXPECT_TRUE(attempt_ids_.insert(begun.id).second) << "attempt ids are unique";
    for (const auto& [id, other] : running) {
      EXPECT_NE(other.call, begun.call) << "two attempts of one call at once";
    }
    if (begun.lookup) {
      EXPECT_EQ(begun.request->method, "GET") << "a lookup has no effect";
      running.emplace(begun.id, begun);
      started.push_back(begun);
      return;
    }
    const auto found = stored.find(begun.call);
    if (found != stored.end()) {
      const call::Call& call = *found->second;
      EXPECT_TRUE(action.after_writes) << "intent before bytes";
      const bool intent =
          std::any_of(batch.calls.begin(), batch.calls.end(), [&](const call::CallWrite& write) {
            return write.after->id == begun.call && write.after->state == call::State::sending;
          });
      EXPECT_TRUE(intent) << "an attempt without its intent";
      EXPECT_EQ(call.state, call::State::sending);
      EXPECT_FALSE(call.no_more_attempts);
    }
    const call::Mode mode = upstream_->idempotency.mode;
    if (may_have_applied[begun.call] > 0 &&
        (mode == call::Mode::none || mode == call::Mode::verify) &&
        begun.request->method != "GET") {
      ADD_FAILURE() << "a second copy of an unresolved call";
    }
    const auto [first, inserted] = first_request_.emplace(begun.call, *begun.request);
    const bool keyed = found != stored.end() && found->second->key;
    const bool moved = !inserted && keyed && !found->second->key->field.empty() &&
                       find_field(first->second.fields, found->second->key->field) == nullptr;
    if (moved) {  // to another key field, as ADR 0006 allows it
      EXPECT_EQ(may_have_applied[begun.call], 0);
      EXPECT_EQ(first->second.fields.size(), begun.request->fields.size());
      first->second.fields = begun.request->fields;
    }
    if (!inserted) {
      EXPECT_EQ(first->second.method, begun.request->method);
      EXPECT_EQ(first->second.target, begun.request->target);
      EXPECT_EQ(first->second.fields, begun.request->fields);
      EXPECT_EQ(view(first->second.body), view(begun.request->body)) << "other bytes under one key";
    }
    running.emplace(begun.id, begun);
    started.push_back(begun);
  }

  void take(Effects& effects) {
    for (const call::CallWrite& write : effects.writes.calls)
      apply(write);
    for (const call::PauseWrite& pause : effects.writes.pauses) {
      pauses[{pause.upstream, pause.limit_key}] = pause.until;
    }
    last_actions = effects.actions;
    for (const Action& action : effects.actions)
      perform(action, effects.writes);
  }

  void perform(const Action& action, const call::Batch& batch) {
    const ActionKind& what = action.what;
    if (const auto* begun = std::get_if<StartAttempt>(&what)) {
      start(action, *begun, batch);
    } else if (const auto* sent = std::get_if<SendReply>(&what)) {
      EXPECT_TRUE(replies.emplace(sent->exchange, sent->reply).second) << "two replies";
      EXPECT_FALSE(forwards.contains(sent->exchange)) << "a reply after a forwarded head";
    } else if (const auto* forward = std::get_if<ForwardAnswer>(&what)) {
      EXPECT_TRUE(forwards.emplace(forward->exchange, forward->id).second);
      EXPECT_FALSE(replies.contains(forward->exchange));
      forwarded_heads[forward->exchange] = forward->head;
    } else if (const auto* done = std::get_if<FinishAnswer>(&what)) {
      EXPECT_TRUE(forwards.contains(done->exchange)) << "finished without a head";
      EXPECT_TRUE(finished.emplace(done->exchange, done->complete).second) << "finished twice";
    } else if (const auto* cancel = std::get_if<CancelAttempt>(&what)) {
      words.emplace_back(cancel->id, "cancel");
    } else if (const auto* capture = std::get_if<CaptureAnswer>(&what)) {
      words.emplace_back(capture->id, "capture");
    } else if (const auto* discard = std::get_if<DiscardAnswer>(&what)) {
      words.emplace_back(discard->id, "discard");
    } else if (const auto* line = std::get_if<Note>(&what)) {
      notes.push_back(*line);
    } else if (const auto* reply_to = std::get_if<CommandDone>(&what)) {
      commands.push_back(*reply_to);
    } else {
      reads.push_back(what);
    }
  }

 public:
  std::map<ExchangeId, call::AnswerHead> forwarded_heads;

 private:
  std::shared_ptr<call::UpstreamSettings> upstream_;
  std::shared_ptr<call::RouteSettings> route_;
  std::shared_ptr<call::Settings> settings_;
  std::optional<Engine> engine_;
  std::set<ExchangeId> live_;
  std::set<AttemptId> attempt_ids_;
  std::map<CallId, call::Request> first_request_;
  std::int64_t wall_rest_ = 0;
  std::uint64_t next_exchange_ = 1;
  std::uint64_t next_call_ = 1;
  std::uint64_t next_command_ = 1;
};

inline void keyed(call::UpstreamSettings& upstream) {
  upstream.idempotency.mode = call::Mode::key;
  upstream.idempotency.lifetime = Duration::hours(24);
  upstream.idempotency.in_progress = {409};
  upstream.breaker.consecutive = 0;
  upstream.breaker.of_at_least = 1000;
}

}  // namespace hf::engine
