#include "control/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace hf::control {
namespace {

using call::Happening;
using call::State;
using ::testing::HasSubstr;

constexpr std::int64_t kBegin = 1'800'000'000'000;

call::Digest digest_of(unsigned char fill) {
  call::Digest out;
  out.bytes.fill(fill);
  return out;
}

// One call with its timeline, told step by step.
struct Story {
  std::shared_ptr<call::Call> call = std::make_shared<call::Call>();
  std::vector<call::TimelineEvent> timeline;
  std::int64_t ms = kBegin;

  explicit Story(std::int64_t after_ms = 0, unsigned char key = 1) : ms(kBegin + after_ms) {
    call->id = CallId::make(WallTime{ms}, key, key);
    call->state = State::sending;
    call->route = "/";
    call->upstream = "bank";
    call->owner = digest_of(7);
    call->accepted = {WallTime{ms}, BootId{1}, Instant{ms * 1'000'000}};
    call::KeyUse use;
    use.identity = digest_of(key);
    call->key = use;
    call->likeness = digest_of(99);
    call->first_sent_authority = "bank.example";
    auto request = std::make_shared<call::Request>();
    request->method = "POST";
    request->target = "/charges";
    call->request = request;
    call->has_body = true;
    add(Happening::accepted).where = "10.0.0.7:4711";
    timeline.back().digest = digest_of(50);
    timeline.back().who = call::Actor::client;
  }

