// Answers as a hostile upstream may write them, against rules of every kind.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "call/classify.h"
#include "call/decide.h"

namespace {

using hf::call::AnswerRule;
using hf::call::AnswerTest;
using hf::call::Meaning;

std::vector<AnswerRule> rules() {
  std::vector<AnswerRule> out(4);
  out[0].json = {{AnswerTest::Kind::equals, "/ok", {"false"}},
                 {AnswerTest::Kind::ends, "/a/0/error", {"limited"}}};
  out[0].means = Meaning::refused;
  out[1].json = {{AnswerTest::Kind::present, "/errors", {}},
                 {AnswerTest::Kind::absent, "/data", {}}};
  out[2].form = {{AnswerTest::Kind::equals, "ACK", {"Failure"}}};
  out[3].contains = {"<Code>Throttling</Code>"};
  out[3].means = Meaning::refused;
  return out;
}

}  // namespace

// The first byte chooses the type, the second the status; the rest is the body.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  static const std::vector<AnswerRule> kRules = rules();
  static const std::vector<std::string> kTypes{
      "application/json", "application/x-www-form-urlencoded", "text/xml", "text/event-stream"};
  hf::call::AttemptOutcome outcome;
  outcome.evidence = hf::call::Evidence::answer_complete;
  outcome.head.status = 200 + data[1];
  outcome.head.fields = {{"Content-Type", kTypes[data[0] % kTypes.size()]}};
  const std::string_view body(reinterpret_cast<const char*>(data) + 2, size - 2);
  outcome.body = hf::make_body(std::string(body));
  const AnswerRule* rule = hf::call::classify(kRules, outcome);
  HF_CHECK(rule == nullptr || hf::call::wants_body(kRules, outcome.head));
  HF_CHECK(rule != &kRules[0] || body.find("error") != body.npos || body.find('\\') != body.npos);
  HF_CHECK(rule != &kRules[3] || body.find("<Code>Throttling</Code>") != body.npos);
  // Without keys a rule may end a call, but only a refusal lets it be sent again.
  hf::call::Idempotency none;
  const auto decision = hf::call::decide(outcome, {&none, false, false, false, false, rule});
  const bool again = decision.ruling == hf::call::Ruling::again ||
                     decision.ruling == hf::call::Ruling::again_not_before;
  const int status = outcome.head.status;
  const bool by_status = rule == nullptr && (status == 421 || status == 425 || status == 429);
  HF_CHECK(again == (by_status || (rule != nullptr && rule->means == Meaning::refused)));
  return 0;
}
