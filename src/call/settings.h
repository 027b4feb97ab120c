// What the configuration says once defaults and presets are filled in: plain data, no YAML. Made by
// config/, read by everybody. One Settings is immutable; a reload makes another.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/fields.h"
#include "base/quantity.h"
#include "base/time.h"
#include "call/features.h"
#include "call/limits.h"

namespace hf::call {

// What repeating a request does at an upstream (DESIGN section 4, the columns of the table).
enum class Mode : std::uint8_t {
  none,        // a repeat is a second effect, and nobody can be asked
  key,         // the upstream joins requests that carry one key
  verify,      // a lookup tells whether the effect is there
  repeatable,  // repeating only costs money
};

// One upstream's declared idempotency. Frozen into a call at its acceptance.
struct Idempotency {
  Mode mode = Mode::none;
  std::string header = "Idempotency-Key";   // mode key: the field that carries the key upstream
  std::optional<Duration> lifetime;         // mode key: how long the upstream remembers a key
  std::vector<int> refused{421, 425, 429};  // statuses that promise "not applied"
  std::vector<int> in_progress;             // "an earlier request with this key still runs"
  std::vector<int> settles;                 // statuses that also settle earlier attempts
  std::string settles_field;                // ... only on answers that carry this field; empty: any
  std::string settles_unless_type;          // ... and whose JSON error.type is not this; empty: any
  std::string replay_marker;                // a field whose value "true" marks a stored answer
  std::vector<Field> no_retry_advice;       // a field with this value means "do not try again"
  Duration settle;  // with a lookup: the upstream's longest processing plus its read lag
  bool operator==(const Idempotency&) const = default;
};

// A condition on what a lookup found: the value at `pointer` (relative to it) is one of `values`,
// compared as text (a string's content, a number as written, true, false, null).
struct Where {
  std::string pointer;
  std::vector<std::string> values;
  bool operator==(const Where&) const = default;
};

// How an upstream is asked whether a call took effect (DESIGN section 4, Verify).
struct Lookup {
  std::string get;    // target below the upstream's base path, with placeholders (call/lookup.h)
  std::string found;  // JSON pointer; where its last part is an index, its parent is the collection
  std::vector<Where> where;
  std::vector<int> absent_status;     // statuses that say "there is no such thing"
  std::optional<std::string> answer;  // JSON pointer to what the client is given; none: 409
  bool operator==(const Lookup&) const = default;
};

// What an answer means where its status alone does not tell: the rows of DESIGN section 4 that a
// declaration may put an answer into. A closed list.
enum class Meaning : std::uint8_t {
  refused,      // the upstream promises that it did nothing
  in_progress,  // mode key: an earlier request with this key still runs
  credentials,  // what a 401 says: the credential is at fault
  unresolved,   // what a 500 says: it may have taken effect, and may not
  error,        // an end that is no success: it tells nothing of earlier attempts
};

// One condition on an answer.
struct AnswerTest {
  enum class Kind : std::uint8_t {
    equals,   // the value is one of `values`
    ends,     // ... or ends with one of them
    present,  // it is there, and not null
    absent,   // it is not there, or null
  } kind = Kind::equals;
  std::string where;  // a field's name, a JSON pointer, a form field
  std::vector<std::string> values;
  bool operator==(const AnswerTest&) const = default;
};

// A rule of `classify` (call/classify.h): all that it says must hold of an answer.
struct AnswerRule {
  std::vector<int> status;  // empty: any
  std::vector<AnswerTest> headers;
  std::vector<AnswerTest> json;
  std::vector<AnswerTest> form;
  std::vector<std::string> contains;  // the body has one of these; empty: whatever it has
  Meaning means = Meaning::error;
  std::string pause_until;        // refused: a field that tells when, if there is no Retry-After
  std::optional<Duration> pause;  // ... and how long where that is not there either
  bool operator==(const AnswerRule&) const = default;
};

struct Timeouts {
  Duration connect = Duration::seconds(3);  // DNS, TCP and TLS together
  Duration head = Duration::seconds(30);    // last request byte to the final status line
  Duration idle = Duration::seconds(15);    // between two reads of an answer's body
  bool operator==(const Timeouts&) const = default;
};

struct BreakerSettings {
  int failure_permille = 500;
  int of_at_least = 20;
  Duration within = Duration::seconds(30);
  int consecutive = 5;
  DurationRange open{Duration::seconds(5), Duration::seconds(60)};
  bool operator==(const BreakerSettings&) const = default;
};

// When an address is left out for a while because calls to it fail (policy/ejection.h).
struct EjectionSettings {
  int consecutive = 5;
  DurationRange out{Duration::seconds(10), Duration::minutes(5)};
  int most_permille = 500;  // of the addresses; rounded up, never all; 0: none is ever left out
  bool operator==(const EjectionSettings&) const = default;
};

// The limit of attempts at a time is learnt (policy/learnt_limit.h), at most `concurrency`.
struct AdaptiveSettings {
  int min = 4;
  int start = 20;
  bool operator==(const AdaptiveSettings&) const = default;
};

// What is done when live calls wait for long (policy/queue_delay.h).
struct OverloadSettings {
  Duration target = Duration::millis(50);
  Duration interval = Duration::millis(100);
  Duration calm = Duration::seconds(1);
  bool operator==(const OverloadSettings&) const = default;
};

// How much a live call matters where not all can be had. From the least important upwards.
enum class CallClass : std::uint8_t { optional, low, normal, critical };
inline constexpr std::size_t kCallClasses = 4;

struct Url {
  bool tls = false;
  std::string host;  // without brackets
  std::uint16_t port = 80;
  std::string base_path;  // "" or "/prefix", never with a slash at its end
  bool operator==(const Url&) const = default;
  // host[:port] as the Host field wants it: the port is left out where it is the scheme's own.
  [[nodiscard]] std::string authority() const;
};

enum class TlsVersion : std::uint8_t { tls12, tls13 };

// How Holdfast speaks TLS to an upstream. Files are PEM, and read again when they change.
struct UpstreamTls {
  std::string ca;           // trusted authorities; empty: the system's store
  std::string certificate;  // the client's own, leaf first; empty: none is shown
  std::string key;          // of `certificate`
  // Of the key; may hold ${file:...} and ${env:...}, and is never printed or journaled. Empty:
  // none.
  std::string passphrase;
  std::string server_name;  // what the upstream's certificate must carry; empty: the URL's host
  TlsVersion min_version = TlsVersion::tls12;
  auto operator<=>(const UpstreamTls&) const = default;
};

// An HTTP proxy between us and an upstream: every connection is a tunnel that CONNECT opens.
struct Proxy {
  std::string host;  // without brackets
  std::uint16_t port = 0;
  // Both may hold ${file:...} and ${env:...}; `password` is never printed or journaled. Empty user:
  // no credentials are sent.
  std::string user;
  std::string password;
  bool operator==(const Proxy&) const = default;
  // host:port, IPv6 in brackets.
  [[nodiscard]] std::string authority() const;
};

// A field put in at send time. `value` may hold ${file:...} and ${env:...}; it is resolved at each
// start and reload by the shell and never printed or journaled.
struct Injected {
  std::string name;
  std::string value;
  bool operator==(const Injected&) const = default;
};

// A finding of `holdfast review` that somebody knows of and lives with, and why.
struct Accepted {
  std::string rule;
  std::string reason;
  bool operator==(const Accepted&) const = default;
};

struct UpstreamSettings {
  std::string name;
  std::vector<Url> urls;
  bool one_key_store = false;  // several urls answer for one memory of keys
  UpstreamTls tls;             // of https:// URLs
  std::optional<Proxy> proxy;  // who then looks the URLs' names up; not with `public_only`
  std::string preset;          // empty: none
  Idempotency idempotency;
  std::optional<Lookup> lookup;      // mode verify needs one; mode key may have one
  std::vector<AnswerRule> classify;  // the first that fits speaks; none: the status does
  bool public_only = false;          // private, loopback and link-local addresses are not dialled
  // Requests are signed by each of these (Standard Webhooks), at send time. As in `inject`, a value
  // may hold ${file:...} and ${env:...}; it is never printed or journaled.
  std::vector<std::string> signing;
  std::vector<Injected> inject;
  bool credentials_stored = false;  // the client's credential is kept, sealed, with a held call
  std::string account;              // label; empty: a hash of the credential
  Timeouts timeouts;
  int concurrency = 64;  // where it is learnt: the most
  std::optional<AdaptiveSettings> adaptive;
  std::optional<OverloadSettings> overload;  // none: calls wait as long as their clients do
  std::optional<Rate> rate;
  Duration max_pause = Duration::hours(1);
  BreakerSettings breaker;
  EjectionSettings ejection;
  std::vector<Accepted> accepted;
  bool operator==(const UpstreamSettings&) const = default;
};

// Whether a route acts on its requests, or lets them pass and says what it would have done.
enum class RouteMode : std::uint8_t { enforce, observe };
enum class Hold : std::uint8_t { never, on_failure, always };
enum class HeldAnswer : std::uint8_t { error, accepted };  // 503 `held` or 202

struct OwnerRule {
  enum class Kind : std::uint8_t { credential, anyone, header } kind = Kind::credential;
  std::string header;
  bool operator==(const OwnerRule&) const = default;
};

// Where one part of a key, or one scope value, comes from.
struct Part {
  enum class Kind : std::uint8_t { header, body /* JSON pointer */, form } kind = Kind::header;
  std::string name;  // field name, JSON pointer, or form field
  bool operator==(const Part&) const = default;
};

// What a key is made of where the client sends none and the route says so.
enum class Derive : std::uint8_t { owner, body /* the fingerprint, really */ };

struct KeyRule {
  bool required = false;
  std::vector<Part> from;  // empty: no client keys on this route
  bool stable = false;     // the application makes a header key once per intent
  std::vector<Part> scope;
  std::string space;  // empty: the upstream's name
  // Opt-in, for clients that repeat without any key: requests with the same of these join while the
  // earlier call is in flight or unresolved, and began within the window.
  std::vector<Derive> derive;
  Duration derive_window = Duration::seconds(60);
  // A lone header is a header key; anything else names the business.
  [[nodiscard]] bool business() const {
    return !(from.size() == 1 && from.front().kind == Part::Kind::header) && !from.empty();
  }
  bool operator==(const KeyRule&) const = default;
};

// A searchable field of a route's calls.
struct IndexField {
  std::string name;
  Part part;
  bool sensitive = false;  // kept as a keyed hash only
  bool operator==(const IndexField&) const = default;
};

// What is done about two calls with one content and two keys.
enum class OnSuspect : std::uint8_t { off, note, warn };
struct SuspectRule {
  OnSuspect action = OnSuspect::note;
  Duration window = Duration::seconds(60);
  std::vector<Part> ignore;  // besides what the fingerprint ignores
  bool operator==(const SuspectRule&) const = default;
};

struct RouteLimits {
  std::uint64_t head = 64 * 1024;
  std::uint64_t body = 1024 * 1024;           // of buffered calls
  std::uint64_t stored_answer = 1024 * 1024;  // larger answers of keyed calls are not kept
  int waiters = 64;
  bool operator==(const RouteLimits&) const = default;
};

struct RetrySettings {
  int live_attempts = 3;
  DurationRange live_backoff{Duration::millis(100), Duration::seconds(2)};
  std::uint64_t live_buffer = 64 * 1024;  // of a streamed body kept for a second attempt
  std::vector<Duration> held{Duration::seconds(5),  Duration::seconds(30), Duration::minutes(2),
                             Duration::minutes(10), Duration::minutes(30), Duration::hours(2),
                             Duration::hours(5),    Duration::hours(6)};
  int budget_permille = 200;
  bool operator==(const RetrySettings&) const = default;
};

// How a provider signs the webhooks that it sends.
enum class WebhookScheme : std::uint8_t { stripe, standard /* Standard Webhooks */, hmac };
enum class WebhookEncoding : std::uint8_t { hex, base64 };

// A route that takes a provider's webhooks: only what is signed passes.
struct WebhookRule {
  WebhookScheme scheme = WebhookScheme::stripe;
  std::vector<std::string> secrets;           // one is enough; may hold ${file:...} and ${env:...}
  Duration tolerance = Duration::minutes(5);  // of a signed timestamp, to either side
  std::string header;                         // hmac: the field that carries the signature
  std::string prefix;                         // hmac: what stands before it, "sha256="
  WebhookEncoding encoding = WebhookEncoding::hex;  // hmac
  bool operator==(const WebhookRule&) const = default;
};

// A request whose field has one of these values (none: any) is of a lower class.
struct ClassRule {
  std::string header;
  std::vector<std::string> values;
  CallClass importance = CallClass::low;
  bool operator==(const ClassRule&) const = default;
};

// The class of a route's calls. What a request says can only lower it.
struct ClassSettings {
  CallClass at_most = CallClass::normal;
  bool by_priority = false;  // Priority: u=4 and 5 are low, 6 and 7 optional
  std::vector<ClassRule> match;
  bool operator==(const ClassSettings&) const = default;
};

// A part of the settings, which live as long as it is held.
inline std::shared_ptr<const Idempotency> shared_idempotency(
    std::shared_ptr<const UpstreamSettings> upstream) {
  const Idempotency* const rules = &upstream->idempotency;
  return {std::move(upstream), rules};
}

struct RouteSettings {
  std::string path = "/";            // prefix, on a segment boundary when it ends without a slash
  std::string host_match;            // empty: any Host
  std::vector<std::string> methods;  // empty: any
  std::string listen;                // empty: the main listener
  std::string upstream;              // name
  RouteMode mode = RouteMode::enforce;
  bool strip_prefix = false;
  bool host_keep = false;
  OwnerRule owner;
  KeyRule key;
  std::vector<Part> fingerprint_ignore;
  std::vector<IndexField> index;
  SuspectRule suspect;
  Hold hold = Hold::never;
  HeldAnswer held_answer = HeldAnswer::error;
  Duration wait = Duration::seconds(10);
  Duration deadline = Duration::hours(23);
  bool head_is_proof = false;
  ClassSettings importance;
  // GET and HEAD: how much beyond its freshness a kept answer may stand in for an error.
  std::optional<Duration> stale_if_error;
  std::optional<WebhookRule> webhook;
  std::string callback;               // URL told the end of every held call; empty: none
  std::uint64_t callback_answer = 0;  // an answer's body up to this size is told with it
  RouteLimits limits;
  RetrySettings retry;
  std::vector<Accepted> accepted;
  bool operator==(const RouteSettings&) const = default;
};

// How applications are told the end of held calls. Each receiver is an upstream of its own, made by
// config/ under the name that callback_upstream (call/callback.h) gives it.
struct CallbackSettings {
  std::vector<std::string> allow;  // URLs; what lies below them on a segment boundary is allowed
  bool private_addresses = false;  // receivers may stand on private, loopback, link-local addresses
  std::vector<std::string> secrets;  // all of them sign; may hold ${file:...} and ${env:...}
  std::vector<Duration> held{Duration::seconds(5),  Duration::seconds(30), Duration::minutes(2),
                             Duration::minutes(10), Duration::minutes(30), Duration::hours(2),
                             Duration::hours(5),    Duration::hours(6)};
  Duration deadline = Duration::hours(24);
  bool operator==(const CallbackSettings&) const = default;
};

struct TlsListen {
  std::string certificate;  // PEM chain; empty: plain HTTP
  std::string key;
  bool operator==(const TlsListen&) const = default;
};

struct Retention {
  Duration keys = Duration::hours(24);  // from the call's end
  Duration bodies = Duration::hours(24 * 7);
  Duration timeline = Duration::hours(24 * 30);
  Duration tombstones = Duration::hours(24 * 30);
  bool operator==(const Retention&) const = default;
};

struct JournalSettings {
  std::string path = "./holdfast-data";
  std::uint64_t max_bytes = 10ULL << 30;
  Retention retention;
  std::string key_file;  // empty: <path>/seal.key
  bool operator==(const JournalSettings&) const = default;
};

// Where notices go.
struct AlertTarget {
  enum class Format : std::uint8_t { json, slack, alertmanager } format = Format::json;
  UpstreamSettings upstream;  // one URL, whole path included, and the fields to put in
  bool operator==(const AlertTarget&) const = default;
};

// When people are told, and whom (docs/operating.md lists the causes).
struct AlertSettings {
  std::vector<AlertTarget> targets;  // beside the log
  int failure_permille = 500;        // of an upstream's attempts ...
  int failure_of_at_least = 20;
  Duration failure_within = Duration::minutes(5);
  Duration every = Duration::hours(1);          // one notice per cause in this time
  Duration over_after = Duration::seconds(30);  // a cause must be gone so long to be over
  Duration standing_still = Duration::minutes(1);
  std::string stake;  // the index field that is summed; empty: none
  bool operator==(const AlertSettings&) const = default;
};

struct Settings {
  std::string listen = "127.0.0.1:8080";
  TlsListen tls;
  std::string admin;   // empty: no admin listener
  std::string health;  // empty: none
  std::uint64_t buffers = 256ULL << 20;
  int connections_max = 20000;
  std::uint64_t stale_cache = 64ULL << 20;  // memory for answers of routes with stale_if_error
  Duration drain = Duration::seconds(20);
  JournalSettings journal;
  CallbackSettings callbacks;
  AlertSettings alerts;
  TrafficSettings traffic;
  FeatureSettings features;
  std::vector<Accepted> accepted;
  std::map<std::string, std::shared_ptr<const UpstreamSettings>> upstreams;
  std::vector<std::shared_ptr<const RouteSettings>> routes;

  // True where some route that acts needs the journal: keyed, holding, or an upstream of mode key.
  [[nodiscard]] bool needs_journal() const;
  // True where some route only observes.
  [[nodiscard]] bool observes() const;
  // True where some route that acts may answer from memory instead of an error.
  [[nodiscard]] bool keeps_answers() const;
};

std::string_view to_string(TlsVersion version);
std::string_view to_string(Mode mode);
std::string_view to_string(Meaning meaning);
std::string_view to_string(Hold hold);
std::string_view to_string(CallClass importance);
std::string_view to_string(OnSuspect action);
std::string_view to_string(Derive part);
std::string_view to_string(WebhookScheme scheme);

}  // namespace hf::call
