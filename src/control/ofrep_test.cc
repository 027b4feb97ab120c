#include "control/ofrep.h"

#include <gtest/gtest.h>

#include "control/features_view.h"
#include "control/pressure.h"

namespace hf::control {
namespace {

call::FeatureSettings settings() {
  call::FeatureSettings out;
  out.flags = {{"small", "true", "false"}, {"search", "\"full\"", "\"basic\""}};
  return out;
}

Now at(std::int64_t ms) {
  return {Instant{1'000'000'000} + Duration::millis(ms), WallTime{1'000'000 + ms}, {}};
}

// Overload until `level` features are off.
void dim(traffic::Features& features, int level) {
  for (int ms = 0; features.level() < level && ms < 60'000; ms += 100)
    features.observe({1500, "app", "queue-delay", 150, 100}, at(ms));
  ASSERT_EQ(features.level(), level);
}

struct Sink final : ports::ControlSink {
  explicit Sink(bool there) : there_(there) {}
  bool write(std::string bytes) override {
    text += bytes;
    return there_;
  }
  std::string text;

 private:
  bool there_;
};

ports::ControlReply ask(Ofrep& ofrep, std::string method, std::string target, Fields fields = {},
                        std::string body = {}) {
  ports::ControlReply out;
  ofrep.handle({std::move(method), std::move(target), std::move(fields), std::move(body), {}},
               [&](ports::ControlReply reply) { out = std::move(reply); });
  return out;
}

constexpr auto kAll = "/ofrep/v1/evaluate/flags";

TEST(Ofrep, one_flag_before_and_under_load) {
  traffic::Features features(settings());
  Ofrep ofrep(features, {});
  const std::string small = std::string(kAll) + "/small";
  EXPECT_EQ(ask(ofrep, "POST", small).body,
            R"({"key":"small","value":true,"variant":"on","reason":"STATIC","metadata":{}})");
  dim(features, 1);
  EXPECT_EQ(ask(ofrep, "POST", small).body,
            R"({"key":"small","value":false,"variant":"off","reason":"BROWNOUT",)"
            R"("metadata":{"by":"load"}})");
  EXPECT_EQ(ask(ofrep, "POST", std::string(kAll) + "/search").body,
            R"({"key":"search","value":"full","variant":"on","reason":"STATIC","metadata":{}})");
}

TEST(Ofrep, a_tag_holds_until_a_value_changes) {
  traffic::Features features(settings());
  Ofrep ofrep(features, {{}, {}, "e"});
  const auto first = ask(ofrep, "POST", kAll);
  ASSERT_EQ(first.status, 200);
  const std::string tag = find_field(first.fields, "ETag")->value;
  EXPECT_EQ(ask(ofrep, "POST", kAll, {{"If-None-Match", tag}}).status, 304);
  EXPECT_EQ(ask(ofrep, "POST", kAll, {{"If-None-Match", "\"x\", W/" + tag}}).status, 304);
  features.observe({100, "app", "queue-delay", 1, 100}, at(0));
  EXPECT_EQ(ask(ofrep, "POST", kAll, {{"If-None-Match", tag}}).status, 304);
  dim(features, 1);
  EXPECT_EQ(ask(ofrep, "POST", kAll, {{"If-None-Match", tag}}).status, 200);
}

TEST(Ofrep, the_stream_begins_with_the_present_and_forgets_who_is_gone) {
  traffic::Features features(settings());
  Ofrep ofrep(features, {{}, {}, "e"});
  auto there = std::make_shared<Sink>(true);
  auto gone = std::make_shared<Sink>(false);
  for (const auto& sink : {there, gone}) {
    auto reply = ask(ofrep, "GET", "/ofrep/v1/stream");
    EXPECT_EQ(reply.content_type, "text/event-stream");
    EXPECT_NE(reply.body.find("refetchEvaluation"), std::string::npos);
    ASSERT_TRUE(reply.stream);
    reply.stream(sink);
  }
  EXPECT_EQ(ofrep.listeners(), 2U);
  dim(features, 1);
  ofrep.changed();
  EXPECT_EQ(ofrep.listeners(), 1U);
  EXPECT_EQ(there->text,
            "id: 2\ndata: {\"type\":\"refetchEvaluation\",\"etag\":\"\\\"e-2\\\"\"}\n\n");
}

TEST(Ofrep, whoever_has_no_token_learns_nothing) {
  traffic::Features features(settings());
  OfrepOptions options;
  options.token = [] { return std::string("t"); };
  Ofrep ofrep(features, options);
  EXPECT_EQ(ask(ofrep, "POST", kAll).status, 401);
  EXPECT_EQ(ask(ofrep, "POST", std::string(kAll) + "/small").status, 401);
  EXPECT_EQ(ask(ofrep, "POST", kAll, {{"Authorization", "Bearer t"}}).status, 200);
  EXPECT_EQ(ask(ofrep, "POST", kAll, {{"X-API-Key", "t"}}).status, 200);
  EXPECT_EQ(ask(ofrep, "GET", "/elsewhere").status, 401);
}

TEST(FeatureWords, are_kept_and_taken_again) {
  traffic::Features features(settings());
  const auto word = parse_word(R"({"on":false,"for":"1h","reason":"sale"})", WallTime{5'000});
  ASSERT_TRUE(word.ok());
  ASSERT_TRUE(features.set("search", *word));
  traffic::Features next(settings());
  EXPECT_EQ(take_words(next, words_text(features) + "junk\n{\"name\":\"gone\"}\n", WallTime{6'000}),
            1U);
  EXPECT_EQ(next.words(), features.words());
  EXPECT_FALSE(next.state(1).on);
  EXPECT_EQ(take_words(next, words_text(features), WallTime{3'605'000}), 0U);
  EXPECT_TRUE(next.observe({}, {Instant{1}, WallTime{3'605'000}, {}}));
  EXPECT_TRUE(next.state(1).on);
}

TEST(FeatureWords, say_why_and_for_how_long) {
  for (const char* bad :
       {"", "{}", R"({"on":false})", R"({"on":false,"for":"1h"})",
        R"({"on":1,"for":"1h","reason":"x"})", R"({"on":false,"for":"0s","reason":"x"})",
        R"({"on":false,"for":"1y","reason":"x"})", R"({"on":false,"for":"1h","reason":"a\nb"})",
        R"({"on":false,"for":"1h","reason":"x","until":"y"})"})
    EXPECT_FALSE(parse_word(bad, WallTime{}).ok()) << bad;
}

TEST(Pressure, is_the_most_loaded_watched_upstream) {
  engine::Stats stats;
  stats.upstreams["app"].load.queue_delay = Duration::millis(50);
  stats.upstreams["app"].load.threshold = Duration::millis(200);
  stats.upstreams["db"].load.queue_delay = Duration::millis(90);
  call::FeatureSettings features = settings();
  auto pressure = pressure_of(stats, features);
  EXPECT_EQ(pressure.upstream, "db");
  EXPECT_EQ(pressure.permille, 900);
  features.watch = {"app"};
  pressure = pressure_of(stats, features);
  EXPECT_EQ(pressure.permille, 250);
  EXPECT_EQ(pressure.threshold, 200'000);
  stats.upstreams["app"].breaker_open = 2;
  pressure = pressure_of(stats, features);
  EXPECT_EQ(pressure.permille, 2000);
  EXPECT_EQ(pressure.rule, "breaker-open");
}

}  // namespace
}  // namespace hf::control
