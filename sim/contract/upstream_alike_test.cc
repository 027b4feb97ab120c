// The two ways out told the same: every act of the other end that matters, under everything that an
// owner may do with the answer, and one line for each of what came of it. The lines must be equal.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "sim/contract/upstream_harness.h"

namespace hf::sim::testing {
namespace {

using Head = PeerAct::Head;
using Reads = PeerAct::Reads;
using Then = PeerAct::Then;
using Framing = PeerAct::Framing;

constexpr std::uint64_t kSmall = 8;  // a capture that the larger bodies outgrow

struct Told {
  std::string name;
  PeerAct act;
};

// What an owner does.
enum class Use : std::uint8_t {
  captures,
  captures_little,      // what outgrows it is forwarded
  takes_what_is_ready,  // else it is forwarded
  forwards,
  forwards_slowly,
  loses_its_client,
  captures_late,
  captures_little_late,
  gives_up_at_the_head,
};
constexpr Use kUses[] = {Use::captures,      Use::captures_little,      Use::takes_what_is_ready,
                         Use::forwards,      Use::forwards_slowly,      Use::loses_its_client,
                         Use::captures_late, Use::captures_little_late, Use::gives_up_at_the_head};

void add_bodies(std::vector<Told>& out) {
  const std::vector<std::pair<std::string, std::string>> bodies = {
      {"empty", ""}, {"small", "ok"}, {"middle", std::string(1000, 'm')}};
  for (const auto& [size, body] : bodies) {
    for (const Framing framing : {Framing::length, Framing::chunked, Framing::until_close}) {
      for (const Then then : {Then::keeps, Then::closes, Then::resets, Then::silent}) {
        for (const bool at_once : {true, false}) {
          const std::string name =
              fmt::format("whole {} framing {} then {} at_once {}", size, static_cast<int>(framing),
                          static_cast<int>(then), at_once);
          out.push_back(
              {name, {.body = body, .framing = framing, .at_once = at_once, .then = then}});
        }
      }
    }
  }
}

void add_cuts(std::vector<Told>& out) {
  for (const Framing framing : {Framing::length, Framing::chunked}) {
    for (const std::size_t sends : {std::size_t{0}, std::size_t{4}, std::size_t{100}}) {
      for (const Then then : {Then::closes, Then::resets, Then::silent}) {
        const std::string name =
            fmt::format("cut framing {} sends {} then {}", static_cast<int>(framing), sends,
                        static_cast<int>(then));
        out.push_back(
            {name,
             {.body = std::string(1000, 'c'), .framing = framing, .sends = sends, .then = then}});
      }
      if (framing != Framing::chunked) continue;
      out.push_back({fmt::format("spoilt after {}", sends),
                     {.body = std::string(1000, 's'),
                      .framing = framing,
                      .sends = sends,
                      .spoils_framing = true}});
    }
  }
}

void add_heads(std::vector<Told>& out) {
  for (const int interims : {0, 3}) {
    for (const Then then : {Then::closes, Then::resets, Then::silent}) {
      for (const Head head : {Head::none, Head::half}) {
        const std::string name =
            fmt::format("head {} after {} interims then {}", static_cast<int>(head), interims,
                        static_cast<int>(then));
        out.push_back(
            {name, {.interims = interims, .head = head, .answer = {503, {}}, .then = then}});
      }
    }
    out.push_back({"foreign", {.interims = interims, .head = Head::foreign}});
    out.push_back({"broken", {.interims = interims, .head = Head::broken, .answer = {500, {}}}});
    out.push_back({"whole after interims", {.interims = interims, .body = "ok"}});
  }
}

void add_others(std::vector<Told>& out) {
  for (const Reads reads : {Reads::nothing, Reads::head}) {
    for (const Then then : {Then::closes, Then::resets}) {
      const auto name =
          fmt::format("reads {} then {}", static_cast<int>(reads), static_cast<int>(then));
      out.push_back({name + " unanswered", {.reads = reads, .head = Head::none, .then = then}});
      out.push_back(
          {name + " answered", {.reads = reads, .answer = {413, {}}, .body = "no", .then = then}});
      out.push_back(
          {name + " half answered",
           {.reads = reads, .answer = {413, {}}, .body = "no", .sends = 1, .then = then}});
      out.push_back(
          {name + " answered without length",
           {.reads = reads, .body = "yes", .framing = Framing::until_close, .then = then}});
    }
  }
  for (const int status : {204, 304, 401, 429, 500}) {
    out.push_back({fmt::format("status {}", status),
                   {.answer = {status, {{"Retry-After", "2"}}}, .body = status < 400 ? "" : "no"}});
  }
  out.push_back({"speaks on", {.body = "ok", .speaks_on = true}});
  out.push_back({"says it is the last", {.body = "ok", .last = true}});
  out.push_back({"event stream",
                 {.answer = {200, {{"Content-Type", "text/event-stream"}}},
                  .body = "data: 1\n\n",
                  .framing = Framing::chunked}});
  out.push_back({"event stream, cut",
                 {.answer = {200, {{"Content-Type", "text/event-stream"}}},
                  .body = "data: 1\n\n",
                  .framing = Framing::chunked,
                  .sends = 3,
                  .then = Then::closes}});
}

std::vector<Told> all_acts() {
  std::vector<Told> out;
  add_bodies(out);
  add_cuts(out);
  add_heads(out);
  add_others(out);
  return out;
}

// One exchange with one harness.
template <typename Way>
class Play {
 public:
  Play(const PeerAct& act, Use use) : act_(act), use_(use) {}

