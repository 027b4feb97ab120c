#include "control/load_view.h"

#include "call/reply_json.h"

namespace hf::control {

std::string load_json(const engine::UpstreamLoad& load, bool watched) {
  const auto number = [](std::uint64_t value) { return static_cast<std::int64_t>(value); };
  call::JsonObject out;
  out.number("in_flight", number(load.in_flight))
      .number("limit", number(load.limit))
      .number("waiting", number(load.waiting))
      .number("queue_delay_ms", load.queue_delay.ms());
  if (watched) {
    out.number("threshold_ms", load.threshold.ms());
  } else {
    out.null("threshold_ms");
  }
  out.number("shed_level", number(load.shed_level));
  if (load.shed_level > 0) {
    out.text("shed_below", call::to_string(static_cast<call::CallClass>(load.shed_level)));
  } else {
    out.null("shed_below");
  }
  out.number("backlog_age_ms", load.backlog_age.ms());
  call::JsonObject shed;
  for (std::size_t i = 0; i < call::kCallClasses; ++i) {
    call::JsonObject rules;
    for (std::size_t j = 0; j < engine::kShedRules; ++j) {
      rules.number(engine::to_string(static_cast<engine::ShedRule>(j)), number(load.shed[i][j]));
    }
    shed.raw(call::to_string(static_cast<call::CallClass>(i)), rules.done());
  }
  out.raw("shed", shed.done());
  if (load.learnt) {
    out.raw("learnt", call::JsonObject()
                          .number("baseline_us", load.learnt->baseline.ns / 1000)
                          .number("latency_us", load.learnt->latency.ns / 1000)
                          .text("lesson", policy::to_string(load.learnt->lesson))
                          .done());
  } else {
    out.null("learnt");
  }
  return out.done();
}

}  // namespace hf::control
