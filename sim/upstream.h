// The simulated way out and what stands there: upstreams with a ledger of real effects. They keep
// going when Holdfast dies, as real ones do, and apply late, lose answers, refuse and fail. Each
// address has its own memory of keys unless they share one, and forgets a key exactly at the end of
// its lifetime. They can be asked what became of an order or a key, and answer late, with what was
// true a while ago, or with nonsense.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "ports/upstream.h"
#include "sim/schedule.h"
#include "sim/wire.h"

namespace hf::sim {

// The longest that an upstream works on a request after its connection died, and the longest that
// its lookups lag behind: what `settle` must cover.
constexpr Duration kLatestEffect = Duration::millis(4010);
constexpr Duration kLongestLag = Duration::millis(3000);

// An upstream that is well at all times.
inline constexpr std::string_view kCalm = "calm";
// One that is well and slow, and of which too much is asked (sim/crowd.cc).
inline constexpr std::string_view kCrowded = "crowded";

// Chances in a thousand, per attempt.
struct UpstreamFaults {
  int refuse_connect = 0;
  int reset_before = 0;       // sent, dropped before the effect
  int reset_after = 0;        // the effect is there, the answer is lost
  int late_apply = 0;         // the connection dies, the effect comes seconds later
  int hang = 0;               // no answer ever: the head timeout ends it
  int cut = 0;                // effect, head, half a body
  int error_before = 0;       // 500 without effect
  int error_after = 0;        // 500 with effect
  int stored_error = 0;       // 500 kept under the key and replayed
  int too_many = 0;           // 429 with Retry-After
  int busy_keys = 0;          // extra latency, so that 409 in progress happens
  int elsewhere = 0;          // 409 in progress though nothing of ours runs
  int unavailable_after = 0;  // 503 with Retry-After, with effect
  int rejects = 0;            // 400, final, without effect; kept under a key
  int listed_failed = 0;      // dropped without effect, and listed as failed for ever
  int latest = 0;             // of the late effects: as late as they can be
  int listed_pending = 0;     // of the late effects: listed as pending until they come
  int lookup_fails = 0;       // per lookup: errors, resets, nonsense
  int lookup_slow = 0;        // per lookup: seconds until the answer arrives
  bool lookup_lags = false;   // shows what was true up to kLongestLag ago
  int misrouted = 0;          // 404 of a balancer in front that has lost its way, without effect
  int large_errors = 0;       // of 5xx: with a body larger than what is kept of an answer
  int forgets = 0;            // a key that it has an answer for: what it never should
  int ill = 0;                // of spells: one of several addresses fails whatever is sent to it

  // Of the wire; drawn by draw_wire_faults (plan.h).
  bool connections = false;  // they are kept, reused, closed when idle; making one takes time
  int slow_dial = 0;         // of new connections: up to the connect timeout
  int silent_dial = 0;       // nobody answers: the connect timeout ends it
  int failed_dial = 0;       // taken up and dropped before a byte is written
  int closing_reused = 0;    // a reused connection ends under a request that is not careful
  int early = 0;             // refused or dropped before the whole request was read
  int closes = 0;            // of the connections that die: by FIN
  int interims = 0;          // of the connections that die, and of answers: 1xx before it
  int foreign = 0;           // of answers: no HTTP
  int half_head = 0;         // of answers: the status, then the connection dies or is silent
  int broken_head = 0;       // of answers: a status and fields that cannot be trusted
  int broken_framing = 0;    // of answers: a body whose framing breaks
  int stalled = 0;           // of answers: half a body, then silence
  int streamed = 0;          // of answers: an event stream, which nobody captures
  int chunked = 0;           // of answers: without a declared length
  int given_up_arrives = 0;  // of requests given up on their way: they take effect all the same
};

struct LedgerEntry {
  std::string order;
  std::string key;  // empty: none was sent
  std::string store;
  Instant at;
  std::string answer;
};

class SimUpstream final : public ports::Upstream, private SimPeer {
 public:
  // Told the body of every request when its attempt begins, of a streamed one when it is there.
  using Watch = std::function<void(const ports::AttemptSpec&, const std::string& order)>;
  SimUpstream(Schedule& schedule, Prng prng, UpstreamFaults faults, Watch watch);

  void attach(ports::UpstreamEvents* events) { wire_.attach(events); }
  // The process died: nobody hears the ends of its attempts; the work here goes on.
  void forget_attempts() { wire_.forget(); }
  void heal();
  void set_down(bool down);
  void set_unauthorized(bool unauthorized) { unauthorized_ = unauthorized; }
  void ignore_keys() { keys_ignored_ = true; }
  // A planted mistake of the way out, not of the upstream.
  void reuse_abandoned() { wire_.reuse_abandoned(); }

  void start(ports::AttemptSpec spec) override;
  void cancel(AttemptId id) override { wire_.cancel(id); }
  void forward(AttemptId id, std::shared_ptr<ports::AnswerSink> sink) override {
    wire_.forward(id, std::move(sink));
  }
  void capture(AttemptId id, std::uint64_t max) override { wire_.capture(id, max); }

