// What upstreams tell when they are asked what became of an order or a key: GET /find?key=K or
// /find/ROUTE/ORDER, as the lookups of plan.cc ask.
#include <utility>

#include "sim/upstream.h"

namespace hf::sim {

SimUpstream::Question SimUpstream::question_of(const ports::AttemptSpec& spec) {
  const std::string& target = spec.request->target;
  Question question;
  constexpr std::string_view kByKey = "/find?key=";
  if (target.starts_with(kByKey)) {
    question.key = {store_of(spec), target.substr(kByKey.size())};
  } else {
    question.order = target.substr(target.rfind('/') + 1);
  }
  return question;
}

// The collection as JSON, as it was a while ago.
std::string SimUpstream::found_of(const Question& question) {
  Duration lag;
  if (faults_.lookup_lags) {
    lag = hit(500) ? kLongestLag : Duration::millis(prng_.between(0, kLongestLag.ms()));
  }
  std::string out;
  const auto list = [&out](const char* status, const std::string& answer) {
    if (!out.empty()) out += ',';
    out += std::string(R"({"status":")") + status + R"(","receipt":")" + answer + R"("})";
  };
  if (failed_.contains(question.order)) list("failed", "none");
  for (const LedgerEntry& entry : ledger_) {
    const bool meant = question.order.empty()
                           ? entry.key == question.key.second && entry.store == question.key.first
                           : entry.order == question.order;
    if (meant && schedule_.now() - entry.at >= lag) list("succeeded", entry.answer);
  }
  if (out.empty() && pending_.contains(question.order)) list("pending", "none");
  return R"({"data":[)" + out + "]}";
}

void SimUpstream::arrive_lookup(const Arrived& request, const Question& question) {
  if (met_by_illness(request) || lookup_failed(request)) return;
  const std::string found = found_of(question);
  const bool slow = hit(faults_.lookup_slow);
  // It tells of the moment at which it was asked, however long the answer takes.
  schedule_.after(Duration::micros(prng_.between(100, slow ? 8'000'000 : 20'000)),
                  [this, request, found] {
                    answer(request, 200, found, {{"Content-Type", "application/json"}}, false);
                  });
}

bool SimUpstream::lookup_failed(const Arrived& request) {
  if (unauthorized_) {
    answer(request, 401, "who are you", {}, false);
    return true;
  }
  if (!hit(faults_.lookup_fails)) return false;
  switch (prng_.below(9)) {
    case 0:
      answer(request, 500, R"({"data":[]})", {}, false);
      break;
    case 1:
      answer(request, 503, "come back later", {{"Retry-After", "3"}}, false);
      break;
    case 2:
      answer(request, 429, R"({"data":[]})", {{"Retry-After", "2"}}, false);
      break;
    case 3:
      answer(request, 200, "<!doctype html><p>[]", {{"Content-Type", "text/html"}}, false);
      break;
    case 4:
      answer(request, 200, R"({"data":{"0":{"status":"succeeded"}}})", {}, false);
      break;
    case 5:
      answer(request, 200, R"({"data":[)", {}, false);
      break;
    case 6:
      answer(request, 200, R"({"data":[]})", {}, true);
      break;
    case 7:
      answer(request, 403, R"({"data":[]})", {}, false);
      break;
    default:
      die_later(request.exchange, Duration::micros(500));
  }
  return true;
}

}  // namespace hf::sim
