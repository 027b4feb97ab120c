// A forecast agrees with what decides, and with what the engine then does.
#include "review/forecast.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "config/presets.h"
#include "review/classified.h"

namespace hf::review {
namespace {

using call::Row;
using call::Ruling;
using When = Ruled::When;

config::Loaded load(const std::string& yaml) {
  auto loaded = config::load_text(yaml, "t.yaml");
  EXPECT_NE(loaded.settings, nullptr)
      << (loaded.findings.empty() ? "" : config::format(loaded.findings.front())) << yaml;
  return loaded;
}

Forecast told(const config::Loaded& loaded, const ForecastAsk& ask) {
  auto found = forecast(loaded, ask);
  EXPECT_TRUE(found.ok()) << found.error().context;
  return found.ok() ? std::move(*found) : Forecast{};
}

const std::map<std::string, std::string> kModes{
    {"none", "idempotency: { mode: none }"},
    {"key",
     "idempotency: { mode: key, lifetime: 24h, settles: [402], replay_marker: X-Replayed, "
     "no_retry_advice: { x-should-retry: \"false\" } }"},
    {"verify",
     "idempotency: { mode: verify, lookup: { get: \"/x?k={key}\", found: /d/0, where: { "
     "/s: ok }, settle: 1s } }"},
    {"repeatable", "idempotency: { mode: repeatable }"},
};

std::string yaml_of(const std::string& mode, const std::string& route) {
  return fmt::format(
      "upstreams:\n  up:\n    url: https://up.example\n    credentials: stored\n"
      "    timeouts: {{ head: 500ms }}\n    {}\n"
      "routes:\n  - path: /\n    upstream: up\n    wait: 5s\n{}",
      kModes.at(mode), route);
}

constexpr const char* kHeld =
    "    key: { from: [ { header: Idempotency-Key } ], stable: true }\n    hold: on_failure\n";
constexpr const char* kLive = "    key: { from: [ { header: Idempotency-Key } ] }\n";

ForecastAsk post(bool keyed = true) {
  ForecastAsk ask{"POST", "/pay", {{"Content-Type", "application/json"}}, "{}"};
  if (keyed) ask.headers.push_back({"Idempotency-Key", "k1"});
  return ask;
}

const Outcome* outcome_of(const Forecast& forecast, std::string_view end) {
  for (const Outcome& outcome : forecast.outcomes) {
    if (std::count(outcome.ends.begin(), outcome.ends.end(), end) > 0) return &outcome;
  }
  return nullptr;
}

// DESIGN section 4, as a table: what becomes of the first attempt.
TEST(Forecast, EveryRowIsRuledAsTheTableSays) {
  struct Line {
    const char* end;
    Row row;
    std::map<std::string, Ruling> by_mode;
  };
  const auto all = [](Ruling ruling) {
    return std::map<std::string, Ruling>{
        {"none", ruling}, {"key", ruling}, {"verify", ruling}, {"repeatable", ruling}};
  };
  const std::map<std::string, Ruling> in_doubt{{"none", Ruling::unresolved_end},
                                               {"key", Ruling::again},
                                               {"verify", Ruling::verify},
                                               {"repeatable", Ruling::again}};
  const Line table[] = {
      {"no connection", Row::nothing_sent, all(Ruling::again)},
      {"429", Row::refused, all(Ruling::again_not_before)},
      {"500", Row::retry_status, in_doubt},
      {"408", Row::retry_status, in_doubt},
      {"bytes that are no HTTP", Row::retry_status, in_doubt},
      {"connection lost", Row::no_status, in_doubt},
      {"no answer in time", Row::no_status, in_doubt},
      {"Holdfast killed", Row::no_status, in_doubt},
      {"200", Row::complete, all(Ruling::final_answer)},
      {"404", Row::complete, all(Ruling::final_answer)},
  };
  for (const auto& [mode, text] : kModes) {
    const auto loaded = load(yaml_of(mode, kLive));
    const Forecast found = told(loaded, post());
    for (const Line& line : table) {
      const Outcome* outcome = outcome_of(found, line.end);
      ASSERT_NE(outcome, nullptr) << mode << ": " << line.end;
      EXPECT_EQ(outcome->ruled.front().decision.row, line.row) << mode << ": " << line.end;
      EXPECT_EQ(outcome->ruled.front().decision.ruling, line.by_mode.at(mode))
          << mode << ": " << line.end;
    }
    const Outcome* conflict = outcome_of(found, "409");
    ASSERT_NE(conflict, nullptr);
    EXPECT_EQ(conflict->ruled.front().decision.ruling,
              mode == "key" ? Ruling::pass_on : Ruling::final_answer);
  }
}

// Whatever is ruled, the engine does.
void expect_agreement(const Forecast& found, const Outcome& outcome) {
  const call::Decision& ruled = outcome.ruled.front().decision;
  const Course& course = outcome.course;
  ASSERT_TRUE(course.told.has_value());
  if (found.journaled) {
    ASSERT_FALSE(course.rules.empty());
    EXPECT_EQ(course.rules.front(), ruled.rule) << "the first that the timeline names";
  }
  const bool again = ruled.ruling == Ruling::again || ruled.ruling == Ruling::again_not_before ||
                     ruled.ruling == Ruling::again_later;
  // What was asked about, and is not there, is sent again as well.
  if (ruled.ruling != Ruling::verify) {
    EXPECT_EQ(course.live_attempts > 1, again) << call::to_string(ruled.ruling);
  }
  switch (ruled.ruling) {
    case Ruling::final_answer:
      EXPECT_TRUE(course.told->code.empty() && course.told->effect.empty());
      EXPECT_FALSE(course.held);
      break;
    case Ruling::unresolved_end:
      // An answer that has begun can only break off.
      EXPECT_TRUE(course.told->cut || course.told->effect == "unknown");
      EXPECT_TRUE(course.told->cut || !course.told->safe_to_retry);
      EXPECT_EQ(course.state.has_value(), found.journaled);
      EXPECT_EQ(course.state.value_or(call::State::unknown), call::State::unknown);
      break;
    case Ruling::verify:
      EXPECT_GT(course.lookups, 0);
      break;
    case Ruling::pass_on:
      EXPECT_EQ(course.told->status, 409);
      EXPECT_EQ(course.copies, found.may_hold ? course.copies : 1);
      break;
    default:
      break;
  }
  if (ruled.ruling == Ruling::again && !ruled.unresolved && !course.held && found.journaled) {
    EXPECT_NE(course.told->effect, "unknown") << "every attempt is proven";
  }
}

TEST(Forecast, TheEngineDoesWhatIsRuled) {
  int seen = 0;
  for (const auto& [mode, text] : kModes) {
    for (const char* route : {kHeld, kLive}) {
      for (const bool keyed : {true, false}) {
        const auto loaded = load(yaml_of(mode, route));
        const Forecast found = told(loaded, post(keyed));
        for (const Outcome& outcome : found.outcomes) {
          SCOPED_TRACE(fmt::format("{} {} keyed {}: {}", mode, route, keyed, outcome.ends.front()));
          expect_agreement(found, outcome);
          ++seen;
        }
      }
    }
  }
  EXPECT_GT(seen, 100);
}

// The same decisions, asked for directly and not by way of the forecast's own list.
TEST(Forecast, AgreesWithDecideWhateverIsKnown) {
  for (const auto& [mode, text] : kModes) {
    const auto loaded = load(yaml_of(mode, kHeld));
    const auto& rules = loaded.settings->upstreams.at("up")->idempotency;
    const Forecast found = told(loaded, post());
    for (const int status : {200, 400, 401, 402, 404, 408, 409, 421, 429, 500, 503}) {
      const Outcome* outcome = outcome_of(found, std::to_string(status));
      ASSERT_NE(outcome, nullptr) << status;
      for (const Ruled& ruled : outcome->ruled) {
        const bool held = ruled.when == When::held || ruled.when == When::held_in_doubt;
        const bool doubt = ruled.when == When::in_doubt || ruled.when == When::held_in_doubt;
        const call::Decision decision =
            call::decide(answers(status, false).outcome, {&rules, false, held, doubt, false});
        EXPECT_EQ(ruled.decision.ruling, decision.ruling) << mode << " " << status;
        EXPECT_EQ(ruled.decision.rule, decision.rule) << mode << " " << status;
        EXPECT_EQ(ruled.decision.unresolved, decision.unresolved) << mode << " " << status;
      }
    }
  }
}

std::set<std::string> causes(const Forecast& found, std::string_view end, When when = When::first) {
  std::set<std::string> out;
  const Outcome* outcome = outcome_of(found, end);
  if (outcome == nullptr) return {"no such end"};
  for (const Ruled& ruled : outcome->ruled) {
    if (ruled.when != when) continue;
    for (const auto& place : ruled.because)
      out.insert(place.path.substr(place.path.rfind('.') + 1));
  }
  return out;
}

TEST(Forecast, NamesTheSettingsWithoutWhichItWouldBeOtherwise) {
  const Forecast found = told(load(yaml_of("key", kHeld)), post());
  using Set = std::set<std::string>;
  EXPECT_EQ(causes(found, "no connection"), Set{});
  EXPECT_EQ(causes(found, "429"), Set{"refused"});
  EXPECT_EQ(causes(found, "500"), Set{"mode"});
  EXPECT_EQ(causes(found, "409"), (Set{"in_progress", "mode"}));
  EXPECT_EQ(causes(found, "402", When::in_doubt), (Set{"settles", "mode"}));
  EXPECT_EQ(causes(found, "500 with x-should-retry: false"), (Set{"no_retry_advice", "mode"}));
  EXPECT_EQ(causes(found, "500 with X-Replayed: true"), (Set{"replay_marker", "mode"}));
  const Forecast none = told(load(yaml_of("none", kLive)), post());
  EXPECT_EQ(causes(none, "200, body cut"), (Set{"head_is_proof", "mode"}));
}

TEST(Forecast, SaysWhichKeyIsUsed) {
  using Kind = KeyForecast::Kind;
  const auto kind = [](const std::string& mode, const std::string& route, const ForecastAsk& ask) {
    return told(load(yaml_of(mode, route)), ask).key;
  };
  const auto header = kind("key", kLive, post());
  EXPECT_EQ(header.kind, Kind::header);
  EXPECT_EQ(header.sent_field, "Idempotency-Key");
  EXPECT_EQ(header.sent_value, "k1");
  EXPECT_FALSE(header.stable);
  EXPECT_TRUE(kind("key", kHeld, post()).stable);
  const auto made = kind("key", kLive, post(false));
  EXPECT_EQ(made.kind, Kind::made);
  EXPECT_TRUE(made.sent_value.starts_with("hf-")) << made.sent_value;
  EXPECT_NE(made.why.find("Idempotency-Key"), std::string::npos);
  EXPECT_EQ(kind("none", kLive, post(false)).kind, Kind::none);
  EXPECT_EQ(kind("none", "    key: { derive: [owner, body] }\n", post(false)).kind, Kind::derived);
  ForecastAsk order = post(false);
  order.body = R"({"order":"7"})";
  const auto business = kind("key", "    key: { from: [ { body: /order } ] }\n", order);
  EXPECT_EQ(business.kind, Kind::business);
  EXPECT_TRUE(business.sent_value.starts_with("hf1-"));
  ASSERT_EQ(business.parts.size(), 1U);
  EXPECT_EQ(business.parts[0].value, "7");
  ForecastAsk get = post();
  get.method = "GET";
  get.body.reset();
  EXPECT_EQ(kind("key", kLive, get).kind, Kind::none);
}

TEST(Forecast, TheSameRequestIsWhatTheFingerprintSays) {
  const std::string route =
      "    key: { from: [ { header: Idempotency-Key } ], scope: [ { header: X-Account } ] }\n"
      "    fingerprint: { ignore: [ { body: /at } ] }\n";
  const Forecast found = told(load(yaml_of("key", route)), post());
  EXPECT_EQ(found.same_request,
            (std::vector<std::string>{"method", "path", "query", "content type", "body",
                                      "header `X-Account`", "but not body `/at`"}));
}

TEST(Forecast, RefusalsAreTheIntakes) {
  const auto loaded = load(
      "upstreams: { up: { url: \"https://up.example\" } }\nroutes:\n  - { path: /pay, upstream: "
      "up, "
      "key: { required: true, from: [ { header: K } ] }, limits: { body: 1KiB } }\n");
  const auto code = [&](const ForecastAsk& ask) {
    const Forecast found = told(loaded, ask);
    EXPECT_TRUE(found.outcomes.empty());
    return found.refused ? found.refused->code : "";
  };
  EXPECT_EQ(code(post()), "key-missing");
  EXPECT_EQ(code({"POST", "/elsewhere", {}, ""}), "no-route");
  ForecastAsk large = post();
  large.headers.push_back({"K", "1"});
  large.body = std::string(2000, 'x');
  EXPECT_EQ(code(large), "body-too-large");
  EXPECT_EQ(code({"GET", "/.holdfast/nothing", {}, std::nullopt}), "no-route");
}

TEST(Forecast, ARequestThatIsNoneIsAnError) {
  const auto loaded = load(yaml_of("none", ""));
  for (const ForecastAsk& ask :
       {ForecastAsk{"PO ST", "/", {}, std::nullopt}, ForecastAsk{"POST", "/a b", {}, std::nullopt},
        ForecastAsk{"POST", "/", {{"X\n", "1"}}, std::nullopt},
        ForecastAsk{"CONNECT", "/", {}, std::nullopt},
        ForecastAsk{"POST", "/", {{"Content-Length", "x"}}, ""}}) {
    EXPECT_FALSE(forecast(loaded, ask).ok()) << ask.method << " " << ask.url;
  }
}

TEST(Forecast, ItsUrlMayNameHostAndListener) {
  const auto loaded = load(
      "upstreams: { a: { url: \"https://a.example\" }, b: { url: \"https://b.example\" } }\n"
      "routes:\n  - { path: /, upstream: a }\n  - { path: /, upstream: b, host_match: pay.internal "
      "}\n"
      "  - { path: /x, upstream: b, listen: \"127.0.0.1:9000\" }\n");
  const auto upstream = [&](const std::string& url) {
    return told(loaded, {"GET", url, {}, std::nullopt}).upstream;
  };
  EXPECT_EQ(upstream("/x"), "a");
  EXPECT_EQ(upstream("http://pay.internal:8080/x#there"), "b");
  EXPECT_EQ(upstream("http://127.0.0.1:9000/x?y=1"), "b");
  EXPECT_EQ(upstream("https://else.example"), "a");
}

TEST(Forecast, ASettingThatRoutesShareIsThatOfTheMostCareful) {
  const auto loaded = load(
      "upstreams: { up: { url: \"https://up.example\" } }\nroutes:\n  - { path: /a, upstream: up "
      "}\n"
      "  - { path: /b, upstream: up, retry: { budget: 5% } }\n");
  const Forecast found = told(loaded, {"POST", "/a", {}, "x"});
  const auto budget =
      std::find_if(found.settings.begin(), found.settings.end(),
                   [](const Setting& setting) { return setting.name == "retry.budget"; });
  ASSERT_NE(budget, found.settings.end());
  EXPECT_EQ(budget->value, "5%");
  EXPECT_EQ(loaded.places.text(budget->place), "t.yaml:4");
}

TEST(Forecast, HeldAtOnceOrNotAndWhy) {
  const auto found = [](const std::string& route, Fields more = {}) {
    ForecastAsk ask = post();
    for (auto& field : more)
      ask.headers.push_back(field);
    return told(load(yaml_of("key", route)), ask);
  };
  EXPECT_TRUE(found("    hold: always\n").held_at_once);
  EXPECT_TRUE(found(kHeld).may_hold);
  EXPECT_FALSE(found(kHeld).held_at_once);
  EXPECT_TRUE(found(kHeld, {{"Prefer", "respond-async"}}).held_at_once);
  EXPECT_TRUE(found(kHeld, {{"Holdfast-Not-Before", "60"}}).held_at_once);
  EXPECT_EQ(found(kLive).hold_why.find("the route never holds"), 0U);
}

constexpr const char* kClassified = R"(upstreams:
  up:
    url: https://up.example
    classify:
      - { status: 200, json: { /ok: "false", /a/0/error: [ limited, busy ] }, means: refused }
      - { status: 400, contains: "<Code>Broken</Code>", means: unresolved }
routes:
  - { path: /, upstream: up, wait: 5s, key: { from: [ { header: Idempotency-Key } ] } }
)";

TEST(Forecast, what_an_answer_says_is_foretold_like_its_status) {
  const Forecast forecast = told(load(kClassified), post());
  const Outcome* refused = outcome_of(forecast, "200 with /ok: false, /a/0/error: limited, ...");
  ASSERT_NE(refused, nullptr);
  EXPECT_EQ(refused->ruled.front().decision.rule, "classified-refusal");
  const auto& because = refused->ruled.front().because;
  EXPECT_TRUE(std::any_of(because.begin(), because.end(), [](const config::Place& place) {
    return place.path == "upstreams.up.classify";
  }));
  const Outcome* doubt = outcome_of(forecast, "400 with <Code>Broken</Code>");
  ASSERT_NE(doubt, nullptr);
  EXPECT_EQ(doubt->ruled.front().decision.ruling, Ruling::unresolved_end);
  EXPECT_EQ(doubt->course.state, call::State::unknown);
  const Outcome* plain = outcome_of(forecast, "200");
  ASSERT_NE(plain, nullptr);
  EXPECT_EQ(plain->ruled.front().decision.rule, "final");
}

// Every rule of a preset is one that an answer can meet.
TEST(Forecast, no_rule_of_a_preset_stands_behind_another_for_nothing) {
  for (const auto& preset : config::presets()) {
    EXPECT_EQ(classified_answers(preset.classify).size(), preset.classify.size()) << preset.name;
  }
}

}  // namespace
}  // namespace hf::review