  call::TimelineEvent& add(Happening what) {
    call::TimelineEvent event;
    event.at = WallTime{++ms};
    event.what = what;
    event.attempt = static_cast<std::uint32_t>(call->attempts);
    timeline.push_back(event);
    return timeline.back();
  }
  Story& sent() {
    ++call->attempts;
    add(Happening::attempt_started);
    return *this;
  }
  Story& lost() {
    sent();
    auto& end = add(Happening::attempt_ended);
    end.evidence = call::Evidence::sent;
    end.cause = call::Cause::reset;
    end.bytes_sent = 267;
    end.where = "192.0.2.1:443";
    end.rule = "no-repeat-without-proof";
    call->unresolved = true;
    return *this;
  }
  Story& refused(call::Proof proof, int status) {
    sent();
    auto& end = add(Happening::attempt_ended);
    end.proof = proof;
    end.status = static_cast<std::uint16_t>(status);
    return *this;
  }
  Story& answered(int status, unsigned char content = 60) {
    sent();
    auto& end = add(Happening::attempt_ended);
    end.evidence = call::Evidence::answer_complete;
    end.status = static_cast<std::uint16_t>(status);
    end.digest = digest_of(content);
    call->state = State::answered;
    call->unresolved = false;
    call->answer = call::Answer{};
    call->answer->status = status;
    add(Happening::answered);
    return *this;
  }
  Story& ended(State state) {
    call->state = state;
    return *this;
  }
  [[nodiscard]] ports::CallDetail detail() const { return {call, timeline}; }
};

Explanation explained(const std::vector<Story>& stories, bool cut = false) {
  std::vector<ports::CallDetail> calls;
  for (const Story& story : stories)
    calls.push_back(story.detail());
  return explain(calls, cut);
}

const Sentence& said(const Explanation& explanation, std::string_view rule) {
  const auto found = std::find_if(explanation.sentences.begin(), explanation.sentences.end(),
                                  [&](const Sentence& sentence) { return sentence.rule == rule; });
  if (found != explanation.sentences.end()) return *found;
  ADD_FAILURE() << rule << " was not said";
  static const Sentence kNone;
  return kNone;
}

bool says(const Explanation& explanation, std::string_view rule) {
  return std::any_of(explanation.sentences.begin(), explanation.sentences.end(),
                     [&](const Sentence& sentence) { return sentence.rule == rule; });
}

TEST(Explain, OneCallSentOnce) {
  const auto out = explained({Story().answered(200)});
  EXPECT_EQ(out.verdict, Verdict::nothing_doubled);
  EXPECT_EQ(out.headline, "Nothing was doubled here.");
  EXPECT_THAT(said(out, "sent-once").text,
              HasSubstr("A went to the upstream once; it was answered"));
  EXPECT_EQ(out.sentences.size(), 1U);
  EXPECT_EQ(out.timeline.size(), 4U);
}

TEST(Explain, OneKeyTwice) {
  Story story = Story().answered(200);
  auto& first = story.add(Happening::replayed);
  first.who = call::Actor::client;
  first.where = "10.0.0.7:4712";
  story.add(Happening::replayed);
  story.add(Happening::joined);
  story.add(Happening::key_mismatch);
  story.add(Happening::stranger_refused);
  const auto out = explained({story});
  EXPECT_EQ(out.verdict, Verdict::nothing_doubled);
  EXPECT_THAT(said(out, "one-key-replayed").text, HasSubstr("2 times, first at"));
  EXPECT_THAT(said(out, "one-key-replayed").text, HasSubstr("10.0.0.7:4712"));
  EXPECT_EQ(said(out, "one-key-replayed").evidence, (std::vector<EventRef>{{0, 4}, {0, 5}}));
  EXPECT_THAT(said(out, "one-key-joined").text, HasSubstr("one request went to the upstream"));
  EXPECT_THAT(said(out, "one-key-other-content").text, HasSubstr("nothing was sent for it"));
  EXPECT_THAT(said(out, "one-key-stranger").text, HasSubstr("another credential"));
}

TEST(Explain, DifferentKeysBothAnswered) {
  const auto out = explained({Story(0, 1).answered(200), Story(2'100, 2).answered(201)});
  EXPECT_EQ(out.verdict, Verdict::doubled);
  EXPECT_EQ(out.headline, "Doubled: A and B show two effects at the upstream.");
  const Sentence& sentence = out.sentences.front();
  EXPECT_EQ(sentence.rule, "same-content-other-key");
  EXPECT_THAT(sentence.text, HasSubstr("with different keys, 2.100 s apart"));
  EXPECT_THAT(sentence.text, HasSubstr("A was answered 200, and B was answered 201"));
  EXPECT_THAT(sentence.text, HasSubstr("The two answers are equal"));
  EXPECT_THAT(said(explained({Story(0, 1).answered(200, 1), Story(9, 2).answered(200, 2)}),
                   "same-content-other-key")
                  .text,
              HasSubstr("The two answers differ."));
  EXPECT_THAT(std::string(sentence.unproved), HasSubstr("whether two were meant"));
  EXPECT_EQ(sentence.evidence, (std::vector<EventRef>{{0, 0}, {1, 0}}));
}

TEST(Explain, WithoutKeysTheContentTells) {
  Story first = Story(0).answered(200);
  Story second = Story(5, 2).answered(200);
  for (Story* story : {&first, &second}) {
    story->call->key.reset();
    story->call->likeness.reset();
  }
  EXPECT_EQ(explained({first, second}).verdict, Verdict::doubled);
  second.timeline.front().digest = digest_of(51);
  EXPECT_EQ(explained({first, second}).verdict, Verdict::nothing_doubled);
}

TEST(Explain, DifferentKeysButOneCameToNothing) {
  const auto dead = explained({Story(0, 1).refused(call::Proof::no_byte, 0).ended(State::dead),
                               Story(10, 2).answered(200)});
  EXPECT_EQ(dead.verdict, Verdict::nothing_doubled);
  EXPECT_THAT(said(dead, "same-content-other-key").text, HasSubstr("But A did not take effect"));

  const auto declined = explained({Story(0, 1).answered(402), Story(10, 2).answered(200)});
  EXPECT_EQ(declined.verdict, Verdict::same_content);
  EXPECT_EQ(declined.headline,
            "Sent twice: A and B have the same content; two effects are not shown.");

  const auto unknown =
      explained({Story(0, 1).lost().ended(State::unknown), Story(10, 2).answered(200)});
  EXPECT_EQ(unknown.verdict, Verdict::same_content);
  EXPECT_THAT(said(unknown, "same-content-other-key").text,
              HasSubstr("whether A took effect is not known"));
  EXPECT_TRUE(says(unknown, "not-known"));
}

TEST(Explain, OneKeyIsNoPair) {
  const auto out = explained({Story(0, 1).answered(200), Story(10, 1).answered(200)});
  EXPECT_FALSE(says(out, "same-content-other-key"));
  EXPECT_EQ(out.verdict, Verdict::nothing_doubled);
}

TEST(Explain, TwoDifferentSuccessesUnderOneKey) {
  const auto out = explained({Story(0, 1).answered(200, 60), Story(10, 1).answered(200, 61)});
  EXPECT_EQ(out.verdict, Verdict::doubled);
  EXPECT_THAT(said(out, "two-answers-one-key").text, HasSubstr("two successes that differ"));
}

// An attempt that was answered 200, and what `classify` made of it.
Story classified(Story story, const std::string& rule) {
  for (auto& event : story.timeline) {
    const bool told = event.what == Happening::attempt_ended || event.what == Happening::answered;
    if (told && event.rule.empty()) event.rule = rule;
  }
  return story;
}

TEST(Explain, ARefusalInA200IsNoSuccess) {
  for (const std::string rule : {"classified-refusal", "retry-same-key", "safe-retry"}) {
    Story story;
    story.answered(200, 60);
    story = classified(std::move(story), rule);
    story.answered(200, 61);
    EXPECT_FALSE(says(explained({story}), "two-answers-one-key")) << rule;
  }
  Story refused = Story().refused(call::Proof::refused_status, 200);
  refused.timeline.back().rule = "classified-refusal";
  EXPECT_THAT(said(explained({refused.answered(200)}), "attempted-again").text,
              HasSubstr("refused with 200 and what it says, which this upstream declares"));
}

TEST(Explain, AnErrorInA200IsNoEffect) {
  const Story first = Story(0, 1).answered(200);
  const Story second = classified(Story(900, 2).answered(200, 61), "classified-error");
  const auto out = explained({first, second});
  EXPECT_EQ(out.verdict, Verdict::same_content);
  EXPECT_THAT(said(out, "same-content-other-key").text,
              HasSubstr("was answered 200, which here means an error"));
}

TEST(Explain, ALookupThatShowsTwo) {
  Story story = Story().lost();
  auto& looked = story.add(Happening::looked_up);
  looked.rule = "found";
  looked.detail = "found, 2 in the collection";
  const auto out = explained({story.ended(State::answered)});
  EXPECT_EQ(out.verdict, Verdict::doubled);
  EXPECT_THAT(said(out, "lookup-shows-two").text, HasSubstr("showed 2 entries"));
  story.timeline.back().detail = "found, 1 in the collection";
  EXPECT_EQ(explained({story}).verdict, Verdict::nothing_doubled);
  story.timeline.back().detail = " in the collection";
  EXPECT_EQ(explained({story}).verdict, Verdict::nothing_doubled);
}

TEST(Explain, WhyAnAttemptWasAllowed) {
  const auto why = [](Story story) {
    return said(explained({std::move(story)}), "attempted-again").text;
  };
  EXPECT_THAT(why(Story().refused(call::Proof::no_byte, 0).answered(200)),
              HasSubstr("no byte of attempt 1 had left"));
  EXPECT_THAT(why(Story().refused(call::Proof::refused_status, 429).answered(200)),
              HasSubstr("refused with 429, which this upstream declares as not applied"));
  EXPECT_THAT(why(Story().refused(call::Proof::operator_word, 0).answered(200)),
              HasSubstr("an operator said"));

  Story keyed = Story().lost();
  keyed.call->idempotency.own().mode = call::Mode::key;
  keyed.call->idempotency.own().lifetime = Duration::hours(24);
  EXPECT_THAT(why(keyed.answered(200)),
              HasSubstr("attempt 1 ended without an answer (reset), and the next one carried the "
                        "same key, under which the upstream joins requests for 1d"));
  Story safe = Story().lost();
  safe.call->safe = true;
  EXPECT_THAT(why(safe.answered(200)), HasSubstr("the method is safe"));
  Story money = Story().lost();
  money.call->idempotency.own().mode = call::Mode::repeatable;
  EXPECT_THAT(why(money.answered(200)), HasSubstr("declared to cost money only"));

  Story verified = Story().lost();
  verified.call->idempotency.own().mode = call::Mode::verify;
  verified.add(Happening::looked_up).rule = "absent";
  EXPECT_THAT(why(verified.answered(200)), HasSubstr("twice had nothing of it"));

  Story operated = Story().lost();
  operated.add(Happening::operator_resolve).detail = "not there";
  operated.add(Happening::operator_retry).detail = "ticket 7";
  const auto out = explained({operated.answered(200)});
  EXPECT_THAT(said(out, "attempted-again").text,
              HasSubstr("an operator asked for it (\"ticket 7\")"));
  EXPECT_THAT(said(out, "operator-replayed").text, HasSubstr("saying \"ticket 7\""));
  EXPECT_THAT(said(out, "operator-resolved").text, HasSubstr("settled A"));
  EXPECT_EQ(out.verdict, Verdict::nothing_doubled);
}

TEST(Explain, ManyAttemptsAreToldInOneSentenceFromSomewhereOn) {
  Story story;
  for (int i = 0; i < 40; ++i)
    story.refused(call::Proof::no_byte, 0);
  const auto out = explained({story.answered(200)});
  EXPECT_LT(out.sentences.size(), 20U);
  EXPECT_THAT(out.sentences[12].text, HasSubstr("28 further attempts"));
}

TEST(Explain, WhatIsNotKnown) {
  const auto out = explained({Story().lost().ended(State::unknown)});
  EXPECT_EQ(out.verdict, Verdict::not_known);
  EXPECT_EQ(out.headline, "Not known: a fact about A is missing.");
  EXPECT_THAT(said(out, "not-known").text,
              HasSubstr("attempt 1 had sent 267 bytes to 192.0.2.1:443 and ended without an answer "
                        "(reset). The missing fact is what bank.example has on record"));

  EXPECT_EQ(explained({}).verdict, Verdict::not_known);
  EXPECT_TRUE(says(explained({}), "no-call"));
  EXPECT_EQ(explained({Story().answered(200)}, true).verdict, Verdict::not_known);

  Story running = Story().sent();
  EXPECT_TRUE(says(explained({running}), "not-ended"));
  EXPECT_EQ(explained({running}).verdict, Verdict::not_known);

  Story retired = Story().lost().answered(200);
  retired.timeline.clear();
  EXPECT_EQ(explained({retired}).verdict, Verdict::not_known);
  EXPECT_TRUE(says(explained({retired}), "timeline-retired"));

  // Of an attempt whose reason is gone, no reason is made up.
  Story cut = Story().lost().answered(200);
  std::erase_if(cut.timeline,
                [](const auto& event) { return event.what == Happening::attempt_ended; });
  EXPECT_EQ(explained({cut}).verdict, Verdict::not_known);
}

TEST(Explain, NeverSent) {
  Story story;
  story.add(Happening::cancelled);
  const auto out = explained({story.ended(State::cancelled)});
  EXPECT_EQ(out.verdict, Verdict::nothing_doubled);
  EXPECT_TRUE(says(out, "never-sent"));
}

TEST(Explain, EverySentenceSaysWhatItDoesNotProve) {
  Story story = Story().lost();
  story.add(Happening::operator_retry);
  story.add(Happening::joined);
  const auto out = explained({story.answered(200), Story(9, 2).lost().ended(State::unknown)}, true);
  ASSERT_GE(out.sentences.size(), 6U);
  for (const Sentence& sentence : out.sentences) {
    EXPECT_FALSE(sentence.rule.empty());
    EXPECT_FALSE(sentence.unproved.empty()) << sentence.rule;
    for (const EventRef ref : sentence.evidence)
      ASSERT_LT(ref.call, 2U);
  }
}

TEST(Explain, TheTimelineIsOneAndInOrder) {
  const auto out = explained({Story(0, 1).answered(200), Story(1, 2).answered(200)});
  std::vector<std::size_t> calls;
  for (const EventRef ref : out.timeline)
    calls.push_back(ref.call);
  EXPECT_EQ(calls, (std::vector<std::size_t>{0, 0, 1, 0, 1, 0, 1, 1}));
}

TEST(Explain, Labels) {
  EXPECT_EQ(call_label(0), "A");
  EXPECT_EQ(call_label(25), "Z");
  EXPECT_EQ(call_label(26), "27");
}

}  // namespace
}  // namespace hf::control
