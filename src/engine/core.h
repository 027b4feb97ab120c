// The inside of the engine: its state, and its rooms. Each .cc holds one part of a call's life:
//
// - arrive.cc: a request comes in: new call, join, replay (the key table of DESIGN section 3)
// - resume.cc: a call goes on, and what binds it to where its earlier copies went
// - attempt.cc: admission, launch, and what the transport reports
// - overload.cc: who waits for a slot, and who is sent away
// - addresses.cc: which of an upstream's URLs an attempt goes to
// - follow.cc: after the decision: again, held, open, unknown, dead, answered
// - held.cc: the backlog: paging by due time, loading, held attempts
// - ask.cc: the owner's status and cancel, the operator's commands
// - callback.cc: the end of a held call is told
// - recover.cc: what a start finds
// - order.cc: calls that go one after another
// - verify.cc: asking the upstream what became of a call
#pragma once

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/hash_map.h"
#include "base/prng.h"
#include "call/address_book.h"
#include "call/decide.h"
#include "call/lookup.h"
#include "engine/engine.h"
#include "engine/gate.h"
#include "engine/live_queue.h"
#include "engine/ready.h"
#include "engine/suspects.h"
#include "engine/timers.h"
#include "policy/backoff.h"
#include "policy/queue_delay.h"

namespace hf::engine {

// Named limits (invariant 7).
inline constexpr std::size_t kLiveQueueMax = 10'000;  // calls of one upstream that wait for a slot
inline constexpr int kExpiringMax = 64;               // of one upstream, asked about at their end
inline constexpr std::size_t kDuePage = 128;          // due calls read at once
inline constexpr std::uint64_t kRetryPeek = 64 * 1024;  // of an answer read before a live retry
inline constexpr int kCrashesMax = 3;
inline constexpr std::uint64_t kKeptBodyMax = 64 * 1024;  // of a due call that stays in memory
// Small ones may be more: of all upstreams together, some tens of megabytes.
inline constexpr std::size_t kReadyMax = 8192;
inline constexpr std::uint64_t kSmallBodyMax = 4 * 1024;
inline constexpr std::size_t kOrderLineMax = 10'000;  // calls with one order key
inline constexpr std::size_t kLinePage = 64;          // lines looked at in one go after a start
inline constexpr int kTurnsMax = 10'000;              // turns passed on in one step
inline constexpr Duration kPauseLook = Duration::minutes(5);
inline constexpr Duration kFullLook = Duration::millis(200);  // until a full gate is asked again

// Tells whether what a read found may be older than what memory held meanwhile.
class ReadClock {
 public:
  using Ticket = std::uint64_t;
  Ticket begin() {
    open_.insert(++now_);
    return now_;
  }
  void left(const CallId& call) {
    if (!open_.empty()) left_[call] = ++now_;
  }
  [[nodiscard]] bool stale(Ticket ticket, const CallId& call) const {
    const auto found = left_.find(call);
    return found != left_.end() && found->second > ticket;
  }
  void end(Ticket ticket) {
    open_.erase(ticket);
    if (open_.empty()) {
      left_.clear();
    } else {
      std::erase_if(left_, [&](const auto& entry) { return entry.second < *open_.begin(); });
    }
  }

 private:
  Ticket now_ = 0;
  std::set<Ticket> open_;
  std::map<CallId, Ticket> left_;
};

struct Exchange {
  CallId call;
  Instant patience_until;
  bool primary = false;     // its request began (or resumed) the call's present attempts
  bool agreed_202 = false;  // Prefer: respond-async, hold: always, or held_answer: 202
  bool async = false;       // Prefer: respond-async was honoured
  bool wait_given = false;  // Prefer: wait=N was honoured
};

enum class Phase : std::uint8_t {
  idle,         // held, in memory only because somebody waits for it
  queued,       // in its upstream's live queue
  backing_off,  // its timer will ask again
  loading,      // a slot is taken, the body is being read
  attempting,
  forwarding,  // the answer flows to a client
};

// Why a live call was sent away.
struct Shed {
  ShedRule rule = ShedRule::by_class;
  Duration measured;
  Duration threshold;
  std::size_t waiting = 0;  // queue_full
};

struct UpstreamState;

// A call in memory: with a client, or with an attempt, or being loaded.
struct Active {
  std::shared_ptr<call::Call> call;  // the working copy; writes take a snapshot of it
  std::shared_ptr<const call::RouteSettings> route;
  std::shared_ptr<const call::UpstreamSettings> upstream;
  mutable UpstreamState* place = nullptr;  // upstream_of(), once it was asked for
  Fields per_attempt;
  std::string client_address;
  bool journaled = false;
  bool changed = false;  // written since it came into memory: what was read before is old
  bool may_hold = false;
  std::optional<ExchangeId> stream_of;
  std::optional<call::Indexed> stored;    // what the journal indexes now; none: not written yet
  std::vector<call::TimelineEvent> news;  // to ride with the next write

