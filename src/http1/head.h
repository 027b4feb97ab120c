// Heads of HTTP/1.x messages: finding their end, parsing them, and deciding how their bodies are
// framed. Strict by design (docs/adr/0002-own-http1-framing.md): where two readers could see two
// lengths, the message is refused. No I/O, no state outside the arguments; every function may be
// called from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/fields.h"

namespace hf::http1 {

// Bytes, case and order as they came; values without the blanks around them.
struct RequestHead {
  std::string method;
  // Origin-form, or "*" for OPTIONS. An absolute-form target has been brought to origin-form.
  std::string target;
  int minor = 1;  // HTTP/1.minor: 0 or 1
  Fields fields;
  bool operator==(const RequestHead&) const = default;
};

struct ResponseHead {
  int minor = 1;
  int status = 0;  // 100 to 599
  std::string reason;
  Fields fields;
  bool operator==(const ResponseHead&) const = default;
};

// Why a message is refused. After any of them the connection cannot be used further: where the next
// message would begin is not known.
enum class Refusal : std::uint8_t {
  none,
  head_too_large,  // more bytes or more fields than the limit
  bad_line_end,    // a CR or LF that is not part of a CRLF
  bad_byte,        // a control character
  bad_request_line,
  bad_target,
  bad_field,   // a malformed field, obs-fold included, or a malformed Connection
  bad_host,    // Host missing, repeated, malformed, or not the target's authority
  bad_length,  // Content-Length not one plain number, repeated, or beside Transfer-Encoding
  bad_transfer_coding,  // anything but one "chunked", or in HTTP/1.0
  bad_expectation,      // Expect other than 100-continue (417)
  unsupported_version,  // not HTTP/1.0 or HTTP/1.1, the HTTP/2 preface included
  unsupported_method,   // CONNECT
  bad_status_line,
  bad_chunk,  // chunk size, extension or line end
  bad_trailer,
  body_too_large,
};

// A stable word for logs and metrics, such as "bad_chunk".
std::string_view to_string(Refusal refusal);
// A sentence for a person, without anything from the message.
std::string_view explain(Refusal refusal);

struct BodyFraming {
  enum class Kind : std::uint8_t {
    none,    // the message has no body by its kind: 1xx, 204, 304, to HEAD, or a plain GET
    length,  // exactly `length` bytes, 0 included
    chunked,
    until_close,  // responses only
  };
  Kind kind = Kind::none;
  std::uint64_t length = 0;  // for Kind::length; at most 2^63 - 1
  bool operator==(const BodyFraming&) const = default;
};

struct HeadScan {
  std::size_t size = 0;  // of the head, through its empty line; 0: more is needed, or refused
  Refusal refusal = Refusal::none;
};

inline constexpr std::size_t kFieldsMax = 128;  // of a head

// Finds the end of a head in a buffer that grows, and looks at each byte once. Refuses at the first
// byte that no head can hold (a bare CR or LF, a control character) and when a limit is passed,
// without waiting for the rest.
//
// One empty line before the start line is taken as part of the head, as RFC 9112 section 2.2 asks
// of servers: old clients send a CRLF after a body. parse_request skips it, parse_response refuses
// it.
class HeadScanner {
 public:
  // max_bytes counts everything through the empty line; max_fields counts field lines.
  explicit HeadScanner(std::size_t max_bytes, std::size_t max_fields = kFieldsMax)
      : max_bytes_(max_bytes), max_fields_(max_fields) {}

  // `buffer` starts at the message and holds at least what it held in the last call. Once a head is
  // found or refused, further calls repeat the answer until reset().
  HeadScan scan(std::string_view buffer);
  // To be called before the next message.
  void reset();

 private:
  HeadScan finish(std::size_t size, Refusal refusal);

  std::size_t max_bytes_;
  std::size_t max_fields_;
  std::size_t at_ = 0;  // everything before this has been looked at
  std::size_t line_start_ = 0;
  std::size_t lines_ = 0;
  bool done_ = false;
  HeadScan answer_;
};

struct HeadLimits {
  std::size_t max_fields = kFieldsMax;
};

struct ParsedRequest {
  RequestHead head;  // on a refusal: as far as it was parsed
  BodyFraming framing;
  bool keep_alive = false;       // the client allows another request on this connection
  bool expect_continue = false;  // it waits for 100 before it sends a body that is not empty
  bool upgrade =
      false;  // it offers to upgrade; not acting on that is always allowed (RFC 9110 7.8)
  Refusal refusal = Refusal::none;
};

// `head_bytes` is what HeadScanner measured, but any bytes are safe.
ParsedRequest parse_request(std::string_view head_bytes, HeadLimits limits = {});

struct ParsedResponse {
  ResponseHead head;  // on a refusal: as far as it was parsed; status 0 unless its line was good
  BodyFraming framing;
  bool keep_alive = false;  // the upstream allows another request after this response
  Refusal refusal = Refusal::none;
};

// `request_method` decides whether a body follows (HEAD). A 1xx head says nothing of the final one:
// the caller reads on.
ParsedResponse parse_response(std::string_view head_bytes, std::string_view request_method,
                              HeadLimits limits = {});

// The status of a response whose head may be incomplete, or 0 while its status line is. For the
// evidence of an attempt that broke off inside the head.
int peek_status(std::string_view buffer);
// Whether these bytes can still become a status line: other protocols are found out by their first
// bytes, not by a timeout.
bool may_be_status_line(std::string_view buffer);

}  // namespace hf::http1
