#include "call/attempt.h"

namespace hf::call {

std::string_view to_string(Evidence evidence) {
  switch (evidence) {
    case Evidence::nothing_sent:
      return "nothing_sent";
    case Evidence::sent:
      return "sent";
    case Evidence::answer_begun:
      return "answer_begun";
    case Evidence::answer_complete:
      return "answer_complete";
  }
  return "?";
}

std::string_view to_string(Proof proof) {
  switch (proof) {
    case Proof::none:
      return "none";
    case Proof::no_byte:
      return "no_byte";
    case Proof::refused_status:
      return "refused_status";
    case Proof::verify_absent:
      return "verify_absent";
    case Proof::operator_word:
      return "operator";
    case Proof::stream_refused:
      return "stream_refused";
    case Proof::goaway_unprocessed:
      return "goaway_unprocessed";
  }
  return "?";
}

std::string_view to_string(Cause cause) {
  switch (cause) {
    case Cause::none:
      return "none";
    case Cause::dns:
      return "dns";
    case Cause::connect_refused:
      return "connect_refused";
    case Cause::connect_timeout:
      return "connect_timeout";
    case Cause::connect_failed:
      return "connect_failed";
    case Cause::tls:
      return "tls";
    case Cause::reset:
      return "reset";
    case Cause::closed:
      return "closed";
    case Cause::head_timeout:
      return "head_timeout";
    case Cause::idle_timeout:
      return "idle_timeout";
    case Cause::invalid_answer:
      return "invalid_answer";
    case Cause::crash:
      return "crash";
    case Cause::cancelled:
      return "cancelled";
    case Cause::client_body:
      return "client_body";
    case Cause::no_address:
      return "no_address";
    case Cause::address_refused:
      return "address_refused";
    case Cause::proxy_unreachable:
      return "proxy_unreachable";
    case Cause::proxy_refused:
      return "proxy_refused";
    case Cause::proxy_credentials:
      return "proxy_credentials";
    case Cause::proxy_failed:
      return "proxy_failed";
  }
  return "?";
}

}  // namespace hf::call