  std::vector<ExchangeId> exchanges;
  Instant patience_until;  // of the most patient client that ever waited; live attempts end there
  Phase phase = Phase::idle;
  Hurdle hurdle = Hurdle::none;
  std::optional<Instant> hurdle_until;  // when asking again could have helped, where that is known
  bool in_live_queue = false;
  call::CallClass importance = call::CallClass::normal;
  call::Share share;         // whose turns it takes in a queue
  std::optional<Shed> shed;  // hurdle shed
  bool abandoned = false;    // unjournaled and its client is gone: forget it when the attempt ends

  std::optional<AttemptId> attempt;
  Instant attempt_began;
  std::optional<call::AddressTicket> ticket;  // of `attempt`, where there are several URLs
  std::string last_address;                   // where the last one went
  policy::Lane lane = policy::Lane::live;
  bool probe = false;
  bool in_line = false;     // it holds a place in its order line, or is about to
  bool has_turn = false;    // ... and nobody stands before it
  bool verifying = false;   // it may have applied, and the upstream is being asked
  bool looking_up = false;  // `attempt` is a lookup
  bool expiring = false;    // asked about once more before its key goes; not sent again for nobody
  Now asked_at;             // when it was asked: what its answer tells of
  bool replayable = true;   // a streamed body is still kept from its first byte
  bool first_sent_is_tentative = false;
  int live_attempts = 0;
  Instant ready_since;  // its request is here, or its backoff is over: what it waits for since then
  Duration queued;      // of the running attempt, until its start
  bool breaker_counted = false;
  std::optional<ExchangeId> forwarding_to;
  bool body_is_new = false;    // the next write carries the request's body
  bool answer_is_new = false;  // the next write carries the answer's body
  std::optional<call::AttemptOutcome> last;

  // From now on it goes as this request of its goes; takes what of it is for attempts alone.
  void follow(call::NewCall& request) {
    route = request.route;
    upstream = request.upstream;
    per_attempt = std::move(request.per_attempt);
    client_address = request.client_address;
    importance = request.importance;
    share = request.share;
  }
};

struct Arrival {
  ExchangeId exchange{};
  std::unique_ptr<call::NewCall> call;
  CallId fresh_id;
};

// The in-memory side of a key: registered before the journal is asked.
struct KeySlot {
  std::optional<CallId> active;
  std::vector<Arrival> waiting;  // while the journal is being asked
  ReadClock::Ticket read = 0;
};

// What is known of one class of due calls on disk.
struct Backlog {
  std::optional<WallTime> next_due;  // the earliest due call on disk that may not be in `ready`
  bool paging = false;
  bool known = false;  // a page was read since the start
  ReadClock::Ticket page_read = 0;
};

struct UpstreamState {
  std::shared_ptr<const call::UpstreamSettings> settings;
  std::unique_ptr<Gate> gate;
  std::unique_ptr<call::AddressBook> addresses;  // null: there is only one URL
  LiveQueue live_queue;
  std::optional<policy::QueueDelay> overload;  // none: nobody is sent away for how long others wait
  ReadyCalls ready;
  std::array<Backlog, call::kDueClasses> backlogs;
  int expiring = 0;  // open calls in memory that are asked about before their keys go
  UpstreamStats stats;

