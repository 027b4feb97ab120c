// One try at the upstream: how far it got, and what is known from that.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/fields.h"
#include "base/ids.h"
#include "base/time.h"

namespace hf::call {

// How far an attempt got (DESIGN section 1). Ordered.
enum class Evidence : std::uint8_t {
  nothing_sent,  // the transport accepted 0 bytes of this head and no write is outstanding
  sent,          // anything else
  answer_begun,  // a final, non-1xx status line
  answer_complete,
};

// Why an attempt is known not to have applied. Stored: values never change.
enum class Proof : std::uint8_t {
  none = 0,
  no_byte = 1,
  refused_status = 2,
  verify_absent = 3,
  operator_word = 4,
  stream_refused = 5,      // reserved (HTTP/2)
  goaway_unprocessed = 6,  // reserved (HTTP/2)
};

// Why the transport ended an attempt. Stored: values never change.
enum class Cause : std::uint8_t {
  none = 0,
  dns = 1,
  connect_refused = 2,
  connect_timeout = 3,
  connect_failed = 4,
  tls = 5,
  reset = 6,   // RST or write error
  closed = 7,  // FIN before a complete answer
  head_timeout = 8,
  idle_timeout = 9,
  invalid_answer = 10,  // bytes that are not HTTP, or framing that cannot be trusted
  crash = 11,           // we died while it ran
  cancelled = 12,       // we gave it up
  client_body = 13,     // the client's streamed body broke off
  no_address = 14,
  address_refused = 15,  // a private address, where only public ones are allowed
  // Of the proxy on the way to the upstream. None of the request has left by then.
  proxy_unreachable = 16,  // no connection to it
  proxy_refused = 17,      // it answered CONNECT, and not with a 2xx
  proxy_credentials = 18,  // with a 407
  proxy_failed = 19,       // it broke off, said nothing in time, or nothing that can be trusted
};
inline constexpr Cause kLastCause = Cause::proxy_failed;

// Where the time of an attempt went. A phase that did not happen is 0.
struct Phases {
  Duration queued;   // from being due, or the request's last byte, to the start
  Duration resolve;  // DNS
  Duration connect;  // TCP
  Duration tls;
  Duration head;  // from the first byte sent to the final status line
  Duration body;  // from there to the last byte of the answer
  auto operator<=>(const Phases&) const = default;
};

struct AnswerHead {
  int status = 0;
  Fields fields;
};

// What the transport reports at the end of an attempt. Every started attempt yields exactly one.
struct AttemptOutcome {
  Evidence evidence = Evidence::nothing_sent;
  Cause cause = Cause::none;
  AnswerHead head;         // from answer_begun on
  Body body;               // a captured body, complete at answer_complete; null when forwarded
  bool forwarded = false;  // a byte of the answer has been handed towards the client
  std::string authority;   // whom it went to
  std::string address;     // ip:port dialled, empty when none was
  bool reused = false;
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  Duration took;
  Phases phases;                         // `queued` is the engine's to add
  std::optional<Instant> first_byte_at;  // when the first byte was handed to the transport
};

std::string_view to_string(Evidence evidence);
std::string_view to_string(Proof proof);
std::string_view to_string(Cause cause);

}  // namespace hf::call
