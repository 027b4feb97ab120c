#include "traffic/limit_reply.h"

#include <fmt/format.h>

#include "base/quantity.h"

namespace hf::traffic {
namespace {

call::Code code_of(Why why) {
  switch (why) {
    case Why::quota:
    case Why::full:
      return call::Code::quota_exceeded;
    case Why::banned:
      return call::Code::banned;
    case Why::blocked:
      return call::Code::blocked;
  }
  return call::Code::quota_exceeded;
}

std::string_view unit_of(Why why) {
  switch (why) {
    case Why::quota:
      return "units";
    case Why::banned:
      return "offences";
    case Why::blocked:
      return "entries of its block list";
    case Why::full:
      return "clients";
  }
  return "units";
}

}  // namespace

std::string in_words(const Refusal& refusal) {
  const call::LimitSettings& limit = *refusal.limit;
  switch (refusal.why) {
    case Why::quota:
      return fmt::format("limit {}: {} of {} units, {}", limit.name, refusal.measured,
                         refusal.threshold, format_rate(*limit.rate));
    case Why::banned:
      return fmt::format("limit {}: banned, {} offences within {}", limit.name, refusal.threshold,
                         format_duration(limit.ban->within));
    case Why::blocked:
      return fmt::format("limit {}: in its block list", limit.name);
    case Why::full:
      return fmt::format("limit {}: no room to count another client, {} of {}", limit.name,
                         refusal.measured, refusal.threshold);
  }
  return limit.name;
}

call::Reply limit_reply(const Refusal& refusal, bool doubt) {
  call::ProblemSpec spec;
  spec.code = code_of(refusal.why);
  spec.effect = doubt ? call::Effect::unknown : call::Effect::none;
  // Who is shut out is not to try again by itself; a person may.
  spec.safe_to_retry = refusal.why == Why::quota || refusal.why == Why::full;
  spec.retry_after = refusal.again_after;
  spec.detail = in_words(refusal) + ".";
  spec.detail[0] = 'L';
  if (doubt) {
    spec.detail +=
        " Nothing was sent for this request; an earlier one with its key may have taken effect.";
  }
  spec.measure = {refusal.limit->name, refusal.measured, refusal.threshold,
                  std::string(unit_of(refusal.why))};
  if (refusal.why != Why::blocked) spec.violated_policies.push_back(refusal.limit->name);
  return call::problem(spec);
}

void add_quota_fields(Fields& fields, const Pass& pass) {
  if (pass.policies.empty()) return;
  fields.push_back({"RateLimit-Policy", pass.policies});
  fields.push_back({"RateLimit", pass.quotas});
}

}  // namespace hf::traffic
