#include "base/check.h"
#include "http1/head.h"

namespace hf::http1 {

std::string_view to_string(Refusal refusal) {
  switch (refusal) {
    case Refusal::none:
      return "none";
    case Refusal::head_too_large:
      return "head_too_large";
    case Refusal::bad_line_end:
      return "bad_line_end";
    case Refusal::bad_byte:
      return "bad_byte";
    case Refusal::bad_request_line:
      return "bad_request_line";
    case Refusal::bad_target:
      return "bad_target";
    case Refusal::bad_field:
      return "bad_field";
    case Refusal::bad_host:
      return "bad_host";
    case Refusal::bad_length:
      return "bad_length";
    case Refusal::bad_transfer_coding:
      return "bad_transfer_coding";
    case Refusal::bad_expectation:
      return "bad_expectation";
    case Refusal::unsupported_version:
      return "unsupported_version";
    case Refusal::unsupported_method:
      return "unsupported_method";
    case Refusal::bad_status_line:
      return "bad_status_line";
    case Refusal::bad_chunk:
      return "bad_chunk";
    case Refusal::bad_trailer:
      return "bad_trailer";
    case Refusal::body_too_large:
      return "body_too_large";
  }
  HF_CHECK(false);
}

std::string_view explain(Refusal refusal) {
  switch (refusal) {
    case Refusal::none:
      return "Nothing is wrong.";
    case Refusal::head_too_large:
      return "The head is longer than the limit or has too many fields.";
    case Refusal::bad_line_end:
      return "A line of the head ends in something other than CRLF.";
    case Refusal::bad_byte:
      return "The head holds a control character.";
    case Refusal::bad_request_line:
      return "The request line is not 'METHOD target HTTP/1.1'.";
    case Refusal::bad_target:
      return "The request target is neither a path nor an http URL, or holds a byte that must be "
             "percent-encoded.";
    case Refusal::bad_field:
      return "A header field is malformed: a bad name, a blank before the colon, a folded line, or "
             "a "
             "Connection field that is not a list of names.";
    case Refusal::bad_host:
      return "The request needs exactly one valid Host field, equal to the authority of its "
             "target.";
    case Refusal::bad_length:
      return "The message must have at most one Content-Length, of plain digits, and none beside "
             "Transfer-Encoding.";
    case Refusal::bad_transfer_coding:
      return "The only transfer coding understood is a single 'chunked', and only in HTTP/1.1.";
    case Refusal::bad_expectation:
      return "The only expectation understood is '100-continue'.";
    case Refusal::unsupported_version:
      return "Only HTTP/1.1 and HTTP/1.0 are spoken here.";
    case Refusal::unsupported_method:
      return "CONNECT tunnels are not supported.";
    case Refusal::bad_status_line:
      return "The status line is not 'HTTP/1.1 CODE reason'.";
    case Refusal::bad_chunk:
      return "The chunked body is malformed.";
    case Refusal::bad_trailer:
      return "The trailer after the chunked body is malformed or too long.";
    case Refusal::body_too_large:
      return "The body is longer than the limit.";
  }
  HF_CHECK(false);
}

}  // namespace hf::http1
