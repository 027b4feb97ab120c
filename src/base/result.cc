#include "base/result.h"

namespace hf {

std::string_view to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid:
      return "invalid";
    case ErrorKind::not_found:
      return "not found";
    case ErrorKind::unavailable:
      return "unavailable";
    case ErrorKind::corrupt:
      return "corrupt";
    case ErrorKind::full:
      return "full";
    case ErrorKind::closed:
      return "closed";
    case ErrorKind::timeout:
      return "timeout";
  }
  return "?";
}

}  // namespace hf
