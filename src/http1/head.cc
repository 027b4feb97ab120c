#include "http1/head.h"

#include <algorithm>

#include "base/check.h"
#include "http1/chars.h"
#include "http1/field_lines.h"
#include "http1/target.h"

namespace hf::http1 {
namespace {

constexpr std::size_t kMaxMethod = 32;

// Takes the bytes before the first CRLF, and the CRLF; false when there is none.
bool take_line(std::string_view& bytes, std::string_view& line) {
  const auto end = bytes.find("\r\n");
  if (end == std::string_view::npos) return false;
  line = bytes.substr(0, end);
  bytes.remove_prefix(end + 2);
  return true;
}

// "HTTP/1.0" or "HTTP/1.1" exactly; another version of HTTP is told apart from nonsense.
Refusal parse_version(std::string_view text, Refusal if_bad, int& minor) {
  const auto digit = [&](std::size_t i) { return is_char(text[i], kDigitChar); };
  if (text.size() != 8 || !text.starts_with("HTTP/") || !digit(5) || text[6] != '.' || !digit(7)) {
    return if_bad;
  }
  if (text[5] != '1' || text[7] > '1') return Refusal::unsupported_version;
  minor = text[7] - '0';
  return Refusal::none;
}

Refusal parse_request_line(std::string_view line, RequestHead& head, WireTarget& target) {
  const auto method_size = span_of(line, kTokenChar);
  if (method_size == 0 || method_size > kMaxMethod || method_size == line.size() ||
      line[method_size] != ' ') {
    return Refusal::bad_request_line;
  }
  head.method = line.substr(0, method_size);
  line.remove_prefix(method_size + 1);
  const auto space = line.rfind(' ');
  if (space == std::string_view::npos || space == 0) return Refusal::bad_request_line;
  const auto refusal = parse_version(line.substr(space + 1), Refusal::bad_request_line, head.minor);
  if (refusal != Refusal::none) return refusal;
  if (head.method == "CONNECT") return Refusal::unsupported_method;
  target = read_target(line.substr(0, space), head.method);
  if (target.refusal != Refusal::none) return target.refusal;
  head.target.reserve(target.rest.size() + 1);
  if (target.missing_path) head.target = "/";
  head.target += target.rest;
  return Refusal::none;
}

// RFC 9112 section 3.2. Host is what the target's authority says, where it has one.
Refusal check_host(const FieldNotes& notes, int minor, std::string_view authority) {
  if (notes.hosts > 1) return Refusal::bad_host;
  if (notes.hosts == 0) {
    return minor == 0 && authority.empty() ? Refusal::none : Refusal::bad_host;
  }
  if (!is_authority(notes.host)) return Refusal::bad_host;
  return authority.empty() || same_name(authority, notes.host) ? Refusal::none : Refusal::bad_host;
}

// What Content-Length and Transfer-Encoding say, the same for requests and responses; Kind::none
// when neither is there. RFC 9112 section 6.3 would let Transfer-Encoding win over Content-Length
// and would take equal lengths as one: both are how requests are smuggled, so both are refused.
Refusal read_framing(const FieldNotes& notes, int minor, BodyFraming& framing) {
  if (notes.codings > 0 && notes.lengths > 0) return Refusal::bad_length;
  if (notes.codings > 0) {
    if (notes.codings > 1 || minor == 0 || !same_name(notes.coding, "chunked")) {
      return Refusal::bad_transfer_coding;
    }
    framing = {BodyFraming::Kind::chunked, 0};
    return Refusal::none;
  }
  if (notes.lengths == 0) return Refusal::none;
  const auto length = parse_content_length(notes.length);
  if (notes.lengths > 1 || !length) return Refusal::bad_length;
  framing = {BodyFraming::Kind::length, *length};
  return Refusal::none;
}

bool allows_another(const FieldNotes& notes, int minor) {
  return !notes.close && (minor == 1 || notes.keep_alive);
}

Refusal read_expectation(const FieldNotes& notes, ParsedRequest& out) {
  if (notes.expects == 0) return Refusal::none;
  // Refused from an HTTP/1.0 client too: it would go onward as HTTP/1.1, where it is meant.
  if (notes.expects > 1 || !same_name(notes.expect, "100-continue")) {
    return Refusal::bad_expectation;
  }
  // RFC 9110 section 10.1.1: an HTTP/1.0 client does not wait for 100, nor does one without a body.
  out.expect_continue = out.head.minor == 1 &&
                        (out.framing.kind == BodyFraming::Kind::chunked || out.framing.length > 0);
  return Refusal::none;
}

Refusal parse_request_into(std::string_view bytes, HeadLimits limits, ParsedRequest& out) {
  if (bytes.starts_with("\r\n")) bytes.remove_prefix(2);
  std::string_view line;
  if (!take_line(bytes, line)) return Refusal::bad_request_line;
  WireTarget target;
  FieldNotes notes;
  auto refusal = parse_request_line(line, out.head, target);
  if (refusal == Refusal::none) {
    refusal = parse_field_lines(bytes, limits, out.head.fields, notes);
  }
  if (refusal == Refusal::none) refusal = read_framing(notes, out.head.minor, out.framing);
  if (refusal == Refusal::none) refusal = check_host(notes, out.head.minor, target.authority);
  if (refusal == Refusal::none) refusal = read_expectation(notes, out);
  if (refusal != Refusal::none) return refusal;
  out.keep_alive = allows_another(notes, out.head.minor);
  out.upgrade = notes.upgrade_option && notes.upgrade_field;
  return Refusal::none;
}

Refusal parse_status_line(std::string_view line, ResponseHead& head) {
  constexpr std::size_t kReasonAt = 13;  // behind "HTTP/1.1 200 "
  const auto refusal = parse_version(line.substr(0, 8), Refusal::bad_status_line, head.minor);
  if (refusal != Refusal::none) return refusal;
  if (line.size() < kReasonAt || line[8] != ' ' || line[12] != ' ') return Refusal::bad_status_line;
  const auto digits = line.substr(9, 3);
  if (!all_of(digits, kDigitChar) || digits[0] < '1' || digits[0] > '5') {
    return Refusal::bad_status_line;
  }
  const auto reason = line.substr(kReasonAt);
  if (!all_of(reason, kValueChar)) return Refusal::bad_status_line;
  head.status = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
  head.reason = reason;
  return Refusal::none;
}

// RFC 9112 section 6.3, rules 1, 4, 5, 6 and 8.
Refusal frame_response(const FieldNotes& notes, std::string_view request_method,
                       ParsedResponse& out) {
  BodyFraming declared;
  const auto refusal = read_framing(notes, out.head.minor, declared);
  if (refusal != Refusal::none) return refusal;
  out.keep_alive = allows_another(notes, out.head.minor);
  const int status = out.head.status;
  const bool declares_body = declared.kind == BodyFraming::Kind::chunked || declared.length > 0;
  if (status < 200) {
    // Whether the declared bytes follow would be a guess, and the final head follows in any case.
    return declares_body ? Refusal::bad_length : Refusal::none;
  }
  if (status == 204) {
    // The same doubt, but nothing we wait for comes after it: take the answer, drop the connection.
    if (declares_body) out.keep_alive = false;
    return Refusal::none;
  }
  if (status == 304 || request_method == "HEAD") return Refusal::none;
  out.framing = declared;
  if (declared.kind == BodyFraming::Kind::none) {
    out.framing.kind = BodyFraming::Kind::until_close;
    out.keep_alive = false;
  }
  return Refusal::none;
}

}  // namespace

HeadScan HeadScanner::finish(std::size_t size, Refusal refusal) {
  done_ = true;
  answer_ = {size, refusal};
  return answer_;
}

void HeadScanner::reset() {
  *this = HeadScanner(max_bytes_, max_fields_);
}

HeadScan HeadScanner::scan(std::string_view buffer) {
  if (done_) return answer_;
  HF_CHECK(buffer.size() >= at_);
  const auto end = std::min(buffer.size(), max_bytes_);
  while (at_ < end) {
    at_ += span_of(buffer.substr(at_, end - at_), kValueChar);
    if (at_ == end) break;
    const char c = buffer[at_];
    if (c == '\n') return finish(0, Refusal::bad_line_end);
    if (c != '\r') return finish(0, Refusal::bad_byte);
    if (at_ + 1 >= end) break;  // its LF may still come, or lies beyond the limit
    if (buffer[at_ + 1] != '\n') return finish(0, Refusal::bad_line_end);
    const bool empty = at_ == line_start_;
    at_ += 2;
    const bool leading = empty && line_start_ == 0;
    line_start_ = at_;
    if (leading) continue;
    if (empty) return finish(at_, Refusal::none);
    if (++lines_ > max_fields_ + 1) return finish(0, Refusal::head_too_large);
  }
  if (buffer.size() >= max_bytes_) return finish(0, Refusal::head_too_large);
  return {};
}

ParsedRequest parse_request(std::string_view head_bytes, HeadLimits limits) {
  ParsedRequest out;
  out.refusal = parse_request_into(head_bytes, limits, out);
  if (out.refusal != Refusal::none) {
    out.framing = {};
    out.expect_continue = false;
  }
  return out;
}

ParsedResponse parse_response(std::string_view head_bytes, std::string_view request_method,
                              HeadLimits limits) {
  ParsedResponse out;
  std::string_view line;
  if (!take_line(head_bytes, line)) {
    out.refusal = Refusal::bad_status_line;
    return out;
  }
  FieldNotes notes;
  out.refusal = parse_status_line(line, out.head);
  if (out.refusal == Refusal::none) {
    out.refusal = parse_field_lines(head_bytes, limits, out.head.fields, notes);
  }
  if (out.refusal == Refusal::none) out.refusal = frame_response(notes, request_method, out);
  if (out.refusal != Refusal::none) out.keep_alive = false;
  return out;
}

int peek_status(std::string_view buffer) {
  std::string_view line;
  ResponseHead head;
  if (!take_line(buffer, line) || parse_status_line(line, head) != Refusal::none) return 0;
  return head.status;
}

bool may_be_status_line(std::string_view buffer) {
  constexpr std::string_view kStart = "HTTP/1.";
  const auto common = std::min(buffer.size(), kStart.size());
  return buffer.substr(0, common) == kStart.substr(0, common);
}

}  // namespace hf::http1
