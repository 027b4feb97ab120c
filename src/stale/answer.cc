#include "stale/answer.h"

#include <fmt/format.h>

#include <array>

namespace hf::stale {
namespace {

// What is made here of these statuses, and whether an answer may stand in for it.
enum class Stand : std::uint8_t { never, while_down, always };
struct Made {
  call::Code code;
  Stand stand;
};
constexpr std::array<Made, 10> kMade{{{call::Code::unreachable, Stand::always},
                                      {call::Code::connection_lost, Stand::always},
                                      {call::Code::invalid_answer, Stand::always},
                                      {call::Code::breaker_open, Stand::always},
                                      {call::Code::overloaded, Stand::always},
                                      {call::Code::timeout, Stand::always},
                                      {call::Code::paused, Stand::while_down},
                                      {call::Code::limited, Stand::while_down},
                                      {call::Code::draining, Stand::never},
                                      {call::Code::deadline, Stand::never}}};

Error upstreams_own(int status) {
  return {status, fmt::format("upstream-{}", status), true, false};
}

// Toward zero: an age is told in whole seconds that have passed.
std::int64_t seconds(Duration duration) {
  return duration.ns / 1'000'000'000;
}

// "hit" means that the request did not go forward, "fwd" why it did; never both (RFC 9211 sections
// 2.1, 2.2). Here every request goes forward, if only the upstream can be had.
std::string cache_status(const Kept& kept, const Error& error, Instant now) {
  const Duration staleness = staleness_of(kept, now);
  const bool fresh = staleness < Duration{};
  const std::string how =
      error.of_the_upstream
          ? fmt::format("fwd={}; fwd-status={}", fresh ? "bypass" : "stale", error.status)
          : std::string("hit");
  return fmt::format("holdfast; {}; ttl={}; detail=\"stale-if-error {}\"", how,
                     seconds(Duration{} - staleness), error.reason);
}

}  // namespace

bool is_error(int status) {
  return status == 500 || status == 502 || status == 503 || status == 504;
}

Error error_of(const call::Reply& reply) {
  const bool refused = reply.status == 429;
  if (!is_error(reply.status) && !refused) return {};
  // Any other text there is the upstream's, and nothing of it goes into a field.
  const std::string_view told = call::problem_code(reply);
  for (const Made& made : kMade) {
    if (told != call::to_string(made.code)) continue;
    if (made.stand == Stand::never) return {};
    return {reply.status, std::string(told), false, made.stand == Stand::while_down};
  }
  return refused ? Error{} : upstreams_own(reply.status);
}

Error error_of(const call::AnswerHead& head) {
  return is_error(head.status) ? upstreams_own(head.status) : Error{};
}

call::Reply stand_in(const Kept& kept, const Fields& request, const Error& error,
                     const Fields& error_fields, const Now& now) {
  call::Reply out;
  out.fields = kept.fields;
  out.status = not_modified(kept, request, now.wall) ? 304 : 200;
  if (out.status == 200) {
    out.body = kept.body ? kept.body : make_body({});
  } else {
    // RFC 9110 section 15.4.5: nothing of the content but what tells which one it is.
    for (const std::string_view name :
         {"Content-Type", "Content-Encoding", "Content-Language", "Content-Range"})
      remove_fields(out.fields, name);
  }
  set_field(out.fields, "Age", std::to_string(seconds(age_of(kept, now.mono))));
  out.fields.push_back({"Cache-Status", cache_status(kept, error, now.mono)});
  for (const std::string_view name : {"Holdfast-Call", "Holdfast-Attempts", "Proxy-Status"}) {
    const Field* field = find_field(error_fields, name);
    // Of the upstream's own error the Proxy-Status is not ours to pass on beside another answer.
    if (field == nullptr || (error.of_the_upstream && same_name(name, "Proxy-Status"))) continue;
    out.fields.push_back(*field);
  }
  return out;
}

}  // namespace hf::stale
