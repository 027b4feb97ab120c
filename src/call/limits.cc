#include "call/limits.h"

namespace hf::call {

std::string_view to_string(LimitPart::Kind kind) {
  switch (kind) {
    case LimitPart::Kind::address:
      return "address";
    case LimitPart::Kind::header:
      return "header";
    case LimitPart::Kind::cookie:
      return "cookie";
    case LimitPart::Kind::claim:
      return "claim";
    case LimitPart::Kind::path:
      return "path";
    case LimitPart::Kind::body:
      return "body";
    case LimitPart::Kind::form:
      return "form";
  }
  return "?";
}

std::string_view to_string(LimitMode mode) {
  return mode == LimitMode::enforce ? "enforce" : "observe";
}

std::string_view to_string(WhenFull what) {
  return what == WhenFull::admit ? "admit" : "refuse";
}

}  // namespace hf::call
