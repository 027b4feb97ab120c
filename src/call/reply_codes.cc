// What each code of DESIGN section 3 is: its name, status, title, SDK error type and Proxy-Status.
#include <array>

#include "base/check.h"
#include "call/reply.h"

namespace hf::call {
namespace {

struct CodeRow {
  Code code;
  int status;
  std::string_view name;
  std::string_view title;
  std::string_view proxy_error;  // an error type registered by RFC 9209 section 2.3
};

constexpr std::string_view kClientError = "http_request_error";
constexpr std::string_view kOwnAnswer = "proxy_internal_response";

// In the order of the enum: row() checks it.
constexpr std::array kRows{
    CodeRow{Code::key_missing, 400, "key-missing",
            "This route needs an idempotency key, and the request carries none.", kClientError},
    CodeRow{Code::key_invalid, 400, "key-invalid",
            "The idempotency key of the request cannot be used.", kClientError},
    CodeRow{Code::bad_request, 400, "bad-request", "The request is malformed.", kClientError},
    CodeRow{Code::not_supported, 400, "not-supported",
            "The request asks for something that is not supported.", kClientError},
    CodeRow{Code::signature_refused, 401, "signature-refused",
            "The request's signature is not accepted.", kClientError},
    CodeRow{Code::blocked, 403, "blocked", "Requests of this client are not accepted.",
            kClientError},
    CodeRow{Code::no_route, 404, "no-route", "No route is configured for this request.",
            "destination_not_found"},
    CodeRow{Code::no_such_call, 404, "no-such-call", "There is no such call.", kOwnAnswer},
    CodeRow{Code::in_progress, 409, "in-progress",
            "An earlier request with the same key is still being worked on.", kOwnAnswer},
    CodeRow{Code::outcome_unknown, 409, "outcome-unknown",
            "The call may or may not have taken effect, and nothing has settled it.", kOwnAnswer},
    CodeRow{Code::outcome_applied, 409, "outcome-applied", "The call has already taken effect.",
            kOwnAnswer},
    CodeRow{Code::answer_not_kept, 409, "answer-not-kept",
            "The call was answered, and the answer's body is not stored.", kOwnAnswer},
    CodeRow{Code::dead, 409, "dead", "The call was given up; it has not taken effect.", kOwnAnswer},
    CodeRow{Code::cancelled, 409, "cancelled", "The call was cancelled; it has not taken effect.",
            kOwnAnswer},
    CodeRow{Code::already_ended, 409, "already-ended", "The call has already ended.", kOwnAnswer},
    CodeRow{Code::key_expired, 409, "key-expired",
            "The key was used by a call of which only the verdict is left.", kOwnAnswer},
    CodeRow{Code::key_owned_by_another, 409, "key-owned-by-another",
            "The key is in use by another client.", kOwnAnswer},
    CodeRow{Code::body_too_large, 413, "body-too-large",
            "The request's body is larger than this route allows.", kClientError},
    CodeRow{Code::expectation_failed, 417, "expectation-failed",
            "The request carries an expectation that cannot be met.", kClientError},
    CodeRow{Code::key_reused, 422, "key-reused",
            "The key was used before with a different request.", kClientError},
    CodeRow{Code::limited, 429, "limited", "A limit for this upstream is reached.", kClientError},
    CodeRow{Code::paused, 429, "paused", "The upstream asked for a pause.", kClientError},
    CodeRow{Code::quota_exceeded, 429, "quota-exceeded",
            "The client has asked for more than its share.", kClientError},
    CodeRow{Code::banned, 429, "banned",
            "The client has gone beyond its share again and again, and is shut out for a while.",
            kClientError},
    CodeRow{Code::head_too_large, 431, "head-too-large",
            "The request's head is larger than this route allows.", kClientError},
    CodeRow{Code::unreachable, 502, "unreachable", "The upstream could not be reached.",
            "destination_unavailable"},
    CodeRow{Code::connection_lost, 502, "connection-lost",
            "The connection to the upstream was lost before a complete answer.",
            "connection_terminated"},
    CodeRow{Code::invalid_answer, 502, "invalid-answer", "The upstream's answer is not valid HTTP.",
            "http_protocol_error"},
    CodeRow{Code::held, 503, "held",
            "The call is held and will be delivered later; ask again with the same key.",
            kOwnAnswer},
    CodeRow{Code::breaker_open, 503, "breaker-open",
            "The upstream has been failing and is not being called for now.",
            "destination_unavailable"},
    CodeRow{Code::overloaded, 503, "overloaded", "Holdfast is at one of its own limits.",
            kOwnAnswer},
    CodeRow{Code::journal_unavailable, 503, "journal-unavailable",
            "The journal cannot be written now.", "proxy_internal_error"},
    CodeRow{Code::draining, 503, "draining", "Holdfast is shutting down.", kOwnAnswer},
    CodeRow{Code::timeout, 504, "timeout", "The upstream did not answer in time.",
            "http_response_timeout"},
    CodeRow{Code::deadline, 504, "deadline", "The call's deadline has passed.",
            "http_response_timeout"},
    CodeRow{Code::loop, 508, "loop", "The request came through Holdfast too many times.",
            "proxy_loop_detected"},
};

const CodeRow& row(Code code) {
  const auto index = static_cast<std::size_t>(code);
  HF_CHECK(index < kRows.size() && kRows[index].code == code);
  return kRows[index];
}

}  // namespace

std::string_view to_string(Code code) {
  return row(code).name;
}
int status_of(Code code) {
  return row(code).status;
}
std::string_view title_of(Code code) {
  return row(code).title;
}
std::string_view proxy_error_of(Code code) {
  return row(code).proxy_error;
}

std::string type_of(Code code) {
  constexpr std::string_view kRegistered = "https://iana.org/assignments/http-problem-types#";
  switch (code) {
    case Code::quota_exceeded:
      return std::string(kRegistered) + "quota-exceeded";
    case Code::banned:
      return std::string(kRegistered) + "abnormal-usage-detected";
    default:
      return "urn:holdfast:problem:" + std::string(to_string(code));
  }
}

std::string_view error_type_of(Code code) {
  switch (code) {
    case Code::key_missing:
    case Code::key_invalid:
    case Code::key_expired:
    case Code::key_owned_by_another:
    case Code::key_reused:
      return "idempotency_error";
    default:
      break;
  }
  const int status = status_of(code);
  if (status == 429) return "rate_limit_error";
  return status < 500 ? "invalid_request_error" : "api_error";
}

std::string_view proxy_error_of(Cause cause) {
  switch (cause) {
    case Cause::none:
      return {};
    case Cause::dns:
    case Cause::no_address:
      return "dns_error";
    case Cause::address_refused:
      return "destination_ip_prohibited";
    case Cause::connect_refused:
      return "connection_refused";
    case Cause::connect_timeout:
      return "connection_timeout";
    case Cause::connect_failed:
    case Cause::proxy_unreachable:
    case Cause::proxy_refused:
      return "destination_unavailable";
    case Cause::proxy_credentials:
      return "proxy_configuration_error";
    case Cause::tls:
      return "tls_protocol_error";
    case Cause::reset:
    case Cause::closed:
      return "connection_terminated";
    case Cause::head_timeout:
      return "http_response_timeout";
    case Cause::idle_timeout:
      return "connection_read_timeout";
    case Cause::invalid_answer:
    case Cause::proxy_failed:
      return "http_protocol_error";
    case Cause::crash:
      return "proxy_internal_error";
    case Cause::cancelled:
    case Cause::client_body:
      return "proxy_internal_response";
  }
  return {};
}

std::string_view detail_of(Cause cause) {
  switch (cause) {
    case Cause::proxy_unreachable:
      return "The proxy on the way could not be reached; nothing of this attempt was sent.";
    case Cause::proxy_refused:
      return "The proxy on the way refused to connect; nothing of this attempt was sent.";
    case Cause::proxy_credentials:
      return "The proxy on the way does not take our credentials (407); nothing of this attempt "
             "was sent.";
    case Cause::proxy_failed:
      return "The proxy on the way gave no usable answer; nothing of this attempt was sent.";
    default:
      return {};
  }
}

}  // namespace hf::call
