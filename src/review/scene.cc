#include "review/scene.h"

#include <algorithm>

#include "call/callback.h"
#include "call/routing.h"

namespace hf::review {
namespace {

constexpr int kFloodSlots = 50;  // which share is refused does not depend on how many there are
constexpr int kFloodStretches = 40;
constexpr Duration kClientPause = Duration::seconds(2);

Scene shown(Stage& stage, int requests) {
  Scene out;
  out.moments = stage.moments();
  for (int number = 1; number <= requests; ++number) {
    const Told* told = stage.told(number);
    out.told.push_back(told == nullptr ? std::nullopt : std::optional(*told));
  }
  out.copies = stage.copies();
  out.effects = stage.effects();
  out.lookups = stage.lookups();
  if (const auto call = stage.call()) {
    out.journaled = true;
    out.state = call->state;
    out.unresolved = call->unresolved;
    for (const auto& event : stage.timeline())
      out.held = out.held || event.what == call::Happening::held;
  }
  out.callback_made = stage.callback_made();
  out.errors = stage.errors();
  return out;
}

int requests_in(const std::vector<Moment>& moments) {
  int out = 0;
  for (const Moment& moment : moments)
    out = std::max(out, moment.what == Moment::What::asks ? moment.number : 0);
  return out;
}

std::string words_of_refusal(const Told& told) {
  return std::to_string(told.status) + " `" + told.code + "`";
}

// The first copy meets `first`, all others `then`.
auto first_then(Act first, Act then) {
  return [first = std::move(first), then = std::move(then)](const Copy& copy) {
    return copy.number == 1 ? first : then;
  };
}

}  // namespace

const Told* Scene::client(std::size_t number) const {
  if (number == 0 || number > told.size() || !told[number - 1]) return nullptr;
  return &*told[number - 1];
}

Rehearsal::Rehearsal(const call::Settings& settings, std::size_t route)
    : all_(std::make_shared<const call::Settings>(settings)),
      route_(all_->routes[route].get()),
      upstream_(all_->upstreams.at(route_->upstream).get()) {
  near_ = neighbours(upstream_->concurrency);
  const Duration lifetime = upstream_->idempotency.lifetime.value_or(Duration{});
  patience_ = route_->wait + Duration::hours(2);
  horizon_ = patience_ + std::max({route_->deadline, lifetime, all_->journal.retention.keys});
}

// The engine asks nothing of other upstreams, and of other routes only those that lead to its own.
std::shared_ptr<const call::Settings> Rehearsal::neighbours(int concurrency_max) const {
  auto out = std::make_shared<call::Settings>(*all_);
  out->upstreams.clear();
  auto upstream = std::make_shared<call::UpstreamSettings>(*upstream_);
  if (upstream->adaptive) {
    // Nothing is learnt in a scene: it begins where the limit begins.
    upstream->concurrency = upstream->adaptive->start;
    upstream->adaptive.reset();
  }
  if (upstream->concurrency > concurrency_max) {
    auto& rate = upstream->rate;
    if (rate)
      rate->count =
          std::max<std::int64_t>(1, rate->count * concurrency_max / upstream->concurrency);
    upstream->concurrency = concurrency_max;
  }
  out->upstreams[upstream->name] = std::move(upstream);
  for (const auto& [name, one] : all_->upstreams) {
    if (call::is_callback_upstream(name)) out->upstreams[name] = one;
  }
  std::erase_if(out->routes, [&](const auto& route) { return route->upstream != upstream_->name; });
  return out;
}

Sample Rehearsal::sample(const SampleAsk& ask, const Now& now) const {
  return sample_for(*route_, *upstream_, ask, now.wall);
}

bool Rehearsal::reaches(const SampleAsk& ask) const {
  return call::find_route(*all_, sample(ask, Stage::beginning()).head).get() == route_;
}

std::optional<call::NewCall> Rehearsal::take(const SampleAsk& ask) const {
  const Sample request = sample(ask, Stage::beginning());
  return admit(near_, request.head, request.body, Stage::beginning());
}

Scene Rehearsal::play(const Script& upstream, const Play& play) const {
  Stage stage(near_);
  stage.upstream = upstream;
  play(stage);
  return shown(stage, requests_in(stage.moments()));
}

Scene Rehearsal::answer_lost(const SampleAsk& ask) const {
  return play(first_then(review::answer_lost(true), answers(200, true)), [&](Stage& stage) {
    stage.ask(sample(ask, stage.now()));
    stage.pass(horizon_);
  });
}

Scene Rehearsal::lost_and_repeated(const SampleAsk& ask, const SampleAsk& again) const {
  Act lost = review::answer_lost(true);
  lost.takes = Duration::millis(500);
  return play(first_then(lost, answers(200, true)), [&](Stage& stage) {
    const int number = stage.ask(sample(ask, stage.now()));
    stage.pass(lost.takes - Duration::millis(1));
    stage.give_up(number);
    stage.pass(kClientPause);
    stage.pass_until_told(stage.ask(sample(again, stage.now())), patience_);
  });
}

Scene Rehearsal::all_answers_lost(const SampleAsk& ask) const {
  const auto lost = [](const Copy&) { return review::answer_lost(true); };
  return play(lost, [&](Stage& stage) {
    stage.ask(sample(ask, stage.now()));
    stage.pass(horizon_);
  });
}

Scene Rehearsal::request_lost(const SampleAsk& ask) const {
  return play(first_then(review::answer_lost(false), answers(200, true)), [&](Stage& stage) {
    stage.pass_until_told(stage.ask(sample(ask, stage.now())), patience_);
  });
}

Scene Rehearsal::lost_then_declined(const SampleAsk& ask) const {
  Fields fields;
  const auto& field = upstream_->idempotency.settles_field;
  if (!field.empty()) fields.push_back({field, "1"});
  const auto& settles = upstream_->idempotency.settles;
  const Act declined = answers(settles.empty() ? 402 : settles.front(), false, fields);
  return play(first_then(review::answer_lost(false), declined), [&](Stage& stage) {
    stage.pass_until_told(stage.ask(sample(ask, stage.now())), patience_);
    stage.pass(horizon_);
  });
}

Scene Rehearsal::upstream_down(const SampleAsk& ask) const {
  return play([](const Copy&) { return unreached(); },
              [&](Stage& stage) {
                stage.ask(sample(ask, stage.now()));
                stage.pass(horizon_);
              });
}

Scene Rehearsal::crash(const SampleAsk& ask) const {
  const Act slow = silence(upstream_->timeouts.head);
  return play(first_then(slow, answers(200, true)), [&](Stage& stage) {
    stage.ask(sample(ask, stage.now()));
    stage.pass(std::min(Duration::millis(20), upstream_->timeouts.head / 2));
    stage.crash(Duration::seconds(5));
    stage.pass(Duration::minutes(1));
    stage.pass_until_told(stage.ask(sample(ask, stage.now())), patience_);
  });
}

Scene Rehearsal::limited(const SampleAsk& ask) const {
  bool well = false;
  const auto upstream = [&well](const Copy&) {
    return well ? answers(200, true) : answers(429, false, {{"Retry-After", "1"}});
  };
  return play(upstream, [&](Stage& stage) {
    stage.pass_until_told(stage.ask(sample(ask, stage.now())), patience_);
    well = true;
    stage.pass(Duration::minutes(2));
    stage.pass_until_told(stage.ask(sample(ask, stage.now())), patience_);
  });
}

Scene Rehearsal::journal_full(const SampleAsk& ask) const {
  return play([](const Copy&) { return answers(200, true); },
              [&](Stage& stage) {
                stage.fill_journal();
                stage.pass_until_told(stage.ask(sample(ask, stage.now())), patience_);
              });
}

Scene Rehearsal::stranger(const SampleAsk& ask) const {
  SampleAsk other = ask;
  other.credential = "two";
  return play([](const Copy&) { return answers(200, true); },
              [&](Stage& stage) {
                stage.pass_until_told(stage.ask(sample(ask, stage.now())), patience_);
                stage.pass(kClientPause);
                stage.pass_until_told(stage.ask(sample(other, stage.now())), patience_);
              });
}

Scene Rehearsal::slow_and_repeated(const SampleAsk& ask, Duration after) const {
  const Act slow = silence(std::max(upstream_->timeouts.head, after * 2));
  return play(first_then(slow, answers(200, true)), [&](Stage& stage) {
    stage.ask(sample(ask, stage.now()));
    stage.pass(after);
    stage.pass_until_told(stage.ask(sample(ask, stage.now())), after);
  });
}

Rehearsal::Flood Rehearsal::flood(const SampleAsk& ask) const {
  const auto settings = neighbours(kFloodSlots);
  Stage stage(settings);
  Act slow = answers(200, true);
  slow.takes = kFloodTakes;
  stage.upstream = [&slow](const Copy&) { return slow; };
  Flood out;
  out.calls = settings->upstreams.at(upstream_->name)->concurrency * 10;
  for (int i = 1; i <= out.calls; ++i) {
    SampleAsk one = ask;
    one.value = "sample-" + std::to_string(i);
    stage.ask(sample(one, stage.now()));
  }
  out.at_once = stage.copies();
  // In stretches, none of which has so much to do that some of it would be left out.
  const Duration whole = route_->wait + kFloodTakes * 2;
  for (int i = 0; i < kFloodStretches; ++i)
    stage.pass(whole / kFloodStretches);
  for (int i = 1; i <= out.calls; ++i) {
    const Told* told = stage.told(i);
    if (told == nullptr) continue;
    out.longest = std::max(out.longest, told->at);
    if (told->effect == "pending" || told->status == 202) {
      out.held += 1;
    } else if (told->effect == "unknown") {
      out.in_doubt += 1;
    } else if (told->code.empty()) {
      out.answered += 1;
    } else {
      out.refused[words_of_refusal(*told)] += 1;
    }
  }
  return out;
}

}  // namespace hf::review
