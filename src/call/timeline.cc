#include "call/timeline.h"

namespace hf::call {

std::string_view to_string(Happening what) {
  switch (what) {
    case Happening::accepted:
      return "accepted";
    case Happening::attempt_started:
      return "attempt_started";
    case Happening::attempt_ended:
      return "attempt_ended";
    case Happening::held:
      return "held";
    case Happening::answered:
      return "answered";
    case Happening::became_unknown:
      return "unknown";
    case Happening::died:
      return "dead";
    case Happening::cancelled:
      return "cancelled";
    case Happening::joined:
      return "joined";
    case Happening::resumed:
      return "resumed";
    case Happening::revived:
      return "revived";
    case Happening::opened:
      return "open";
    case Happening::recovered:
      return "recovered";
    case Happening::operator_retry:
      return "operator_retry";
    case Happening::operator_cancel:
      return "operator_cancel";
    case Happening::operator_resolve:
      return "operator_resolve";
    case Happening::cancel_asked:
      return "cancel_asked";
    case Happening::set_aside:
      return "set_aside";
    case Happening::waiting:
      return "waiting";
    case Happening::verify_started:
      return "verify_started";
    case Happening::looked_up:
      return "looked_up";
    case Happening::replayed:
      return "replayed";
    case Happening::key_mismatch:
      return "key_mismatch";
    case Happening::stranger_refused:
      return "stranger_refused";
    case Happening::resembles:
      return "resembles";
    case Happening::callback_made:
      return "callback_made";
  }
  return "?";
}

std::string_view to_string(Actor who) {
  switch (who) {
    case Actor::holdfast:
      return "holdfast";
    case Actor::client:
      return "client";
    case Actor::operator_person:
      return "operator";
    case Actor::upstream:
      return "upstream";
  }
  return "?";
}

}  // namespace hf::call