  Backlog& backlog(call::DueClass which) { return backlogs[static_cast<std::size_t>(which)]; }
};

// A line of calls with one order key, while one of them is in memory.
struct OrderLine {
  std::set<CallId> here;  // in memory, or lately
  bool read = false;      // `members` is what there is
  bool full = false;
  std::optional<ReadClock::Ticket> ticket;  // it is being read
  bool peek = false;                        // ... for its first member only
  std::map<std::uint64_t, CallId> members;  // by place
  std::vector<CallId> joining;              // without a place yet
};

enum class AlarmKind : std::uint8_t { exchange, call, upstream, lines };
struct Alarm {
  AlarmKind kind = AlarmKind::call;
  ExchangeId exchange{};
  CallId call;
  std::string upstream;
  auto operator<=>(const Alarm&) const = default;
};

// What waits for a call to be read from the journal.
struct PendingAsk {
  std::optional<std::pair<ExchangeId, call::CallAsk>> ask;
  std::optional<OperatorCommand> command;
  bool turn = false;  // it is the first of its line
};
struct Reading {
  std::vector<PendingAsk> asks;
  ReadClock::Ticket read = 0;
};

inline WallTime deadline_of(const call::Call& call) {
  return call.accepted.wall + call.deadline;
}

class Core {
 public:
  Core(EngineOptions options, const call::Recovered& recovered);

  void begin(const Now& now, Effects& effects) {
    now_ = now;
    out_ = &effects;
  }
  void recover(const call::Recovered& recovered);

  // arrive.cc
  void on(CallArrived&& event);
  void on(KeyRead&& event);
  // attempt.cc
  void on(AnswerHeadSeen&& event);
  void on(AttemptEnded&& event);
  // held.cc
  void on(DuePageRead&& event);
  void on(CallRead&& event);
  // order.cc
  void on(LineRead&& event);
  void on(LineHeadsRead&& event);
  void run_turns();
  // ask.cc
  void on(CallAsked&& event);
  void on(OperatorCommand&& event);
  // core.cc
  void on(ClientGone&& event);
  void on(JournalHealthSeen&& event);
  void on(Woke&& event);
  void on(DrainBegun&& event);

  [[nodiscard]] std::optional<Instant> next_wake() const { return alarms_.next(); }
  const Stats& refresh_stats(const Now& now);
  [[nodiscard]] bool quiet() const { return exchanges_.empty() && attempts_.size() == 0; }

 private:
  // core.cc: the small tools of every room
  Active* find_active(const CallId& id);
  const Active* find_active(const CallId& id) const;
  UpstreamState& upstream_of(const Active& active);
  UpstreamState* find_upstream(const std::string& name);
  void act(ActionKind what, bool after_writes) {
    out_->actions.push_back({std::move(what), after_writes});
  }
  // `last`: nothing of the call changes any more before it is dropped, so no snapshot is needed.
  enum class Write { snapshot, last };
  void write(Active& active, Write which = Write::snapshot);
  void record(Active& active, call::TimelineEvent event);
  void record(Active& active, call::Happening what, call::Actor who, std::string_view rule = {});
  void note(const Active& active, Note::Level level, std::string what, std::string_view rule);
  void drop(const CallId& id);
  void unload_if_idle(Active& active);
  void attach(Active& active, ExchangeId id, const call::NewCall& call, bool primary);
  void detach(ExchangeId id);
  void send(ExchangeId id, call::Reply reply, bool after_writes);
  // `upstream`: whose limit refused.
  call::Reply counted(const call::ProblemSpec& spec, std::string_view upstream = {}) const;
  void send_problem(ExchangeId id, call::ProblemSpec spec, bool after_writes);
  // At a limit of our own, which the log is told, too: `spec` has what was measured.
  void refuse_at_limit(ExchangeId id, const call::RouteSettings& route, call::ProblemSpec spec,
                       bool after_writes);
  void send_to_all(Active& active, const call::Reply& reply);
  void run_alarm(const Alarm& alarm);
  void out_of_patience(ExchangeId id);

  // arrive.cc
  void begin_call(Arrival arrival);
  void begin_or_join_line(Active& active, ExchangeId first);
  void start_fresh(Active& active, ExchangeId first);
  bool wants_hold_now(const Active& active) const;
  void meet_active(Active& active, Arrival arrival);
  void meet_stored(const KeyRead& found, Arrival arrival);
  bool refuse_stranger(const call::Digest& owner, const call::Digest& fingerprint, const CallId& id,
                       const Arrival& arrival);
  bool is_another_derived(const call::Call& call, Arrival& arrival) const;
  void note_asked_again(const std::shared_ptr<const call::Call>& stored, call::Happening what,
                        const Arrival& arrival);
  void note_asked_again(Active& active, call::Happening what, const Arrival& arrival);
  void replay(const call::Call& call, const Arrival& arrival);
  void add_made_key(Active& active);
  void look_for_resembling(Active& active, const call::NewCall& call);

