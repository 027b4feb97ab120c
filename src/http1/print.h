// For tests only: how GoogleTest and RapidCheck show the types of http1.
#pragma once

#include <ostream>

#include "http1/head.h"

namespace hf::http1 {

inline void PrintTo(Refusal refusal, std::ostream* out) {
  *out << to_string(refusal);
}
inline void PrintTo(const BodyFraming& framing, std::ostream* out) {
  *out << "kind " << static_cast<int>(framing.kind) << " length " << framing.length;
}

}  // namespace hf::http1
