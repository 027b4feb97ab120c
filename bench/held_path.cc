#include "bench/held_path.h"

#include <stdexcept>
#include <utility>

#include "config/load.h"
#include "http1/head.h"

namespace hf::bench {
namespace {

call::Sealer::Key key() {
  call::Sealer::Key out{};
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = static_cast<unsigned char>(i);
  return out;
}

}  // namespace

HeldPath::HeldPath(std::string_view config) : sealer(key()) {
  auto loaded = config::load_text(std::string(config), "bench");
  if (!loaded.settings) throw std::runtime_error(loaded.findings.front().message);
  settings = loaded.settings;
  intake.emplace(settings, hasher);
  engine::Effects effects;
  engine::EngineOptions options;
  options.settings = settings;
  options.hasher = hasher;
  engine.emplace(std::move(options), call::Recovered{}, now, effects);
  engine->step(engine::Woke{}, now, effects);
  for (const engine::Action& action : std::exchange(effects.actions, {})) {
    const auto* page = std::get_if<engine::PageDue>(&action.what);
    if (page == nullptr) continue;
    engine->step(engine::DuePageRead{page->upstream, page->which, false, {}, {}}, now, effects);
  }
}

call::IncomingHead HeldPath::incoming(std::string_view head, std::size_t length) {
  const http1::ParsedRequest parsed = http1::parse_request(head);
  const http1::RequestHead& request = parsed.head;
  call::IncomingHead out;
  out.method = request.method;
  out.target = request.target;
  out.fields = request.fields;
  out.client_address = "127.0.0.1:40000";
  out.has_body = true;
  out.length = length;
  return out;
}

std::vector<call::CallWrite> HeldPath::hold_and_deliver(const CallId& id,
                                                        const call::IncomingHead& head,
                                                        std::string body, Answer answer) {
  std::vector<call::CallWrite> writes;
  engine::Effects effects;
  const auto take_writes = [&] {
    for (call::CallWrite& write : effects.writes.calls)
      writes.push_back(std::move(write));
    effects.writes = {};
  };
  now.mono = now.mono + Duration::micros(100);
  auto taken = intake->on_request(head, make_body(std::move(body)));
  auto* fresh = std::get_if<call::NewCall>(&taken);
  if (fresh == nullptr) throw std::logic_error("the request was not taken");
  auto arrived = std::make_unique<call::NewCall>(std::move(*fresh));
  engine->step(engine::CallArrived{ExchangeId{++exchanges_}, std::move(arrived), id}, now, effects);
  call::Digest identity;
  for (const engine::Action& action : effects.actions) {
    if (const auto* find = std::get_if<engine::FindKey>(&action.what)) identity = find->identity;
  }
  effects.actions.clear();
  engine->step(engine::KeyRead{identity, false, {}, nullptr}, now, effects);
  take_writes();
  std::optional<AttemptId> attempt;
  for (const engine::Action& action : effects.actions) {
    if (const auto* start = std::get_if<engine::StartAttempt>(&action.what)) attempt = start->id;
  }
  effects.actions.clear();
  if (!attempt) throw std::logic_error("the engine did not send the call");
  call::AttemptOutcome outcome;
  outcome.evidence = call::Evidence::answer_complete;
  outcome.head = {answer.status, std::move(answer.fields)};
  outcome.body = make_body(std::move(answer.body));
  engine->step(engine::AttemptEnded{*attempt, std::move(outcome), true}, now, effects);
  take_writes();
  return writes;
}

}  // namespace hf::bench
