// What the engine would have done with calls that only pass by (`mode: observe`): the same pure
// parts as the real path (the table of DESIGN section 4, the key table, a gate for each upstream),
// fed with what really became of each request. One thread; no clock, and bounded.
//
// It knows one attempt a request, because only one was made. Where Holdfast would have made more,
// it goes on as if each of those had come to nothing: a claim is made only of what was seen.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash_map.h"
#include "base/ids.h"
#include "base/prng.h"
#include "base/time.h"
#include "call/attempt.h"
#include "call/decide.h"
#include "call/digest.h"
#include "call/intake.h"
#include "call/settings.h"
#include "engine/gate.h"
#include "engine/suspects.h"

namespace hf::engine {

// Keys remembered, the latest; about 250 bytes each.
inline constexpr std::size_t kObservedKeysMax = 64 * 1024;

// What would have been otherwise. The words are those of docs/formats/observed.md.
enum class Would : std::uint8_t {
  doubled,    // the same call took effect upstream more than once, or may have
  replay,     // a repeat: the stored answer instead of another request
  join,       // a repeat while the call was not over: one request for both
  resume,     // a repeat of a call that had no answer: another attempt of the same call
  refuse,     // an error before anything was sent
  retry,      // sent again
  verify,     // the upstream would have been asked
  unknown,    // nobody may send it again; somebody would have been told
  hold,       // kept on disk and delivered later
  time_out,   // ended earlier
  wait,       // not sent at once
  finish,     // the client went; the call would have been seen through
  resembles,  // the content of another call, under another key: noted, nothing else
  unseen,     // it could not be judged
};
inline constexpr std::size_t kWoulds = 14;
std::string_view to_string(Would would);
std::optional<Would> would_of(std::string_view word);

struct Sighting {
  Would would = Would::retry;
  std::string rule;      // the code, rule of the table, hurdle or limit
  std::string_view row;  // of the table, where there is one
  int status = 0;        // that the upstream answered; 0: none, or not known yet
  std::optional<call::Digest> key;
};

// How an observed request ended, beside what the transport says.
struct Ending {
  call::AttemptOutcome outcome;     // `body` where the answer is at hand whole
  std::uint64_t answer_bytes = 0;   // of its body
  std::uint64_t request_bytes = 0;  // of the request's body, as far as it came
  bool event_stream = false;
  Duration head_took;    // from the request's last byte to the final status line, or to the end
  Duration longest_gap;  // between two pieces of the answer's body
  bool client_gone = false;
  bool broke_with_head = false;  // the answer broke before its head had been passed on
};

class Observer {
 public:
  // `settings` as if every route acted (call::acting). `seed`: jitter of the breakers.
  Observer(std::shared_ptr<const call::Settings> settings, std::uint64_t seed);
  ~Observer();
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;

  // A request is here whole (a streamed one: its head) and a route that acts would have taken it.
  // `own_key`: the value of the upstream's key field as the client sent it, "" for none. At most
  // once for each id; followed by one ended().
  void arrived(ExchangeId id, const call::NewCall& call, std::string_view own_key, const Now& now,
               std::vector<Sighting>& out);
  // Of an id that had not arrived: nothing.
  void ended(ExchangeId id, Ending ending, const Now& now, std::vector<Sighting>& out);

  [[nodiscard]] std::size_t keys() const { return known_.size(); }
  // Keys that were let go for want of room: their repeats look like calls of their own.
  [[nodiscard]] std::uint64_t forgotten() const { return forgotten_; }
  [[nodiscard]] std::size_t open() const { return open_.size(); }

 private:
  // Where the call of a key stands in the world where Holdfast acts.
  enum class Standing : std::uint8_t { in_flight, pending, answered, open, unknown };
  struct Known;
  struct Open;

  enum class Met : std::uint8_t { fresh, goes_on, settled };
  Met meet(Open& open, const call::NewCall& call, const Now& now, std::vector<Sighting>& out);
  void begin(Open& open, const call::NewCall& call, const Now& now, std::vector<Sighting>& out);
  void hold_at_once(Open& open, const call::NewCall& call, const Now& now,
                    std::vector<Sighting>& out);
  void enter(Open& open, const Now& now, std::vector<Sighting>& out);
  void turned_away(Open& open, const Entry& entry, std::vector<Sighting>& out);
  void count_effects(const Open& open, const Ending& ending, std::vector<Sighting>& out);
  void limit(const Open& open, Ending& ending, std::vector<Sighting>& out);
  void judge(Open& open, Ending& ending, const Now& now, std::vector<Sighting>& out);
  std::optional<Instant> feed(Open& open, const Ending& ending, call::Row row,
                              const call::AnswerRule* rule, const Now& now);
  void follow(Open& open, const Ending& ending, const call::Decision& decision,
              std::optional<Instant> paused, const Now& now, std::vector<Sighting>& out);
  bool has_way(const Open& open, const Now& now, std::vector<Sighting>& out);
  void again(Open& open, const call::Decision& decision, std::optional<Instant> not_before,
             const Now& now, std::vector<Sighting>& out);
  void settle(const Open& open, Standing standing, bool unresolved, const Now& now);
  void forget(const Open& open);
  Known* known_of(const Open& open);
  Known& remember(const Open& open, const Now& now);
  void age(Known& known, const call::RouteSettings& route, const call::UpstreamSettings& upstream,
           const Now& now) const;
  Gate& gate_of(const call::UpstreamSettings& upstream);
  static void tell(std::vector<Sighting>& out, const Open& open, Would would, std::string_view rule,
                   std::string_view row = {}, int status = 0);

  std::shared_ptr<const call::Settings> settings_;
  Prng prng_;
  std::map<std::string, std::unique_ptr<Gate>> gates_;
  std::map<ExchangeId, std::unique_ptr<Open>> open_;
  HashMap<call::Digest, std::unique_ptr<Known>, call::DigestHash> known_;
  std::deque<std::pair<call::Digest, std::uint64_t>> turns_;
  std::uint64_t next_turn_ = 1;
  std::uint64_t forgotten_ = 0;
  Suspects suspects_;
};

}  // namespace hf::engine
