// A stage for rehearsals: the real intake and the real engine between a client and an upstream that
// play by a script, with a journal in memory and a time of its own. Nothing is sent, nothing is
// read or written. What a review says is what happened here; it says nothing from memory.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "call/hasher.h"
#include "call/intake.h"
#include "engine/engine.h"
#include "review/sample.h"

namespace hf::review {

// What becomes of one copy of a request on its way to the upstream, and there.
struct Act {
  call::AttemptOutcome outcome;
  bool applies = false;  // it takes effect, unless the upstream joins it with an earlier one
  Duration takes;        // from its start to its end
  std::string says;      // "the upstream applies it, and its answer is lost"
};
Act unreached();                // no connection: nothing is sent
Act answer_lost(bool applies);  // reset after the request was sent
Act silence(Duration head);     // no answer within timeouts.head
Act answers(int status, bool applies, Fields fields = {});
Act answer_cut(int status);  // applied; the body breaks off
Act gibberish();             // bytes that are no HTTP

// One copy of a request, as it leaves.
struct Copy {
  int number = 0;       // of the rehearsal, from 1
  bool joined = false;  // the upstream has its key already
  Duration at;
};

// What a client was told. Code and effect as in docs/client.md.
struct Told {
  int status = 0;      // 0: its connection broke
  std::string code;    // empty: the upstream's own answer
  std::string effect;  // empty: plainly final
  bool safe_to_retry = true;
  bool replayed = false;
  bool cut = false;          // its answer broke off on the way
  bool at_the_door = false;  // by the intake: there was no call
  std::string detail;        // a sentence more, of Holdfast's own answers
  Duration at;
};

// One thing that happened, in order.
struct Moment {
  enum class What : std::uint8_t {
    asks,       // a client; `number`: which request
    told,       // ... `number`: which request
    gives_up,   // ... `number`: which request; before it was told anything
    sends,      // a copy leaves; `text`: the value of its key
    comes_of,   // ... `text`: what became of it
    looks_up,   // the upstream is asked; `text`: what it said
    stands,     // the first call in the journal; `text`: its state
    notes,      // a line of the log at warning or error; `text`: which
    tells_end,  // the callback
    dies,       // the process
    starts,
    fills,  // the journal takes no new calls
  };
  What what = What::asks;
  Duration at;
  int number = 0;
  std::string text;
  int call = 0;  // sends: of which call it is a copy, from 1
};

// The call that the intake makes of a request; none: it is refused.
std::optional<call::NewCall> admit(const std::shared_ptr<const call::Settings>& settings,
                                   const call::IncomingHead& head, const std::string& body,
                                   const Now& now, std::optional<call::Reply>* refused = nullptr);

class Stage {
 public:
  // `settings` are those of one upstream at least; the others cost time only.
  explicit Stage(std::shared_ptr<const call::Settings> settings, Now now = beginning());

  // Asked about every copy; to be set first.
  std::function<Act(const Copy&)> upstream;

  // A client asks; returns the number of its request, from 1.
  int ask(const call::IncomingHead& head, const std::string& body);
  int ask(const Sample& sample) { return ask(sample.head, sample.body); }
  void give_up(int number);
  void pass(Duration span);
  // Until request `number` is answered; at most so long.
  void pass_until_told(int number, Duration at_most);
  // The process dies as by kill -9, and is there again `down` later. Whoever waited sees a broken
  // connection.
  void crash(Duration down);
  void fill_journal();

  [[nodiscard]] const std::vector<Moment>& moments() const { return moments_; }
  // Null: not yet.
  [[nodiscard]] const Told* told(int number) const;
  [[nodiscard]] int copies() const { return copies_; }  // that left, whole or in part
  // How often the upstream did it. One that honours keys does it once for each of them.
  [[nodiscard]] int effects() const { return effects_; }
  [[nodiscard]] int lookups() const { return lookups_; }
  [[nodiscard]] bool callback_made() const { return callback_made_; }
  // Lines of the log at level error: "call_unknown", "call_dead".
  [[nodiscard]] const std::vector<std::string>& errors() const { return errors_; }
  // The first call that stood in the journal, as it stands there now; null: none does.
  [[nodiscard]] std::shared_ptr<const call::Call> call() const;
  [[nodiscard]] const std::vector<call::TimelineEvent>& timeline() const { return timeline_; }
  // The call that the intake made of the last request; none: it was refused.
  [[nodiscard]] const std::optional<call::NewCall>& taken() const { return taken_; }
  [[nodiscard]] const std::optional<call::Request>& first_sent() const { return first_sent_; }
  [[nodiscard]] const engine::Stats& stats() { return engine_->stats(now_); }

  [[nodiscard]] Now now() const { return now_; }
  static Now beginning();

 private:
  struct Running {
    Instant ends;
    call::AttemptOutcome outcome;
    CallId call;
    bool lookup = false;
    bool forwards = false;  // its head waits for a word, and then its body breaks off
    std::string says;
  };

  void boot(const call::Recovered& recovered);
  void step(engine::Event event);
  void take(engine::Effects& effects);
  void perform(engine::ActionKind& what);
  void start(const engine::StartAttempt& start);
  void start_lookup(const engine::StartAttempt& start);
  bool apply(const engine::StartAttempt& start, bool applies);
  void end(AttemptId id);
  void write(const call::CallWrite& write);
  [[nodiscard]] engine::Event read(const engine::ActionKind& what) const;
  [[nodiscard]] engine::Event due_page(const engine::PageDue& page) const;
  [[nodiscard]] engine::Event line(const engine::ReadLine& line) const;
  void run_to(Instant until, int awaited);
  void move_to(Instant when);
  void tell(ExchangeId id, const call::Reply& reply, bool at_the_door);
  void add(Moment::What what, int number, std::string text);
  int number_of(const CallId& call);

  std::shared_ptr<const call::Settings> settings_;
  Now now_;
  Instant began_;
  std::int64_t wall_rest_ = 0;
  std::optional<engine::Engine> engine_;
  std::deque<engine::Event> inbox_;
  std::map<AttemptId, Running> running_;

  std::map<CallId, std::shared_ptr<const call::Call>> stored_;
  std::map<call::Digest, CallId> keys_;
  std::optional<CallId> first_;
  std::vector<CallId> sent_;                      // calls of which a copy began, in order
  std::map<std::string, Instant> keys_upstream_;  // when each was seen first

  std::vector<Moment> moments_;
  std::map<int, Told> told_;
  int asked_ = 0;
  int copies_ = 0;
  int effects_ = 0;
  int lookups_ = 0;
  bool callback_made_ = false;
  std::vector<std::string> errors_;
  std::vector<call::TimelineEvent> timeline_;
  std::optional<call::NewCall> taken_;
  std::optional<call::Request> first_sent_;
};

}  // namespace hf::review
