#include "sim/bugs.h"

#include <algorithm>

#include "base/planted.h"

namespace hf::sim {
namespace {

const std::vector<PlantedBug> kBugs = {
    // durable before visible, intent before bytes
    {"release-before-commit",
     "what depends on a write is released before the write is synced",
     {"never-lost", "durable-before-visible", "intent-before-bytes", "never-doubled",
      "send-again"}},
    {"replay-unsynced",
     "an answer is told before it is synced",
     {"durable-before-visible", "one-answer-per-key", "never-lost"}},
    {"promise-before-it-is-kept",
     "a call is said to be held before it is synced",
     {"durable-before-visible", "never-lost"}},
    {"send-before-the-intent",
     "an attempt does not wait for its intent to be synced",
     {"intent-before-bytes", "never-doubled", "never-lost", "send-again"}},
    {"forget-the-intent",
     "an attempt starts, and nothing of it is written",
     {"intent-before-bytes", "never-doubled", "never-lost", "send-again"}},
    {"carry-on-after-a-failed-commit",
     "a commit that failed, or whose outcome is unknown, counts as written",
     {"never-lost", "durable-before-visible", "intent-before-bytes", "never-doubled", "check",
      "send-again"}},
    {"lose-the-last-batch",
     "the journal says ok to the last commit of a burst and does not write it",
     {"journal", "never-lost", "durable-before-visible", "intent-before-bytes", "send-again"}},
    {"a-crash-sent-nothing",
     "a call that was being sent at a crash counts as never sent",
     {"never-doubled", "send-again", "attribution", "proven"}},
    // what may be sent again
    {"judge-by-the-last-attempt",
     "a last attempt that is proven not applied makes the call's earlier doubt go away",
     {"never-doubled", "send-again", "attribution", "proven"}},
    {"retry-an-unknown",
     "what may have applied at an upstream without keys is sent again",
     {"never-doubled", "send-again"}},
    {"keep-the-old-declaration",
     "a call that was never in doubt is sent under a key field that is no longer declared",
     {"never-doubled", "send-again", "attribution", "proven"}},
    {"an-error-settles-the-earlier",
     "a 5xx under a key leaves no doubt about the attempts before it",
     {"attribution", "proven", "send-again"}},
    {"any-answer-settles-the-earlier",
     "any answer under a key counts as the answer of the attempts before it",
     {"send-again", "attribution", "proven"}},
    {"any-503-is-a-refusal",
     "a 503 that nobody declared to be a refusal proves that nothing happened",
     {"never-doubled", "send-again", "attribution", "proven"}},
    {"in-progress-is-an-answer",
     "a 409 that says that an earlier request still runs is the final answer",
     {"send-again", "key-table", "attribution"}},
    {"a-refused-credential-is-an-answer",
     "a 401 to a held attempt is its final answer",
     {"durable-before-visible", "send-again", "key-table"}},
    {"attempt-after-the-last",
     "a call is tried again after its client was told that there is no further attempt",
     {"sent", "send-again"}},
    {"reopen-the-cancelled",
     "a call cancelled while it was verified becomes open and is resumed",
     {"sent", "send-again"}},
    {"reuse-an-abandoned-connection",
     "a connection whose exchange was given up carries the next request, and the earlier answer",
     {"cross-talk", "attribution", "one-answer-per-key", "send-again"}},
    {"go-to-another-store",
     "a call in doubt is sent again to another authority, which does not know its key",
     {"never-doubled", "send-again"}},
    {"leave-an-ejected-authority",
     "a call in doubt goes where calls are answered when its authority is left out",
     {"never-doubled", "send-again"}},
    {"resend-another-byte", "copies of one call differ in a field", {"send-again"}},
    {"send-the-repeat-instead",
     "a resumed call is sent with the fields of the request that came again",
     {"send-again"}},
    {"send-without-the-body",
     "a call whose body is gone is sent without it",
     {"sent", "never-sent", "send-again"}},
    // keys
    {"outlive-a-key",
     "a call in doubt is sent after the upstream may have forgotten its key",
     {"never-doubled", "send-again"}},
    {"keys-grow-young-again",
     "once a clock that was behind has caught up, keys of earlier boots are used again",
     {"never-doubled", "send-again"}},
    {"drop-a-key-early",
     "the key goes when its call becomes unknown",
     {"never-doubled", "send-again", "key-table"}},
    {"sweep-the-young",
     "retention takes what has just ended",
     {"key-table", "never-lost", "one-answer-per-key", "truth"}},
    {"pass-by-a-tombstone",
     "a key whose call was retired counts as new",
     {"key-table", "never-doubled", "journal"}},
    {"serve-a-stranger",
     "the key of one owner serves another",
     {"truth", "key-table", "never-sent"}},
    {"serve-a-changed-body",
     "another request under a used key gets the first one's answer",
     {"truth", "key-table", "never-sent"}},
    {"dead-told-as-applied",
     "who asks for a dead call again is told that it took effect",
     {"truth", "attribution", "key-table"}},
    {"replay-unmarked", "a stored answer is replayed without its mark", {"key-table"}},
    {"accept-unasked", "202 is told to clients that did not agree to it", {"key-table"}},
    {"lose-a-twin",
     "requests that wait while their key is read get no answer",
     {"one-reply", "patience"}},
    {"forget-a-waiter",
     "of those who wait for one answer only the first gets it",
     {"one-reply", "patience"}},
    {"answer-the-one-before",
     "an answer goes to the exchange before",
     {"one-reply", "same-call", "attribution", "truth"}},
    {"say-none-in-doubt",
     "a call that may have applied is told to have no effect",
     {"attribution"}},
    {"bury-the-unresolved",
     "a call in doubt whose time is over is dead",
     {"proven", "attribution"}},
    // asking the upstream
    {"one-absence-is-enough",
     "the first lookup that finds nothing proves that there is nothing",
     {"never-doubled", "send-again", "proven", "attribution"}},
    {"absent-before-it-settles",
     "two lookups that find nothing need not be `settle` apart",
     {"never-doubled", "send-again", "proven", "attribution"}},
    {"absent-when-answered",
     "a lookup tells of the moment of its answer, not of its question",
     {"never-doubled", "send-again", "proven", "attribution"}},
    {"absences-of-two-boots",
     "absences before and after a reboot that set the clock are `settle` apart",
     {"never-doubled", "send-again", "proven", "attribution"}},
    {"believe-an-error-page",
     "an empty collection in an error's body counts as absence",
     {"never-doubled", "send-again", "proven", "attribution"}},
    // time and order
    {"come-too-early", "Holdfast-Not-Before is forgotten", {"not-before"}},
    {"outstay-a-deadline", "Holdfast-Deadline is forgotten", {"deadline"}},
    {"too-late-is-not-late",
     "an attempt whose intent was written after the deadline is sent all the same",
     {"deadline"}},
    {"trust-a-clock-behind",
     "after a reboot behind the journal a deadline lies ahead again",
     {"deadline"}},
    {"break-the-line", "a call goes before those that stand before it in its line", {"fifo"}},
    // everybody's share
    {"ignore-a-pause", "attempts start while their limit key is paused", {"pause"}},
    {"pauses-end-with-the-process", "a restart forgets the pauses", {"pause"}},
    {"pause-everybody", "one client's 429 pauses the whole upstream", {"isolation"}},
    {"retries-are-free", "further attempts need no token", {"budget"}},
    {"one-attempt-too-many", "one attempt more than `concurrency` is under way", {"bounds"}},
    {"starve-live-traffic",
     "held calls take the share that is kept for live ones, and the other way round",
     {"fair-share"}},
    {"the-least-important-first",
     "of the live calls that wait the least important goes first",
     {"class-order"}},
    {"shed-whoever-comes", "while a class is refused every other one is too", {"class-order"}},
    {"no-end-of-waiters", "any number of requests waits for one answer", {"bounds", "key-table"}},
    {"lose-the-probe",
     "a probe that was refused leaves the breaker half open for ever",
     {"convergence", "patience"}},
    {"one-share-for-all", "a limit does not tell one client from another", {"limits"}},
    {"count-what-is-refused", "a request that one limit refuses counts for the others", {"limits"}},
    {"refuse-while-observing", "a limit that only observes refuses", {"limits"}},
    {"forgive-an-offender", "who was refused and still owes is forgotten to make room", {"limits"}},
    {"promise-within-a-ban",
     "the refusal that begins a ban tells when the quota is there again",
     {"limits"}},
    {"shares-by-the-wall-clock", "whoever sets the wall clock changes what is owed", {"limits"}},
    {"send-what-was-refused", "a request that a limit refused goes on all the same", {"limits"}},
    // several addresses
    {"send-to-the-ejected", "an address that is left out gets calls like any other", {"ejected"}},
    {"a-crowd-of-probes",
     "whoever is free goes to an address that waits for one probe",
     {"ejected"}},
    {"no-way-back", "an address that is left out never gets its probe", {"shut-out"}},
    {"leave-nobody", "all addresses may be left out at once", {"check"}},
    // coming to rest, telling people
    {"forget-a-due-call",
     "a held call that leaves memory is not looked for again",
     {"convergence", "never-lost"}},
    {"unknown-in-silence", "nobody is told that a call became unknown", {"alerts"}},
    {"tell-nobody-the-end", "the end of a held call is not told", {"callback"}},
    {"one-id-for-every-end", "callbacks of one call have one id", {"callback"}},
};

planted::Point* point_of(std::string_view name) {
  for (planted::Point* point : planted::bugs()) {
    if (point->name == name) return point;
  }
  return nullptr;
}

}  // namespace

std::span<const PlantedBug> planted_bugs() {
  return kBugs;
}

const PlantedBug* find_bug(std::string_view name) {
  for (const PlantedBug& bug : kBugs) {
    if (bug.name == name) return &bug;
  }
  return nullptr;
}

bool plant(std::string_view name) {
  planted::Point* point = point_of(name);
  if (point == nullptr) return false;
  point->armed = true;
  return true;
}

std::vector<std::string> strays() {
  std::vector<std::string> out;
  for (const planted::Point* point : planted::bugs()) {
    if (find_bug(point->name) == nullptr) out.emplace_back(point->name);
  }
  for (const PlantedBug& bug : kBugs) {
    if (point_of(bug.name) == nullptr) out.emplace_back(bug.name);
  }
  return out;
}

std::uint64_t harm_done(std::string_view name) {
  const planted::Point* point = point_of(name);
  return point == nullptr ? 0 : point->hits.load();
}

}  // namespace hf::sim
