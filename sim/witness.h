// Stands between the driver and the upstreams and writes down every copy of an order that was sent,
// what the transport then reported of it, and every lookup. From that alone it judges section 4 of
// DESIGN: whether a further copy may be sent. It knows nothing of what Holdfast believes.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "call/settings.h"
#include "ports/upstream.h"

namespace hf::sim {

// One copy of a request as it was sent.
struct Copy {
  AttemptId attempt{};
  CallId call;  // that Holdfast sent it for
  std::string upstream;
  std::string authority;
  std::string key;          // empty: none
  std::uint64_t bytes = 0;  // hash of all that must be the same in every copy
  call::Mode mode = call::Mode::none;
  bool safe = false;
  std::string owner;       // the credential it carries
  std::uint64_t life = 0;  // of the process that sent it
  Now at;
  Instant true_at;           // which no reboot and no clock changes
  std::optional<Now> ended;  // reported; none: under way, or its process has died
  call::AttemptOutcome outcome;
  bool refusal = false;  // it ended with a status that is declared as a refusal
  // Not applied, as far as anybody who was told can know.
  [[nodiscard]] bool proven() const;
  // Its sender was told a final answer.
  [[nodiscard]] bool final() const;
};

struct LookupSeen {
  std::string about;  // the order's name, or the key
  std::uint64_t life = 0;
  Now asked;
  std::optional<bool> absent;  // a collection that is there and empty; none: anything else
};

class Witness final : public ports::Upstream, public ports::UpstreamEvents {
 public:
  struct World {
    std::function<Now()> now;
    std::function<Instant()> true_now;  // which no reboot begins anew
    std::function<void(std::string)> violation;
    // The call whose attempt is being started.
    std::function<std::optional<CallId>()> handling;
    int budget_permille = 0;
    // The journal has kept somebody waiting since then: what was decided earlier leaves only now.
    std::function<bool(Instant)> lagged;
    // What is written of the call: that it is held.
    std::function<bool(const CallId&)> held;
    std::function<void(const std::string&)> trace;  // empty: nobody listens
  };
  Witness(ports::Upstream& below, World world);

  void trace_to(std::function<void(const std::string&)> trace) { world_.trace = std::move(trace); }
  // Where the ends of attempts go; null: the process is dead.
  void attach(ports::UpstreamEvents* above, std::uint64_t life);
  // The body of the attempt that is being started, read to its end: it stands for its order.
  void arrived(const ports::AttemptSpec& spec, const std::string& order);
  // A person has lifted the pauses of an upstream.
  void operator_resumed(const std::string& upstream);
  // The upstream has asked for a pause from somebody with this credential, at some time.
  [[nodiscard]] bool paused_once(const std::string& upstream, const std::string& owner) const {
    return paused_.contains({upstream, owner});
  }
  // A process found this call as being sent by one that died: it cannot know how far that got.
  void cut(const CallId& call) { cut_.insert(call); }
  // A person has seen that the order did not take effect.
  void operator_proved(const std::string& order) { proved_[order] = copies_of(order).size(); }

  [[nodiscard]] const std::vector<Copy>& copies_of(const std::string& order) const;
  // Whether some copy may have taken effect as far as its sender was told.
  [[nodiscard]] bool ambiguous(const std::string& order) const;
  [[nodiscard]] bool was_cut(const CallId& call) const { return cut_.contains(call); }

  void start(ports::AttemptSpec spec) override;
  void cancel(AttemptId id) override { below_.cancel(id); }
  void forward(AttemptId id, std::shared_ptr<ports::AnswerSink> sink) override {
    below_.forward(id, std::move(sink));
  }
  void capture(AttemptId id, std::uint64_t max) override { below_.capture(id, max); }
  void on_answer_head(AttemptId id, call::AnswerHead head, bool overflow) override {
    above_->on_answer_head(id, std::move(head), overflow);
  }
  void on_attempt_done(AttemptId id, call::AttemptOutcome outcome) override;

