// The addresses of an upstream for operators: its URLs, where there are several, and what their
// names stand for.
#pragma once

#include <string>

#include "control/facts.h"
#include "engine/stats.h"

namespace hf::control {

// A JSON array: {"url", "address", "state", ...}; `address` is null for the URL as a whole.
std::string addresses_json(const std::string& upstream, const engine::UpstreamStats& stats,
                           const OutgoingFacts& outgoing);

}  // namespace hf::control
