#include "review/rules.h"

#include <algorithm>

#include "base/check.h"

namespace hf::review {
namespace {

constexpr auto kNote = Level::note;
constexpr auto kWarning = Level::warning;
constexpr auto kError = Level::error;

constexpr RuleRow kRows[] = {
    {Rule::repeat_doubles, "repeat-doubles", kError, Question::retries,
     "A lost answer and one repeat of the client's make two effects.",
     "Nothing names the request, so its repeat is another call. Let the route take a key: the "
     "client's own, or one made of the business (`key.from`). Where two effects do no harm, "
     "accept it with the reason."},
    {Rule::key_optional, "key-optional", kWarning, Question::retries,
     "A request without the parts of its key is a second effect when it is repeated.",
     "The route knows keys and does not insist on them. `key.required: true` refuses a request "
     "without one with 400, before anything is sent, and the mistake shows in the first test."},
    {Rule::fresh_key, "fresh-key", kNote, Question::retries,
     "A client that makes a new key for each try is not recognised.",
     "Most double charges are a loop around an SDK that makes a key for each of its calls. Name "
     "the business (`key.from` with a body or form part), or say `key.stable: true` if the "
     "application makes its key once per intent."},
    {Rule::key_never, "key-never", kError, Question::retries,
     "No request can carry all parts of the route's key, so none ever has one.",
     "All parts of `key.from` are needed, and one body cannot be JSON and a form at once. Take "
     "the parts from one kind of body, or from headers."},
    {Rule::route_unreached, "route-unreached", kWarning, Question::retries,
     "No request gets to this route: others take all of it.",
     "What is configured here protects nothing. Give it a path, a host or methods of its own, or "
     "take it out."},
    {Rule::owner_anyone, "owner-anyone", kWarning, Question::retries,
     "Whoever sends a known key is given the stored answer, whatever his credential.",
     "Keys are not secrets: order numbers can be guessed. `owner: credential` (the default) lets "
     "only the client that made the call see its answer."},
    {Rule::derive_window, "derive-window", kWarning, Question::retries,
     "A repeat joins for a shorter time than an attempt may take.",
     "`key.derive` joins equal requests within `key.window`. Where `timeouts.head` is longer, a "
     "client that gives up in between makes a second effect while the first is under way."},
    {Rule::limit_final, "limit-final", kError, Question::retries,
     "A 429 of the upstream is kept as the final answer of its key.",
     "429 is not in `refused`, so it is an answer like any other: whoever repeats with the key "
     "gets it again, for as long as keys are kept. Declare it as a refusal."},
    {Rule::method_idempotent, "method-idempotent", kNote, Question::retries,
     "PUT and DELETE are idempotent by HTTP, and a lost answer is not retried.",
     "`mode: none` says that a repeat is a second effect. If the upstream keeps to RFC 9110, an "
     "upstream of its own with `mode: repeatable` lets Holdfast retry."},
    {Rule::doubt_needs_person, "doubt-needs-person", kWarning, Question::answer_lost,
     "Each lost answer leaves a call `unknown` until a person has settled it.",
     "Nothing may be sent again and nobody can be asked. If the upstream honours keys, declare "
     "`mode: key`; if it can be asked by a reference, `mode: verify` with a `lookup`."},
    {Rule::settles_nothing, "settles-nothing", kWarning, Question::answer_lost,
     "After a lost answer a decline under the same key is not believed.",
     "Only a 2xx settles what an earlier attempt did, unless `settles` names other statuses. "
     "Declare those that the upstream itself gives as its verdict (400, 402, 404), with "
     "`settles_field` if something before it gives them too."},
    {Rule::lookup_never, "lookup-never", kWarning, Question::answer_lost,
     "The lookup asks for what no request of the route carries: nobody is ever asked.",
     "A call that lacks one of the placeholders is handled as `mode: none`: in doubt it ends "
     "`unknown`. Ask by what the requests carry, or by `{key}` on a route with a key."},
    {Rule::verify_outlasts_wait, "verify-outlasts-wait", kWarning, Question::answer_lost,
     "The lookup needs longer than the client waits, and nobody goes on asking.",
     "\"It is not there\" counts when it was seen twice, `settle` apart. With `hold: on_failure` "
     "the call goes on without its client; otherwise let `wait` be longer than `settle`."},
    {Rule::open_forgotten, "open-forgotten", kNote, Question::restart,
     "A call in doubt waits for its client, and ends `unknown` if that does not come back.",
     "`hold: on_failure` lets Holdfast go on under the same key by itself. Without it, let the "
     "application repeat with its key until it has a final answer."},
    {Rule::journal_volatile, "journal-volatile", kError, Question::restart,
     "The journal lies where a reboot or a cleaner takes it away.",
     "With it go all keys and held calls, and a repeat of yesterday's call is a new one. Put "
     "`journal.path` on a disk that stays."},
    {Rule::journal_relative, "journal-relative", kNote, Question::restart,
     "The journal's path depends on the directory that Holdfast is started in.",
     "Started from elsewhere it begins with an empty journal: keys used before are not known. "
     "Write an absolute path."},
    {Rule::nobody_told, "nobody-told", kWarning, Question::told,
     "A call ends without an answer, and only the log knows.",
     "The client has long been told that the call is held, or that its effect is unknown. Name "
     "somebody: `alerts.webhook`, `alerts.alertmanager`, or the route's `callback`."},
    {Rule::no_admin, "no-admin", kWarning, Question::told,
     "Calls may stand `unknown` or held, and there is no admin listener to see or settle them.",
     "`holdfast calls`, `upstreams`, `explain` and `alerts` ask the admin API. Let it listen on "
     "the loopback address; it needs the token beside the journal."},
    {Rule::no_health, "no-health", kNote, Question::told,
     "Nothing can be probed or scraped: neither `health` nor `admin` listens.",
     "`/readyz` says when the journal takes no new calls, and `/metrics` shows it before. Let "
     "`health` listen where your probes and scrapers are."},
    {Rule::bodies_fill_memory, "bodies-fill-memory", kWarning, Question::traffic,
     "The largest bodies of the calls that may run at once do not fit into `buffers`.",
     "All calls share `buffers`; beyond it requests are refused with 503 although slots are free. "
     "Lower `limits.body` or `concurrency`, or give it more memory."},
    {Rule::budget_high, "budget-high", kWarning, Question::traffic,
     "Second attempts may add more than half of the load to an upstream in trouble.",
     "The budget is what keeps retries from finishing off an upstream that has just slowed down. "
     "20% is enough for lost connections."},
    {Rule::journal_small, "journal-small", kWarning, Question::journal_full,
     "The journal has room for few held calls.",
     "During an outage it fills up, and then new calls are refused with 503. Give it room for "
     "the calls of your longest outage, or hold less."},
    {Rule::less_safe_only, "less-safe-only", kNote, std::nullopt,
     "Only safe methods get here: its key, hold and callback do nothing.",
     "A safe call is never held or journaled, and a key on it means nothing. Leave them out."},
    {Rule::less_client_enough, "less-client-enough", kNote, std::nullopt,
     "Only safe methods, no limits: an HTTP client with a timeout is enough.",
     "Few users, safe methods, no money: nothing here needs a proxy in front of it."},
    {Rule::less_journal, "less-journal", kNote, std::nullopt,
     "A journal is configured, and no call would ever be written to it.",
     "No route is keyed or holds: you do not need a journal here."},
    {Rule::less_key_repeatable, "less-key-repeatable", kNote, std::nullopt,
     "Each call waits for a synced write, and repeating it would only cost money.",
     "At an upstream of `mode: repeatable` a key buys one thing: a repeat is given the stored "
     "answer. Leave it out if nobody repeats."},
    {Rule::less_callbacks, "less-callbacks", kNote, std::nullopt,
     "Callbacks are configured, and no route holds: there is no end to tell.",
     "A callback tells the end of a held call. Leave `callbacks` out."},
    {Rule::less_credentials, "less-credentials", kNote, std::nullopt,
     "`credentials: stored`, and no route to this upstream holds.",
     "It says that a held call may be sent with its client's credential. Leave it out."},
    {Rule::accept_stale, "accept-stale", kNote, std::nullopt,
     "A finding is accepted that is not there.",
     "It has been mended, or its name is misspelt. Take the line out, so that it does not hide "
     "the finding when it comes back."},
};

}  // namespace

std::span<const RuleRow> rules() {
  return kRows;
}

const RuleRow& row_of(Rule rule) {
  const auto index = static_cast<std::size_t>(rule);
  HF_CHECK(index < rules().size() && rules()[index].rule == rule);
  return rules()[index];
}

const RuleRow* find_rule(std::string_view id) {
  const auto all = rules();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const auto& row) { return row.id == id; });
  return found == all.end() ? nullptr : &*found;
}

std::string_view to_string(Level level) {
  switch (level) {
    case Level::note:
      return "note";
    case Level::warning:
      return "warning";
    case Level::error:
      return "error";
  }
  return "?";
}

std::optional<Level> parse_level(std::string_view text) {
  for (const Level level : {kNote, kWarning, kError}) {
    if (text == to_string(level)) return level;
  }
  return std::nullopt;
}

std::string_view to_string(Question question) {
  switch (question) {
    case Question::retries:
      return "retries";
    case Question::answer_lost:
      return "answer-lost";
    case Question::restart:
      return "restart";
    case Question::told:
      return "told";
    case Question::traffic:
      return "traffic";
    case Question::journal_full:
      return "journal-full";
  }
  return "?";
}

std::string_view text_of(Question question) {
  switch (question) {
    case Question::retries:
      return "Are retries safe here?";
    case Question::answer_lost:
      return "Is the outcome known if only the answer is lost?";
    case Question::restart:
      return "Does a call survive a restart?";
    case Question::told:
      return "Is somebody told when it runs out?";
    case Question::traffic:
      return "Does it stand ten times the traffic?";
    case Question::journal_full:
      return "Does it go on when the journal is full?";
  }
  return "?";
}

}  // namespace hf::review
