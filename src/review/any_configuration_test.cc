// Of any configuration that loads a review must be able to speak, and what it rehearses must keep
// the promises of DESIGN section 2.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

#include "review/forecast.h"
#include "review/report.h"

namespace hf::review {
namespace {

std::string pick(const std::vector<std::string>& of) {
  return *rc::gen::elementOf(of);
}

std::string upstream_text(int i) {
  const std::string idempotency = pick(
      {"", "    idempotency: { mode: key, lifetime: 24h }\n",
       "    idempotency: { mode: key, lifetime: 30s, settles: [402], in_progress: [] }\n",
       "    idempotency: { mode: key, header: X-K, lifetime: 400d, refused: [] }\n",
       "    idempotency: { mode: repeatable }\n",
       "    idempotency: { mode: none, refused: [503, 429] }\n",
       "    idempotency: { mode: verify, lookup: { get: \"/x?k={key}\", found: /d/0, where: { /s: "
       "ok }, settle: 2s } }\n",
       "    idempotency: { mode: verify, lookup: { get: \"/x?o={body:/order}\", found: \"\", "
       "where: "
       "{ /s: [a, b] }, absent_status: [404], settle: 1h } }\n",
       "    idempotency: { mode: key, lifetime: 2h, lookup: { get: \"/x/{form:ref}\", found: /a, "
       "where: { /s: ok }, absent_status: [404, 410], settle: 10s, answer: /a } }\n"});
  return fmt::format("  up{}:\n    url: https://up{}.example\n{}{}{}{}{}", i, i, idempotency,
                     pick({"", "    credentials: stored\n"}),
                     pick({"", "    rate: 1/m\n", "    rate: 100/s\n"}),
                     pick({"", "    concurrency: 1\n", "    concurrency: 5000\n"}),
                     pick({"", "    timeouts: { head: 1ms }\n", "    timeouts: { head: 1h }\n",
                           "    breaker: { consecutive: 1, open: 1h..1h }\n"}));
}

std::string route_text(int i, int upstreams) {
  return fmt::format(
      "  - path: {}\n    upstream: up{}\n{}{}{}{}{}{}{}{}",
      pick({"/", "/a", "/a/", "/b/c", fmt::format("/r{}", i)}), *rc::gen::inRange(0, upstreams),
      pick({"", "    methods: [POST]\n", "    methods: [GET]\n", "    methods: [PUT, DELETE]\n",
            "    methods: [PATCH, HEAD]\n"}),
      pick({"", "    key: { from: [ { header: Idempotency-Key } ] }\n",
            "    key: { required: true, stable: true, from: [ { header: X-Order } ] }\n",
            "    key: { from: [ { body: /order } ] }\n",
            "    key: { required: true, from: [ { form: ref }, { header: X-T } ] }\n",
            "    key: { from: [ { form: ref }, { body: /order } ] }\n",
            "    key: { derive: [owner, body], window: 1s }\n",
            "    key: { from: [ { body: /order } ], scope: [ { header: X-T }, { form: s } ] }\n"}),
      pick({"", "    hold: on_failure\n", "    hold: on_failure\n    held_answer: 202\n",
            "    hold: always\n"}),
      pick({"", "    wait: 0\n", "    wait: 24h\n"}),
      pick({"", "    deadline: 1s\n", "    deadline: 400d\n", "    head_is_proof: true\n"}),
      pick({"", "    retry: { held: [1ms] }\n", "    retry: { live: { attempts: 20 } }\n",
            "    retry: { budget: 0%, live: { attempts: 1 } }\n"}),
      pick({"", "    owner: anyone\n", "    owner: { header: X-User }\n",
            "    callback: \"https://app.example/h\"\n",
            "    webhook: { scheme: stripe, secrets: [ \"${env:S}\" ] }\n",
            "    webhook: { scheme: standard, secrets: [ \"${env:S}\" ], tolerance: 1s }\n"}),
      pick({"", "    limits: { body: 0, waiters: 0 }\n", "    limits: { stored_answer: 0 }\n"}));
}

std::string configuration() {
  const int upstreams = *rc::gen::inRange(1, 3);
  const int routes = *rc::gen::inRange(1, 4);
  std::string out =
      pick({"", "journal: { retention: { keys: 1s } }\n", "admin: 127.0.0.1:1\n", "buffers: 1MiB\n",
            "callbacks: { allow: [ \"https://app.example/\" ], secrets: [ "
            "\"${env:S}\" ], deadline: 1h }\n"});
  out += "upstreams:\n";
  for (int i = 0; i < upstreams; ++i)
    out += upstream_text(i);
  out += "routes:\n";
  for (int i = 0; i < routes; ++i)
    out += route_text(i, upstreams);
  return out;
}

void expect_promises(const RouteFacts& facts) {
  if (!facts.reached || facts.column == call::Column::safe) return;
  // Never doubled: of one request of one client there is one effect, whatever gets lost, while the
  // upstream remembers its key.
  for (const Scene* scene : {&facts.answer_lost, &facts.request_lost, &facts.down}) {
    RC_ASSERT(scene->effects <= 1);
  }
  RC_ASSERT(facts.down.copies == 0);
  // Nobody is told that there was no effect where there was one.
  for (const Scene* scene : {&facts.answer_lost, &facts.all_lost}) {
    const Told* told = scene->client(1);
    if (told == nullptr || scene->effects == 0) continue;
    RC_ASSERT(told->effect != "none" || told->status < 400);
  }
  // Every call that stood in the journal has ended, and a dead one had no effect.
  for (const Scene* scene : {&facts.answer_lost, &facts.all_lost, &facts.down}) {
    if (!scene->state) continue;
    RC_ASSERT(call::terminal(*scene->state) || *scene->state == call::State::unknown);
    if (*scene->state == call::State::dead) RC_ASSERT(scene->effects == 0);
  }
  // A full journal: refused before a byte is sent, or none is needed.
  const Told* full = facts.full.client(1);
  if (full != nullptr && full->code == "journal-unavailable") RC_ASSERT(facts.full.copies == 0);
}

RC_GTEST_PROP(AnyConfiguration, IsReviewedAndKeepsItsPromises, ()) {
  const std::string text = configuration();
  const auto loaded = config::load_text(text, "any.yaml");
  if (loaded.settings == nullptr) RC_DISCARD("contradictory, which `check` says");
  RC_LOG() << text;
  for (std::size_t i = 0; i < loaded.settings->routes.size(); ++i)
    expect_promises(gather(*loaded.settings, i));
  const Report report = review(loaded);
  RC_ASSERT(report.routes.size() == loaded.settings->routes.size());
  for (const RouteReview& route : report.routes)
    RC_ASSERT(route.answers.empty() || route.answers.size() == kQuestions);
  for (const Finding& finding : report.findings)
    RC_ASSERT(finding.place.at.line >= 1 && !finding.message.empty());
  RC_ASSERT(!text_of(report, Level::error, {80, false}).empty());
  RC_ASSERT(json_of(report, std::nullopt).starts_with("{\"version\":1"));
}

RC_GTEST_PROP(AnyConfiguration, EveryRequestHasAForecast, ()) {
  const std::string text = configuration();
  const auto loaded = config::load_text(text, "any.yaml");
  if (loaded.settings == nullptr) RC_DISCARD("contradictory, which `check` says");
  RC_LOG() << text;
  ForecastAsk ask;
  ask.method = pick({"POST", "GET", "PUT", "BREW"});
  ask.url = pick({"/", "/a", "/a/x?y=1", "/b/c/d", "/r0", "http://h.example"});
  if (*rc::gen::arbitrary<bool>())
    ask.body = pick({"", "{}", "{\"order\":\"1\"}", "ref=1", "\xff"});
  ask.headers = {{"Content-Type", pick({"application/json", "application/x-www-form-urlencoded"})}};
  if (*rc::gen::arbitrary<bool>()) {
    ask.headers.push_back({pick({"Idempotency-Key", "X-Order", "Prefer", "Holdfast-Order", "X-T"}),
                           pick({"k", "respond-async", "wait=1", "\"q\""})});
  }
  const auto found = forecast(loaded, ask);
  RC_ASSERT(found.ok());
  RC_ASSERT(found->refused.has_value() == found->outcomes.empty());
  for (const Outcome& outcome : found->outcomes) {
    RC_ASSERT(!outcome.ruled.empty() && outcome.ruled.front().when == Ruled::When::first);
    // "No effect" is a promise: no attempt was in doubt, or a lookup has shown that there is none.
    const call::Decision& first = outcome.ruled.front().decision;
    const bool told_none = outcome.course.told && outcome.course.told->effect == "none";
    if (told_none && outcome.course.live_attempts == 1) {
      RC_ASSERT(!first.unresolved || first.ruling == call::Ruling::verify);
    }
  }
  RC_ASSERT(!text_of(*found, loaded.places, 80).empty());
}

}  // namespace
}  // namespace hf::review
