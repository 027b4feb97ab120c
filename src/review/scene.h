// The scenes that every route is rehearsed in, and what each of them showed.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "call/settings.h"
#include "review/sample.h"
#include "review/stage.h"

namespace hf::review {

// What a rehearsal showed.
struct Scene {
  std::vector<Moment> moments;
  std::vector<std::optional<Told>> told;  // of each request, in order; none: not in this time
  int copies = 0;
  int effects = 0;
  int lookups = 0;
  bool journaled = false;            // the first call stood in the journal at some time
  std::optional<call::State> state;  // of the first call at the end, if it was journaled
  bool held = false;                 // ... at any time
  bool unresolved = false;
  bool callback_made = false;
  std::vector<std::string> errors;  // lines of the log

  [[nodiscard]] const Told* client(std::size_t number) const;  // from 1; null: not told
};

// One route with its neighbours, made ready to be rehearsed.
class Rehearsal {
 public:
  Rehearsal(const call::Settings& settings, std::size_t route);

  // The sample's own way through routing leads to this very route.
  [[nodiscard]] bool reaches(const SampleAsk& ask) const;
  // The call that the intake makes of it; none: refused.
  [[nodiscard]] std::optional<call::NewCall> take(const SampleAsk& ask) const;

  // The first copy applies and its answer is lost; whatever is sent later is answered. To the end
  // of all its times.
  [[nodiscard]] Scene answer_lost(const SampleAsk& ask) const;
  // The same, but the client gives up before it was told anything, and asks again with `again`.
  [[nodiscard]] Scene lost_and_repeated(const SampleAsk& ask, const SampleAsk& again) const;
  // ... and every later answer is lost as well.
  [[nodiscard]] Scene all_answers_lost(const SampleAsk& ask) const;
  // The first copy is lost before it has done anything; the upstream is well afterwards.
  [[nodiscard]] Scene request_lost(const SampleAsk& ask) const;
  // The same, and then it is declined: with a status that is declared to settle, else with a 402.
  [[nodiscard]] Scene lost_then_declined(const SampleAsk& ask) const;
  // Nothing gets through, for as long as the call may live.
  [[nodiscard]] Scene upstream_down(const SampleAsk& ask) const;
  // Holdfast dies while the upstream works on it, and starts again. The client repeats a minute
  // later.
  [[nodiscard]] Scene crash(const SampleAsk& ask) const;
  // Only 429 for as long as the client waits; then all is well, and the client asks again.
  [[nodiscard]] Scene limited(const SampleAsk& ask) const;
  [[nodiscard]] Scene journal_full(const SampleAsk& ask) const;
  // Somebody with another credential sends the same request after it was answered.
  [[nodiscard]] Scene stranger(const SampleAsk& ask) const;
  // The upstream is slow, and the client asks again `after` that time.
  [[nodiscard]] Scene slow_and_repeated(const SampleAsk& ask, Duration after) const;
  // Ten times as many calls as may run at once come at one time, and the upstream takes kFloodTakes
  // for each.
  struct Flood {
    int calls = 0;
    int at_once = 0;  // sent before the first of them was answered
    int answered = 0;
    int held = 0;
    int in_doubt = 0;                    // told an effect that is not known
    std::map<std::string, int> refused;  // by what they were told
    Duration longest;                    // until the last of them was told something
  };
  static constexpr Duration kFloodTakes = Duration::seconds(2);
  [[nodiscard]] Flood flood(const SampleAsk& ask) const;

 private:
  using Script = std::function<Act(const Copy&)>;
  using Play = std::function<void(Stage&)>;

  // Signed at `now` where it is a webhook.
  [[nodiscard]] Sample sample(const SampleAsk& ask, const Now& now) const;
  [[nodiscard]] Scene play(const Script& upstream, const Play& play) const;
  [[nodiscard]] std::shared_ptr<const call::Settings> neighbours(int concurrency_max) const;

  std::shared_ptr<const call::Settings> all_;   // for routing
  std::shared_ptr<const call::Settings> near_;  // with this upstream alone
  const call::RouteSettings* route_;
  const call::UpstreamSettings* upstream_;
  Duration patience_;  // a client's, with the attempt that is on its way when it ends
  Duration horizon_;   // a call's longest life
};

}  // namespace hf::review