  std::string line() {
    way_.next(act_);
    ports::AttemptSpec spec = way_.spec(capture_max());
    spec.whole_if_ready = use_ == Use::takes_what_is_ready;
    id_ = spec.id;
    // Where no head is reported before the body, nothing tells when to go on.
    if (!act_.at_once && !reports_head_first()) way_.let_go_on();
    way_.upstream().start(std::move(spec));
    std::size_t heads = 0;
    for (int turn = 0; turn < 10 && !way_.ended(id_); ++turn) {
      await_more(heads);
      if (way_.heads[id_].size() == heads) continue;
      heads = way_.heads[id_].size();
      on_head(heads);
    }
    return summary();
  }

 private:
  [[nodiscard]] std::uint64_t capture_max() const {
    if (use_ == Use::captures) return kLarge;
    return use_ == Use::captures_little ? kSmall : 0;
  }
  [[nodiscard]] bool reports_head_first() const {
    const std::uint64_t max = capture_max();
    return max == 0 || (act_.framing == Framing::length && act_.body.size() > max);
  }
  // Until something was raised; where nothing more comes by itself, time has to go by.
  void await_more(std::size_t heads) {
    const auto raised = [&] { return way_.ended(id_) || way_.heads[id_].size() > heads; };
    const bool owed = act_.then == Then::silent || act_.then == Then::keeps;
    if (owed && (act_.at_once || heads > 0 || !reports_head_first())) {
      way_.run_until([&] { return raised() || way_.acted() > 0; });
      way_.settle();
      if (!raised()) way_.advance(kPatience);
    }
    way_.run_until(raised);
  }
  void on_head(std::size_t heads) {
    // The other end goes on only now, and has come to its end before the owner speaks or after it:
    // both must be the same.
    if (!act_.at_once && heads == 1 && reports_head_first()) way_.let_go_on();
    switch (use_) {
      case Use::gives_up_at_the_head:
        return way_.upstream().cancel(id_);
      case Use::captures_late:
        return way_.upstream().capture(id_, kLarge);
      case Use::captures_little_late:
        if (heads == 1) return way_.upstream().capture(id_, kSmall);
        break;
      default:
        break;
    }
    const bool at_once = use_ != Use::forwards_slowly && use_ != Use::loses_its_client;
    sink_ = std::make_shared<FakeSink>(at_once);
    way_.upstream().forward(id_, sink_);
    if (at_once) return;
    way_.run_until([&] { return sink_->pending != nullptr || way_.ended(id_) || idles(); });
    if (use_ == Use::loses_its_client && sink_->pending) {
      way_.settle();
      return sink_->go(false);
    }
    while (sink_->pending) {
      way_.settle();
      sink_->go();
      way_.settle();
    }
  }
  // Nothing will be handed over: only time ends it.
  [[nodiscard]] bool idles() const {
    return std::min(act_.sends, act_.body.size()) == 0 && way_.acted() > 0;
  }
  std::string summary() {
    const call::AttemptOutcome& end = way_.ends[id_];
    std::string out;
    for (const Recorder::Head& head : way_.heads[id_]) {
      out += fmt::format("head {}{}, ", head.head.status, head.overflow ? " overflow" : "");
    }
    if (sink_) out += fmt::format("sink {} bytes, ", sink_->total);
    out += fmt::format("{} {} {}", to_string(end.evidence), to_string(end.cause), end.head.status);
    for (const Field& field : end.head.fields) {
      if (!same_name(field.name, "content-length")) out += " " + field.name + ": " + field.value;
    }
    out += end.body ? fmt::format(", body {} bytes", end.body->size()) : ", no body";
    if (end.forwarded) out += ", forwarded";
    if (end.reused) out += ", reused";
    if (end.authority == way_.authority()) out += ", authority";
    if (end.bytes_sent > 0 && end.first_byte_at) out += ", sent";
    if (act_.then == Then::keeps) {
      way_.settle();
      out += fmt::format(", {} idle", way_.idle());
    }
    return out;
  }

  PeerAct act_;
  Use use_;
  Way way_;
  AttemptId id_{};
  std::shared_ptr<FakeSink> sink_;
};

class UpstreamsAlike : public ::testing::TestWithParam<Use> {};

TEST_P(UpstreamsAlike, SayTheSameOfWhateverTheOtherEndDoes) {
  for (const Told& told : all_acts()) {
    const std::string simulated = Play<SimHarness>(told.act, GetParam()).line();
    const std::string real = Play<HttpHarness>(told.act, GetParam()).line();
    EXPECT_EQ(simulated, real) << told.name;
    if (HasFatalFailure()) return;
  }
}

std::string name_of(const ::testing::TestParamInfo<Use>& use) {
  switch (use.param) {
    case Use::captures:
      return "Captures";
    case Use::captures_little:
      return "CapturesLittle";
    case Use::takes_what_is_ready:
      return "TakesWhatIsReady";
    case Use::forwards:
      return "Forwards";
    case Use::forwards_slowly:
      return "ForwardsSlowly";
    case Use::loses_its_client:
      return "LosesItsClient";
    case Use::captures_late:
      return "CapturesLate";
    case Use::captures_little_late:
      return "CapturesLittleLate";
    case Use::gives_up_at_the_head:
      return "GivesUpAtTheHead";
  }
  return {};
}

INSTANTIATE_TEST_SUITE_P(Uses, UpstreamsAlike, ::testing::ValuesIn(kUses), name_of);

}  // namespace
}  // namespace hf::sim::testing
