// From a client's request to a call: which route, whose, under which key, with which fingerprint,
// and what goes upstream. Pure; the HTTP server calls it with the head, then with the body.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/fields.h"
#include "call/asked.h"
#include "call/content.h"
#include "call/hasher.h"
#include "call/importance.h"
#include "call/owner.h"
#include "call/reply.h"
#include "call/settings.h"
#include "call/webhook_door.h"

namespace hf::call {

// A parsed head as the server read it; framing has been judged already (http1).
struct IncomingHead {
  std::string method;
  std::string target;  // origin form
  Fields fields;
  std::string client_address;  // ip:port
  std::string listener;        // a route's `listen`, or empty for the main one
  bool tls = false;
  bool has_body = false;                // framing announces one, of whatever length
  std::optional<std::uint64_t> length;  // Content-Length
};

// Everything the engine needs to know of a new call.
struct NewCall {
  std::shared_ptr<const RouteSettings> route;
  std::shared_ptr<const UpstreamSettings> upstream;
  std::shared_ptr<const Request> request;
  bool streamed = false;  // the body is still on its way, the answer flows through
  bool has_body = false;
  bool safe = false;  // a safe method (RFC 9110 section 9.2.1)
  Digest owner;
  std::optional<KeyUse> key;  // the client's own; a made one is the engine's to add
  Digest fingerprint;         // of keyed calls
  Asked asked;  // the engine says the place in a line, and what the times below come to
  std::optional<AskedTime> not_before;
  std::optional<AskedTime> deadline;
  std::vector<IndexValue> index;
  std::optional<Digest> likeness;  // of buffered calls on routes that look for suspects
  std::optional<Content> content;  // of buffered calls
  std::string account;             // label or hex hash of the credential
  std::string limit_key;
  CallClass importance = CallClass::normal;
  Share share;         // whose turns it takes at a full upstream
  Fields per_attempt;  // traceparent, tracestate, Via, Forwarded
  std::string client_address;
  bool respond_async = false;    // Prefer: respond-async, on a route that may hold
  std::optional<Duration> wait;  // Prefer: wait=N, capped by the route
  // Of a route that only observes: the head as it came. Such a call is nobody's but the relay's.
  std::shared_ptr<const IncomingHead> relayed = nullptr;
  bool may_hold = false;  // the route holds, the method may be held, and a repeat will be
                          // recognised or a 202 was agreed

  // Whether the call stands in the journal (DESIGN invariant 4).
  [[nodiscard]] bool wants_journal() const;
  // Its upstream's declaration as it is frozen into the call: of mode verify it is that of mode
  // none where a placeholder of the lookup has no value, because nobody could ask what became of
  // it.
  [[nodiscard]] SharedValue<Idempotency> frozen() const;
};

// A request to /.holdfast/calls/...
struct CallAsk {
  enum class What { status, response, cancel } what = What::status;
  CallId call;
  Digest owner_credential;  // owner by credential
  Digest owner_anyone;
  // Both of them, and by each owner header that a route names and this request carries: whoever of
  // these a call belongs to, this request may see it.
  std::vector<Digest> owners;
};

struct Streamed {
  NewCall call;
};
struct Buffered {
  std::shared_ptr<const RouteSettings> route;
  std::uint64_t body_max = 0;
};
// What stands in for each route that only observes (call/relayed.h).
struct RelayedRoute {
  std::shared_ptr<const RouteSettings> route;
  std::shared_ptr<const UpstreamSettings> upstream;
};
using RelayedRoutes = std::map<const RouteSettings*, RelayedRoute>;  // looked up, never walked over

using HeadVerdict = std::variant<Reply, CallAsk, Streamed, Buffered>;
using CallVerdict = std::variant<Reply, NewCall>;

// Of one thread.
class Intake {
 public:
  // `door` may be empty where no route takes webhooks; one that does then refuses everything. A
  // route that only observes refuses nothing: all its requests flow (call/relayed.h).
  Intake(std::shared_ptr<const Settings> settings, Hasher hasher, WebhookDoor door = {});

  // What to do with this head. A Reply refuses before any body byte was read.
  [[nodiscard]] HeadVerdict on_head(const IncomingHead& head) const;
  // After Buffered: the whole body (null when none was announced).
  [[nodiscard]] CallVerdict on_request(const IncomingHead& head, Body body) const;

 private:
  std::shared_ptr<const Settings> settings_;
  Hasher hasher_;
  Digest anyone_;
  std::shared_ptr<KnownCallers> callers_;
  WebhookDoor door_;
  RelayedRoutes relayed_;
};

}  // namespace hf::call
