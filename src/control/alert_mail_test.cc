#include "control/alert_mail.h"

#include <gtest/gtest.h>

#include <map>

#include "control/json.h"

namespace hf::control {
namespace {

using Format = call::AlertTarget::Format;

// Takes what is sent and answers when told to.
class Post final : public ports::Upstream {
 public:
  void start(ports::AttemptSpec spec) override {
    bodies.emplace_back(view(spec.request->body));
    targets.push_back(spec.request->target);
    flying.push_back(spec.id);
  }
  void cancel(AttemptId) override { ++cancelled; }
  void forward(AttemptId, std::shared_ptr<ports::AnswerSink>) override {}
  void capture(AttemptId, std::uint64_t) override {}

  std::vector<std::string> bodies;
  std::vector<std::string> targets;
  std::vector<AttemptId> flying;
  int cancelled = 0;
};

call::AlertSettings settings(Format format) {
  call::AlertTarget target;
  target.format = format;
  target.upstream.name = format == Format::alertmanager ? "alertmanager" : "webhook";
  target.upstream.urls = {{false, "127.0.0.1", 9093, "/base"}};
  call::AlertSettings out;
  out.targets.push_back(target);
  return out;
}

Notice notice(Notice::What what = Notice::What::begun, std::string upstream = "pay") {
  const WallTime since{1'800'000'000'000};
  return {what, {{AlertCause::breaker_open, std::move(upstream), {}, {}}, since}, since};
}

class Scene {
 public:
  explicit Scene(Format format)
      : mail(post, settings(format), [this](const auto& line) { complaints.push_back(line); }) {}
  void send(const std::vector<Notice>& notices, Duration later = {},
            const std::vector<Alert>& active = {}) {
    now.mono = now.mono + later;
    now.wall = now.wall + later;
    mail.send(notices, active, now);
  }
  // status 0: no connection.
  void answer(int status) {
    call::AttemptOutcome outcome;
    outcome.cause = status == 0 ? call::Cause::connect_refused : call::Cause::none;
    if (status != 0) outcome.evidence = call::Evidence::answer_complete;
    outcome.head.status = status;
    const AttemptId id = post.flying.back();
    post.flying.pop_back();
    mail.on_attempt_done(id, std::move(outcome));
  }
  MailCounts counts() { return mail.counts().front(); }

  Post post;
  std::vector<std::string> complaints;
  Now now{Instant{1'000'000'000}, WallTime{1'800'000'000'000}, BootId{1}};
  AlertMail mail;
};

TEST(AlertMail, OneAtATimeInOrder) {
  Scene scene(Format::json);
  scene.send({notice(Notice::What::begun, "a"), notice(Notice::What::begun, "b")});
  ASSERT_EQ(scene.post.bodies.size(), 1U);
  EXPECT_EQ(scene.post.targets[0], "/base");
  EXPECT_EQ(JsonMembers::read(scene.post.bodies[0])->text("upstream").value(), "a");
  scene.answer(200);
  ASSERT_EQ(scene.post.bodies.size(), 2U);
  EXPECT_EQ(JsonMembers::read(scene.post.bodies[1])->text("upstream").value(), "b");
  scene.answer(204);
  EXPECT_EQ(scene.counts().sent, 2U);
  scene.send({}, Duration::hours(1));
  EXPECT_EQ(scene.post.bodies.size(), 2U);
}

TEST(AlertMail, SlackGetsText) {
  Scene scene(Format::slack);
  scene.send({notice()});
  const auto members = JsonMembers::read(scene.post.bodies.at(0));
  EXPECT_EQ(members->text("text").value(),
            "Holdfast: breaker-open (pay): the breaker of pay is open: nothing but probes is sent. "
            "Do: holdfast upstreams");
}

TEST(AlertMail, TriesAgainWithGrowingPauses) {
  Scene scene(Format::json);
  scene.send({notice()});
  scene.answer(0);
  EXPECT_EQ(scene.complaints.size(), 1U);
  scene.send({}, Duration::millis(900));
  EXPECT_EQ(scene.post.bodies.size(), 1U);
  scene.send({}, Duration::millis(200));
  EXPECT_EQ(scene.post.bodies.size(), 2U);
  scene.answer(503);
  scene.send({}, Duration::millis(1900));
  EXPECT_EQ(scene.post.bodies.size(), 2U);
  scene.send({}, Duration::millis(200));
  ASSERT_EQ(scene.post.bodies.size(), 3U);
  scene.answer(200);
  EXPECT_EQ(scene.complaints.size(), 1U);  // said once
  EXPECT_EQ(scene.counts().failed, 2U);
  EXPECT_EQ(scene.counts().sent, 1U);
}

TEST(AlertMail, WhatIsRefusedOrTooOldIsGivenUp) {
  Scene scene(Format::json);
  scene.send({notice()});
  scene.answer(404);
  EXPECT_EQ(scene.counts().dropped, 1U);
  EXPECT_EQ(scene.complaints.size(), 1U);
  scene.send({notice()}, Duration::minutes(2));
  scene.answer(0);
  scene.send({}, kLetterAge);
  EXPECT_EQ(scene.counts().dropped, 2U);
  EXPECT_TRUE(scene.post.flying.empty());
}

TEST(AlertMail, AFullQueueDropsTheOldestThatIsNotUnderWay) {
  Scene scene(Format::json);
  for (std::size_t i = 0; i < kLettersMax + 5; ++i)
    scene.send({notice(Notice::What::begun, std::to_string(i))});
  EXPECT_EQ(scene.counts().dropped, 5U);
  scene.answer(200);
  EXPECT_EQ(JsonMembers::read(scene.post.bodies.back())->text("upstream").value(), "6");
}

TEST(AlertMail, AlertmanagerIsToldAgainWhileItLastsAndWhenItIsOver) {
  Scene scene(Format::alertmanager);
  const std::vector<Alert> active{notice().alert};
  scene.send({notice()}, {}, active);
  ASSERT_EQ(scene.post.bodies.size(), 1U);
  EXPECT_EQ(scene.post.targets[0], "/base/api/v2/alerts");
  const std::string& first = scene.post.bodies[0];
  EXPECT_NE(first.find(R"("labels":{"alertname":"HoldfastBreakerOpen","cause":"breaker-open",)"
                       R"("severity":"warning","upstream":"pay"})"),
            std::string::npos)
      << first;
  EXPECT_NE(first.find(R"("startsAt":"2027-01-15T08:00:00.000Z","endsAt":"2027-01-15T08:05)"),
            std::string::npos)
      << first;
  scene.answer(200);
  scene.send({}, Duration::seconds(59), active);
  EXPECT_EQ(scene.post.bodies.size(), 1U);
  scene.send({}, Duration::seconds(1), active);
  EXPECT_EQ(scene.post.bodies.size(), 2U);
  scene.answer(200);
  scene.send({notice(Notice::What::over)}, Duration::seconds(1), {});
  ASSERT_EQ(scene.post.bodies.size(), 3U);
  EXPECT_NE(scene.post.bodies[2].find(R"("endsAt":"2027-01-15T08:01:01)"), std::string::npos);
  scene.answer(200);
  scene.send({}, Duration::hours(1), {});
  EXPECT_EQ(scene.post.bodies.size(), 3U);
}

TEST(AlertMail, AnAnswerWithoutEndIsCutOff) {
  Scene scene(Format::json);
  scene.send({notice()});
  scene.mail.on_answer_head(scene.post.flying.back(), {200, {}}, true);
  EXPECT_EQ(scene.post.cancelled, 1);
}

}  // namespace
}  // namespace hf::control