  // resume.cc
  void resume(std::shared_ptr<const call::Call> stored, Arrival arrival);
  Active& activate(std::shared_ptr<const call::Call> stored);
  bool may_resume(const call::Call& call, const call::UpstreamSettings& upstream) const;
  static bool same_place(const call::Call& call, const call::UpstreamSettings& upstream);
  static void take_declared_rules(Active& active);

  // attempt.cc
  void try_start(Active& active);
  void wait_for_gate(Active& active, const Entry& entry);
  void stop_waiting(Active& active, std::optional<WallTime> not_before);
  void wake_upstream_at(const UpstreamState& upstream, Instant when);
  void launch(Active& active, policy::Lane lane, bool probe);
  void pump(UpstreamState& upstream);
  std::optional<Instant> too_late_from(const Active& active) const;
  Duration queued_until_now(const Active& active, policy::Lane lane) const;
  std::optional<call::Content> content_of(const call::AttemptOutcome& outcome) const;
  void record_end(Active& active, const call::AttemptOutcome& outcome,
                  const call::Decision& decision);
  void take_evidence(Active& active, call::AttemptOutcome& outcome);
  void feed_policies(Active& active, const call::AttemptOutcome& outcome, call::Row row);
  // `rule`: what `classify` says of the answer, if anything.
  std::optional<WallTime> pause_from(Active& active, const call::AttemptOutcome& outcome,
                                     const call::AnswerRule* rule);
  static call::Decision decide_now(const Active& active, const call::AttemptOutcome& outcome,
                                   const call::AnswerRule* rule);
  bool can_try_again_live(const Active& active, bool replayable) const;

  // overload.cc
  void note_queue(UpstreamState& upstream) const;
  bool shed_by_class(Active& active, UpstreamState& upstream);
  void push_live(Active& active, UpstreamState& upstream);
  void leave_live(Active& active);
  void make_room(UpstreamState& upstream);
  void shed(Active& active, Shed why);
  void explain_limit(const Active& active, call::ProblemSpec& spec) const;
  void explain_wait(const Active& active, call::ProblemSpec& spec) const;
  void refresh_load(UpstreamState& upstream) const;

  // addresses.cc
  std::size_t take_address(Active& active);
  bool leave_address(Active& active, const call::AttemptOutcome& outcome);
  static bool stays_with_its_authority(const Active& active);

  // follow.cc
  void follow(Active& active, const call::Decision& decision, bool replayable,
              std::optional<WallTime> paused_until);
  void again(Active& active, bool replayable, std::optional<WallTime> not_before,
             std::string_view rule);
  void finish_answered(Active& active, const call::Decision& decision);
  void pass_on(Active& active);
  void end_live(Active& active, std::string_view rule);
  void hold(Active& active, call::WaitReason reason, std::optional<WallTime> not_before);
  void become_unknown(Active& active, std::string_view rule);
  void die(Active& active, std::string_view rule);
  void become_cancelled(Active& active, call::Actor who);
  void close_forwarding(Active& active, bool complete);
  void settle_held_clients(Active& active, Instant when);
  void reply_held(ExchangeId id, Active& active);
  call::Reply last_word(const Active& active, std::string_view rule) const;
  call::AnswerMarks marks_of(const Active& active) const;
  bool key_over(const call::Call& call, const call::UpstreamSettings& upstream) const;
  bool past_deadline(const call::Call& call) const;
  Instant wall_to_mono(WallTime when) const;
  WallTime open_until(const call::Call& call) const;

  // order.cc
  void join_line(Active& active);
  void read_line(const call::Digest& digest);
  void refuse_joining(const call::Digest& digest, call::Code code,
                      const std::optional<call::Measure>& limit);
  void admit_joining(const call::Digest& digest);
  void wait_for_turn(Active& active);
  void take_turn(Active& active);
  void leave_line(Active& active);
  void pass_turn(const call::Digest& digest);
  void offer_turn(const CallId& first);
  void give_turn(Active* active, const std::shared_ptr<const call::Call>& stored);
  void forget_line(const call::Digest& digest);
  // callback.cc
  void tell_end(Active& active, bool settled_by_operator = false);
  CallId callback_id(const call::Call& of) const;