 private:
  // What an upstream has asked for, of everybody with one credential.
  struct Pause {
    Instant from;  // of the world's own time
    Instant until;
    std::uint64_t life = 0;
    Duration wall_ahead;  // the wall clock's distance from the monotonic one, which a step changes
    BootId boot;
    bool written = false;  // its process died long enough after it
  };
  struct UnderWay {
    std::string upstream;
    std::string authority;
    Instant begun;
    bool probe = false;  // it went to an address that was out, and need not have
    std::shared_ptr<const call::UpstreamSettings> settings;
    std::string owner;
    std::string order;  // empty: none of ours
    std::size_t copy = 0;
    std::optional<std::size_t> lookup;
    std::vector<int> refused;
    Duration max_pause;
    bool held = false;  // its call is held: it has the share of held attempts
  };
  // How an address has done in this life, as far as Holdfast was told.
  struct Place {
    int streak = 0;  // failures in a row
    bool out = false;
    Instant out_at;
    std::optional<Instant> in_since;  // it came back
    Instant last_failure;
    int running = 0;          // attempts under way
    int probes = 0;           // of them: free ones that began since it is out and failed last
    int passed_by = 0;        // free ones that went elsewhere although it waited for its probe
    bool unknowable = false;  // Holdfast may have counted otherwise: decided early, left late
  };
  struct Upstream {  // in this life
    int running = 0;
    int running_held = 0;
    std::vector<Instant> starts;
    std::vector<Instant> again;  // second and later copies
    std::vector<Instant> successes;
    std::map<std::string, Place> places;
    std::optional<Instant> panicked;  // when more of them failed last than may be left out
  };

  void judge_again(const ports::AttemptSpec& spec, const std::string& order, const Copy& fresh);
  [[nodiscard]] std::string why_not(const ports::AttemptSpec& spec, const std::string& order,
                                    const Copy& fresh);
  [[nodiscard]] std::string why_not_key(const ports::AttemptSpec& spec, const Copy& fresh,
                                        const std::vector<Copy>& doubtful) const;
  [[nodiscard]] bool verified_absent(const ports::AttemptSpec& spec, const std::string& order,
                                     const Copy& last) const;
  void judge_limits(const ports::AttemptSpec& spec);
  void judge_lane(const ports::AttemptSpec& spec);
  void judge_pause(const std::string& upstream, const std::string& owner);
  void note_pause(const UnderWay& over, const call::AttemptOutcome& outcome);
  void judge_budget(const ports::AttemptSpec& spec, bool again);

  // witness_addresses.cc
  void judge_address(const ports::AttemptSpec& spec, const std::string& order, const Copy& fresh);
  void judge_probe(const call::UpstreamSettings& settings, const std::string& order, Place& place,
                   UnderWay& under_way);
  void judge_passing_by(const call::UpstreamSettings& settings, const std::string& authority,
                        Place& place);
  void note_result(Upstream& upstream, const UnderWay& over, const call::AttemptOutcome& outcome);
  void note_health(const UnderWay& over, const call::AttemptOutcome& outcome);
  [[nodiscard]] static bool may_panic(const Upstream& upstream,
                                      const call::UpstreamSettings& settings);

  ports::Upstream& below_;
  World world_;
  ports::UpstreamEvents* above_ = nullptr;
  std::uint64_t life_ = 0;
  Instant born_;
  Instant true_born_;
  std::map<std::string, std::vector<Copy>> copies_;
  std::vector<LookupSeen> lookups_;
  std::map<std::string, std::vector<std::size_t>> lookups_about_;
  std::map<std::string, std::size_t> proved_;  // how many of its copies did not apply
  std::map<std::uint64_t, Now> births_;        // of each life
  std::set<CallId> cut_;
  std::set<std::string> denied_;             // orders of which lookups said that there is nothing
  std::map<AttemptId, UnderWay> under_way_;  // of this life
  std::map<std::string, Upstream> upstreams_;
  std::map<std::pair<std::string, std::string>, Pause> paused_;
};

}  // namespace hf::sim