  // What receivers of callbacks have taken: the body by its webhook-id, which never changes.
  [[nodiscard]] const std::map<std::string, std::string>& told() const { return told_; }
  [[nodiscard]] bool told_two_ways() const { return told_two_ways_; }
  [[nodiscard]] const std::vector<LedgerEntry>& ledger() const { return ledger_; }
  [[nodiscard]] std::size_t effects_of(const std::string& order) const;
  // The newest entry of an order; null when there is none.
  [[nodiscard]] const LedgerEntry* entry_of(const std::string& order) const;
  // A key of this order was forgotten before its time: a second effect is the upstream's doing.
  [[nodiscard]] bool forgot(const std::string& order) const { return forgot_.contains(order); }
  // Lookups can never settle it: it is listed as failed.
  [[nodiscard]] bool listed_failed(const std::string& order) const;
  [[nodiscard]] std::size_t starts_of(const std::string& order) const;
  // Nothing of this order is on its way or being worked on: the ledger tells the last word.
  [[nodiscard]] bool settled(const std::string& order) const;
  [[nodiscard]] const SimWire& wire() const { return wire_; }
  std::uint64_t attempts = 0;
  std::uint64_t lookups = 0;

 private:
  using StoreKey = std::pair<std::string, std::string>;  // address, key
  // What an address does to everything, for a spell, while the upstream's others are well.
  enum class Illness : std::uint8_t { none, refuses, resets, errors };
  struct Stored {
    bool running = false;
    int status = 0;
    std::string body;
    Instant born;
  };
  // One request as it arrived, which its sender's death does not change.
  struct Arrived {
    ExchangeNumber exchange{};
    std::string order;
    StoreKey key;  // second empty: none is honoured
    bool safe = false;
    Illness illness = Illness::none;
    Duration lifetime = Duration::max();
    Duration patience;            // of its sender, for the head of an answer
    bool whole_if_ready = false;  // its sender takes small answers at once
    std::shared_ptr<void> token;  // held while anything may still happen
  };
  // What a lookup asks for: an order by name, or what came under a key.
  struct Question {
    std::string order;
    StoreKey key;
  };

  // upstream_wire.cc
  Passage pass(const ports::AttemptSpec& spec) override;
  void pass_by_connection(const ports::AttemptSpec& spec, Passage& passage);
  void on_request(const Arrival& arrival) override;
  std::shared_ptr<void> begin(const std::string& order);
  [[nodiscard]] Illness illness_of(const ports::AttemptSpec& spec) const;
  [[nodiscard]] static std::string store_of(const ports::AttemptSpec& spec);
  bool met_by_illness(const Arrived& request);
  [[nodiscard]] Arrived arrived(const Arrival& arrival);
  void answer(const Arrived& request, int status, std::string body, Fields fields, bool cut);
  void spoil(PeerAct& act);
  void keep(PeerAct& act);
  void say_nothing(const Arrived& request, const std::string& receipt);
  void die(ExchangeNumber number);
  void die_later(ExchangeNumber number, Duration delay);

  // lookups.cc
  void arrive_lookup(const Arrived& request, const Question& question);
  bool lookup_failed(const Arrived& request);
  [[nodiscard]] static Question question_of(const ports::AttemptSpec& spec);
  [[nodiscard]] std::string found_of(const Question& question);

  // calm.cc
  void serve_calm(const Arrival& arrival);

  // crowd.cc
  void serve_crowded(const Arrival& arrival);

  // receiver.cc
  void receive(const Arrived& request, const std::string& webhook);
  void take_callback(const std::string& webhook, const std::string& body);

  bool hit(int permille) { return prng_.chance(static_cast<std::uint64_t>(permille), 1000); }
  // Draws nothing for a fault that is off.
  bool sometimes(int permille) { return permille > 0 && hit(permille); }
  void arrive(const Arrived& request);
  bool answered_at_the_door(const Arrived& request);
  bool answered_by_key(const Arrived& request);
  void work(const Arrived& request);
  void apply(const Arrived& request, const std::string& answer);
  void apply_orphan(const Arrived& request);
  Stored& memory_of(const Arrived& request);
  std::string receipt_of(const Arrived& request) const;

  Schedule& schedule_;
  Prng prng_;
  Prng ill_prng_;
  Prng crowd_prng_;
  UpstreamFaults faults_;
  Watch watch_;
  SimWire wire_;
  bool down_ = false;
  bool unauthorized_ = false;
  bool keys_ignored_ = false;
  std::map<StoreKey, Stored> keys_;
  std::vector<LedgerEntry> ledger_;
  std::map<std::string, std::vector<std::size_t>> entries_;
  std::map<std::string, std::size_t> starts_;
  std::map<std::string, std::string> told_;
  bool told_two_ways_ = false;
  std::map<std::string, std::weak_ptr<void>> under_way_;
  std::map<std::string, int> pending_;  // listed, and still to come
  std::map<std::string, int> failed_;
  std::set<std::string> forgot_;
};

}  // namespace hf::sim