  // verify.cc
  bool can_verify(const Active& active) const;
  bool must_verify(const Active& active) const;
  void begin_verify(Active& active, std::string_view rule);
  void verify_at_the_end(Active& active);
  void verify_next(Active& active, WallTime when);
  void wait_verifying(Active& active, Instant at);
  void stop_verifying(Active& active);
  void put_off_verifying(Active& active);
  Duration verify_pause(const Active& active, int asked) const;
  void hold_verifying(Active& active, WallTime when);
  [[nodiscard]] bool asked_enough(const Active& active) const;
  bool try_look_up(Active& active, policy::Lane lane);
  void look_up(Active& active);
  void on_looked_up(Active& active, const call::AttemptOutcome& outcome);
  void record_lookup(Active& active, const call::AttemptOutcome& outcome,
                     const call::LookupVerdict& verdict);
  void saw_absence(Active& active);
  void finish_found(Active& active, const call::AttemptOutcome& outcome,
                    const call::LookupVerdict& verdict);
  void give_up_verifying(Active& active, std::string_view rule);
  void reply_answered(Active& active);
  static call::ProblemSpec no_body_word(const call::Call& call);

  // held.cc
  void pump_held(UpstreamState& upstream);
  [[nodiscard]] bool may_stay(const Active& active) const;
  bool start_held(UpstreamState& upstream, const std::shared_ptr<const call::Call>& stored);
  bool try_start_held(UpstreamState& upstream, Active& active);
  bool end_if_over(Active& active);
  void expire(Active& active);
  void look_for_due(UpstreamState& upstream);
  void look_for_due(UpstreamState& upstream, call::DueClass which);
  void expect_due(UpstreamState& upstream, call::DueClass which, WallTime when);
  void expect_due(UpstreamState& upstream, const call::Call& call, WallTime when) {
    expect_due(upstream, call::due_class(call.asked.urgency), when);
  }

  // ask.cc
  void answer_ask(ExchangeId id, const call::CallAsk& ask, Active* active,
                  const std::shared_ptr<const call::Call>& stored);
  void cancel_by_owner(ExchangeId id, Active& active);
  void run_command(const OperatorCommand& command, Active& active);
  void record_word(Active& active, call::Happening what, const OperatorCommand& command,
                   std::string_view rule = {});
  void retry_by_operator(const OperatorCommand& command, Active& active);
  void settle_by_operator(const OperatorCommand& command, Active& active);
  void pause_or_resume(const OperatorCommand& command);
  void read_call(const CallId& id, PendingAsk ask);
  void answer_asks(const CallRead& event, const std::vector<PendingAsk>& asks, bool here);
  void refuse_unread(const PendingAsk& ask);

  std::shared_ptr<const call::Settings> settings_;
  std::shared_ptr<const call::RouteSettings> callback_route_;
  Prng prng_;
  bool journal_ = true;
  std::size_t calls_max_;
  std::optional<CallId> crashed_on_;
  std::optional<call::Hasher> hasher_;
  bool accepting_ = true;
  std::string refusing_why_;
  std::optional<call::Measure> refusing_measure_;
  bool draining_ = false;
  WallTime clock_suspect_until_;   // until the wall clock has passed this, it is behind itself
  bool clock_was_behind_ = false;  // at the start: how long ago earlier boots were, nobody knows

  std::map<CallId, Active> active_;
  std::map<ExchangeId, Exchange> exchanges_;
  HashMap<AttemptId, CallId, AttemptIdHash> attempts_;
  HashMap<call::Digest, KeySlot, call::DigestHash> keys_;
  std::map<std::string, UpstreamState> upstreams_;
  std::map<CallId, Reading> reading_;
  std::map<call::Digest, OrderLine> lines_;
  std::deque<call::Digest> turns_;           // lines whose next one is to be looked at
  std::optional<call::Digest> lines_after_;  // how far the look after a start has got
  // Calls that left memory while a read was under way: what a read tells of them that began before
  // is old.
  ReadClock reads_;
  Suspects suspects_;

  Timers<Alarm> alarms_;
  std::uint64_t next_attempt_ = 1;
  mutable Stats stats_;  // counting is no part of deciding

  Now now_;
  Effects* out_ = nullptr;
};

}  // namespace hf::engine
